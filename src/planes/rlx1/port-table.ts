/**
 * The standing ports of both ranges: which of them listen, and what is on each.
 *
 *   closed → opening → empty ⇄ ready ⇄ busy
 *
 * A port listens while it is wanted: it is in its range, and peers are served. One that is wanted no
 * longer is closed at once, or when its session is over. One that cannot be bound, because somebody
 * else has it, is tried again in the background.
 */
import { clearInterval, setInterval } from "node:timers";
import type { PortRange } from "../../config/port-range.ts";
import { type PlaneKind, PortOpenError } from "../../data/plane.ts";
import type {
  StandingEnd,
  StandingEvent,
  StandingPlane,
  StandingState,
} from "../../data/standing.ts";
import type { Log } from "../../observe/log.ts";

/** How often ports that could not be bound are tried again. */
const RETRY_MS = 5000;
const LABELS = ["zmq", "srt"] as const;

export interface PortRow {
  readonly port: number;
  label: PlaneKind;
  state: "closed" | "opening" | StandingState;
  be: StandingEnd | null;
  fe: StandingEnd | null;
  /** It is not in its range any more. */
  leaving: boolean;
  /** The plane has been asked to close it; its word is on the way. */
  closing: boolean;
  /** It could not be bound the last time. */
  blocked: boolean;
}

/** The payload of `port_state`. */
export type PortStates =
  & Record<
    `${PlaneKind}_${"total" | "busy"}`,
    number
  >
  & Record<`${PlaneKind}_${"ready" | "empty"}_ports`, number[]>;

export type PortCounts = Record<"total" | "empty" | "ready" | "busy" | "closed", number>;

export class PortTable {
  readonly #plane: StandingPlane;
  readonly #log: Log;
  readonly #ring_bytes_max: number;
  readonly #onChange: () => void;
  readonly #onGone: (port: number) => void;
  readonly #retry_ms: number;
  #rows = new Map<number, PortRow>();
  #is_serving = false;
  #is_over = false;
  #timer: ReturnType<typeof setInterval> | null = null;
  #whenQuiet: (() => void)[] = [];

  constructor(options: {
    plane: StandingPlane;
    ranges: Record<PlaneKind, PortRange>;
    ring_bytes_max: number;
    log: Log;
    /** Called whenever what `port_state` says has changed. */
    onChange: () => void;
    /** A port listens no longer. */
    onGone: (port: number) => void;
    retry_ms?: number;
  }) {
    this.#plane = options.plane;
    this.#log = options.log;
    this.#ring_bytes_max = options.ring_bytes_max;
    this.#onChange = options.onChange;
    this.#onGone = options.onGone;
    this.#retry_ms = options.retry_ms ?? RETRY_MS;
    this.resize(options.ranges);
  }

  /** Opens every port; resolves when each listens or has been found taken. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => this.#settleAll(), this.#retry_ms);
    this.#timer.unref();
    this.#is_serving = true;
    await Promise.all([...this.#rows.values()].map((row) => this.#settle(row)));
  }

  close(): void {
    this.#is_over = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Whether ports listen, but for those with a session on them, which goes on. */
  setServing(is_serving: boolean): void {
    if (this.#is_serving === is_serving) return;
    this.#is_serving = is_serving;
    this.#settleAll();
  }

  get isServing(): boolean {
    return this.#is_serving;
  }

  /** Takes other ranges. Ports outside them go when nothing is on them any more. */
  resize(ranges: Record<PlaneKind, PortRange>): void {
    const rows = new Map<number, PortRow>();
    for (const label of LABELS) {
      for (let port = ranges[label].first; port <= ranges[label].last; port++) {
        const row = this.#rows.get(port) ?? newRow(port, label);
        row.label = label;
        row.leaving = false;
        rows.set(port, row);
      }
    }
    for (const row of this.#rows.values()) {
      if (rows.has(row.port)) continue;
      row.leaving = true;
      rows.set(row.port, row);
    }
    this.#rows = new Map([...rows].sort(([a], [b]) => a - b));
    if (this.#timer !== null) this.#settleAll();
    this.#onChange();
  }

  get(port: number): PortRow | undefined {
    return this.#rows.get(port);
  }

  all(): Iterable<PortRow> {
    return this.#rows.values();
  }

  /** Lowest port first; those on their way out of the range are left out. */
  *inState(label: PlaneKind, state: StandingState): Iterable<PortRow> {
    for (const row of this.#rows.values()) {
      if (row.label === label && row.state === state && !isGoing(row)) yield row;
    }
  }

  /** Ports with a session on them. */
  get busy(): number {
    let count = 0;
    for (const { state } of this.#rows.values()) if (state === "busy") count++;
    return count;
  }

  /** Resolves when no port has a session on it. */
  whenQuiet(): Promise<void> {
    if (this.busy === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenQuiet.push(resolve));
  }

  states(): PortStates {
    const states: PortStates = {
      zmq_total: 0,
      srt_total: 0,
      zmq_busy: 0,
      srt_busy: 0,
      zmq_ready_ports: [],
      srt_ready_ports: [],
      zmq_empty_ports: [],
      srt_empty_ports: [],
    };
    for (const row of this.#rows.values()) {
      const { label, state, port } = row;
      if (!row.leaving) states[`${label}_total`]++;
      if (state === "busy") states[`${label}_busy`]++;
      else if (isGoing(row)) continue;
      else if (state === "ready" || state === "empty") states[`${label}_${state}_ports`].push(port);
    }
    return states;
  }

  counts(label: PlaneKind): PortCounts {
    const counts = { total: 0, empty: 0, ready: 0, busy: 0, closed: 0 };
    for (const row of this.#rows.values()) {
      if (row.label !== label) continue;
      counts.total++;
      counts[row.state === "opening" ? "closed" : row.state]++;
    }
    return counts;
  }

  /** What the plane says of a port's state. */
  onState({ port, state, be, fe }: Extract<StandingEvent, { type: "standing" }>): void {
    const row = this.#rows.get(port);
    if (row === undefined) return;
    Object.assign(row, { state, be, fe });
    this.#onChange();
    this.#noteQuiet();
    void this.#settle(row);
  }

  onClosed({ port }: Extract<StandingEvent, { type: "standing_closed" }>): void {
    const row = this.#rows.get(port);
    if (row === undefined) return;
    Object.assign(row, { state: "closed", be: null, fe: null, closing: false });
    this.#onGone(port);
    this.#onChange();
    this.#noteQuiet();
    void this.#settle(row);
  }

  #isWanted(row: PortRow): boolean {
    return this.#is_serving && !row.leaving && !this.#is_over;
  }

  #settleAll(): void {
    for (const row of [...this.#rows.values()]) void this.#settle(row, true);
  }

  /** Brings a port to where it is wanted, as far as that can be done now. */
  async #settle(row: PortRow, tries_again = false): Promise<void> {
    if (this.#isWanted(row)) {
      if (row.state === "closed" && (tries_again || !row.blocked)) await this.#open(row);
    } else if (row.state === "empty" || row.state === "ready") {
      if (row.closing) return;
      row.closing = true;
      this.#plane.closeStanding(row.port);
    } else if (row.state === "closed" && row.leaving) {
      this.#rows.delete(row.port);
    }
  }

  async #open(row: PortRow): Promise<void> {
    const { port, label } = row;
    row.state = "opening";
    try {
      await this.#plane.openStanding(port, { label, ring_bytes_max: this.#ring_bytes_max });
      // A back end may have come before this is heard of.
      if (row.state === "opening") row.state = "empty";
      if (row.blocked) this.#tell(row);
      row.blocked = false;
      this.#onChange();
      await this.#settle(row);
    } catch (error) {
      row.state = "closed";
      if (!(error instanceof PortOpenError)) throw error;
      if (row.blocked || !this.#isWanted(row)) return;
      row.blocked = true;
      const fields = { kind: label, port, code: error.code, error: error.message };
      this.#log.warn(
        { status: "port_blocked", protocol: "rlx1", ...fields },
        "the port cannot be bound; it is tried again in the background",
      );
    }
  }

  #tell({ port, label }: PortRow): void {
    this.#log.info(
      { status: "port_unblocked", protocol: "rlx1", kind: label, port },
      "the port can be bound again",
    );
  }

  #noteQuiet(): void {
    if (this.#whenQuiet.length === 0 || this.busy > 0) return;
    for (const resolve of this.#whenQuiet.splice(0)) resolve();
  }
}

function newRow(port: number, label: PlaneKind): PortRow {
  return {
    port,
    label,
    state: "closed",
    be: null,
    fe: null,
    leaving: false,
    closing: false,
    blocked: false,
  };
}

/** It ends with what is on it now. */
function isGoing({ leaving, closing }: PortRow): boolean {
  return leaving || closing;
}
