/**
 * The command line: which commands and options there are. What a command needs is loaded when it
 * runs, so that `--help` does not pay for the gateway, nor the gateway for the tools.
 */
import process from "node:process";
import { Command, CommanderError } from "commander";
import { closest, distance } from "fastest-levenshtein";
import { addBan, addBans, addUnban } from "./admin/ban.ts";
import { addDrain, addUndrain } from "./admin/drain.ts";
import { addEndpoints } from "./admin/endpoints.ts";
import { addExplain } from "./admin/explain.ts";
import { addKick } from "./admin/kick.ts";
import { addLogs } from "./admin/logs.ts";
import { addReload } from "./admin/reload.ts";
import { addSessions } from "./admin/sessions.ts";
import { addStatus } from "./admin/status.ts";
import { normaliseArguments } from "./arguments.ts";
import { addCompletion } from "./completion.ts";
import { configPath } from "./config-path.ts";
import { CommandExit, EXIT } from "./exit-code.ts";
import { addFastway } from "./fastway.ts";
import { addRlx1Be } from "./rlx1-be.ts";
import { addRlx1Fe } from "./rlx1-fe.ts";
import { addStreams } from "./streams.ts";
import { addToken } from "./token.ts";
import { addUrl } from "./url.ts";
import { addVideoBe } from "./video-be.ts";
import { addVideoFe } from "./video-fe.ts";

/** Where a command writes and what it reads from its surroundings. */
export interface Surroundings {
  stdout: (text: string) => void;
  stderr: (text: string) => void;
  env: Readonly<Record<string, string | undefined>>;
}

/** In the order of `--help`. */
const ADMIN_COMMANDS = [
  addStatus,
  addSessions,
  addEndpoints,
  addExplain,
  addLogs,
  addKick,
  addDrain,
  addUndrain,
  addBan,
  addUnban,
  addBans,
  addReload,
];

const CONFIG_PATH_FLAG = "--config_path <path>";
const CONFIG_PATH_TEXT = "configuration file, or a folder with a config.yaml in it; " +
  "without it the defaults run and the log goes to the console";

const EXAMPLES = `
Examples:
  relayx                                    the defaults, the log on the console
  relayx --config_path config.yaml          start the gateway (also: relayx start …)
  relayx check --config_path config.yaml    say what is wrong with a configuration
  RELAYX_GATEWAY_TCP_PORT=6000 relayx       a key from the environment
  relayx fastway -ClientAddr :8880 -ServerAddr :8881   in place of the program fastway
  relayx status                             how the gateway on this machine is
  relayx explain be-1                       what became of a session or a peer, and why
  relayx drain --deadline 5m                let nobody new in, end what is left in 5 minutes
  relayx streams                            who publishes and views at the gateway here
  relayx token new --role server --id be-1  a token and its entry, for auth.mode tokens
  relayx url cam --mode read                lines for ffmpeg, VLC and others
  relayx video-be --help                    the options of a tool

Options may be written with one dash as well: -config_path config.yaml, -srt=false.

Exit codes: 0 in order, 1 the gateway could not start or did not answer, 2 the configuration or the
command line is wrong, 70 a mistake of relayx itself; 130 and 143 after a second SIGINT or SIGTERM.
`;

/** Builds the program; nothing runs until it parses. */
export function createProgram(around: Surroundings): Command {
  const program = new Command("relayx");
  program
    .description("Brings front ends and back ends together and relays their bytes, TCP and SRT.")
    .exitOverride()
    .configureOutput({ writeOut: around.stdout, writeErr: around.stderr })
    .showHelpAfterError("(relayx --help shows what there is)")
    .enablePositionalOptions()
    // An operand that is no command gets a better message than "too many arguments".
    .allowExcessArguments(true)
    .option(CONFIG_PATH_FLAG, CONFIG_PATH_TEXT)
    .option("-V, --version", "show the versions of relayx, its protocol, libsrt and the runtime")
    .helpOption("-h, --help", "show this help")
    .addHelpText("after", EXAMPLES)
    .action(async (options: { config_path?: string; version?: boolean }) => {
      if (options.version) {
        const { versionText } = await import("./version.ts");
        around.stdout(await versionText());
        return;
      }
      if (program.args.length > 0) refuseCommand(program, program.args[0]);
      await start(options.config_path, around);
    });

  program.command("start")
    .description("start the gateway; the same as no command")
    .option(CONFIG_PATH_FLAG, CONFIG_PATH_TEXT)
    .allowExcessArguments(false)
    .action(async (_options: unknown, command: Command) => {
      await start(configPath(command), around);
    });

  program.command("check")
    .description("check a configuration without starting anything")
    .option(CONFIG_PATH_FLAG, CONFIG_PATH_TEXT)
    .allowExcessArguments(false)
    .action(async (_options: unknown, command: Command) => {
      const { check } = await import("./check.ts");
      check({ path: configPath(command), around });
    });

  for (const add of ADMIN_COMMANDS) add(program, around);
  addFastway(program, around);
  addStreams(program, around);
  addToken(program, around);
  addUrl(program, around);
  addVideoBe(program);
  addVideoFe(program);
  addRlx1Be(program);
  addRlx1Fe(program);
  addCompletion(program, around);
  return program;
}

/**
 * Runs the command that the arguments name and resolves with its exit code when it has ended, or
 * with null where the command has left the code to the process itself.
 */
export async function run(argv: readonly string[], around: Surroundings): Promise<number | null> {
  const program = createProgram(around);
  try {
    await program.parseAsync(normaliseArguments(program, argv), { from: "user" });
    return null;
  } catch (error) {
    if (error instanceof CommandExit) return error.exit_code;
    // Commander has written its message; asking for help is no mistake, everything else is.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    around.stderr(`relayx: ${error instanceof Error ? error.stack ?? error.message : error}\n`);
    return EXIT.internal;
  }
}

/** The surroundings of the real process. */
export function processSurroundings(): Surroundings {
  return {
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
    env: process.env,
  };
}

async function start(path: string | undefined, around: Surroundings): Promise<never> {
  const { start: run_gateway } = await import("./start.ts");
  throw new CommandExit(await run_gateway({ path, around }));
}

function refuseCommand(program: Command, name: string): never {
  const known = program.commands.map((command) => command.name());
  const near = closest(name, known);
  const hint = distance(name, near) <= 2 ? ` (did you mean ${near}?)` : "";
  program.error(
    `error: unknown command ${JSON.stringify(name.slice(0, 64))}${hint}; ` +
      `there are: ${known.join(", ")}`,
    { exitCode: EXIT.usage },
  );
}
