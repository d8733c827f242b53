/** What the commands over the admin API share: where the gateway is, and how a refusal is told. */
import type { Command } from "commander";
import type { AdminClient } from "../../tools/admin-client.ts";
import { CommandExit, EXIT } from "../exit-code.ts";
import type { Surroundings } from "../program.ts";

export interface AdminFlags {
  admin: string;
  config_path?: string;
  json?: boolean;
}

const EXIT_CODES =
  "\nExit codes: 0 done, 1 refused or no gateway answers, 2 a flag or the configuration is wrong.";

const TOKEN_TEXT =
  "\nThe token, where one is needed, is taken from RELAYX_ADMIN_TOKEN or the configuration.";

/** A command with the flags that all of these have. */
export function adminCommand(program: Command, usage: string, description: string): Command {
  return program.command(usage)
    .description(description)
    .option("--admin <host:port>", "admin address of the gateway", "127.0.0.1:8080")
    .option("--config_path <path>", "take address and token from this configuration")
    .option("--json", "print the gateway's answer as JSON, for a program to read")
    .allowExcessArguments(false)
    // `relayx --config_path F status` means the same as `relayx status --config_path F`.
    .hook("preAction", (command) => {
      const path: unknown = command.parent?.opts().config_path;
      if (command.opts().config_path === undefined) command.setOptionValue("config_path", path);
    })
    .addHelpText("after", TOKEN_TEXT + EXIT_CODES);
}

/** Runs a command's orders and tells what goes wrong. */
export async function order(
  name: string,
  { flags, around }: { flags: AdminFlags; around: Surroundings },
  run: (client: AdminClient) => Promise<void>,
): Promise<void> {
  const { AdminError, AdminClient } = await import("../../tools/admin-client.ts");
  const { FlagError } = await import("../../tools/flags.ts");
  const { ConfigError } = await import("../../config/problem.ts");
  try {
    await run(new AdminClient(await addressOf(flags, around)));
  } catch (error) {
    const is_usage = error instanceof FlagError || error instanceof ConfigError;
    if (!is_usage && !(error instanceof AdminError)) throw error;
    around.stderr(`relayx ${name}: ${error.message}\n`);
    throw new CommandExit(is_usage ? EXIT.usage : EXIT.failure);
  }
}

/** Prints an answer for a program or for a person. */
export async function show<Answer>(
  answer: Answer,
  { flags, around }: { flags: AdminFlags; around: Surroundings },
  text: (answer: Answer) => string,
): Promise<void> {
  const { printableJson } = await import("../../tools/printable.ts");
  around.stdout(flags.json ? `${printableJson(answer)}\n` : text(answer));
}

async function addressOf(flags: AdminFlags, around: Surroundings) {
  const { addressFlag, FlagError } = await import("../../tools/flags.ts");
  const token = around.env.RELAYX_ADMIN_TOKEN ?? "";
  if (flags.config_path === undefined) return { ...addressFlag("--admin", flags.admin), token };
  const { loadConfig } = await import("../../config/load.ts");
  const { admin } = loadConfig({ path: flags.config_path, env: around.env }).config;
  if (admin.port === "off") {
    throw new FlagError("--config_path", flags.config_path, "one with admin.port on");
  }
  // Whoever listens everywhere is reached on this machine as well.
  const host = { "0.0.0.0": "127.0.0.1", "::": "::1" }[admin.bind_address] ?? admin.bind_address;
  return { host, port: admin.port, token: admin.token };
}
