/** `relayx streams`: who publishes and who views at a running gateway, and what holds them back. */
import type { Command } from "commander";
import { CommandExit, EXIT } from "./exit-code.ts";
import type { Surroundings } from "./program.ts";
import { addTlsOptions, readTlsFlags, type TlsFlags } from "./tls-options.ts";

interface StreamsFlags extends TlsFlags {
  addr: string;
  json?: boolean;
}

export function addStreams(program: Command, around: Surroundings): void {
  addTlsOptions(
    program.command("streams")
      .description("show the named SRT streams of a running gateway on this machine")
      .option("--addr <host:port>", "control address of the gateway", "127.0.0.1:5555")
      .option("--json", "print the gateway's answer as JSON, for a program to read"),
  )
    .allowExcessArguments(false)
    .addHelpText(
      "after",
      "\nExit codes: 0 the streams are shown, 1 no gateway answers there, 2 a flag is wrong.",
    )
    .action((flags: StreamsFlags) => run(flags, around));
}

async function run(flags: StreamsFlags, around: Surroundings): Promise<void> {
  const { addressFlag, FlagError } = await import("../tools/flags.ts");
  const { askStreams, StreamListingError } = await import("../tools/stream-listing.ts");
  const { printableJson } = await import("../tools/printable.ts");
  const { streamTable } = await import("../tools/stream-table.ts");
  try {
    const at = addressFlag("--addr", flags.addr);
    const streams = await askStreams({ ...at, tls: await readTlsFlags(flags) });
    around.stdout(flags.json ? `${printableJson(streams)}\n` : streamTable(streams, Date.now()));
  } catch (error) {
    const is_flag = error instanceof FlagError;
    if (!is_flag && !(error instanceof StreamListingError)) throw error;
    around.stderr(`relayx streams: ${error.message}\n`);
    throw new CommandExit(is_flag ? EXIT.usage : EXIT.failure);
  }
}
