/**
 * HAProxy in TCP mode, twice: as its documentation's plain example, and with everything its manual
 * offers for moving bytes. One front port and one back port per group of sessions.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Contender } from "./contender.ts";
import type { FreePorts } from "./ports.ts";
import { type Pair, portPairs, programVersion, runningProxy } from "./proxy.ts";

interface Tuning {
  name: string;
  setup: string;
  global: string[];
  defaults: string[];
}

/** Sessions that each may carry; every one takes two descriptors, and pipes when it splices. */
const SESSIONS_MAX = 6_000;

const plain: Tuning = {
  name: "haproxy",
  setup:
    "HAProxy as its documentation shows it: TCP mode, one frontend, one server, one thread per " +
    "core, buffers of 16 KiB, bytes copied through the process.",
  global: [],
  defaults: [],
};

const tuned: Tuning = {
  name: "haproxy-tuned",
  setup: "HAProxy as well as its manual allows: `option splice-auto` (bytes pass through kernel " +
    "pipes where HAProxy thinks it worth while), `tune.pipesize` 1 MiB, `tune.bufsize` 64 KiB, " +
    "and accept and connect without delayed acknowledgements.",
  global: ["tune.pipesize 1048576", "tune.bufsize 65536", "maxpipes 1024"],
  defaults: ["option splice-auto", "option tcp-smart-accept", "option tcp-smart-connect"],
};

export function haproxy({ ports }: { ports: FreePorts }): Contender {
  return contender(plain, ports);
}

export function haproxyTuned({ ports }: { ports: FreePorts }): Contender {
  return contender(tuned, ports);
}

function contender(tuning: Tuning, ports: FreePorts): Contender {
  return {
    name: tuning.name,
    carries: ["tcp", "fastway"],
    setup: tuning.setup,
    shown: configuration(tuning, [{ front_port: 8000, back_port: 9000 }]),
    version: () => programVersion("haproxy", ["-v"], /version (\S+)/),
    async start({ children, folder, need }) {
      const pairs = await portPairs(ports, need.groups);
      const file = join(folder, "haproxy.cfg");
      await writeFile(file, configuration(tuning, pairs));
      const child = children.start({
        name: tuning.name,
        command: "haproxy",
        // In the foreground and without a master: one process to measure and to stop.
        args: ["-db", "-q", "-f", file],
      });
      return await runningProxy(child, pairs);
    },
  };
}

function configuration({ global, defaults }: Tuning, pairs: Pair[]): string {
  const section = (head: string, lines: string[]) => [head, ...lines.map((line) => `  ${line}`)];
  return [
    ...section("global", [`maxconn ${SESSIONS_MAX}`, ...global]),
    ...section("defaults", [
      "mode tcp",
      `maxconn ${SESSIONS_MAX}`,
      ...defaults,
      "timeout connect 5s",
      "timeout client 20m",
      "timeout server 20m",
    ]),
    ...pairs.flatMap(({ front_port, back_port }, at) =>
      section(`listen relay${at}`, [
        `bind 127.0.0.1:${front_port}`,
        `server back 127.0.0.1:${back_port}`,
      ])
    ),
    "",
  ].join("\n");
}
