/**
 * Which row of the counters an open port has. Rows are given out and not numbered by port, so that the
 * table can be small and the range may still grow and move: the collectors of all threads that see
 * shared memory count all of it, and let as much garbage pile up before they run.
 */

/** Room for a small range to grow a lot. */
const ROWS_MIN = 1024;

/** Rows for a range of so many ports: twice as many, for a range that moves round sessions that run. */
export function rowsFor(ports: number): number {
  return Math.max(ROWS_MIN, 2 * ports);
}

export class CounterRows {
  readonly size: number;
  readonly #free: number[] = [];
  #used = 0;

  constructor({ size }: { size: number }) {
    this.size = size;
  }

  /** Null when there is none left. */
  take(): number | null {
    const row = this.#free.pop();
    if (row !== undefined) return row;
    return this.#used < this.size ? this.#used++ : null;
  }

  giveBack(row: number): void {
    this.#free.push(row);
  }
}
