/**
 * How long the turns of each worker's loop take, in shared memory: a row per worker, which writes, and
 * the control side, which reads whenever it likes. As in the table of counters, a row has one writer
 * and a number is read and written whole.
 *
 * A turn is what a loop does between two waits in the kernel; nobody else of the worker is served
 * meanwhile. A worker that rests has no turns and is not woken to say so: for that it is asked
 * (`Plane.beat`). All times are milliseconds of the shared clock.
 */

/** Since when the present turn runs; 0 while the worker waits. */
const TURN_SINCE = 0;
/** Since when the present second runs, its longest turn, and that of the one just before. */
const SECOND_SINCE = 1;
const LONGEST = 2;
const LONGEST_BEFORE = 3;
/** Eight columns of eight bytes, so that no two workers share a cache line. */
const COLUMNS = 8;

const SECOND_MS = 1000;

/** A worker whose turn takes longer hangs: no honest turn takes a hundredth of it. */
export const HANGS_AFTER_MS = 5000;

export function newPulses(workers: number): Float64Array {
  return new Float64Array(new SharedArrayBuffer(workers * COLUMNS * 8));
}

/** A worker's own row. It costs a few stores to memory per turn. */
export class Pulse {
  readonly #table: Float64Array;
  readonly #at: number;
  readonly #clock_offset_ms: number;
  #turn_since_ms = 0;
  #second_since_ms = 0;
  #longest_ms = 0;

  constructor(options: { table: Float64Array; row: number; clock_offset_ms: number }) {
    this.#table = options.table;
    this.#at = options.row * COLUMNS;
    this.#clock_offset_ms = options.clock_offset_ms;
    // What a worker that was here before has left says nothing of this one.
    this.#table.fill(0, this.#at, this.#at + COLUMNS);
  }

  /** The wait is over; `now_ms` is this thread's own clock. */
  turnBegins(now_ms: number): void {
    this.#turn_since_ms = now_ms + this.#clock_offset_ms;
    this.#table[this.#at + TURN_SINCE] = this.#turn_since_ms;
  }

  /** The loop is about to wait. */
  turnEnds(now_ms: number): void {
    if (this.#turn_since_ms === 0) return;
    const shared_ms = now_ms + this.#clock_offset_ms;
    const took_ms = shared_ms - this.#turn_since_ms;
    const age_ms = shared_ms - this.#second_since_ms;
    if (age_ms >= SECOND_MS) {
      this.#table[this.#at + LONGEST_BEFORE] = age_ms < 2 * SECOND_MS ? this.#longest_ms : 0;
      this.#table[this.#at + SECOND_SINCE] = this.#second_since_ms = shared_ms;
      this.#table[this.#at + LONGEST] = this.#longest_ms = took_ms;
    } else if (took_ms > this.#longest_ms) {
      this.#table[this.#at + LONGEST] = this.#longest_ms = took_ms;
    }
    this.#table[this.#at + TURN_SINCE] = 0;
  }
}

/**
 * The longest turn of the last second (at most of the last two), one that still runs included; null
 * where the present one takes so long that the worker hangs.
 */
export function longestTurn(table: Float64Array, row: number, now_ms: number): number | null {
  const at = row * COLUMNS;
  const turn_since_ms = table[at + TURN_SINCE];
  const running_ms = turn_since_ms === 0 ? 0 : Math.max(0, now_ms - turn_since_ms);
  if (running_ms > HANGS_AFTER_MS) return null;
  const age_ms = now_ms - table[at + SECOND_SINCE];
  const longest_ms = age_ms < 2 * SECOND_MS ? table[at + LONGEST] : 0;
  const before_ms = age_ms < SECOND_MS ? table[at + LONGEST_BEFORE] : 0;
  return Math.max(running_ms, longest_ms, before_ms);
}
