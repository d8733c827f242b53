/** How the verification tools run as commands: a back end until it is told to stop, a front end once. */
import { writeFile } from "node:fs/promises";
import process from "node:process";
import type { Log } from "../observe/log.ts";
import { EXIT } from "./exit-code.ts";
import { Interrupt } from "./interrupt.ts";

export interface BackEndTool {
  /** Rejects when the gateway refuses the registration for good. */
  start(): Promise<unknown>;
  close(): void | Promise<void>;
  /** For the log. */
  snapshot(): object;
}

/** Serves until SIGINT or SIGTERM; a second signal does not wait for the sessions' end. */
export async function runBackEnd(
  command: string,
  /** Where it registers and as whom. */
  { addr, id }: { addr: string; id: string },
  make: (log: Log) => BackEndTool | Promise<BackEndTool>,
): Promise<void> {
  const { FlagError } = await import("../tools/flags.ts");
  const { configSchema } = await import("../config/schema.ts");
  const { openLog } = await import("../observe/log.ts");
  const { logging } = configSchema.parse({});
  const log = await openLog({ logging: { ...logging, output: "console" } });
  const interrupt = new Interrupt();
  try {
    const backEnd = await make(log);
    interrupt.start();
    log.info({ status: "starting", addr, id }, "back end starts");
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
    process.stderr.write(`relayx ${command}: ${error.message}\n`);
    process.exitCode = EXIT.usage;
  } finally {
    interrupt.close();
    await log.close();
  }
}

/** Runs to the end or to an interrupt, which becomes the exit code; `tell` writes what came of it. */
export async function runFrontEnd<Result extends { ok: boolean }>(
  command: string,
  { report, run, tell }: {
    /** A file for the whole result. */
    report: string | undefined;
    run: (signal: AbortSignal, say: (text: string) => void) => Promise<Result>;
    tell: (result: Result, say: (text: string) => void) => void;
  },
): Promise<void> {
  const { FlagError } = await import("../tools/flags.ts");
  const say = (text: string) => process.stderr.write(`relayx ${command}: ${text}\n`);
  const interrupt = new Interrupt();
  interrupt.start();
  try {
    const result = await run(interrupt.signal, say);
    if (report !== undefined) await writeFile(report, `${JSON.stringify(result, null, 2)}\n`);
    tell(result, say);
    process.exitCode = interrupt.exit_code ?? (result.ok ? EXIT.ok : EXIT.failure);
  } catch (error) {
    say(`failed: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = interrupt.exit_code ??
      (error instanceof FlagError ? EXIT.usage : EXIT.failure);
  } finally {
    interrupt.close();
  }
}
