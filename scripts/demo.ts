/**
 * The demonstration: a real video goes from a front end through relayx to a back end and back, over
 * TCP and over SRT, and every byte is accounted for. Run it by `npm run demo`, which builds first.
 *
 * Exit code 0 means that all bytes came back equal and all ports are free again.
 */
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { FrontEndResult } from "../src/tools/video/front-end.ts";
import { Child } from "./demo/child.ts";
import { demoPorts, isShipped } from "./demo/ports.ts";
import { makeRecording, RECORDING_SECONDS } from "./demo/recording.ts";
import { resultTable } from "./demo/table.ts";

/** The whole run, recording excluded, takes a few seconds; this is far beyond. */
const DEADLINE_MS = 60_000;
/** Several times the video's own rate, and far from what the planes can do. */
const RATE_MBPS = 60;

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const binary = here("../dist/relayx");
const say = (text: string) => process.stdout.write(`${text}\n`);

/** Runs everything; `children` names what has to be stopped, the last started first. */
async function demo(children: Child[], folder: string, signal: AbortSignal): Promise<void> {
  const start = (child: Child) => {
    signal.throwIfAborted();
    children.unshift(child);
    return child;
  };
  await stat(binary).catch(() => {
    throw new Error("dist/relayx is not there; run `npm run demo`, which builds it first");
  });
  const recording = here("../dist/demo.mpegts");
  const bytes = await makeRecording(recording);
  say(`video      ${RECORDING_SECONDS} s of MPEG-TS, ${bytes} bytes (dist/demo.mpegts)`);

  const ports = await demoPorts();
  const gateway = start(
    new Child({
      name: "gateway",
      command: binary,
      args: ["--config_path", here("../config.yaml")],
      env: {
        RELAYX_GATEWAY_TCP_PORT: String(ports.control),
        RELAYX_ZEROMQ_PORT_RANGE: `${ports.zmq.first}-${ports.zmq.last}`,
        RELAYX_GOSRT_PORT_RANGE: `${ports.srt.first}-${ports.srt.last}`,
        RELAYX_LOGGING_OUTPUT: "console",
        RELAYX_LOGGING_FORMAT: "json",
        RELAYX_LOGGING_LEVEL: "info",
      },
    }),
  );
  await gateway.line((line) => line.includes('"status":"serving"'));
  const elsewhere = isShipped(ports) ? "" : " (the shipped ports are taken)";
  say(`gateway    serving on ${ports.control}${elsewhere}`);

  const addr = `127.0.0.1:${ports.control}`;
  const backEnd = start(
    new Child({
      name: "video-be",
      command: binary,
      args: ["video-be", "--addr", addr, "--id", "demo-be", "--token", "demo"],
    }),
  );
  await backEnd.line((line) => line.includes('"status":"registered"'));
  say("back end   registered");

  const report = join(folder, "report.json");
  const frontEnd = start(
    new Child({
      name: "video-fe",
      command: binary,
      // deno-fmt-ignore
      args: [
        "video-fe", "--addr", addr, "--id", "demo-fe", "--token", "demo", "--file", recording,
        "--rate_mbps", String(RATE_MBPS), "--zmq", "--srt", "--report", report,
      ],
      show_stderr: true,
    }),
  );
  const code = await frontEnd.exited;
  signal.throwIfAborted();
  const text = await readFile(report, "utf8").catch(() => null);
  if (text === null) throw new Error(`the front end ended with code ${code} and without a report`);
  const result = JSON.parse(text) as FrontEndResult;
  say(`\n${resultTable(result.transports)}\n`);
  say(`  ports back at the baseline: ${result.ports_released ? "yes" : "NO"}\n`);
  if (code !== 0 || !result.ok) throw new Error(result.reason ?? `exit code ${code}`);
}

async function main(): Promise<number> {
  const began = performance.now();
  const children: Child[] = [];
  const folder = await mkdtemp(join(tmpdir(), "relayx-demo-"));
  let end: (error: Error) => void = () => {};
  const ended = new Promise<never>((_, reject) => end = reject);
  const stop = new AbortController();
  let interrupted = 0;
  const interrupt = (code: number) => {
    interrupted = code;
    stop.abort();
    end(new Error("interrupted"));
  };
  process.on("SIGINT", () => interrupt(130));
  process.on("SIGTERM", () => interrupt(143));
  const timer = setTimeout(
    () => end(new Error(`not done after ${DEADLINE_MS / 1000} s`)),
    DEADLINE_MS,
  );
  let reason: string | null = null;
  try {
    await Promise.race([demo(children, folder, stop.signal), ended]);
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
    for (const child of children) await child.stop();
    await rm(folder, { recursive: true, force: true });
  }
  if (reason === null) {
    say(
      `every byte came back over both planes (${
        ((performance.now() - began) / 1000).toFixed(1)
      } s)`,
    );
    return 0;
  }
  process.stderr.write(`demo failed: ${reason}\n`);
  for (const child of children) {
    if (interrupted === 0 && child.tail(1) !== "") {
      process.stderr.write(`\nlast lines of ${child.name}:\n${child.tail(20)}\n`);
    }
  }
  return interrupted || 1;
}

process.exit(await main());
