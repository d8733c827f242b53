/**
 * The network that the benchmark runs in: a namespace of its own, with a loopback nobody else uses and
 * a congestion control that is chosen and stated. On a machine whose own is BBR, TCP on the loopback is
 * paced by timers, and what is measured is the pacing: the same relay then moves a third of the bytes.
 */
import { spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { sysctl } from "./facts/machine.ts";

/** Set for the process inside, so that it does not go in once more. */
const INSIDE = "BENCH_NETWORK";
const CONGESTION = "/proc/sys/net/ipv4/tcp_congestion_control";

/** What the report says about it. */
export function describeNetwork(): string {
  return process.env[INSIDE] === "own"
    ? "a namespace of its own"
    : "the machine's, as a namespace could not be made";
}

/**
 * Runs this program again inside the namespace and answers its exit code; null where this process is
 * the one to go on, being inside already or having no right to make one.
 */
export async function enterOwnNetwork(argv: readonly string[]): Promise<number | null> {
  if (process.env[INSIDE] !== undefined) return null;
  const as_user = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  const unshare = [...as_user, "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"];
  if (spawnSync("unshare", [...unshare, "true"]).status !== 0) {
    console.error("No network namespace can be made here: the benchmark uses the machine's own.");
    process.env[INSIDE] = "machine";
    return null;
  }
  const inside = spawn("unshare", [...unshare, process.execPath, process.argv[1], ...argv], {
    stdio: "inherit",
    env: { ...process.env, [INSIDE]: "own" },
  });
  // The one inside ends in order, and this one with it. A terminal's Ctrl-C reaches both at once.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => inside.kill("SIGTERM"));
  return await new Promise((resolve) => inside.once("close", (code) => resolve(code ?? 1)));
}

/** Sets the congestion control of the own namespace; throws where the kernel does not have it. */
export function chooseCongestion(name: string): void {
  if (process.env[INSIDE] !== "own") return;
  const available = sysctl("net.ipv4.tcp_available_congestion_control");
  if (!available.split(" ").includes(name)) {
    throw new Error(`--congestion: found "${name}"; this kernel has ${available}`);
  }
  writeFileSync(CONGESTION, name);
}
