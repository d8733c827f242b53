/** `relayx token`: makes the tokens that clients and servers register with, and what is kept of them. */
import { type Command, Option } from "commander";
import process from "node:process";
import { Buffer } from "node:buffer";
import { CommandExit, EXIT } from "./exit-code.ts";
import type { Surroundings } from "./program.ts";

/** Nothing that is meant as a token is longer. */
const INPUT_BYTES_MAX = 8192;

interface NewFlags {
  name?: string;
  role: string[];
  id: string[];
  peer?: string[];
  expires?: string;
  json?: boolean;
}

const HELP = `
The entry goes into the file of auth.tokens_file; the token goes to whoever it is for, and is kept
nowhere else. After "relayx reload" the gateway knows it.
`;

export function addToken(program: Command, around: Surroundings): void {
  const token = program.command("token")
    .description("make tokens for auth.mode tokens, and their hashes");
  token.command("new")
    .description("make a token and its entry for the file of tokens")
    .addOption(
      new Option("--role <role...>", "what it may register as").choices(["client", "server"])
        .makeOptionMandatory(),
    )
    .requiredOption("--id <id...>", "the ids it may register as; * stands for any characters")
    .option("--name <name>", "what it is called in the log; the first id unless told otherwise")
    .option("--peer <id...>", "the ids it may be paired with; everybody unless told otherwise")
    .option("--expires <time>", "a day (2027-01-31) or a moment (2027-01-31T12:00:00Z)")
    .option("--json", "print token and entry as JSON, for a program to read")
    .allowExcessArguments(false)
    .addHelpText("after", HELP)
    .action((flags: NewFlags) => makeToken(flags, around));
  token.command("hash")
    .description("print the hash of a token that is read from the standard input")
    .allowExcessArguments(false)
    .action(() => hash(around));
}

async function makeToken(flags: NewFlags, around: Surroundings): Promise<void> {
  const { hashToken, newToken } = await import("../access/token-hash.ts");
  const { parseTokenFile } = await import("../access/token-file.ts");
  const { ConfigError, formatProblem } = await import("../config/problem.ts");
  const token = newToken();
  const entry = {
    name: flags.name ?? flags.id[0].replaceAll(/[^\w.:@/-]/g, "-").slice(0, 64),
    ...(flags.role.length === 1 ? { role: flags.role[0] } : { roles: flags.role }),
    ...(flags.id.length === 1 ? { id: flags.id[0] } : { ids: flags.id }),
    token_hash: hashToken(token),
    ...(flags.peer === undefined ? {} : { peers: flags.peer }),
    ...(flags.expires === undefined ? {} : { expires: flags.expires }),
  };
  // JSON is YAML: what the gateway would refuse is refused here.
  try {
    parseTokenFile("", JSON.stringify({ tokens: [entry] }));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) {
      const key = problem.key.replace(/^tokens\.0\./, "--");
      const line = formatProblem({ ...problem, file: null, line: null, key });
      around.stderr(`relayx token new: ${line}\n`);
    }
    throw new CommandExit(EXIT.usage);
  }
  if (flags.json) {
    around.stdout(`${JSON.stringify({ token, entry }, null, 2)}\n`);
    return;
  }
  const lines = Object.entries(entry).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  around.stdout(`${token}\n\n  - ${lines.join("\n    ")}\n`);
}

async function hash(around: Surroundings): Promise<void> {
  const { hashToken, TOKEN_CHARS_MIN } = await import("../access/token-hash.ts");
  const token = (await readInput()).trim();
  if (token.length < TOKEN_CHARS_MIN) {
    around.stderr(
      `relayx token hash: found ${token.length} characters; allowed: a random token of at least ` +
        `${TOKEN_CHARS_MIN}, because short ones can be guessed; "relayx token new" makes one\n`,
    );
    throw new CommandExit(EXIT.usage);
  }
  around.stdout(`${hashToken(token)}\n`);
}

async function readInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    const piece = Buffer.from(chunk as Uint8Array);
    bytes += piece.length;
    if (bytes > INPUT_BYTES_MAX) {
      throw new Error(`the input is longer than ${INPUT_BYTES_MAX} bytes`);
    }
    chunks.push(piece);
  }
  return Buffer.concat(chunks).toString("utf8");
}
