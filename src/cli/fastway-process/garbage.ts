/** What the garbage collector of the main thread does, and how much memory there is. */
import { setTimeout } from "node:timers/promises";
import process from "node:process";

const WATCHED_MS = 1000;

export interface GarbageFigures {
  resident_bytes: number;
  heap_bytes: number;
  heap_used_bytes: number;
  external_bytes: number;
  watched_ms: number;
  /** Collections in that time, by kind. */
  collections: Record<string, number>;
}

export async function garbageFigures(): Promise<GarbageFigures> {
  const { GCProfiler } = process.getBuiltinModule("node:v8");
  const profiler = new GCProfiler();
  profiler.start();
  await setTimeout(WATCHED_MS, undefined, { ref: false });
  const collections: Record<string, number> = {};
  for (const { gcType } of profiler.stop().statistics) {
    collections[gcType] = (collections[gcType] ?? 0) + 1;
  }
  const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
  return {
    resident_bytes: rss,
    heap_bytes: heapTotal,
    heap_used_bytes: heapUsed,
    external_bytes: external,
    watched_ms: WATCHED_MS,
    collections,
  };
}
