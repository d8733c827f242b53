/** `relayx video-be`: the echoing back end of the verification tools. */
import type { Command } from "commander";
import { runBackEnd } from "./run-tool.ts";
import { addTlsOptions, readTlsFlags, type TlsFlags } from "./tls-options.ts";

interface VideoBeFlags extends TlsFlags {
  addr: string;
  id: string;
  token: string;
  max: string;
  max_payload_mb: string;
  reconnect_ivl: string;
}

export function addVideoBe(program: Command): void {
  addTlsOptions(
    program.command("video-be")
      .description("verification back end: registers as a server and echoes every frame it is sent")
      .option("--addr <host:port>", "control address of the gateway", "127.0.0.1:5555")
      .option("--id <id>", "server id", "video-be-1")
      .option("--token <token>", "registration token", "video")
      .option("--max <count>", "ports in use at once, announced as max_conn", "100")
      .option("--max_payload_mb <MiB>", "longest frame payload accepted", "16")
      .option("--reconnect_ivl <ms>", "pause between two attempts to connect", "100"),
  )
    .action((flags: VideoBeFlags) => run(flags));
}

function run(flags: VideoBeFlags): Promise<void> {
  return runBackEnd("video-be", flags, async (log) => {
    const { addressFlag, numberFlag, textFlag } = await import("../tools/flags.ts");
    const { BackEnd } = await import("../tools/video/back-end.ts");
    return new BackEnd({
      ...addressFlag("--addr", flags.addr),
      tls: await readTlsFlags(flags),
      id: textFlag("--id", flags.id),
      token: textFlag("--token", flags.token),
      max_conn: numberFlag("--max", flags.max, { min: 1, max: 65_535, whole: true }),
      payload_bytes_max: 1024 * 1024 *
        numberFlag("--max_payload_mb", flags.max_payload_mb, { min: 1, max: 1024, whole: true }),
      reconnect_interval_ms: numberFlag("--reconnect_ivl", flags.reconnect_ivl, {
        min: 1,
        max: 60_000,
        whole: true,
      }),
      log,
    });
  });
}
