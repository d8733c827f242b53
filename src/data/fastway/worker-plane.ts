/**
 * The fastway plane on its workers: has them listen, knows which of them has which endpoint, and keeps
 * the promise that everybody who was told of gets exactly one end, also where a worker dies.
 */
import { openLibc } from "../../../ffi/libc/mod.ts";
import type { Config } from "../../config/schema.ts";
import { banChange } from "../ban-change.ts";
import { newPulses } from "../pulse.ts";
import { newRateMemory } from "../rate-row.ts";
import { sharedClockOffset } from "../shared-clock.ts";
import type { ThreadAnswer, ThreadProbe } from "../thread-probe.ts";
import type { SharedMemory, WorkerReport } from "../worker-protocol.ts";
import { haveTurned, type WorkerRules, WorkerSeat } from "../worker-seat.ts";
import { CommonMemory } from "./bridge/memory.ts";
import {
  newFastwayCounters,
  noTotals,
  readCounters,
  readTotals,
  type WorkerTotals,
} from "./counters.ts";
import {
  type FastwayListener,
  type FastwayPlane,
  type FastwayPorts,
  type FastwaySnapshot,
} from "./plane.ts";
import type {
  EndpointCounters,
  FastwayListen,
  FastwayOrder,
  FastwayReport,
  FastwaySide,
} from "./protocol.ts";
import { type PlacedListener, SeatListeners } from "./seat-listeners.ts";
import { fastwaySettings } from "./settings.ts";

/** One worker's place, and what is known of who is in it. */
interface Seat {
  readonly seat: WorkerSeat;
  readonly memory: SharedMemory;
  readonly counters: Float64Array;
  /** Endpoints that have been told of, with the rows of their counters. */
  readonly endpoints: Map<number, number>;
  readonly listeners: SeatListeners;
}

export class WorkerFastwayPlane implements FastwayPlane, WorkerRules {
  readonly #listener: FastwayListener;
  readonly #seats: Seat[] = [];
  readonly #generations = new Int32Array(new SharedArrayBuffer(4));
  /** What every worker listens on, ports as the kernel gave them. */
  readonly #listens: PlacedListener[] = [];
  /** Which worker has an endpoint. */
  readonly #of = new Map<number, Seat>();
  /** What the workers share; null where there is only one. */
  #common: CommonMemory | null = null;
  /** Counted by workers that have died. */
  readonly #before: WorkerTotals = noTotals();
  #config: Config;
  #settings: object = {};
  #bans: ReadonlySet<string> = new Set();
  #is_serving = true;
  #replaced = 0;
  #closing: Promise<void> | null = null;

  constructor(options: { config: Config; listener: FastwayListener }) {
    this.#config = options.config;
    this.#listener = options.listener;
  }

  async start(): Promise<FastwayPorts> {
    const section = this.#config.fastway!;
    const workers = this.#workers;
    this.#settings = fastwaySettings(this.#config, { workers });
    const libc = openLibc();
    const clock_offset_ms = sharedClockOffset(libc);
    const pulses = newPulses(workers);
    const rates = newRateMemory({ keys: 1, workers: 1 });
    const { clients_max, servers_max } = section;
    const common = workers > 1
      ? new CommonMemory({ libc, workers, clients_max, servers_max })
      : null;
    this.#common = common;
    for (let seat = 0; seat < workers; seat++) {
      const counters = newFastwayCounters(clients_max + servers_max);
      const memory: SharedMemory = {
        counters: new Float64Array(0),
        pulses,
        rates,
        fastway: {
          counters,
          generations: this.#generations,
          bridge: common && common.forWorker(seat),
        },
      };
      const place = { seat, rates_seat: 0, rates_seats: 1 };
      const owner = {
        heard: (report: WorkerReport) => this.#heard(of, report),
        lost: (_: WorkerSeat, error: string) => this.#lost(of, error),
        stillLost: (error: string) => this.#listener({ type: "failed", error }),
      };
      const of: Seat = {
        seat: new WorkerSeat({
          worker: "fastway",
          libc,
          memory,
          place,
          clock_offset_ms,
          rules: this,
          owner,
        }),
        memory,
        counters,
        endpoints: new Map(),
        listeners: new SeatListeners({
          send: (order) => of.seat.send({ type: "fastway", order }),
          failed: (error) => this.#listener({ type: "failed", error }),
        }),
      };
      this.#seats.push(of);
    }
    await Promise.all(this.#seats.map(({ seat }) => seat.start()));
    const { ClientAddr, ServerAddr, ReusePort: reuse_port } = section;
    const client = await this.#openAll("client", { kind: "tcp", ...ClientAddr, reuse_port });
    const server = await this.#openAll("server", { kind: "tcp", ...ServerAddr, reuse_port });
    return { client, server };
  }

  async openDoor(side: FastwaySide, path: string): Promise<void> {
    await this.#openAll(side, { kind: "door", path });
  }

  get settings(): object {
    return this.#settings;
  }

  get bans(): ReadonlySet<string> {
    return this.#bans;
  }

  setServing(is_serving: boolean): void {
    this.#is_serving = is_serving;
    this.#tellAll({ type: "serving", is_serving });
  }

  admit(endpoint: number): void {
    this.#tell(endpoint, { type: "admit", endpoint });
  }

  end(endpoint: number, reason: string): void {
    this.#tell(endpoint, { type: "end", endpoint, reason });
  }

  closeVirtual(): void {
    this.#tellAll({ type: "close_virtual" });
  }

  counters(endpoint: number): EndpointCounters | null {
    const of = this.#of.get(endpoint);
    return of ? readCounters(of.counters, of.endpoints.get(endpoint)!) : null;
  }

  totals(): WorkerTotals {
    const totals = { ...this.#before };
    for (const { counters } of this.#seats) add(totals, readTotals(counters));
    return totals;
  }

  setBans(networks: readonly string[]): void {
    const { bans, added, removed } = banChange(this.#bans, networks);
    this.#bans = bans;
    if (added.length + removed.length === 0) return;
    for (const { seat } of this.#seats) seat.tell({ type: "bans", added, removed });
  }

  apply(config: Config): void {
    this.#config = config;
    // Not started yet: it will start with these.
    if (this.#seats.length === 0) return;
    this.#settings = fastwaySettings(config, { workers: this.#seats.length });
    for (const { seat } of this.#seats) seat.tell({ type: "settings", settings: this.settings });
  }

  snapshot(): FastwaySnapshot {
    return {
      workers: this.#seats.length,
      workers_replaced: this.#replaced,
      loop_lag_ms: this.#seats.map(({ seat }) => seat.loopLag()),
    };
  }

  async beat(within_ms: number): Promise<boolean> {
    if (this.#closing) return true;
    if (this.#seats.length === 0) return false;
    const turned = await haveTurned(this.#seats.map(({ seat }) => seat), within_ms);
    return turned || this.#closing !== null;
  }

  async probe(probe: ThreadProbe): Promise<ThreadAnswer[]> {
    const answers = await Promise.all(this.#seats.map(({ seat }) => seat.probe(probe)));
    return answers.filter((answer) => answer !== null);
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** Several on the same ports need sockets that may share one. */
  get #workers(): number {
    const { fastway, gateway } = this.#config;
    return fastway!.ReusePort ? gateway.tcp_workers : 1;
  }

  async #close(): Promise<void> {
    for (const { listeners } of this.#seats) listeners.close();
    await Promise.all(this.#seats.map(({ seat }) => seat.close()));
    this.#common?.close();
  }

  /** Has every worker listen; the first one finds the port where any will do. */
  async #openAll(side: FastwaySide, at: FastwayListen): Promise<number> {
    let port = 0;
    let where = at;
    for (const of of this.#seats) {
      if (!listens(of, at)) continue;
      port = await of.listeners.open({ side, at: where });
      if (where.kind === "tcp") where = { ...where, port };
    }
    this.#listens.push({ side, at: where });
    return port;
  }

  #heard(of: Seat, report: WorkerReport): void {
    if (report.type === "fastway") this.#hear(of, report.event);
  }

  #hear(of: Seat, event: FastwayReport): void {
    switch (event.type) {
      case "listening":
      case "listen_failed":
        return of.listeners.hear(event);
      case "endpoint":
      case "token":
        of.endpoints.set(event.facts.endpoint, event.facts.row);
        this.#of.set(event.facts.endpoint, of);
        break;
      case "endpoint_over":
        of.endpoints.delete(event.endpoint);
        this.#of.delete(event.endpoint);
        break;
    }
    this.#listener(event);
  }

  #lost(of: Seat, error: string): void {
    this.#replaced++;
    this.#renewCommon(of);
    for (const [endpoint, row] of of.endpoints) {
      this.#of.delete(endpoint);
      const counters = { ...readCounters(of.counters, row), ...NOTHING_NOW };
      this.#listener({
        type: "endpoint_over",
        endpoint,
        reason: "plane_failed",
        detail: "",
        counters,
      });
    }
    of.endpoints.clear();
    add(this.#before, { ...readTotals(of.counters), ...NOTHING_HELD });
    of.counters.fill(0);
    of.listeners.lost();
    this.#listener({ type: "failed", error });
    void of.seat.ready.then(() => this.#resume(of));
  }

  /** Another worker has taken the place. */
  #resume(of: Seat): void {
    const order: FastwayOrder = { type: "serving", is_serving: this.#is_serving };
    of.seat.send({ type: "fastway", order });
    // Others may have been replaced since it was started.
    for (const other of this.#seats) if (other !== of) this.#relink(of, other);
    of.listeners.resume(this.#listens.filter(({ at }) => listens(of, at)));
  }

  /** What the worker that has died shared with the others is made anew for the next one. */
  #renewCommon(of: Seat): void {
    const common = this.#common;
    if (common === null) return;
    common.renew(of.seat.place.seat);
    for (const one of this.#seats) {
      one.memory.fastway!.bridge = common.forWorker(one.seat.place.seat);
      if (one !== of) this.#relink(one, of);
    }
  }

  #relink(of: Seat, other: Seat): void {
    if (this.#common === null) return;
    const relinked = this.#common.relinked(of.seat.place.seat, other.seat.place.seat);
    of.seat.tell({ type: "fastway", order: { type: "relink", relinked } });
  }

  #tell(endpoint: number, order: FastwayOrder): void {
    this.#of.get(endpoint)?.seat.tell({ type: "fastway", order });
  }

  #tellAll(order: FastwayOrder): void {
    for (const { seat } of this.#seats) seat.tell({ type: "fastway", order });
  }
}

/** A Unix socket has one listener; what comes by it meets everybody from there. */
function listens({ seat }: Seat, { kind }: FastwayListen): boolean {
  return kind === "tcp" || seat.place.seat === 0;
}

/** What nobody has any more whose worker has died. */
const NOTHING_NOW = { virtual: 0, queue_messages: 0, queue_bytes: 0 };
const NOTHING_HELD = { virtual: 0, pool_bytes: 0, pool_used_bytes: 0 };

function add(totals: WorkerTotals, more: WorkerTotals): void {
  for (const name of Object.keys(totals) as (keyof WorkerTotals)[]) totals[name] += more[name];
}
