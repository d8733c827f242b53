/**
 * What the proxies have in common: each group of sessions has a front port that the proxy listens on
 * and a back port that it connects to, both fixed by its configuration before it starts.
 */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import type { Child } from "../child.ts";
import type { Lane, Running } from "./contender.ts";
import type { FreePorts } from "./ports.ts";

/** How long a program may take to listen, milliseconds. */
const LISTEN_MS = 5_000;
const LOOK_MS = 5;

export interface Pair {
  front_port: number;
  back_port: number;
}

export async function portPairs(ports: FreePorts, groups: number): Promise<Pair[]> {
  const free = await ports.take(2 * groups);
  return Array.from({ length: groups }, (_, group) => ({
    front_port: free[2 * group],
    back_port: free[2 * group + 1],
  }));
}

export function proxyLane(pair: Pair, sessions: number): Lane {
  return {
    front: {
      connect: Array.from({ length: sessions }, () => ({ port: pair.front_port, opening: "" })),
    },
    back: { accept: { port: pair.back_port, count: sessions } },
    hops: 2,
  };
}

/** A proxy that has been started, as soon as it listens; it is stopped again where it does not. */
export async function runningProxy(child: Child, pairs: Pair[]): Promise<Running> {
  try {
    for (const { front_port } of pairs) {
      await Promise.race([listens(front_port, child.name), child.gone()]);
    }
  } catch (error) {
    await child.stop();
    throw error;
  }
  return {
    serving_ms: performance.now() - child.started_ms,
    pids: () => [child.pid],
    open: (group, sessions) => Promise.resolve(proxyLane(pairs[group], sessions)),
    sessionsWay: () => pairs[0],
    stop: () => child.stop(),
  };
}

/**
 * Looks at `/proc/net/tcp` and not by connecting: a probe would become a session, and the proxy would
 * note its missing back end.
 */
export async function listens(port: number, name: string): Promise<void> {
  const wanted = new RegExp(
    `^\\s*\\d+: [0-9A-F]+:${port.toString(16).toUpperCase().padStart(4, "0")} [0-9A-F:]+ 0A `,
    "m",
  );
  for (const until = performance.now() + LISTEN_MS; performance.now() < until;) {
    if (wanted.test(await readFile("/proc/net/tcp", "utf8"))) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  throw new Error(`${name} does not listen on port ${port} within ${LISTEN_MS / 1000} s`);
}

/** The first line of a program's output that has a version in it; rejects where it is missing. */
export function programVersion(command: string, args: string[], what: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, (error, stdout, stderr) => {
      const found = what.exec(stdout + stderr);
      if (found) resolve(found[1]);
      else if (error && "code" in error && error.code === "ENOENT") {
        reject(new Error(`${command} is not installed; npm run bench installs it where it may`));
      } else reject(new Error(`${command} ${args.join(" ")} tells no version`));
    });
  });
}
