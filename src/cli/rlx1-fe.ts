/** `relayx rlx1-fe`: load from front ends of relay_X v1, every byte checked. */
import process from "node:process";
import type { Command } from "commander";
import type { Rlx1FrontEndOptions } from "../tools/rlx1/front-end.ts";
import { runFrontEnd } from "./run-tool.ts";

interface Rlx1FeFlags {
  addr: string;
  id: string;
  secret: string;
  label: string;
  sessions: string;
  parallel: string;
  kb: string;
  ttl: string;
  wait_grant: string;
  session_timeout: string;
  report?: string;
}

const LABELS = { zmq: ["zmq"], srt: ["srt"], both: ["zmq", "srt"] } as const;
const DAY_MS = 86_400_000;

export function addRlx1Fe(program: Command): void {
  program.command("rlx1-fe")
    .description(
      "relay_X v1 front end: runs sessions against echoing back ends and checks the bytes",
    )
    .requiredOption("--secret <secret>", "what the gateway asks for (rlx1.secret)")
    .option("--addr <host:port>", "control address of the gateway", "127.0.0.1:5555")
    .option("--id <id>", "client_id", "rlx1-fe")
    .option("--label <zmq|srt|both>", "the ranges that a session has a port of", "zmq")
    .option("--sessions <count>", "how many sessions", "10")
    .option("--parallel <count>", "how many at a time", "4")
    .option("--kb <KiB>", "what a session sends on each of its ports", "1024")
    .option("--ttl <seconds>", "how long ports are leased for", "30")
    .option("--wait_grant <duration>", "how long a session may wait for ports", "10s")
    .option("--session_timeout <duration>", "how long a session may take with its ports", "60s")
    .option("--report <path>", "write the result to this file as well")
    .addHelpText(
      "after",
      "\nThe result is one line of JSON. Exit codes: 0 all bytes came back equal, 1 they did not,\n" +
        "2 a flag is wrong, 130 or 143 interrupted.",
    )
    .action((flags: Rlx1FeFlags) => run(flags));
}

function run(flags: Rlx1FeFlags): Promise<void> {
  return runFrontEnd("rlx1-fe", {
    report: flags.report,
    run: async (signal) => {
      const { Rlx1FrontEnd } = await import("../tools/rlx1/front-end.ts");
      return await new Rlx1FrontEnd(await readFlags(flags, signal)).run();
    },
    tell: (report) => process.stdout.write(`${JSON.stringify(report)}\n`),
  });
}

async function readFlags(flags: Rlx1FeFlags, signal: AbortSignal): Promise<Rlx1FrontEndOptions> {
  const { addressFlag, durationFlag, FlagError, numberFlag, textFlag } = await import(
    "../tools/flags.ts"
  );
  if (!Object.hasOwn(LABELS, flags.label)) {
    throw new FlagError("--label", flags.label, "zmq, srt or both");
  }
  const whole = (flag: string, text: string, max: number) =>
    numberFlag(flag, text, { min: 1, max, whole: true });
  const time_ms = (flag: string, text: string) =>
    Math.min(DAY_MS, Math.max(1, durationFlag(flag, text)));
  return {
    ...addressFlag("--addr", flags.addr),
    client_id: textFlag("--id", flags.id),
    secret: textFlag("--secret", flags.secret),
    labels: LABELS[flags.label as keyof typeof LABELS],
    sessions: whole("--sessions", flags.sessions, 1_000_000),
    parallel: whole("--parallel", flags.parallel, 65_535),
    bytes: 1024 * whole("--kb", flags.kb, 1024 * 1024 * 1024),
    ttl_seconds: whole("--ttl", flags.ttl, 600),
    wait_ms: time_ms("--wait_grant", flags.wait_grant),
    session_ms: time_ms("--session_timeout", flags.session_timeout),
    signal,
  };
}
