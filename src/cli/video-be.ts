/** `relayx video-be`: the echoing back end of the verification tools. */
import process from "node:process";
import type { Command } from "commander";
import { EXIT } from "./exit-code.ts";
import { Interrupt } from "./interrupt.ts";
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

/** Serves until SIGINT or SIGTERM; a second signal does not wait for the sessions' end. */
async function run(flags: VideoBeFlags): Promise<void> {
  const { addressFlag, FlagError, numberFlag, textFlag } = await import("../tools/flags.ts");
  const { BackEnd } = await import("../tools/video/back-end.ts");
  const { configSchema } = await import("../config/schema.ts");
  const { openLog } = await import("../observe/log.ts");
  const { logging } = configSchema.parse({});
  const log = await openLog({ logging: { ...logging, output: "console" } });
  const interrupt = new Interrupt();
  try {
    const backEnd = new BackEnd({
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
    interrupt.start();
    log.info({ status: "starting", addr: flags.addr, id: flags.id }, "back end starts");
    // A refused registration ends the program; a signal may come before there is an answer.
    const refused = backEnd.start().then(() => null, (error: Error) => error);
    const first = await Promise.race([interrupt.told, refused]);
    if (first instanceof Error) {
      log.error({ status: "register_refused", error: first.message }, "cannot register");
      process.exitCode = EXIT.failure;
    } else {
      const signal = await interrupt.told;
      log.info({ status: "stopping", signal, ...backEnd.snapshot() }, "back end stops");
    }
    await backEnd.close();
    log.info({ status: "stopped", ...backEnd.snapshot() }, "back end stopped");
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    process.stderr.write(`relayx video-be: ${error.message}\n`);
    process.exitCode = EXIT.usage;
  } finally {
    interrupt.close();
    await log.close();
  }
}
