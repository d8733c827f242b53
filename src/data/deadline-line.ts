/**
 * Deadlines that are all the same distance away, kept in one line with one timer. Because every item
 * gets the same period, the order of arrival is the order of the deadlines: adding and taking out
 * cost the same with ten items and with ten thousand, and only the first one needs a timer.
 */
import { clearTimeout, setTimeout } from "node:timers";

/** The longest a timer of the runtime can run; a longer one would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export class DeadlineLine<Item> {
  #period_ms: number;
  readonly #onDue: (item: Item) => void;
  /** Item → the moment it is due, in `performance.now()` milliseconds; oldest first. */
  readonly #due = new Map<Item, number>();
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(options: { period_ms: number; onDue: (item: Item) => void }) {
    this.#period_ms = options.period_ms;
    this.#onDue = options.onDue;
  }

  get size(): number {
    return this.#due.size;
  }

  /** Gives the item a full period from now, whether or not it stood in the line before. */
  add(item: Item): void {
    this.#due.delete(item);
    this.#due.set(item, performance.now() + this.#period_ms);
    if (this.#timer === null) this.#arm(this.#period_ms);
  }

  /** Changes the period, for those that stand in the line as well: their order stays what it is. */
  setPeriod(period_ms: number): void {
    const later_ms = period_ms - this.#period_ms;
    if (later_ms === 0) return;
    this.#period_ms = period_ms;
    for (const [item, due] of this.#due) this.#due.set(item, due + later_ms);
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#fire();
  }

  has(item: Item): boolean {
    return this.#due.has(item);
  }

  /** Takes the item out; false when it was not there. */
  delete(item: Item): boolean {
    return this.#due.delete(item);
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#due.clear();
  }

  #arm(delay_ms: number): void {
    const delay = Math.max(1, Math.min(TIMER_MS_MAX, Math.ceil(delay_ms)));
    this.#timer = setTimeout(() => this.#fire(), delay);
    // A deadline alone is no reason for the process to stay alive.
    this.#timer.unref();
  }

  #fire(): void {
    this.#timer = null;
    const now = performance.now();
    for (const [item, due] of this.#due) {
      if (due > now) {
        if (this.#timer === null) this.#arm(due - now);
        return;
      }
      this.#due.delete(item);
      this.#onDue(item);
    }
  }
}
