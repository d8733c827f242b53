/**
 * So many things each second, and after a rest a burst of them at once. Full to begin with; what has
 * come in since the last question is worked out when the next one is asked, so a bucket that nobody
 * asks costs nothing.
 */
export class TokenBucket {
  #level: number | null = null;
  #asked_at = 0;

  /** Takes one where there is one. `now` is `performance.now()`; the bounds may change at any time. */
  take(now: number, bounds: { per_second: number; burst: number }): boolean {
    const burst = Math.max(1, bounds.burst);
    const elapsed_s = Math.max(0, now - this.#asked_at) / 1000;
    const level = this.#level === null ? burst : this.#level + elapsed_s * bounds.per_second;
    this.#asked_at = now;
    this.#level = Math.min(burst, level);
    if (this.#level < 1) return false;
    this.#level--;
    return true;
  }

  /** Whether nothing is missing any more: a new bucket in its place would be the same. */
  isFull(now: number, bounds: { per_second: number; burst: number }): boolean {
    if (this.#level === null || bounds.per_second === 0) return true;
    const elapsed_s = Math.max(0, now - this.#asked_at) / 1000;
    return this.#level + elapsed_s * bounds.per_second >= Math.max(1, bounds.burst);
  }
}
