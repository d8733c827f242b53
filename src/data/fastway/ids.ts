/**
 * Numbers that several workers give without asking each other: worker w of N, both counted from 0,
 * gives w+1, w+1+N, w+1+2N …, so one worker alone gives 1, 2, 3 …, and who has given a number follows
 * from it. At 2^32 they begin again. 0 belongs to the last worker and is given after the wrap only,
 * and not at all where it means something else (a virtual connection's).
 */

const END = 2 ** 32;

export interface IdsOptions {
  /** Its place among the workers, from 0, and how many they are. */
  worker: number;
  workers: number;
  skips_zero?: boolean;
  /** Where they begin, for tests of the wrap: at the first of this worker's numbers from there on. */
  from?: number;
}

export class Ids {
  readonly #step: number;
  /** Where they begin again. */
  readonly #again: number;
  #next: number;

  constructor({ worker, workers, skips_zero = false, from = 1 }: IdsOptions) {
    this.#step = workers;
    const remainder = (worker + 1) % workers;
    this.#again = remainder === 0 && skips_zero ? workers : remainder;
    this.#next = from + (remainder + workers - from % workers) % workers;
  }

  /** The next number that is not taken; it is used up, whatever becomes of it. */
  take(isTaken: (id: number) => boolean): number {
    for (;;) {
      if (this.#next >= END) this.#next = this.#again;
      const id = this.#next;
      this.#next += this.#step;
      if (!isTaken(id)) return id;
    }
  }
}

/** The worker that a number is of. */
export function workerOfId(id: number, workers: number): number {
  return (id + workers - 1) % workers;
}
