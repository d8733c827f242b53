/**
 * The control side's book of byte rates: which key has which row of the shared memory, and what it may
 * carry. A key has its row for as long as a session counts against it. One book for both planes.
 */
import { performance } from "node:perf_hooks";
import { openLibc } from "../../ffi/libc/mod.ts";
import type { ByteRate } from "./plane.ts";
import { KEYS_MAX, newRateMemory, type RateMemory, RateTerms, WORKERS_MAX } from "./rate-row.ts";
import { sharedClockOffset } from "./shared-clock.ts";

/** More keys at once than {@link KEYS_MAX}: the session cannot be held to its bounds. */
export class RateBookFull extends Error {
  override name = "RateBookFull";
}

export class RateBook {
  readonly memory: RateMemory;
  readonly #keys_max: number;
  readonly #workers_max: number;
  readonly #now_ms: () => number;
  readonly #rows = new Map<string, { row: number; users: number }>();
  readonly #keys = new Map<number, string>();
  readonly #free: number[] = [];
  #used_rows = 0;
  #workers = 0;

  constructor(
    { keys_max = KEYS_MAX, workers_max = WORKERS_MAX, now_ms = sharedNow() }: {
      keys_max?: number;
      /** Of all planes together. */
      workers_max?: number;
      /** The shared clock. */
      now_ms?: () => number;
    } = {},
  ) {
    this.#keys_max = keys_max;
    this.#now_ms = now_ms;
    this.#workers_max = workers_max;
    this.memory = newRateMemory({ keys: keys_max, workers: workers_max });
  }

  /** A place for a worker in every row. */
  enlist(): number {
    if (this.#workers >= this.#workers_max) {
      throw new RangeError(`at most ${this.#workers_max} workers`);
    }
    return this.#workers++;
  }

  /** Workers that have a place. */
  get workers(): number {
    return this.#workers;
  }

  /** Keys in use. */
  get size(): number {
    return this.#rows.size;
  }

  /**
   * The rows of a session's keys, each once, to be given back once. Throws {@link RateBookFull}, with
   * nothing taken.
   */
  take(rates: readonly ByteRate[]): number[] {
    const byKey = new Map(rates.map((rate) => [rate.key, rate]));
    const fresh = [...byKey.keys()].filter((key) => !this.#rows.has(key)).length;
    if (this.#rows.size + fresh > this.#keys_max) {
      throw new RateBookFull(`more than ${this.#keys_max} keys with byte rates at once`);
    }
    return [...byKey.values()].map((rate) => {
      const entry = this.#rows.get(rate.key) ?? this.#add(rate.key);
      entry.users++;
      this.set(rate);
      return entry.row;
    });
  }

  giveBack(rows: readonly number[]): void {
    for (const row of rows) {
      const key = this.#keys.get(row)!;
      const entry = this.#rows.get(key)!;
      if (--entry.users > 0) continue;
      this.#rows.delete(key);
      this.#keys.delete(row);
      this.#free.push(row);
    }
  }

  /** A new figure for a key's sessions, at once; a key that no session counts against has none. */
  set({ key, bytes_per_s }: ByteRate): void {
    const entry = this.#rows.get(key);
    if (entry) new RateTerms(this.memory, entry.row).set(bytes_per_s, this.#now_ms());
  }

  /** The worker has died, and nobody waits there any more. */
  forgetWorker(worker: number): void {
    for (const row of this.#keys.keys()) new RateTerms(this.memory, row).forgetWorker(worker);
  }

  #add(key: string): { row: number; users: number } {
    const row = this.#free.pop() ?? this.#used_rows++;
    new RateTerms(this.memory, row).clear();
    const entry = { row, users: 0 };
    this.#rows.set(key, entry);
    this.#keys.set(row, key);
    return entry;
  }
}

function sharedNow(): () => number {
  let offset_ms: number | null = null;
  return () => performance.now() + (offset_ms ??= sharedClockOffset(openLibc()));
}
