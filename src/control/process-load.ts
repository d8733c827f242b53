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
  #resident_bytes = 0;

  read(): ProcessLoad {
    const cpu_us = cpuMicroseconds();
    const at_ms = performance.now();
    const elapsed_us = Math.max(1, (at_ms - this.#at_ms) * 1000);
    const cpu_percent = 100 * (cpu_us - this.#cpu_us) / elapsed_us;
    this.#cpu_us = cpu_us;
    this.#at_ms = at_ms;
    return {
      cpu_percent: round(cpu_percent),
      mem_mb: round(this.#readResident() / BYTES_PER_MB),
    };
  }

  /** Where no descriptor is left the kernel cannot be asked; what it last said stands then. */
  #readResident(): number {
    try {
      this.#resident_bytes = process.memoryUsage().rss;
    } catch {
      // Strangers can bring that about, and no figure is worth the process.
    }
    return this.#resident_bytes;
  }
}

function cpuMicroseconds(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
