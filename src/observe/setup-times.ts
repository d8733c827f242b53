/** How long requests wait for their grant, counted into the buckets of a Prometheus histogram. */

/** Upper bounds, seconds: from what a quiet gateway needs to the longest that a request may wait. */
const BUCKETS_S = [
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
  30,
  60,
  120,
  250,
] as const;

export interface SetupTimesSnapshot {
  /** Of each bound, in seconds: how many took no longer. */
  buckets: { le: number; count: number }[];
  sum_s: number;
  count: number;
}

export class SetupTimes {
  readonly #counts = new Float64Array(BUCKETS_S.length + 1);
  #sum_s = 0;

  add(ms: number): void {
    const s = ms / 1000;
    let bucket = 0;
    while (bucket < BUCKETS_S.length && s > BUCKETS_S[bucket]) bucket++;
    this.#counts[bucket]++;
    this.#sum_s += s;
  }

  snapshot(): SetupTimesSnapshot {
    let count = 0;
    const buckets = BUCKETS_S.map((le, i) => ({ le, count: count += this.#counts[i] }));
    return { buckets, sum_s: this.#sum_s, count: count + this.#counts[BUCKETS_S.length] };
  }
}
