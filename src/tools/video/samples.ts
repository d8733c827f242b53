/**
 * A set of measurements of unknown number in bounded memory. Count, maximum, mean and deviation are
 * exact; percentiles are exact up to {@link SAMPLES_MAX} samples, and beyond that taken from every
 * second, fourth, … sample, evenly over the whole run.
 */

/** How many samples are held at once: 8 MiB of memory. */
export const SAMPLES_MAX = 1 << 20;

export class Samples {
  readonly #max: number;
  #kept: number[] = [];
  #stride = 1;
  #count = 0;
  #top = 0;
  #mean = 0;
  #squares = 0;

  constructor(options: { samples_max?: number } = {}) {
    this.#max = options.samples_max ?? SAMPLES_MAX;
  }

  add(value: number): void {
    if (this.#count % this.#stride === 0) {
      if (this.#kept.length >= this.#max) {
        this.#kept = this.#kept.filter((_, index) => index % 2 === 0);
        this.#stride *= 2;
      }
      if (this.#count % this.#stride === 0) this.#kept.push(value);
    }
    this.#count += 1;
    this.#top = this.#count === 1 ? value : Math.max(this.#top, value);
    // Welford's recurrence: no sum of squares that could lose its low digits.
    const delta = value - this.#mean;
    this.#mean += delta / this.#count;
    this.#squares += delta * (value - this.#mean);
  }

  get count(): number {
    return this.#count;
  }

  /** The samples held, in the order they were taken. */
  values(): readonly number[] {
    return this.#kept;
  }

  /** Nearest-rank percentiles (0–100) in the order asked for; 0 where nothing was measured. */
  percentiles(...ranks: number[]): number[] {
    const sorted = Float64Array.from(this.#kept).sort();
    return ranks.map((rank) => {
      if (sorted.length === 0) return 0;
      const index = Math.ceil((rank / 100) * sorted.length) - 1;
      return sorted[Math.min(sorted.length - 1, Math.max(0, index))];
    });
  }

  /** The largest sample, the mean and the deviation of the whole population. */
  summary(): { max: number; avg: number; std: number } {
    if (this.#count === 0) return { max: 0, avg: 0, std: 0 };
    return { max: this.#top, avg: this.#mean, std: Math.sqrt(this.#squares / this.#count) };
  }
}
