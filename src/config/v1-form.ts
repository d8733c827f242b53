/**
 * relay_X v1's own configuration, taken as it stands:
 *
 *   config.yaml       relay: {max_fe, …, control_port, …}   another name for the section `rlx1`
 *                     log: {level}                          another name for `logging`
 *   .env.local.json   {"auth_secret": "…", "relay_public_key": "…"}
 *
 * A file with `relay` in it means v1's world: its control port is that of the whole gateway, the log
 * goes to the console, and V4's TCP ports make way where their default is among v1's, as it is in what
 * v1 came with; unless the file or the environment says otherwise.
 *
 * The JSON is looked for beside the configuration file and, where that is in a folder `configs` as v1
 * had it, in the folder above. Keys of the configuration and of the environment go before it.
 */
import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { z } from "zod";
import { FileProblem, readBoundedFile } from "./bounded-file.ts";
import { formatPortRange, portCount, type PortRange } from "./port-range.ts";
import type { ConfigProblem } from "./problem.ts";
import { rlx1Ranges, rlx1Section } from "./rlx1-section.ts";
import { configSchema } from "./schema.ts";

const ENV_FILE = ".env.local.json";
const ENV_BYTES_MAX = 65_536;
const PORT_MAX = 65_535;

/** v1's names of sections, and ours. */
const NAMES = { relay: "rlx1", log: "logging" } as const;

type Tree = Record<string, unknown>;

export interface V1Form {
  /** Our name of a section → the one the file has for it. */
  aliases: ReadonlyMap<string, string>;
  /** Without their places, which are those of their keys. */
  problems: Omit<ConfigProblem, "file" | "line" | "column">[];
}

/** Gives v1's sections their names here. */
export function renameSections(tree: Tree): V1Form {
  const aliases = new Map<string, string>();
  const problems: V1Form["problems"] = [];
  for (const [theirs, ours] of Object.entries(NAMES)) {
    if (!Object.hasOwn(tree, theirs)) continue;
    if (Object.hasOwn(tree, ours)) {
      problems.push({
        key: theirs,
        code: "section_twice",
        found: `the section "${theirs}", which is another name for "${ours}", beside it`,
        allowed: "one of the two",
      });
    } else {
      tree[ours] = tree[theirs];
      aliases.set(ours, theirs);
    }
    delete tree[theirs];
  }
  return { aliases, problems };
}

/** What a file in v1's form means beyond its words; what is said otherwise goes before it. */
export function supplyV1Defaults(tree: Tree, { aliases }: V1Form): void {
  if (aliases.get("rlx1") === undefined) return;
  supply(tree, "logging", "output", "console");
  const port = isMapping(tree.rlx1) ? tree.rlx1.control_port : undefined;
  const is_port = typeof port === "number" && Number.isInteger(port) && port > 0 && port <= 65_535;
  if (is_port) supply(tree, "gateway", "tcp_port", port);
  const range = rangeBeside(tree.rlx1);
  if (range !== null) supply(tree, "zeromq", "port_range", formatPortRange(range));
}

/** As many TCP ports as V4 has by default, behind v1's or before them; null where those do no harm. */
function rangeBeside(section: unknown): PortRange | null {
  const read = rlx1Section.safeParse(section ?? {});
  if (!read.success) return null;
  const usual = configSchema.parse({}).zeromq.port_range;
  const theirs = Object.values(rlx1Ranges(read.data));
  if (!theirs.some(({ first, last }) => first <= usual.last && usual.first <= last)) return null;
  const count = portCount(usual);
  const behind = Math.max(...theirs.map(({ last }) => last)) + 1;
  if (behind + count - 1 <= PORT_MAX) return { first: behind, last: behind + count - 1 };
  const before = Math.min(...theirs.map(({ first }) => first)) - 1;
  return before - count >= 0 ? { first: before - count + 1, last: before } : null;
}

const envShape = z.object({
  auth_secret: z.string("text").optional(),
  relay_public_key: z.string("text").optional(),
});

/**
 * Takes the secret and the public key from v1's JSON where the tree has a section `rlx1` without
 * them, and says which keys have come from which file.
 */
export function takeEnvFile(
  tree: Tree,
  source: string,
): { taken: Map<string, string>; problems: ConfigProblem[] } {
  const taken = new Map<string, string>();
  const problems: ConfigProblem[] = [];
  const section = tree.rlx1;
  const path = isMapping(section) ? envPath(source) : null;
  if (!isMapping(section) || path === null) return { taken, problems };
  try {
    const read = readEnvFile(path);
    for (const [theirs, ours] of [["auth_secret", "secret"], ["relay_public_key", "public_key"]]) {
      const value = read[theirs as keyof typeof read];
      if (value === undefined || Object.hasOwn(section, ours)) continue;
      section[ours] = value;
      taken.set(`rlx1.${ours}`, path);
    }
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error;
    const { code, found, allowed } = error;
    problems.push({ file: path, line: null, column: null, key: "", code, found, allowed });
  }
  return { taken, problems };
}

function readEnvFile(path: string): z.output<typeof envShape> {
  const bytes = readBoundedFile(path, ENV_BYTES_MAX);
  const allowed = 'a JSON object such as {"auth_secret": "…", "relay_public_key": "…"}';
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new FileProblem("invalid_json", "text that is no JSON", allowed);
  }
  const read = envShape.safeParse(value);
  if (read.success) return read.data;
  const [{ path: [name] }] = read.error.issues;
  const found = name === undefined ? "no object" : `${String(name)} that is no text`;
  throw new FileProblem("wrong_value", found, allowed);
}

function envPath(source: string): string | null {
  const folder = dirname(resolve(source));
  const beside = join(folder, ENV_FILE);
  if (existsSync(beside)) return beside;
  const above = join(dirname(folder), ENV_FILE);
  return basename(folder) === "configs" && existsSync(above) ? above : null;
}

function supply(tree: Tree, section: string, key: string, value: unknown): void {
  tree[section] ??= {};
  const keys = tree[section];
  if (isMapping(keys) && !Object.hasOwn(keys, key)) keys[key] = value;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
