/**
 * `telemetry {current_speed}`: Mbit/s over all ports since the last one, in which each relayed byte
 * counts twice, once in and once out, as v1 has always had it.
 */
import { clearInterval, setInterval } from "node:timers";
import type { StandingPlane } from "../../data/standing.ts";
import type { PortTable } from "./port-table.ts";

const TICK_MS = 100;

export class Speed {
  readonly #plane: StandingPlane;
  readonly #table: PortTable;
  readonly #onSpeed: (current_speed: number, now: number) => void;
  #bytes = 0;
  #at = 0;
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(options: {
    plane: StandingPlane;
    table: PortTable;
    /** `now` is `performance.now()`. */
    onSpeed: (current_speed: number, now: number) => void;
  }) {
    this.#plane = options.plane;
    this.#table = options.table;
    this.#onSpeed = options.onSpeed;
  }

  /** Begins to tell, if it does not already: somebody listens. */
  start(): void {
    if (this.#timer !== null) return;
    this.#bytes = this.#total();
    this.#at = performance.now();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #tick(): void {
    const now = performance.now();
    const bytes = this.#total();
    // A port that was closed meanwhile takes its total with it.
    const moved = Math.max(0, bytes - this.#bytes);
    const elapsed_ms = Math.max(1, now - this.#at);
    this.#bytes = bytes;
    this.#at = now;
    const mbps = 2 * moved * 8 / (1000 * elapsed_ms);
    this.#onSpeed(Math.round(mbps * 1e6) / 1e6, now);
  }

  #total(): number {
    let bytes = 0;
    for (const { port } of this.#table.all()) {
      const counters = this.#plane.counters(port);
      if (counters !== null) bytes += counters.bytes_up + counters.bytes_down;
    }
    return bytes;
  }
}
