/**
 * Refreshes the line quality of the ports that have moved bytes, once a second. A port that is idle
 * costs nothing: its last figures stand.
 */
import { Deadline, type TimerWheel } from "./timer-wheel.ts";

/** Telemetry is sent as often. */
const SAMPLE_MS = 1000;

/** A session whose line can be looked at. */
export interface SampledLine {
  sample(): void;
}

export class LineSampler {
  readonly #wheel: TimerWheel;
  readonly #due = new Deadline(() => this.#sample());
  #busy = new Set<SampledLine>();

  constructor({ wheel }: { wheel: TimerWheel }) {
    this.#wheel = wheel;
  }

  /** The line has moved bytes since it was last sampled. */
  moved(line: SampledLine, now_ms: number): void {
    this.#busy.add(line);
    if (!this.#due.set) this.#wheel.schedule(this.#due, now_ms + SAMPLE_MS);
  }

  /** The line is no more. */
  forget(line: SampledLine): void {
    this.#busy.delete(line);
  }

  #sample(): void {
    const busy = this.#busy;
    this.#busy = new Set();
    for (const line of busy) line.sample();
  }
}
