/**
 * A plane on one or more workers: hands each port to the worker that carries the fewest, keeps the
 * promise that every open port gets exactly one `closed`, and replaces a worker that dies.
 */
import { performance } from "node:perf_hooks";
import { clearTimeout, setTimeout } from "node:timers";
import { type Libc, openLibc } from "../../ffi/libc/mod.ts";
import { normalizeNetwork } from "../config/address-set.ts";
import type { Config } from "../config/schema.ts";
import type { WorkerName } from "../workers.ts";
import { newCounters, readRow } from "./counters.ts";
import {
  type ByteRate,
  type CloseReason,
  type Plane,
  type PlaneEvent,
  type PlaneKind,
  type PlaneListener,
  type PlaneSnapshot,
  type PortCounters,
  PortOpenError,
  type Reservation,
} from "./plane.ts";
import { RateBook, RateBookFull } from "./rate-book.ts";
import { HANGS_AFTER_MS, longestTurn, newPulses } from "./pulse.ts";
import { sharedClockOffset } from "./shared-clock.ts";
import { WorkerHost } from "./worker-host.ts";
import type { SharedMemory, WorkerReport } from "./worker-protocol.ts";

export interface WorkerPlaneOptions {
  kind: PlaneKind;
  worker: WorkerName;
  workers: number;
  config: Config;
  /** Asked for at the start, where it may open libraries, and for every new configuration. */
  settings: (config: Config) => object;
  listener: PlaneListener;
  /** Where the byte rates of all planes are; without it the plane has its own. */
  rates?: RateBook;
}

/** A port between `open()` and `closed`. */
interface OpenPort {
  session_id: string;
  seat: WorkerSeat;
  rate_rows: readonly number[];
  /** The worker has been told of it. */
  sent: boolean;
  /** Set while the worker has not answered yet. */
  pending: { resolve: () => void; reject: (error: PortOpenError) => void } | null;
}

/** A place for a worker; the worker in it may be replaced. */
interface WorkerSeat {
  /** From 0, among the plane's workers, and among those of all planes. */
  readonly number: number;
  readonly rates_seat: number;
  host: WorkerHost;
  /** Settles when the worker in it can take commands. */
  ready: Promise<void>;
  up: boolean;
  ports: number;
}

/** A worker that keeps dying is given this much rest, so that a broken machine is not set on fire. */
const REPLACE_AFTER_MS = 500;

const NO_ROWS: readonly number[] = Object.freeze([]);

/** What somebody waits for who asks a plane that is closing. */
const NEVER = new Promise<void>(() => {});

export class WorkerPlane implements Plane {
  readonly kind: PlaneKind;
  readonly #options: WorkerPlaneOptions;
  readonly #memory: SharedMemory;
  readonly #rates: RateBook;
  /** The places of the workers in the rows of byte rates. */
  readonly #rates_seats: readonly number[];
  readonly #ports = new Map<number, OpenPort>();
  readonly #seats: WorkerSeat[] = [];
  #libc!: Libc;
  #clock_offset_ms = 0;
  #config: Config;
  #settings: object = {};
  #replaced = 0;
  #closing: Promise<void> | null = null;
  #bans: ReadonlySet<string> = new Set();
  /** Cuts the rests of workers that are being replaced short, so that closing waits for none. */
  readonly #rests = new Set<() => void>();

  constructor(options: WorkerPlaneOptions) {
    this.kind = options.kind;
    this.#options = options;
    this.#config = options.config;
    const { workers, rates = new RateBook() } = options;
    this.#rates = rates;
    this.#rates_seats = Array.from({ length: workers }, () => rates.enlist());
    this.#memory = {
      counters: newCounters(),
      pulses: newPulses(workers),
      rates: rates.memory,
    };
  }

  async start(): Promise<void> {
    this.#libc = openLibc();
    this.#clock_offset_ms = sharedClockOffset(this.#libc);
    this.#settings = this.#options.settings(this.#config);
    for (let i = 0; i < this.#options.workers; i++) this.#seats.push(this.#newSeat(i));
    await Promise.all(this.#seats.map((seat) => seat.ready));
  }

  get encrypts_single_sessions(): boolean {
    return false;
  }

  publicPort(port: number): number {
    return port;
  }

  async open(reservation: Reservation): Promise<void> {
    const { rates = [], ...order } = reservation;
    const { port, session_id } = order;
    if (this.#ports.has(port)) throw new Error(`Port ${port} is open already`);
    if (this.#closing || this.#seats.length === 0) {
      throw new PortOpenError(port, "RELEASED", "the plane is not running");
    }
    const rate_rows = this.#takeRates(port, rates);
    const seat = this.#seats.reduce((best, one) => one.ports < best.ports ? one : best);
    seat.ports++;
    const opened = new Promise<void>((resolve, reject) =>
      this.#ports.set(port, {
        session_id,
        seat,
        rate_rows,
        sent: false,
        pending: { resolve, reject },
      })
    );
    const open = this.#ports.get(port)!;
    // Whoever waits for the worker below may be told of its death first.
    opened.catch(() => {});
    // A worker that is being replaced takes the command as soon as it is up.
    if (!seat.up) await Promise.race([seat.ready, opened]);
    open.sent = true;
    seat.host.send({ type: "open", reservation: { ...order, rate_rows } });
    await opened;
  }

  release(port: number): void {
    const open = this.#ports.get(port);
    if (!open) return;
    if (open.sent) open.seat.host.send({ type: "release", port });
    else this.#rejectPending(port, "released");
  }

  counters(port: number): PortCounters | null {
    return this.#ports.has(port) ? readRow(this.#memory.counters, port) : null;
  }

  setBans(networks: readonly string[]): void {
    const before = this.#bans;
    const bans = new Set(networks);
    const added = networks.filter((one) => !before.has(one));
    // A worker that cannot read one would die of it.
    const wrong = added.find((one) => normalizeNetwork(one) !== one);
    if (wrong !== undefined) throw new RangeError(`Cannot ban "${wrong}": no address or network`);
    const removed = [...before].filter((one) => !bans.has(one));
    this.#bans = bans;
    if (added.length + removed.length === 0) return;
    for (const seat of this.#seats) {
      // One that is not up yet is told of all of them when it is.
      if (seat.up) seat.host.send({ type: "bans", added, removed });
    }
  }

  check(_config: Config): void {
    // Whatever the schema allows can be had.
  }

  apply(config: Config): void {
    this.#config = config;
    // Not started yet: it will start with these.
    if (this.#seats.length === 0) return;
    this.#settings = this.#options.settings(config);
    for (const seat of this.#seats) {
      if (seat.up) seat.host.send({ type: "settings", settings: this.#settings });
    }
  }

  snapshot(): PlaneSnapshot {
    return {
      kind: this.kind,
      workers: this.#seats.length,
      workers_replaced: this.#replaced,
      ports_open: this.#ports.size,
      loop_lag_ms: this.#seats.map((seat) => this.#loopLag(seat)),
    };
  }

  async beat(within_ms: number): Promise<boolean> {
    if (this.#closing) return true;
    if (this.#seats.length === 0) return false;
    const turned = this.#seats.map(async (seat) => {
      await seat.ready;
      await seat.host.ping();
    });
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<false>((resolve) =>
      timer = setTimeout(() => resolve(false), within_ms)
    );
    const answer = await Promise.race([Promise.all(turned).then(() => true), late]);
    clearTimeout(timer);
    return answer || this.#closing !== null;
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    for (const end of this.#rests) end();
    await Promise.all(this.#seats.map((seat) => seat.host.close()));
    // What no worker was told of will never be open.
    for (const port of [...this.#ports.keys()]) this.#rejectPending(port, "released");
  }

  #loopLag({ number, host, up }: WorkerSeat): number | null {
    if (!up || host.silent_ms > HANGS_AFTER_MS) return null;
    return longestTurn(this.#memory.pulses, number, performance.now() + this.#clock_offset_ms);
  }

  #takeRates(port: number, rates: readonly ByteRate[]): readonly number[] {
    if (rates.length === 0) return NO_ROWS;
    try {
      return this.#rates.take(rates);
    } catch (error) {
      if (!(error instanceof RateBookFull)) throw error;
      throw new PortOpenError(port, "RATES_EXHAUSTED", error.message);
    }
  }

  #newSeat(number: number): WorkerSeat {
    const rates_seat = this.#rates_seats[number];
    const host = this.#newHost({ number, rates_seat }, () => seat);
    const seat: WorkerSeat = { number, rates_seat, host, ready: NEVER, up: false, ports: 0 };
    seat.ready = this.#bringUp(seat);
    return seat;
  }

  #newHost(
    { number, rates_seat }: Pick<WorkerSeat, "number" | "rates_seat">,
    seat: () => WorkerSeat,
  ): WorkerHost {
    return new WorkerHost({
      name: this.#options.worker,
      libc: this.#libc,
      settings: this.#settings,
      memory: this.#memory,
      place: { seat: number, rates_seat, rates_seats: this.#rates.workers },
      onReport: (report) => this.#hear(report),
      onFailure: (error) => this.#replace(seat(), error),
    });
  }

  async #bringUp(seat: WorkerSeat): Promise<void> {
    await seat.host.start();
    if (seat.host.settings !== this.#settings) {
      seat.host.send({ type: "settings", settings: this.#settings });
    }
    if (this.#bans.size > 0) seat.host.send({ type: "bans", added: [...this.#bans], removed: [] });
    seat.up = true;
  }

  #hear(report: WorkerReport): void {
    if (report.type === "event") {
      const { event } = report;
      if (event.type === "closed" && this.#rejectPending(event.port, event.reason)) return;
      this.#options.listener(event);
    } else if (report.type === "opened") {
      const open = this.#ports.get(report.port);
      open?.pending?.resolve();
      if (open) open.pending = null;
    } else if (report.type === "open_failed") {
      const { port, code, message } = report;
      this.#forget(port)?.pending?.reject(new PortOpenError(port, code, message));
    }
  }

  /** Forgets the port; true where open() has not resolved, and so no `closed` is owed. */
  #rejectPending(port: number, reason: CloseReason): boolean {
    const pending = this.#forget(port)?.pending;
    const code = reason === "plane_failed" ? "PLANE_FAILED" : "RELEASED";
    pending?.reject(new PortOpenError(port, code, `${reason} before it was open`));
    return Boolean(pending);
  }

  #forget(port: number): OpenPort | undefined {
    const open = this.#ports.get(port);
    if (!open) return undefined;
    this.#ports.delete(port);
    open.seat.ports--;
    this.#rates.giveBack(open.rate_rows);
    return open;
  }

  #replace(seat: WorkerSeat, error: string): void {
    seat.up = false;
    this.#replaced++;
    // From here on an open() waits for the next worker instead of speaking to the dead one.
    seat.ready = this.#revive(seat);
    for (const [port, open] of [...this.#ports]) {
      if (open.seat === seat) this.#lose(port, open, error);
    }
    this.#rates.forgetWorker(seat.rates_seat);
    this.#options.listener({ type: "failed", error });
  }

  async #revive(seat: WorkerSeat): Promise<void> {
    while (!this.#closing) {
      await this.#rest();
      if (this.#closing) break;
      seat.host = this.#newHost(seat, () => seat);
      try {
        return await this.#bringUp(seat);
      } catch (error) {
        this.#options.listener({ type: "failed", error: (error as Error).message });
      }
    }
    return NEVER;
  }

  #rest(): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#rests.delete(end);
        resolve();
      };
      const timer = setTimeout(end, REPLACE_AFTER_MS);
      this.#rests.add(end);
    });
  }

  #lose(port: number, open: OpenPort, error: string): void {
    this.#forget(port);
    if (open.pending) {
      open.pending.reject(new PortOpenError(port, "PLANE_FAILED", `the worker died: ${error}`));
      return;
    }
    const { bytes_up, bytes_down } = readRow(this.#memory.counters, port);
    const event: PlaneEvent = {
      type: "closed",
      port,
      session_id: open.session_id,
      reason: "plane_failed",
      by: null,
      bytes_up,
      bytes_down,
    };
    this.#options.listener(event);
  }
}
