/** How late the main thread's event loop runs: by how much a timer that is due comes too late. */
import { clearInterval, setInterval } from "node:timers";

const INTERVAL_MS = 500;
/** The greatest delay of so many intervals is told: 15 s, the usual time between two scrapes. */
const INTERVALS = 30;

export class LoopLag {
  readonly #delays_ms = new Float64Array(INTERVALS);
  #next = 0;
  #due_at = 0;
  #timer: ReturnType<typeof setInterval> | null = null;

  start(): void {
    this.#due_at = performance.now() + INTERVAL_MS;
    this.#timer = setInterval(() => this.#note(performance.now()), INTERVAL_MS);
    this.#timer.unref();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** The greatest delay of the last 15 s, milliseconds; one that still goes on included. */
  worst_ms(): number {
    const going_on = this.#timer === null ? 0 : performance.now() - this.#due_at;
    return Math.max(0, going_on, ...this.#delays_ms);
  }

  #note(now: number): void {
    this.#delays_ms[this.#next++ % INTERVALS] = Math.max(0, now - this.#due_at);
    this.#due_at = now + INTERVAL_MS;
  }
}
