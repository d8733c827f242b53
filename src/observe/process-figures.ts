/** What the kernel says of this process, under the names that Prometheus' own clients use. */
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";

export interface ProcessFigures {
  cpu_user_s: number;
  cpu_system_s: number;
  resident_bytes: number;
  virtual_bytes: number;
  threads: number;
  open_fds: number;
  /** Infinite where there is no limit. */
  max_fds: number;
}

const BYTES_PER_KB = 1024;

export function readProcessFigures(): ProcessFigures {
  const { user, system } = process.cpuUsage();
  const status = readText("/proc/self/status");
  const kilobytes = (name: string) => numberAfter(status, `${name}:`) * BYTES_PER_KB;
  const limit = /^Max open files\s+(\S+)/m.exec(readText("/proc/self/limits"))?.[1];
  return {
    cpu_user_s: user / 1e6,
    cpu_system_s: system / 1e6,
    resident_bytes: kilobytes("VmRSS"),
    virtual_bytes: kilobytes("VmSize"),
    threads: numberAfter(status, "Threads:"),
    open_fds: openDescriptors(),
    max_fds: limit === undefined || limit === "unlimited" ? Infinity : Number(limit),
  };
}

/** Empty where the file cannot be read, as in a sandbox without /proc: its figures are 0 then. */
function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function numberAfter(text: string, name: string): number {
  const at = text.indexOf(name);
  return at < 0 ? 0 : Number.parseInt(text.slice(at + name.length), 10);
}

function openDescriptors(): number {
  try {
    // The folder's own descriptor is among them.
    return readdirSync("/proc/self/fd").length - 1;
  } catch {
    return 0;
  }
}
