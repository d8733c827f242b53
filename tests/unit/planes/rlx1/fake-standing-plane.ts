/** Standing ports without a network: the test says who comes and goes. */
import { type PlaneSnapshot, PortOpenError } from "../../../../src/data/plane.ts";
import type {
  StandingCounters,
  StandingEnd,
  StandingListener,
  StandingOver,
  StandingPlane,
  StandingRole,
  StandingSettings,
} from "../../../../src/data/standing.ts";

interface Port {
  settings: StandingSettings;
  be: StandingEnd | null;
  fe: StandingEnd | null;
  total: StandingCounters;
  /** The total when the session began. */
  before: StandingCounters;
}

export class FakeStandingPlane implements StandingPlane {
  readonly ports = new Map<number, Port>();
  /** Ports another program has. */
  readonly taken = new Set<number>();
  bans: readonly string[] = [];
  readonly #listener: StandingListener;
  #ends = 0;

  constructor(listener: StandingListener) {
    this.#listener = listener;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  // deno-lint-ignore require-await -- a rejection is what the caller expects, and not a throw
  async openStanding(port: number, settings: StandingSettings): Promise<void> {
    if (this.taken.has(port)) throw new PortOpenError(port, "EADDRINUSE", `${port} is in use`);
    if (this.ports.has(port)) throw new Error(`port ${port} was opened twice`);
    const nothing = { bytes_up: 0, bytes_down: 0 };
    this.ports.set(port, { settings, be: null, fe: null, total: { ...nothing }, before: nothing });
  }

  closeStanding(port: number): void {
    if (!this.ports.has(port)) return;
    queueMicrotask(() => this.lose(port, "released"));
  }

  stopSession(port: number, reason: string): void {
    if (this.ports.get(port)?.fe === null) return;
    this.over(port, "released", null, { detail: reason, be_stays: false });
  }

  dropWaiting(port: number): void {
    const open = this.ports.get(port);
    if (open?.be && open.fe === null) this.leave(port);
  }

  counters(port: number): StandingCounters | null {
    return this.ports.get(port)?.total ?? null;
  }

  apply(): void {}

  setBans(networks: readonly string[]): void {
    this.bans = networks;
  }

  snapshot(): PlaneSnapshot {
    return {
      kind: "zmq",
      workers: 1,
      workers_replaced: 0,
      ports_open: this.ports.size,
      loop_lag_ms: [0],
    };
  }

  beat(): Promise<boolean> {
    return Promise.resolve(true);
  }

  probe(): Promise<never[]> {
    return Promise.resolve([]);
  }

  close(): Promise<void> {
    for (const port of [...this.ports.keys()]) this.lose(port, "released");
    return Promise.resolve();
  }

  /** A back end comes and waits. */
  wait(port: number, id = "be"): void {
    this.#of(port).be = this.#end(id);
    this.#tell(port);
  }

  /** A front end comes to the back end that waits. */
  pair(port: number, id = "fe"): void {
    const open = this.#of(port);
    open.fe = this.#end(id);
    open.before = { ...open.total };
    this.#tell(port);
  }

  carry(port: number, up: number, down: number): void {
    const { total } = this.#of(port);
    total.bytes_up += up;
    total.bytes_down += down;
  }

  /** The back end that waits leaves. */
  leave(port: number): void {
    this.#of(port).be = null;
    this.#tell(port);
  }

  over(
    port: number,
    reason: StandingOver,
    by: StandingRole | null,
    { detail = "", be_stays = true } = {},
  ): void {
    const open = this.#of(port);
    const { be, fe, total, before } = open;
    this.#listener({
      type: "standing_over",
      port,
      reason,
      by,
      be,
      fe,
      bytes_up: total.bytes_up - before.bytes_up,
      bytes_down: total.bytes_down - before.bytes_down,
      detail,
    });
    open.fe = null;
    if (!be_stays) open.be = null;
    this.#tell(port);
  }

  reject(port: number, status: "hello_error" | "no_server" | "port_occupied"): void {
    const remote = "192.0.2.1:1";
    this.#listener({ type: "rejected", port, status, detail: "as the test says", remote });
  }

  /** The worker dies. */
  die(): void {
    for (const port of [...this.ports.keys()]) this.lose(port, "plane_failed");
    this.#listener({ type: "failed", error: "the worker exited" });
  }

  lose(port: number, reason: "released" | "plane_failed"): void {
    const open = this.ports.get(port);
    if (open === undefined) return;
    if (open.fe !== null) this.over(port, reason, null, { be_stays: false });
    this.ports.delete(port);
    this.#listener({ type: "standing_closed", port, reason });
  }

  #tell(port: number): void {
    const { be, fe } = this.#of(port);
    const state = be === null ? "empty" : fe === null ? "ready" : "busy";
    this.#listener({ type: "standing", port, state, be, fe });
  }

  #end(id: string): StandingEnd {
    return { id, remote: `192.0.2.1:${++this.#ends}` };
  }

  #of(port: number): Port {
    const open = this.ports.get(port);
    if (open === undefined) throw new Error(`port ${port} is not open`);
    return open;
  }
}
