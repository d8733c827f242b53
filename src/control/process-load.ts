/** What the gateway's own process costs, as the `status` broadcast shows it for every server. */
import process from "node:process";

export interface ProcessLoad {
  /** Of one core, since the previous reading. */
  cpu_percent: number;
  /** Resident memory in MiB. */
  mem_mb: number;
}

const BYTES_PER_MB = 1024 * 1024;

export class ProcessLoadMeter {
  #cpu_us = cpuMicroseconds();
  #at_ms = performance.now();

  read(): ProcessLoad {
    const cpu_us = cpuMicroseconds();
    const at_ms = performance.now();
    const elapsed_us = Math.max(1, (at_ms - this.#at_ms) * 1000);
    const cpu_percent = 100 * (cpu_us - this.#cpu_us) / elapsed_us;
    this.#cpu_us = cpu_us;
    this.#at_ms = at_ms;
    return {
      cpu_percent: round(cpu_percent),
      mem_mb: round(process.memoryUsage().rss / BYTES_PER_MB),
    };
  }
}

function cpuMicroseconds(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
