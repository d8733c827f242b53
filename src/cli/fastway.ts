/** `relayx fastway`: stands in for the original program of that name, with its command line. */
import { availableParallelism } from "node:os";
import type { Command } from "commander";
import type { Environment, Flag } from "../config/environment.ts";
import type { Wishes } from "../config/load.ts";
import { configPath } from "./config-path.ts";
import { CommandExit } from "./exit-code.ts";
import { addParameters, givenFlags } from "./fastway-flags.ts";
import type { Surroundings } from "./program.ts";

const MORE = `
Without --config_path nothing but fastway's two listeners can be reached from elsewhere: the control
port is any free one of this machine (127.0.0.1), and there is no admin port. Variables set what they
always set; RELAYX_ADMIN_PORT=8080 brings the page, the metrics and "relayx status", and
RELAYX_FASTWAY_SERVERAUTHKEY is a key that others on this machine do not see, unlike one given here.
With -ReusePort there are as many workers as the machine has cores, at most 4; RELAYX_GATEWAY_TCP_WORKERS
is another number. With --config_path the file says all of it, and the flags go before it.

As the original does, it writes fastway.pid to the folder it is started in, and on SIGUSR1 carries out
the command in fastway.cmd there:
  nohup relayx fastway -ClientAddr :8880 -ServerAddr :8881 1>fastway.out 2>fastway.err &
  echo "cpuprof start" > fastway.cmd && kill -SIGUSR1 \`cat fastway.pid\`
  kill \`cat fastway.pid\`
`;

export function addFastway(program: Command, around: Surroundings): void {
  addParameters(
    program.command("fastway")
      .description(
        "serve game clients and servers of fastway, in place of the program of that name",
      )
      .option("--config_path <path>", "configuration file, or a folder with a config.yaml in it"),
  )
    .allowExcessArguments(false)
    .addHelpText("after", MORE)
    .action(async (_options: unknown, command: Command) => {
      const { start } = await import("./start.ts");
      const wishes = wishesOf(givenFlags(command), around.env);
      throw new CommandExit(await start({ path: configPath(command), around, wishes }));
    });
}

/** What a command line of the original means: fastway, and nothing else that others could reach. */
export function wishesOf(flags: readonly Flag[], env: Environment): Wishes {
  return {
    section: "fastway",
    flags,
    without_file: {
      gateway: { bind_address: "127.0.0.1", tcp_port: 0, tcp_workers: workersFor(flags, env) },
      zeromq: { port_range: rangeBeside(flags, env) },
      admin: { port: "off" },
      logging: { output: "console" },
    },
  };
}

/** More would be of use only where the game servers need no core of the machine themselves. */
const WORKERS_MAX = 4;

/** The original had ReusePort for the use of more cores, and no other parameter for it. */
function workersFor(flags: readonly Flag[], env: Environment): number {
  const given = flags.findLast(({ key }) => key === "ReusePort")?.text ??
    env.RELAYX_FASTWAY_REUSEPORT;
  return given === "true" ? Math.min(availableParallelism(), WORKERS_MAX) : 1;
}

const LISTENERS = ["ClientAddr", "ServerAddr", "client_tls_addr", "server_tls_addr"];

/**
 * Ports of sessions, which nobody has asked for here, make way for those that somebody has. With four
 * listeners at most, one of five ranges is free.
 */
function rangeBeside(flags: readonly Flag[], env: Environment): string {
  const texts = LISTENERS.map((key) =>
    flags.findLast((flag) => flag.key === key)?.text ??
      env[`RELAYX_FASTWAY_${key.toUpperCase()}`] ?? ""
  );
  const taken = texts.map((text) => Number(text.slice(text.lastIndexOf(":") + 1)));
  for (let first = 2300;; first += 100) {
    const last = first + 20;
    if (!taken.some((port) => port >= first && port <= last)) return `${first}-${last}`;
  }
}
