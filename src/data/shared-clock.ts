/**
 * One clock for all threads. `performance.now()` counts from each thread's own start, and so does
 * `process.hrtime()` on Bun and Deno; both go at the pace of the kernel's CLOCK_MONOTONIC, so a
 * thread finds out once how far it is behind that and adds.
 */
import { performance } from "node:perf_hooks";
import { CLOCK_MONOTONIC, type Libc } from "../../ffi/libc/mod.ts";

/** Milliseconds to be added to this thread's `performance.now()`. Taken within some microseconds. */
export function sharedClockOffset(libc: Libc): number {
  // struct timespec is { i64 tv_sec; i64 tv_nsec }.
  const time = new BigInt64Array(2);
  if (libc.clock_gettime(CLOCK_MONOTONIC, time as unknown as Uint8Array) < 0) {
    throw libc.failure("clock_gettime");
  }
  return Number(time[0]) * 1000 + Number(time[1]) / 1e6 - performance.now();
}
