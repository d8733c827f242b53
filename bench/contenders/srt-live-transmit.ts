/** srt-live-transmit of srt-tools: libsrt's own relay, one process per session. */
import { readFile } from "node:fs/promises";
import type { Child } from "../child.ts";
import type { Contender } from "./contender.ts";
import type { FreePorts } from "./ports.ts";
import { programVersion } from "./proxy.ts";

const LISTEN_MS = 5_000;
const LOOK_MS = 5;
/** The same room in packets and bytes as relayx has, so that neither wins by its buffers. */
const OPTIONS = "fc=16384&rcvbuf=24117248&sndbuf=24117248&maxbw=1250000000";

function command(front_port: number, back_port: number, latency_ms: number): string[] {
  return [
    "-quiet",
    "-loglevel:fatal",
    // A message is passed on whole whatever its size, up to the largest there is.
    "-chunk:1456",
    `srt://127.0.0.1:${front_port}?mode=listener&latency=${latency_ms}&${OPTIONS}`,
    `srt://127.0.0.1:${back_port}?mode=caller&latency=${latency_ms}&${OPTIONS}`,
  ];
}

export function srtLiveTransmit({ ports }: { ports: FreePorts }): Contender {
  return {
    name: "srt-live-transmit",
    carries: ["srt"],
    setup: "srt-live-transmit from listener to caller, one process per session, with the same " +
      "latency, window and buffers as relayx and no bandwidth limit.",
    shown: `srt-live-transmit ${command(8000, 9000, 120).join(" ")}`,
    version: () => programVersion("srt-live-transmit", ["-version"], /SRT Library version:? (\S+)/),
    start({ children, need }) {
      const all: Child[] = [];
      return Promise.resolve({
        serving_ms: NaN,
        pids: () => all.map(({ pid }) => pid),
        async open(_group, sessions) {
          const [back_port] = await ports.take(1);
          const fronts = await ports.take(sessions);
          for (const front_port of fronts) {
            const child = children.start({
              name: "srt-live-transmit",
              command: "srt-live-transmit",
              args: command(front_port, back_port, need.latency_ms),
            });
            all.push(child);
            await Promise.race([listens(front_port), child.gone()]);
          }
          return {
            front: { connect: fronts.map((port) => ({ port, opening: "" })) },
            back: { accept: { port: back_port, count: sessions } },
            hops: 2,
          };
        },
        sessionsWay: () => {
          throw new Error("srt-live-transmit carries one session per process");
        },
        stop: async () => {
          await Promise.all(all.map((child) => child.stop()));
        },
      });
    },
  };
}

async function listens(port: number): Promise<void> {
  const wanted = new RegExp(
    `^\\s*\\d+: [0-9A-F]+:${port.toString(16).toUpperCase().padStart(4, "0")} `,
    "m",
  );
  for (const until = performance.now() + LISTEN_MS; performance.now() < until;) {
    if (wanted.test(await readFile("/proc/net/udp", "utf8"))) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  throw new Error(`srt-live-transmit does not listen on port ${port} within ${LISTEN_MS / 1000} s`);
}
