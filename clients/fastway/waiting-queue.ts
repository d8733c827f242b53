/**
 * First in, first out, with takers that wait for what is still to come. What is the most that it may
 * hold is for its owner to say.
 */
import { abortedError } from "./errors.ts";

interface Taker<T> {
  give(item: T | null): void;
}

/** From so many places that have been taken on, the array is cut. */
const TAKEN_MAX = 1024;

export class WaitingQueue<T> {
  #items: T[] = [];
  /** Places at the front that have been taken: moving all along for each one costs the most. */
  #taken = 0;
  readonly #takers = new Set<Taker<T>>();
  #has_ended = false;

  get size(): number {
    return this.#items.length - this.#taken;
  }

  get has_takers(): boolean {
    return this.#takers.size > 0;
  }

  /** To whoever has waited longest, or to the others in the queue. */
  push(item: T): void {
    for (const taker of this.#takers) {
      this.#takers.delete(taker);
      taker.give(item);
      return;
    }
    this.#items.push(item);
  }

  /** The oldest, if there is one. */
  shift(): T | undefined {
    if (this.#taken === this.#items.length) return undefined;
    const item = this.#items[this.#taken];
    this.#items[this.#taken++] = undefined as T;
    if (this.#taken === this.#items.length) {
      this.#items = [];
      this.#taken = 0;
    } else if (this.#taken >= TAKEN_MAX && this.#taken * 2 > this.#items.length) {
      this.#items.splice(0, this.#taken);
      this.#taken = 0;
    }
    return item;
  }

  /** The next that comes; null when nothing more will. For when {@link shift} has nothing. */
  next(signal?: AbortSignal): Promise<T | null> {
    if (signal?.aborted) return Promise.reject(abortedError(signal));
    if (this.#has_ended) return Promise.resolve(null);
    return new Promise((resolve, reject) => {
      const taker: Taker<T> = { give: resolve };
      this.#takers.add(taker);
      if (!signal) return;
      const giveUp = () => {
        this.#takers.delete(taker);
        reject(abortedError(signal));
      };
      taker.give = (item) => {
        signal.removeEventListener("abort", giveUp);
        resolve(item);
      };
      signal.addEventListener("abort", giveUp, { once: true });
    });
  }

  /** Nothing more will come; what is there can still be taken. */
  end(): void {
    this.#has_ended = true;
    for (const taker of this.#takers) taker.give(null);
    this.#takers.clear();
  }

  /** Empties it, and answers what there was. */
  clear(): T[] {
    const items = this.#items.slice(this.#taken);
    this.#items = [];
    this.#taken = 0;
    return items;
  }
}
