/** What the commands over the admin API share: where the gateway is, and how a refusal is told. */
import type { Command } from "commander";
import type { AdminClient } from "../../tools/admin-client.ts";
import { CommandExit, EXIT } from "../exit-code.ts";
import type { Surroundings } from "../program.ts";

export interface AdminFlags {
  admin?: string;
  config_path?: string;
  json?: boolean;
}

/** Where a gateway without a configuration has its admin port. */
const ADDRESS = "127.0.0.1:8080";

const EXIT_CODES =
  "\nExit codes: 0 done, 1 refused or no gateway answers, 2 a flag or the configuration is wrong.";

const TOKEN_TEXT =
  "\nThe token, where one is needed, is taken from RELAYX_ADMIN_TOKEN or the configuration.";

/** A command with the flags that all of these have. */
export function adminCommand(program: Command, usage: string, description: string): Command {
  return program.command(usage)
    .description(description)
    .option(
      "--admin <host:port>",
      `admin address of the gateway (default: the configuration's, or ${ADDRESS})`,
    )
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

/** What is said on the command line and in the environment goes before the configuration. */
async function addressOf({ admin: named, config_path }: AdminFlags, { env }: Surroundings) {
  const { addressFlag, FlagError } = await import("../../tools/flags.ts");
  const { RELAYX_ADMIN_TOKEN = "", ...others } = env;
  if (config_path === undefined) {
    return { ...addressFlag("--admin", named ?? ADDRESS), token: RELAYX_ADMIN_TOKEN };
  }
  const { loadConfig } = await import("../../config/load.ts");
  // The token may be the one that only reads: it does not take the place of the gateway's own.
  const { admin } = loadConfig({ path: config_path, env: others }).config;
  const token = RELAYX_ADMIN_TOKEN || admin.token;
  if (named !== undefined) return { ...addressFlag("--admin", named), token };
  if (admin.port === "off") {
    throw new FlagError("--config_path", config_path, "one with admin.port on");
  }
  // Whoever listens everywhere is reached on this machine as well.
  const host = { "0.0.0.0": "127.0.0.1", "::": "::1" }[admin.bind_address] ?? admin.bind_address;
  return { host, port: admin.port, token };
}

/** An id in a path; those that mean something else there stand behind the question mark. */
export function pathWith(path: string, key: string, id: string, query: string[] = []): string {
  const as_path = !["", ".", ".."].includes(id);
  const asked = as_path ? query : [`${key}=${encodeURIComponent(id)}`, ...query];
  const behind = asked.length === 0 ? "" : `?${asked.join("&")}`;
  return `${path}${as_path ? `/${encodeURIComponent(id)}` : ""}${behind}`;
}
