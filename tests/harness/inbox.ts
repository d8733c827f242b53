/** What has arrived and has not been looked at yet, and who is waiting for something to arrive. */
import { deferred, patience_ms, within } from "./deadline.ts";
import type { Deferred } from "./deadline.ts";

interface Waiter<T> {
  matches(item: T): boolean;
  take: boolean;
  result: Deferred<T>;
}

export class Inbox<T> {
  readonly items: T[] = [];
  readonly #items_max: number;
  readonly #waiters = new Set<Waiter<T>>();
  #ended: Error | null = null;

  /** Beyond `items_max` the oldest items are forgotten (in bulk), so that a long run stays small. */
  constructor({ items_max = 100_000 }: { items_max?: number } = {}) {
    this.#items_max = items_max;
  }

  push(item: T): void {
    for (const waiter of this.#waiters) {
      if (!waiter.matches(item)) continue;
      this.#waiters.delete(waiter);
      waiter.result.resolve(item);
      if (waiter.take) return;
    }
    this.items.push(item);
    // In bulk, because moving a long array along for every item is what makes a long run slow.
    if (this.items.length > 2 * this.#items_max) {
      this.items.splice(0, this.items.length - this.#items_max);
    }
  }

  /** Nothing more will come: whoever still waits is told why. */
  end(reason: Error): void {
    this.#ended = reason;
    for (const waiter of this.#waiters) waiter.result.reject(reason);
    this.#waiters.clear();
  }

  /** The oldest matching item, now or when it comes; it is removed. */
  take(label: string, matches: (item: T) => boolean, ms = patience_ms): Promise<T> {
    return this.#wait(label, matches, true, ms);
  }

  /** Like {@link take}, and the item stays for others. */
  see(label: string, matches: (item: T) => boolean, ms = patience_ms): Promise<T> {
    return this.#wait(label, matches, false, ms);
  }

  /** The next matching item that is still to come; what is there already does not count. */
  upcoming(label: string, matches: (item: T) => boolean, ms = patience_ms): Promise<T> {
    return this.#register(label, matches, false, ms);
  }

  async #wait(
    label: string,
    matches: (item: T) => boolean,
    take: boolean,
    ms: number,
  ): Promise<T> {
    const at = this.items.findIndex(matches);
    if (at >= 0) return take ? this.items.splice(at, 1)[0] : this.items[at];
    return await this.#register(label, matches, take, ms);
  }

  async #register(
    label: string,
    matches: (item: T) => boolean,
    take: boolean,
    ms: number,
  ): Promise<T> {
    if (this.#ended) throw new Error(`${label}: ${this.#ended.message}`);
    const waiter: Waiter<T> = { matches, take, result: deferred<T>() };
    this.#waiters.add(waiter);
    try {
      return await within(label, waiter.result.promise, ms);
    } catch (error) {
      const last = this.items.slice(-5).map((item) => JSON.stringify(item)).join("\n  ");
      throw new Error(`${(error as Error).message} (while waiting for: ${label})\n  ${last}`);
    } finally {
      this.#waiters.delete(waiter);
    }
  }
}
