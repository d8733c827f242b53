/** No relay at all: the front end is connected straight to the back end. The physical limit. */
import type { Contender } from "./contender.ts";
import type { FreePorts } from "./ports.ts";
import { portPairs, proxyLane } from "./proxy.ts";

export function direct({ ports }: { ports: FreePorts }): Contender {
  return {
    name: "direct",
    carries: ["tcp", "srt", "fastway"],
    setup:
      "The load generators connected to each other over the loopback, with nothing in between. " +
      "It shows what the generators and the kernel can do at most; no relay can be faster than this.",
    shown: "front end → back end",
    version: () => Promise.resolve("the kernel's loopback"),
    async start({ need }) {
      const pairs = (await portPairs(ports, need.groups))
        .map(({ back_port }) => ({ front_port: back_port, back_port }));
      return {
        serving_ms: NaN,
        pids: () => [],
        open: (group, sessions) =>
          Promise.resolve({ ...proxyLane(pairs[group], sessions), hops: 1 }),
        sessionsWay: () => pairs[0],
        stop: () => Promise.resolve(),
      };
    },
  };
}
