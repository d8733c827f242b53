/** What the report says about the machine, so that figures from two machines are not mixed up. */
import { readFileSync } from "node:fs";
import os from "node:os";
import process from "node:process";

export interface Machine {
  cpu: string;
  cores: number;
  memory_gib: number;
  kernel: string;
  distribution: string;
  hypervisor: boolean;
  open_files_max: number;
  /** The kernel's settings that matter to these measures. */
  sysctls: Record<string, string>;
  runtime: string;
  /** Where the loopback is that everything goes through. */
  network: string;
}

const SYSCTLS = [
  "fs.pipe-max-size",
  "fs.pipe-user-pages-soft",
  "net.core.rmem_max",
  "net.core.wmem_max",
  "net.core.somaxconn",
  "net.core.busy_poll",
  "net.ipv4.ip_local_port_range",
  "net.ipv4.tcp_rmem",
  "net.ipv4.tcp_wmem",
  "net.ipv4.tcp_congestion_control",
  "net.ipv4.tcp_tw_reuse",
];

export function describeMachine(): Omit<Machine, "network"> {
  const cpus = os.cpus();
  const cpuinfo = read("/proc/cpuinfo");
  return {
    cpu: cpus[0]?.model.trim() ?? "unknown",
    cores: cpus.length,
    memory_gib: os.totalmem() / 2 ** 30,
    kernel: os.release(),
    distribution: /^PRETTY_NAME="?([^"\n]*)/m.exec(read("/etc/os-release"))?.[1] ?? "unknown",
    hypervisor: /^flags\b.*\bhypervisor\b/m.test(cpuinfo),
    open_files_max: openFilesMax(),
    sysctls: Object.fromEntries(SYSCTLS.map((name) => [name, sysctl(name)])),
    runtime: `bun ${process.versions.bun ?? "?"}`,
  };
}

/** The descriptors that this process, and so each one it starts, may have open. */
export function openFilesMax(): number {
  const line = /^Max open files\s+(\S+)/m.exec(read("/proc/self/limits"))?.[1] ?? "0";
  return line === "unlimited" ? Infinity : Number(line);
}

/** First and last port that the kernel gives to outgoing connections. */
export function ephemeralPorts(): { first: number; last: number } {
  const [first, last] = sysctl("net.ipv4.ip_local_port_range").split(/\s+/).map(Number);
  return { first: first || 32_768, last: last || 60_999 };
}

/** A setting of the kernel, empty where it has none of the name. */
export function sysctl(name: string): string {
  return read(`/proc/sys/${name.replaceAll(".", "/")}`).trim().replace(/\s+/g, " ");
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
