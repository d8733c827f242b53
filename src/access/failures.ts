/**
 * How often somebody has failed to prove anything lately, per address. What is forgotten when the
 * table is full is the oldest: one attacker with many addresses can hide only behind fresher ones.
 */

/** Addresses that are watched at once. */
const ADDRESSES_MAX = 10_000;

interface Count {
  count: number;
  /** `performance.now()` of the first of them. */
  since: number;
}

export class Failures {
  readonly #counts = new Map<string, Count>();
  readonly #addresses_max: number;

  constructor(options: { addresses_max?: number } = {}) {
    this.#addresses_max = options.addresses_max ?? ADDRESSES_MAX;
  }

  get size(): number {
    return this.#counts.size;
  }

  /** Counts a failure and says how many there have been within the window. */
  add(address: string, now: number, window_ms: number): number {
    const known = this.#counts.get(address);
    if (known !== undefined && now - known.since < window_ms) return ++known.count;
    this.#counts.delete(address);
    if (this.#counts.size >= this.#addresses_max) {
      const [oldest] = this.#counts.keys();
      this.#counts.delete(oldest);
    }
    this.#counts.set(address, { count: 1, since: now });
    return 1;
  }

  delete(address: string): void {
    this.#counts.delete(address);
  }

  /** Forgets what is out of the window: those are the first in the table. */
  tidy(now: number, window_ms: number): void {
    for (const [address, { since }] of this.#counts) {
      if (now - since < window_ms) return;
      this.#counts.delete(address);
    }
  }
}
