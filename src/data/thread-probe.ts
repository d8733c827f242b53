/**
 * Looking into a data worker while it works: where it spends its time and what its memory holds. The
 * worker does it itself between two turns of its loop; a heap snapshot holds it up for as long as it
 * takes, a tenth of a second and more with much memory.
 */
import { join } from "node:path";
import process from "node:process";
import { threadId } from "node:worker_threads";
import type { CpuProfile } from "../observe/cpu-profile.ts";
import { CpuProfiler } from "../observe/cpu-profiler.ts";

export type ThreadProbe =
  | { kind: "cpu_start" }
  /** The answer is the profile. */
  | { kind: "cpu_stop" }
  /** Writes V8's format to a file in the folder, which is for nobody else; the answer is its path. */
  | { kind: "heap"; folder: string };

export interface ProbeResult {
  profile: CpuProfile | null;
  path: string | null;
  /** Null where all went well. */
  error: string | null;
}

export interface ThreadAnswer extends ProbeResult {
  /** `tcp 0`: the worker and its place among those of its kind. */
  thread: string;
}

/** Who has workers to look into. */
export interface Probed {
  /** Those that die meanwhile are left out. */
  probe(probe: ThreadProbe): Promise<ThreadAnswer[]>;
}

const NOTHING: ProbeResult = { profile: null, path: null, error: null };
const UNDONE = "this runtime answers no thread that waits in the kernel";

/** The worker's side. */
export class ThreadProbes {
  #profiler: CpuProfiler | null = null;

  carryOut(probe: ThreadProbe): ProbeResult {
    try {
      return { ...NOTHING, ...this.#carryOut(probe) };
    } catch (error) {
      return { ...NOTHING, error: error instanceof Error ? error.message : String(error) };
    }
  }

  #carryOut(probe: ThreadProbe): Partial<ProbeResult> {
    const profiler = this.#profiler ??= new CpuProfiler();
    switch (probe.kind) {
      case "cpu_start":
        if (!profiler.is_running && !profiler.startNow()) throw new Error(UNDONE);
        return {};
      case "cpu_stop":
        if (!profiler.is_running) throw new Error(UNDONE);
        return { profile: profiler.stopNow() };
      case "heap":
        return { path: writeHeap(join(probe.folder, `thread-${threadId}`)) };
    }
  }
}

/** What the memory of this thread holds, in V8's format; answers the path. */
export function writeHeap(path: string): string {
  return process.getBuiltinModule("node:v8").writeHeapSnapshot(path);
}
