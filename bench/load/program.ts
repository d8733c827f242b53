/**
 * The frame of every load generator: the order from the command line, events on the standard output,
 * the schedule from the standard input. Reads and writes block; there is no event loop to wait for.
 */
import process from "node:process";
import { POLLIN } from "../../ffi/libc/mod.ts";
import { libc, nowNs } from "./libc.ts";
import type { Schedule } from "./wire.ts";

const STDIN = 0;
const STDOUT = 1;

/** Runs a generator to its end; whatever it throws is told as `failed`, with exit code 1. */
export function runProgram<Order, Result>(work: (order: Order) => Result): void {
  try {
    tell({ event: "result", result: work(JSON.parse(process.argv[2]) as Order) });
  } catch (error) {
    tell({ event: "failed", reason: (error as Error).message });
    process.exitCode = 1;
  }
}

export function tell(event: { event: string; [key: string]: unknown }): void {
  const bytes = new TextEncoder().encode(JSON.stringify(event) + "\n");
  for (let at = 0; at < bytes.length;) {
    const written = libc.write(STDOUT, bytes.subarray(at), bytes.length - at);
    if (written < 0) return;
    at += written;
  }
}

/** Waits for a line from the benchmark; its end instead of a line means that it has gone. */
export function readLine(): string {
  const bytes = new Uint8Array(4096);
  let line = "";
  const readable = Int32Array.of(STDIN, POLLIN);
  while (!line.includes("\n")) {
    // The benchmark's end of this pipe may have made it a non-blocking one.
    if (libc.poll(readable, 1, -1) < 0) continue;
    const got = libc.read(STDIN, bytes, bytes.length);
    if (got <= 0) throw new Error("the benchmark has gone");
    line += new TextDecoder().decode(bytes.subarray(0, got));
  }
  return line.slice(0, line.indexOf("\n"));
}

/** Says `ready`, waits for the schedule, and returns when it starts. */
export function readyAndWait(): Schedule {
  tell({ event: "ready" });
  const schedule = JSON.parse(readLine()) as Schedule;
  sleepUntil(schedule.start_ns);
  return schedule;
}

export function sleepUntil(at_ns: number): void {
  for (let left_ns = at_ns - nowNs(); left_ns > 0; left_ns = at_ns - nowNs()) {
    // usleep takes less than a second at a time.
    libc.usleep(Math.min(999_999, Math.ceil(left_ns / 1000)));
  }
}
