/** What the kernel knows about a process: memory, descriptors, children. */
import { existsSync, readdirSync, readFileSync } from "node:fs";

export function residentBytes(pid: number): number {
  const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  if (!found) throw new Error(`process ${pid} has no resident memory: it is gone`);
  return Number(found[1]) * 1024;
}

export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

export function threadCount(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).length;
}

export function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}/stat`);
}

/** The processes that this one has started and that are still there. */
export function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean)
      .map(Number)
  );
}

/** Follows only children to the end: a task runner between us and the gateway is skipped. */
export function innermost(pid: number): number {
  const children = childrenOf(pid);
  return children.length === 1 ? innermost(children[0]) : pid;
}
