/**
 * A plane on one or more workers: hands each port to the worker that carries the fewest, and keeps the
 * promise that every open port gets exactly one `closed`, also where a worker dies.
 */
import { openLibc } from "../../ffi/libc/mod.ts";
import { ConfigError } from "../config/problem.ts";
import type { Config } from "../config/schema.ts";
import type { WorkerName } from "../workers.ts";
import { banChange } from "./ban-change.ts";
import { CounterRows, rowsFor } from "./counter-rows.ts";
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
import { newPulses } from "./pulse.ts";
import { sharedClockOffset } from "./shared-clock.ts";
import type { ThreadAnswer, ThreadProbe } from "./thread-probe.ts";
import type {
  OpenOrder,
  SharedMemory,
  StandingOrder,
  StandingReport,
  WorkerReport,
} from "./worker-protocol.ts";
import { haveTurned, type WorkerRules, WorkerSeat, type WorkerSeatOwner } from "./worker-seat.ts";

export interface WorkerPlaneOptions {
  kind: PlaneKind;
  worker: WorkerName;
  workers: number;
  config: Config;
  /** The numbers that a configuration has for ports. */
  ports: (config: Config) => { first: number; last: number };
  /** Asked for at the start, where it may open libraries, and for every new configuration. */
  settings: (config: Config) => object;
  listener: PlaneListener;
  /** Who hears of standing ports, where the plane has them. */
  onStanding?: (event: StandingReport) => void;
  /** Where the byte rates of all planes are; without it the plane has its own. */
  rates?: RateBook;
}

/** A port between `open()` and `closed`. */
interface OpenPort {
  session_id: string;
  seat: WorkerSeat;
  row: number;
  rate_rows: readonly number[];
  /** The worker has been told of it. */
  sent: boolean;
  /** Set while the worker has not answered yet. */
  pending: { resolve: () => void; reject: (error: PortOpenError) => void } | null;
}

const NO_ROWS: readonly number[] = Object.freeze([]);

export class WorkerPlane implements Plane, WorkerSeatOwner, WorkerRules {
  readonly kind: PlaneKind;
  readonly #options: WorkerPlaneOptions;
  readonly #memory: SharedMemory;
  readonly #rows: CounterRows;
  readonly #rates: RateBook;
  /** The places of the workers in the rows of byte rates. */
  readonly #rates_seats: readonly number[];
  readonly #ports = new Map<number, OpenPort>();
  readonly #seats: WorkerSeat[] = [];
  #config: Config;
  #settings: object = {};
  #replaced = 0;
  #closing: Promise<void> | null = null;
  #bans: ReadonlySet<string> = new Set();

  constructor(options: WorkerPlaneOptions) {
    this.kind = options.kind;
    this.#options = options;
    this.#config = options.config;
    const { workers, rates = new RateBook() } = options;
    this.#rates = rates;
    this.#rates_seats = Array.from({ length: workers }, () => rates.enlist());
    const { first, last } = options.ports(options.config);
    this.#rows = new CounterRows({ size: rowsFor(last - first + 1) });
    this.#memory = {
      counters: newCounters(this.#rows.size),
      pulses: newPulses(workers),
      rates: rates.memory,
    };
  }

  async start(): Promise<void> {
    const libc = openLibc();
    const clock_offset_ms = sharedClockOffset(libc);
    this.#settings = this.#options.settings(this.#config);
    const { worker, workers } = this.#options;
    const rates_seats = this.#rates.workers;
    for (let seat = 0; seat < workers; seat++) {
      const place = { seat, rates_seat: this.#rates_seats[seat], rates_seats };
      const memory = this.#memory;
      this.#seats.push(
        new WorkerSeat({ worker, libc, memory, place, clock_offset_ms, rules: this, owner: this }),
      );
    }
    await Promise.all(this.#seats.map((seat) => seat.start()));
  }

  get settings(): object {
    return this.#settings;
  }

  get bans(): ReadonlySet<string> {
    return this.#bans;
  }

  get encrypts_single_sessions(): boolean {
    return false;
  }

  publicPort(port: number): number {
    return port;
  }

  async open(reservation: Reservation & Pick<OpenOrder, "standing">): Promise<void> {
    const { rates = [], ...order } = reservation;
    const { port, session_id } = order;
    if (this.#ports.has(port)) throw new Error(`Port ${port} is open already`);
    if (this.#closing || this.#seats.length === 0) {
      throw new PortOpenError(port, "RELEASED", "the plane is not running");
    }
    const row = this.#takeRow(port);
    const rate_rows = this.#takeRates(port, row, rates);
    const seat = this.#seats.reduce((best, one) => one.ports < best.ports ? one : best);
    seat.ports++;
    const opened = new Promise<void>((resolve, reject) =>
      this.#ports.set(port, {
        session_id,
        seat,
        row,
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
    seat.send({ type: "open", reservation: { ...order, row, rate_rows } });
    await opened;
  }

  release(port: number): void {
    const open = this.#ports.get(port);
    if (!open) return;
    if (open.sent) open.seat.send({ type: "release", port });
    else this.#rejectPending(port, "released");
  }

  /** Tells a standing port something; one that is not open yet has nothing to be told. */
  order(order: StandingOrder): void {
    const open = this.#ports.get(order.port);
    if (open?.sent) open.seat.send({ type: "standing", order });
  }

  counters(port: number): PortCounters | null {
    const open = this.#ports.get(port);
    return open ? readRow(this.#memory.counters, open.row) : null;
  }

  setBans(networks: readonly string[]): void {
    const { bans, added, removed } = banChange(this.#bans, networks);
    this.#bans = bans;
    if (added.length + removed.length === 0) return;
    for (const seat of this.#seats) seat.tell({ type: "bans", added, removed });
  }

  check(config: Config): void {
    const { first, last } = this.#options.ports(config);
    const ports = last - first + 1;
    if (ports <= this.#rows.size) return;
    throw new ConfigError([{
      file: null,
      line: null,
      column: null,
      key: this.kind === "zmq" ? "zeromq.port_range" : "gosrt.port_range",
      code: "range_too_great",
      found: `${ports} ports`,
      allowed: `at most ${this.#rows.size} without a restart`,
    }]);
  }

  apply(config: Config): void {
    this.#config = config;
    // Not started yet: it will start with these.
    if (this.#seats.length === 0) return;
    this.#settings = this.#options.settings(config);
    for (const seat of this.#seats) seat.tell({ type: "settings", settings: this.#settings });
  }

  snapshot(): PlaneSnapshot {
    return {
      kind: this.kind,
      workers: this.#seats.length,
      workers_replaced: this.#replaced,
      ports_open: this.#ports.size,
      loop_lag_ms: this.#seats.map((seat) => seat.loopLag()),
    };
  }

  async beat(within_ms: number): Promise<boolean> {
    if (this.#closing) return true;
    if (this.#seats.length === 0) return false;
    const answer = await haveTurned(this.#seats, within_ms);
    return answer || this.#closing !== null;
  }

  async probe(probe: ThreadProbe): Promise<ThreadAnswer[]> {
    const answers = await Promise.all(this.#seats.map((seat) => seat.probe(probe)));
    return answers.filter((answer) => answer !== null);
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    await Promise.all(this.#seats.map((seat) => seat.close()));
    // What no worker was told of will never be open.
    for (const port of [...this.#ports.keys()]) this.#rejectPending(port, "released");
  }

  #takeRow(port: number): number {
    const row = this.#rows.take();
    if (row !== null) return row;
    throw new PortOpenError(port, "COUNTERS_EXHAUSTED", `${this.#rows.size} ports are open`);
  }

  #takeRates(port: number, row: number, rates: readonly ByteRate[]): readonly number[] {
    if (rates.length === 0) return NO_ROWS;
    try {
      return this.#rates.take(rates);
    } catch (error) {
      this.#rows.giveBack(row);
      if (!(error instanceof RateBookFull)) throw error;
      throw new PortOpenError(port, "RATES_EXHAUSTED", error.message);
    }
  }

  heard(report: WorkerReport): void {
    if (report.type === "event") {
      const { event } = report;
      if (event.type === "closed" && this.#rejectPending(event.port, event.reason)) return;
      this.#options.listener(event);
    } else if (report.type === "standing") {
      this.#options.onStanding?.(report.event);
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
    this.#rows.giveBack(open.row);
    this.#rates.giveBack(open.rate_rows);
    return open;
  }

  lost(seat: WorkerSeat, error: string): void {
    this.#replaced++;
    for (const [port, open] of [...this.#ports]) {
      if (open.seat === seat) this.#lose(port, open, error);
    }
    this.#rates.forgetWorker(seat.place.rates_seat);
    this.#options.listener({ type: "failed", error });
  }

  stillLost(error: string): void {
    this.#options.listener({ type: "failed", error });
  }

  #lose(port: number, open: OpenPort, error: string): void {
    this.#forget(port);
    if (open.pending) {
      open.pending.reject(new PortOpenError(port, "PLANE_FAILED", `the worker died: ${error}`));
      return;
    }
    const { bytes_up, bytes_down } = readRow(this.#memory.counters, open.row);
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
