/**
 * The time of the machine in nanoseconds, as v1's peers compare it with theirs. `Date.now()` has whole
 * milliseconds; the runtime's own clock has microseconds, but counts on from its start, whatever
 * becomes of the machine's: so what it is ahead is looked at again each time.
 */
import { performance } from "node:perf_hooks";

const US_PER_MS = 1000;
/** `Date.now()` cuts off up to one; more is a clock that has been put right. */
const TOLERANCE_MS = 2;

export class WallClock {
  #offset_ms: number = performance.timeOrigin;

  /** Unix nanoseconds, to the microsecond. */
  nowNs(): bigint {
    const steady_ms = performance.now();
    const offset_ms = Date.now() - steady_ms;
    if (Math.abs(offset_ms - this.#offset_ms) > TOLERANCE_MS) this.#offset_ms = offset_ms;
    return BigInt(Math.round((this.#offset_ms + steady_ms) * US_PER_MS)) * 1000n;
  }
}
