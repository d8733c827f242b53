/** socat, one process per session. */
import type { Contender, Running } from "./contender.ts";
import type { FreePorts } from "./ports.ts";
import { type Pair, portPairs, programVersion, proxyLane, runningProxy } from "./proxy.ts";

function command({ front_port, back_port }: Pair): string[] {
  return [
    // The unit of each read and write; 8 KiB by default.
    "-b1048576",
    // Seconds that one direction may go on when the other has ended; 0.5 by default.
    "-t60",
    `TCP4-LISTEN:${front_port},bind=127.0.0.1,reuseaddr,fork,backlog=1024,nodelay`,
    `TCP4:127.0.0.1:${back_port},nodelay`,
  ];
}

export function socat({ ports }: { ports: FreePorts }): Contender {
  return {
    name: "socat",
    carries: ["tcp"],
    setup: "socat with `fork` (a process per session) and copies of 1 MiB.",
    shown: `socat ${command({ front_port: 8000, back_port: 9000 }).join(" ")}`,
    version: () => programVersion("socat", ["-V"], /socat version (\S+)/),
    async start({ children, need }) {
      const pairs = await portPairs(ports, need.groups);
      const running: Running[] = [];
      try {
        for (const pair of pairs) {
          const child = children.start({ name: "socat", command: "socat", args: command(pair) });
          running.push(await runningProxy(child, [pair]));
        }
      } catch (error) {
        await Promise.all(running.map((one) => one.stop()));
        throw error;
      }
      return {
        serving_ms: running[0].serving_ms,
        pids: () => running.flatMap((one) => one.pids()),
        open: (group, sessions) => Promise.resolve(proxyLane(pairs[group], sessions)),
        sessionsWay: () => pairs[0],
        stop: async () => {
          await Promise.all(running.map((one) => one.stop()));
        },
      };
    },
  };
}
