/**
 * What a key may still carry: one row of shared memory per key, from which the workers of both planes
 * take with atomic operations. No worker and no session has an allowance of its own.
 *
 * It is the generic cell rate algorithm. A row holds one number, the time at which all that has been
 * taken so far is paid for at the key's rate; to take n bytes moves it n / rate into the future, and
 * it may be at most a burst ahead of the clock. One number is one compare-and-swap, where a level and
 * the time of its last refill would be two and could be seen apart.
 *
 * - What goes through in any time T is at most rate × T + burst, whoever takes. The burst is 200 ms of
 *   the rate: a worker looks at those who wait every 50 ms, so nothing is lost to that even when it is
 *   twice late. It is at least 64 KiB, an ordinary pipe, so that slow keys are not served by the byte.
 * - The time is in whole milliseconds and 32 bits, as that is what JavaScript swaps without making an
 *   object. 2^32 ms are 49.7 days, and differences are right up to half of that. A time further ahead
 *   than any taking can bring it is one that has wrapped while nobody took for weeks; it counts as
 *   past.
 * - Bytes are no whole milliseconds: each taker keeps what was left over of its last one, less than
 *   one millisecond's worth, and uses it first. In the long run the rate is exact.
 *
 * The row: f64 bytes per second, i32 time, i32 unused, then one i32 per worker: its sessions that wait.
 */

/** Both planes' workers together: 64 at most for TCP, one for SRT. */
export const WORKERS_MAX = 65;
/**
 * Keys in use at once. With few workers that is 1 MiB. It is not more, although memory that no key has
 * used is never there: the collector of every thread that sees it counts all of it as used, and with
 * 20 MiB it let some 200 MiB of garbage pile up before it ran.
 */
export const KEYS_MAX = 16_384;
const BURST_MS = 200;
const BURST_BYTES_MIN = 65_536;
/** Slower bounds count as this: a burst of the least size would be minutes of it. */
export const BYTES_PER_S_MIN = 1024;
/** The least that is given, so that nobody is served byte by byte: a page. */
export const GRAIN_BYTES = 4096;

/** Places in a row, in units of four bytes. */
const ARRIVAL = 2;
const WAITING = 4;
/** A row is a multiple of a cache line, so that keys do not disturb each other. */
const LINE_WORDS = 16;

/**
 * Longer than any burst (64 s at the least rate) with the greatest message on top (another 64 s), and
 * so never a time that was taken; short, because for so long a wrapped one can be mistaken for one
 * that was.
 */
const AHEAD_MS_MAX = 300_000;

export interface RateMemory {
  words: Int32Array;
  floats: Float64Array;
  /** The length of a row, in units of four bytes. */
  row_words: number;
}

export function newRateMemory({ keys, workers }: { keys: number; workers: number }): RateMemory {
  const row_words = LINE_WORDS * Math.ceil((WAITING + workers) / LINE_WORDS);
  const buffer = new SharedArrayBuffer(keys * row_words * 4);
  return { words: new Int32Array(buffer), floats: new Float64Array(buffer), row_words };
}

/** The control side's view of a row. */
export class RateTerms {
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #at: number;
  readonly #row_words: number;

  constructor({ words, floats, row_words }: RateMemory, row: number) {
    this.#words = words;
    this.#floats = floats;
    this.#row_words = row_words;
    this.#at = row * row_words;
  }

  /** A new bound, 0 for none. It begins with its whole burst: a debt at another rate is no measure. */
  set(bytes_per_s: number, now_ms: number): void {
    const rate = bytes_per_s > 0 ? Math.max(BYTES_PER_S_MIN, bytes_per_s) : 0;
    if (this.#floats[this.#at / 2] === rate) return;
    this.#floats[this.#at / 2] = rate;
    Atomics.store(this.#words, this.#at + ARRIVAL, wrapped(now_ms));
  }

  /** For another key. */
  clear(): void {
    this.#words.fill(0, this.#at, this.#at + this.#row_words);
  }

  /** A worker has died, and with it those who waited there. */
  forgetWorker(worker: number): void {
    Atomics.store(this.#words, this.#at + WAITING + worker, 0);
  }
}

/** One worker's hold on a row. `now_ms` is the shared clock. */
export class RateRow {
  readonly #words: Int32Array;
  readonly #floats: Float64Array;
  readonly #at: number;
  readonly #worker: number;
  /** Bytes that are paid for and not used. */
  #spare = 0;

  constructor(options: { memory: RateMemory; row: number; worker: number }) {
    this.#words = options.memory.words;
    this.#floats = options.memory.floats;
    this.#at = options.row * options.memory.row_words;
    this.#worker = options.worker;
  }

  /** 0: there is no bound. */
  get bytes_per_s(): number {
    return this.#floats[this.#at / 2];
  }

  /** What may be taken now; Infinity where there is no bound. Below 0 while something is owed. */
  available(now_ms: number): number {
    const rate = this.bytes_per_s;
    if (rate === 0) return Infinity;
    return this.#spare + (burstMs(rate) - owedMs(this.#arrival(), now_ms)) * rate / 1000;
  }

  /** Takes up to `wanted` bytes, or nothing where there is less than a grain. */
  take(wanted: number, now_ms: number): number {
    const rate = this.bytes_per_s;
    if (rate === 0) return wanted;
    for (;;) {
      const arrival = this.#arrival();
      const owed_ms = owedMs(arrival, now_ms);
      const payable_ms = burstMs(rate) - owed_ms;
      const available = this.#spare + payable_ms * rate / 1000;
      if (available < Math.min(wanted, GRAIN_BYTES)) return 0;
      const missing = Math.max(0, wanted - this.#spare);
      const paid_ms = Math.min(payable_ms, Math.ceil(missing * 1000 / rate));
      const next = (wrapped(now_ms) + owed_ms + paid_ms) | 0;
      if (paid_ms > 0 && !this.#swap(arrival, next)) continue;
      const affordable = this.#spare + paid_ms * rate / 1000;
      const taken = Math.floor(Math.min(wanted, affordable));
      this.#spare = affordable - taken;
      return taken;
    }
  }

  /** So much was used and not taken, by a message greater than what was left: it is paid for later. */
  owe(bytes: number, now_ms: number): void {
    const rate = this.bytes_per_s;
    if (rate === 0) return;
    const ms = Math.ceil(bytes * 1000 / rate);
    for (;;) {
      const arrival = this.#arrival();
      const next = (wrapped(now_ms) + owedMs(arrival, now_ms) + ms) | 0;
      if (this.#swap(arrival, next)) return;
    }
  }

  /** Gives back what has been taken and not used. */
  giveBack(bytes: number): void {
    const rate = this.bytes_per_s;
    if (rate === 0) return;
    this.#spare = Math.min(this.#spare + bytes, burstMs(rate) * rate / 1000);
    const whole_ms = Math.floor(this.#spare * 1000 / rate);
    if (whole_ms === 0) return;
    Atomics.sub(this.#words, this.#at + ARRIVAL, whole_ms);
    this.#spare -= whole_ms * rate / 1000;
  }

  /** Milliseconds until so much can be taken. */
  untilAvailable(bytes: number, now_ms: number): number {
    const rate = this.bytes_per_s;
    if (rate === 0) return 0;
    return Math.max(0, Math.ceil((bytes - this.available(now_ms)) * 1000 / rate));
  }

  /** Says how many of this worker's sessions wait; it alone writes this number. */
  setWaiting(count: number): void {
    Atomics.store(this.#words, this.#at + WAITING + this.#worker, count);
  }

  /** The sessions that wait, of all workers. */
  waiting(workers: number): number {
    let count = 0;
    for (let worker = 0; worker < workers; worker++) {
      count += Atomics.load(this.#words, this.#at + WAITING + worker);
    }
    return count;
  }

  #arrival(): number {
    return Atomics.load(this.#words, this.#at + ARRIVAL);
  }

  #swap(from: number, to: number): boolean {
    return Atomics.compareExchange(this.#words, this.#at + ARRIVAL, from, to) === from;
  }
}

function burstMs(rate: number): number {
  return Math.ceil(Math.max(BURST_MS, BURST_BYTES_MIN * 1000 / rate));
}

/** How far the time up to which all is paid for is ahead of the clock. */
function owedMs(arrival: number, now_ms: number): number {
  const ahead_ms = (arrival - wrapped(now_ms)) | 0;
  return ahead_ms < 0 || ahead_ms > AHEAD_MS_MAX ? 0 : ahead_ms;
}

/** A time in 32 bits: ToInt32 takes it modulo 2^32. */
function wrapped(now_ms: number): number {
  return Math.floor(now_ms) | 0;
}
