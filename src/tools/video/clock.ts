/**
 * The time of day in nanoseconds. The date comes from the system clock once, the progress from the
 * monotonic clock: a correction of the date in the middle of a run cannot make a round trip
 * negative.
 */
import process from "node:process";

export class UnixClock {
  readonly #origin_ns = BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();

  now(): bigint {
    return this.#origin_ns + process.hrtime.bigint();
  }
}

/** A span of nanoseconds as milliseconds. */
export function nsToMs(span_ns: bigint): number {
  return Number(span_ns) / 1e6;
}
