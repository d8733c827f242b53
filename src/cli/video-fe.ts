/** `relayx video-fe`: streams a file through the gateway to a back end and verifies the echo. */
import process from "node:process";
import type { Command } from "commander";
import { runFrontEnd } from "./run-tool.ts";
import { addTlsOptions, readTlsFlags, type TlsFlags } from "./tls-options.ts";
import type { FrontEndOptions } from "../tools/video/front-end.ts";

interface VideoFeFlags extends TlsFlags {
  addr: string;
  id?: string;
  token: string;
  server_id?: string;
  file: string;
  chunk_kb: string;
  srt?: string | boolean;
  hello_proof?: string | boolean;
  zmq?: string | boolean;
  delay_ms: string;
  jitter_ms: string;
  drop_pct: string;
  rate_mbps: string;
  drain: string;
  wait_release: string;
  wait_grant: string;
  report?: string;
  keep_samples?: string | boolean;
  max_payload_mb: string;
  reconnect_ivl: string;
}

/** The longest pause before a frame, one hour: beyond it a unit was mistaken. */
const PAUSE_MS_MAX = 3_600_000;

export function addVideoFe(program: Command): void {
  addTlsOptions(
    program.command("video-fe")
      .description(
        "verification front end: streams a file to a back end and checks what comes back",
      )
      .requiredOption("--file <path>", "file to send, for instance an MPEG-TS recording")
      .option("--addr <host:port>", "control address of the gateway", "127.0.0.1:5555")
      .option("--id <id>", "client id (default: a random one)")
      .option("--token <token>", "registration token", "video")
      .option("--server_id <id>", "back end to be paired with (default: any)")
      .option("--zmq [bool]", "use the TCP plane (default: both planes, unless one is chosen)")
      .option("--srt [bool]", "use the SRT plane (default: both planes, unless one is chosen)")
      .option("--hello_proof [bool]", "ask for a session whose ends must prove themselves")
      .option("--chunk_kb <KiB>", "payload of one frame", "64")
      .option("--rate_mbps <Mbit/s>", "payload rate; 0 is unlimited, over SRT 100", "0")
      .option("--delay_ms <ms>", "pause before every frame", "0")
      .option("--jitter_ms <ms>", "random further pause before every frame", "0")
      .option("--drop_pct <percent>", "frames left out on purpose", "0")
      .option("--drain <duration>", "how long to wait for a further echo at the end", "1.5s")
      .option("--wait_grant <duration>", "how long to wait for a session", "255s")
      .option("--wait_release <duration>", "how long the ports may take to be free again", "8s")
      .option("--report <path>", "write the whole result to this file as JSON")
      .option("--keep_samples [bool]", "put every round trip into the report")
      .option("--max_payload_mb <MiB>", "longest frame payload accepted", "16")
      .option("--reconnect_ivl <ms>", "pause between two attempts to connect", "100"),
  )
    .addHelpText(
      "after",
      "\nExit codes: 0 all bytes came back equal and the ports are free again, 1 they are not,\n" +
        "2 a flag is wrong, 130 or 143 interrupted.",
    )
    .action((flags: VideoFeFlags) => run(flags));
}

function run(flags: VideoFeFlags): Promise<void> {
  return runFrontEnd("video-fe", {
    report: flags.report,
    run: async (signal, say) => {
      const { FrontEnd } = await import("../tools/video/front-end.ts");
      return await new FrontEnd(await readFlags(flags, signal, say)).run();
    },
    tell: ({ transports, ok, reason }, say) => {
      for (const one of transports) process.stdout.write(`${JSON.stringify(one)}\n`);
      if (ok) say("all bytes came back equal and the ports are free again");
      else say(`failed: ${reason}`);
    },
  });
}

async function readFlags(
  flags: VideoFeFlags,
  signal: AbortSignal,
  note: (text: string) => void,
): Promise<FrontEndOptions> {
  const { addressFlag, booleanFlag, durationFlag, FlagError, numberFlag, textFlag } = await import(
    "../tools/flags.ts"
  );
  const { randomId } = await import("../tools/video/front-end.ts");
  const chosen = {
    zmq: flags.zmq === undefined ? null : booleanFlag("--zmq", flags.zmq),
    srt: flags.srt === undefined ? null : booleanFlag("--srt", flags.srt),
  };
  // A plane that is chosen stands alone; one that is only refused leaves the other.
  const other = chosen.zmq !== true && chosen.srt !== true;
  const planes = { zmq: chosen.zmq ?? other, srt: chosen.srt ?? other };
  if (!planes.zmq && !planes.srt) {
    throw new FlagError("--zmq and --srt", "false for both", "at least one plane");
  }
  const payload_bytes_max = 1024 * 1024 *
    numberFlag("--max_payload_mb", flags.max_payload_mb, { min: 1, max: 1024, whole: true });
  const pause = { min: 0, max: PAUSE_MS_MAX };
  return {
    ...addressFlag("--addr", flags.addr),
    tls: await readTlsFlags(flags),
    ...planes,
    id: flags.id === undefined ? randomId("video-fe") : textFlag("--id", flags.id),
    token: textFlag("--token", flags.token),
    server_id: flags.server_id,
    hello_proof: booleanFlag("--hello_proof", flags.hello_proof ?? false),
    file: flags.file,
    chunk_bytes: 1024 * numberFlag("--chunk_kb", flags.chunk_kb, {
      min: 1,
      max: payload_bytes_max / 1024,
      whole: true,
    }),
    payload_bytes_max,
    rate_mbps: numberFlag("--rate_mbps", flags.rate_mbps, { min: 0, max: 1_000_000 }),
    delay_ms: numberFlag("--delay_ms", flags.delay_ms, pause),
    jitter_ms: numberFlag("--jitter_ms", flags.jitter_ms, pause),
    drop_pct: numberFlag("--drop_pct", flags.drop_pct, { min: 0, max: 99 }),
    drain_ms: durationFlag("--drain", flags.drain),
    wait_release_ms: durationFlag("--wait_release", flags.wait_release),
    wait_grant_ms: durationFlag("--wait_grant", flags.wait_grant),
    reconnect_interval_ms: numberFlag("--reconnect_ivl", flags.reconnect_ivl, {
      min: 1,
      max: 60_000,
      whole: true,
    }),
    keep_samples: booleanFlag("--keep_samples", flags.keep_samples ?? false),
    signal,
    note,
    progress: {
      rewrite: process.stderr.isTTY === true,
      write: (text) => process.stderr.write(text),
    },
  };
}
