/** The fastway plane without a network: the test says who comes and goes, and what is carried. */
import type { Config } from "../../../../src/config/schema.ts";
import type { WorkerTotals } from "../../../../src/data/fastway/counters.ts";
import type {
  FastwayListener,
  FastwayPlane,
  FastwayPorts,
  FastwaySnapshot,
} from "../../../../src/data/fastway/plane.ts";
import type {
  EndpointCounters,
  EndpointFacts,
  EndpointOver,
  FastwayRefusal,
  FastwaySide,
} from "../../../../src/data/fastway/protocol.ts";
import { EventList } from "../../sessions/events.ts";

const NOTHING: EndpointCounters = {
  bytes_in: 0,
  bytes_out: 0,
  messages_in: 0,
  messages_out: 0,
  virtual: 0,
  queue_messages: 0,
  queue_bytes: 0,
};

export class FakeFastwayPlane implements FastwayPlane {
  /** Set before the start, it is what the start fails with. */
  broken: Error | null = null;
  /** Each time that they were set. */
  readonly bans = new EventList<readonly string[]>();
  is_serving = true;
  closed = false;
  /** The configurations that it has been told to live by. */
  readonly applied: Config[] = [];
  /** Who was told to end, and why, in order. */
  readonly ended: [endpoint: number, reason: string][] = [];
  readonly admitted: number[] = [];
  loop_lag_ms: (number | null)[] = [0.5];
  readonly numbers: WorkerTotals = {
    virtual: 0,
    virtual_total: 0,
    refused_unknown: 0,
    refused_limit: 0,
    refused_draining: 0,
    unknown_total: 0,
    pool_bytes: 0,
    pool_used_bytes: 0,
  };
  readonly #listener: FastwayListener;
  readonly #there = new Map<number, { facts: EndpointFacts; counters: EndpointCounters }>();
  readonly #candidates = new Map<number, EndpointFacts>();
  #next = 1;

  constructor(listener: FastwayListener) {
    this.#listener = listener;
  }

  start(): Promise<FastwayPorts> {
    if (this.broken !== null) return Promise.reject(this.broken);
    return Promise.resolve({ client: 8880, server: 8881 });
  }

  openDoor(): Promise<void> {
    return Promise.resolve();
  }

  setServing(is_serving: boolean): void {
    this.is_serving = is_serving;
  }

  admit(endpoint: number): void {
    this.admitted.push(endpoint);
    const facts = this.#candidates.get(endpoint);
    if (facts === undefined) return;
    this.#candidates.delete(endpoint);
    this.#take(facts);
  }

  end(endpoint: number, reason: string): void {
    this.ended.push([endpoint, reason]);
    // A worker's answer never comes before its order has been given.
    queueMicrotask(() => this.over(endpoint, "ended", reason));
  }

  closeVirtual(): void {
    this.numbers.virtual = 0;
  }

  counters(endpoint: number): EndpointCounters | null {
    return this.#there.get(endpoint)?.counters ?? null;
  }

  totals(): WorkerTotals {
    return { ...this.numbers };
  }

  setBans(networks: readonly string[]): void {
    this.bans.push(networks);
  }

  apply(config: Config): void {
    this.applied.push(config);
  }

  snapshot(): FastwaySnapshot {
    return { workers: this.loop_lag_ms.length, workers_replaced: 0, loop_lag_ms: this.loop_lag_ms };
  }

  probe(): Promise<never[]> {
    return Promise.resolve([]);
  }

  beat(): Promise<boolean> {
    return Promise.resolve(this.loop_lag_ms.every((lag) => lag !== null));
  }

  close(): Promise<void> {
    for (const endpoint of [...this.#there.keys()]) this.over(endpoint, "ended", "released");
    this.closed = true;
    return Promise.resolve();
  }

  /** Somebody takes part from now on; answers its number. */
  come(side: FastwaySide, id: number, more: Partial<EndpointFacts> = {}): number {
    const facts = this.#facts(side, id, more);
    this.#take(facts);
    return facts.endpoint;
  }

  /** A client shows its token and waits. */
  show(token: string, more: Partial<EndpointFacts> = {}): number {
    const facts = this.#facts("client", this.#next, more);
    this.#candidates.set(facts.endpoint, facts);
    this.#listener({ type: "token", facts, token });
    return facts.endpoint;
  }

  carry(endpoint: number, counters: Partial<EndpointCounters>): void {
    const there = this.#there.get(endpoint);
    if (there === undefined) throw new Error(`no endpoint ${endpoint}`);
    there.counters = { ...there.counters, ...counters };
  }

  over(endpoint: number, reason: EndpointOver, detail = ""): void {
    const there = this.#there.get(endpoint);
    if (!this.#there.delete(endpoint) && !this.#candidates.delete(endpoint)) return;
    const counters = there?.counters ?? NOTHING;
    this.#listener({ type: "endpoint_over", endpoint, reason, detail, counters });
  }

  refuse(side: FastwaySide, status: FastwayRefusal, remote = "192.0.2.9:999"): void {
    this.#listener({ type: "refused", side, status, detail: "a detail", remote });
  }

  lose(endpoint: number): void {
    this.#listener({ type: "away", endpoint });
  }

  restore(endpoint: number, remote: string, address: string): void {
    this.#listener({ type: "back", endpoint, remote, address });
  }

  shed(side: FastwaySide, limit: "clients_max" | "unproven_max" | "banned", count: number): void {
    this.#listener({ type: "shed", side, limit, count, remote: "192.0.2.9:999" });
  }

  fail(error: string): void {
    for (const endpoint of [...this.#there.keys()]) this.over(endpoint, "plane_failed");
    this.#listener({ type: "failed", error });
  }

  #facts(side: FastwaySide, id: number, more: Partial<EndpointFacts>): EndpointFacts {
    const endpoint = this.#next++;
    const address = more.address ?? "192.0.2.1";
    const remote = `${address}:${10_000 + endpoint}`;
    return { endpoint, side, id, remote, address, transport: "tcp", row: endpoint, ...more };
  }

  #take(facts: EndpointFacts): void {
    this.#there.set(facts.endpoint, { facts, counters: { ...NOTHING } });
    this.#listener({ type: "endpoint", facts });
  }
}
