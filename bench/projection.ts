/**
 * What the figures say about a larger machine: 32 cores and a network of 25 Gbit/s. It is arithmetic
 * on measured costs, each step stated, and holds as long as a core there does what one here does.
 */
import { Figures } from "./figures/figures.ts";
import type { Sample } from "./sample.ts";

const CORES = 32;
const NETWORK_GBPS = 25;
const SRT_SESSION_MBPS = 5;

export function projection(samples: readonly Sample[]): string {
  const of = (measure: string) =>
    new Figures(samples.filter((sample) => sample.measure === measure));
  const lines = [
    bulk(of("tcp-bulk").median("64 sessions, one way", "relayx", "gbit_per_cpu_s")),
    sessions(of("setup").median("16 at once", "relayx", "relay_cpu_ms")),
    srt(of("srt-many").median("100 sessions", "relayx", "relay_cores")),
  ].filter((line) => line !== "");
  if (lines.length === 0) return "";
  return [
    `## On ${CORES} cores and ${NETWORK_GBPS} Gbit/s`,
    lines.map((line) => `- ${line}`).join("\n"),
  ].join("\n\n");
}

function bulk(gbit_per_cpu_s: number): string {
  if (!Number.isFinite(gbit_per_cpu_s)) return "";
  const cores = NETWORK_GBPS / gbit_per_cpu_s;
  return `TCP: at ${
    gbit_per_cpu_s.toFixed(1)
  } Gbit per CPU-second over 64 sessions, ${NETWORK_GBPS} ` +
    `Gbit/s take ${cores.toFixed(1)} cores of the relay: ${
      cores < 0.9
        ? "one worker carries it"
        : `\`gateway.tcp_workers\` has to be ${Math.ceil(cores / 0.9)} or more`
    }. A network card's interrupts, which a loopback has not, come on top.`;
}

function sessions(relay_cpu_ms: number): string {
  if (!Number.isFinite(relay_cpu_ms)) return "";
  return `Session set-up: at ${
    relay_cpu_ms.toFixed(3)
  } ms of CPU per session, of which a part is the ` +
    `control thread's, one relay sets up at most ${
      (1000 / relay_cpu_ms).toFixed(0)
    } per second and ` +
    "core used; more cores help only as far as the work is spread beyond the one control thread.";
}

function srt(cores_at_100: number): string {
  if (!Number.isFinite(cores_at_100)) return "";
  const per_core = 100 / cores_at_100;
  const filled = NETWORK_GBPS * 1000 / SRT_SESSION_MBPS;
  return `SRT: a core carries about ${
    per_core.toFixed(0)
  } sessions of ${SRT_SESSION_MBPS} Mbit/s, and ` +
    `${filled} of them would fill the network: ${
      (filled / per_core).toFixed(0)
    } cores. libsrt's own ` +
    "threads, two per port, spread by themselves; the one thread that moves messages does not, so one " +
    "process per few cores, or more than one poller with a library of its own each, would be needed.";
}
