/** `relayx url`: how encoders and players that know nothing of relayx reach a stream or a session. */
import { type Command, Option } from "commander";
import type { Config } from "../config/schema.ts";
import { CommandExit, EXIT } from "./exit-code.ts";
import type { Surroundings } from "./program.ts";
import type { SrtTarget, SrtUse } from "../tools/srt-url.ts";

interface UrlFlags {
  mode: SrtUse;
  config_path?: string;
  host?: string;
  port?: string;
  user?: string;
  hello_token?: string;
  latency?: string;
}

/** The flags once they are read. */
interface Wishes {
  use: SrtUse;
  host: string | null;
  port: number | null;
  user: string;
  hello_token: string | undefined;
  latency_ms: number | null;
}

/** What was asked for is not to be had; the message says what is. */
class UrlError extends Error {
  override name = "UrlError";
  readonly code = "URL_IMPOSSIBLE";
}

/** The greatest latency that the gateway's own keys take. */
const LATENCY_MS_MAX = 60_000;

export function addUrl(program: Command, around: Surroundings): void {
  program.command("url")
    .description("print lines with which ffmpeg, OBS, VLC and others publish or read over SRT")
    .argument("<name>", "a stream of the configuration, or the session_id of a grant")
    .addOption(
      new Option("--mode <use>", "what to do there").choices(["publish", "read"])
        .makeOptionMandatory(),
    )
    .option("--config_path <path>", "the gateway's configuration: a file, or its folder")
    .option("--host <host>", "what the outside calls this machine (default: gateway.bind_address)")
    .option("--port <number>", "another port than the configured one, or the session's srt_port")
    .option("--user <user>", "who it is; in a session its client_id or server_id")
    .option(
      "--hello_token <token>",
      "in a session whose ends must prove themselves: the grant's own",
    )
    .option("--latency <ms>", "latency to ask for; the greater of both ends' applies")
    .allowExcessArguments(false)
    .addHelpText(
      "after",
      "\nThe lines have the keys and passphrases of the configuration in them. A session that was\n" +
        "granted a passphrase (srt_passphrase) needs that one instead.\n" +
        "\nExit codes: 0 the lines are printed, 2 there is no such stream, or a flag is wrong.",
    )
    // The configuration may have been named before the command as well.
    .action((name: string, _: unknown, command: Command) =>
      run({ name, flags: command.optsWithGlobals<UrlFlags>(), around })
    );
}

async function run(
  { name, flags, around }: { name: string; flags: UrlFlags; around: Surroundings },
): Promise<void> {
  const { loadConfig } = await import("../config/load.ts");
  const { ConfigError } = await import("../config/problem.ts");
  const { FlagError } = await import("../tools/flags.ts");
  const { srtRecipes } = await import("../tools/srt-url.ts");
  try {
    const wishes = await readFlags(flags);
    const { config, source } = loadConfig({ path: flags.config_path, env: around.env });
    const target = await findTarget({ name, config, source: source ?? "the defaults", wishes });
    const recipes = srtRecipes(target, wishes.use);
    around.stdout(recipes.map(({ program, text }) => `${program}:\n  ${text}\n`).join("\n"));
    if (wishes.host === null && isWildcard(config.gateway.bind_address)) {
      around.stderr(
        "relayx url: these lines work on this machine; --host names it for the others\n",
      );
    }
  } catch (error) {
    const known = [ConfigError, FlagError, UrlError].some((kind) => error instanceof kind);
    if (!known) throw error;
    const prefix = error instanceof ConfigError ? "" : "relayx url: ";
    around.stderr(`${prefix}${(error as Error).message}\n`);
    throw new CommandExit(EXIT.usage);
  }
}

async function readFlags(flags: UrlFlags): Promise<Wishes> {
  const { numberFlag, textFlag } = await import("../tools/flags.ts");
  const whole = (flag: string, text: string | undefined, range: { min: number; max: number }) =>
    text === undefined ? null : numberFlag(flag, text, { ...range, whole: true });
  return {
    use: flags.mode,
    host: flags.host === undefined ? null : hostFlag(textFlag("--host", flags.host)),
    port: whole("--port", flags.port, { min: 1, max: 65_535 }),
    user: flags.user ?? "",
    hello_token: flags.hello_token,
    latency_ms: whole("--latency", flags.latency, { min: 0, max: LATENCY_MS_MAX }),
  };
}

/** An IPv6 address may come with its brackets on. */
function hostFlag(text: string): string {
  const host = /^\[(.+)\]$/.exec(text)?.[1] ?? text;
  if (/^[\w.:-]+$/.test(host)) return host;
  throw new UrlError(`--host: found ${JSON.stringify(text)}; allowed: a name or an address`);
}

async function findTarget(
  { name, config, source, wishes }: {
    name: string;
    config: Config;
    source: string;
    wishes: Wishes;
  },
): Promise<SrtTarget> {
  const { STREAM_ID_BYTES_MAX } = await import("../data/srt/stream-id.ts");
  const { streamIdOfSession, streamIdOfStream } = await import("../tools/srt-url.ts");
  const { gosrt, gateway } = config;
  const { use, user, hello_token } = wishes;
  const stream = Object.hasOwn(config.streams, name) ? config.streams[name] : null;
  const session_id = stream === null && /^[0-9a-f]{16}$/.test(name) ? name : null;
  if (stream === null && session_id === null) throw await unknownName(name, config, source);
  const key = (use === "publish" ? stream?.publish_key : stream?.read_key) ?? "";
  const stream_id = session_id === null
    ? streamIdOfStream({ name, user, key, use })
    : streamIdOfSession({ session_id, user, hello_token, use });
  const bytes = new TextEncoder().encode(stream_id).length;
  if (bytes > STREAM_ID_BYTES_MAX) {
    throw new UrlError(
      `the stream id has ${bytes} bytes and SRT allows ${STREAM_ID_BYTES_MAX}; ` +
        "a shorter user, or a key of letters and digits",
    );
  }
  return {
    host: wishes.host ?? (isWildcard(gateway.bind_address) ? "127.0.0.1" : gateway.bind_address),
    port: wishes.port ?? (stream === null ? sessionPort(config) : streamPort(stream.port, config)),
    stream_id,
    passphrase: stream?.passphrase || gosrt.passphrase,
    pbkeylen: gosrt.pbkeylen,
    latency_ms: wishes.latency_ms,
  };
}

/** The cross-checks see to it that a stream without a port of its own has a shared one. */
function streamPort(own: number, { gosrt: { shared_port } }: Config): number {
  if (own > 0) return own;
  if (shared_port !== "off") return shared_port.first;
  throw new UrlError("the stream has no port, and gosrt.shared_port is off");
}

function sessionPort({ gosrt: { mode, shared_port } }: Config): number {
  if (mode === "shared" && shared_port !== "off") return shared_port.first;
  throw new UrlError(
    "with gosrt.mode per_session every session has a port of its own: " +
      "--port takes the srt_port of its pair_grant",
  );
}

async function unknownName(name: string, { streams }: Config, source: string): Promise<UrlError> {
  const { nearest } = await import("../config/keys.ts");
  const { printable } = await import("../tools/printable.ts");
  const known = Object.keys(streams);
  const near = nearest(name, known);
  const there = near !== null
    ? `did you mean "${near}"?`
    : known.length === 0
    ? "no streams are configured there; --config_path names another file"
    : `there are: ${listed(known)}`;
  return new UrlError(
    `there is no stream "${printable(name)}" in ${source}, nor is that a session_id ` +
      `(16 hexadecimal digits); ${there}`,
  );
}

/** More names than anybody reads in an error message. */
const NAMES_SHOWN_MAX = 20;

function listed(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_SHOWN_MAX).join(", ");
  return names.length > NAMES_SHOWN_MAX
    ? `${shown} and ${names.length - NAMES_SHOWN_MAX} more`
    : shown;
}

/** 0.0.0.0 and ::, however they are written. */
function isWildcard(address: string): boolean {
  return /^[0:.]+$/.test(address);
}
