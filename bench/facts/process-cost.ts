/**
 * What a tree of processes has cost so far, read from `/proc`. A contender may be one process
 * (relayx, HAProxy), a master with workers (nginx) or one child per connection (socat); counting the
 * tree makes them comparable. A child that has ended is still counted: its parent has inherited its
 * time.
 */
import { readdirSync, readFileSync } from "node:fs";

/** The kernel's unit for times in `/proc/PID/stat`, per second (USER_HZ, fixed on Linux). */
const TICKS_PER_SECOND = 100;

export interface ProcessCost {
  /** Seconds of CPU, user and system, ended children included. */
  cpu_s: number;
  rss_bytes: number;
  threads: number;
  processes: number;
}

/** The sum over the processes and all that they have started. Processes that are gone count 0. */
export function treeCost(roots: readonly number[]): ProcessCost {
  const total: ProcessCost = { cpu_s: 0, rss_bytes: 0, threads: 0, processes: 0 };
  const open = [...roots];
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    const own = costOf(pid);
    if (!own) continue;
    total.cpu_s += own.cpu_s;
    total.rss_bytes += own.rss_bytes;
    total.threads += own.threads;
    total.processes++;
    open.push(...childrenOf(pid));
  }
  return total;
}

function costOf(pid: number): ProcessCost | null {
  const stat = readOrNull(`/proc/${pid}/stat`);
  const status = readOrNull(`/proc/${pid}/status`);
  if (stat === null || status === null) return null;
  // The name may contain spaces and brackets; everything after the last bracket is numbers.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // Fields 14 to 17 of proc(5): utime, stime, cutime, cstime. Field 3 is the first here.
  const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
  return {
    cpu_s: ticks / TICKS_PER_SECOND,
    rss_bytes: Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024,
    threads: Number(/^Threads:\s+(\d+)$/m.exec(status)?.[1] ?? 0),
    processes: 1,
  };
}

function childrenOf(pid: number): number[] {
  let threads: string[];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
  return threads.flatMap((thread) =>
    (readOrNull(`/proc/${pid}/task/${thread}/children`) ?? "").split(" ").filter(Boolean)
      .map(Number)
  );
}

/** A process may end between two looks; that is no error. */
function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
