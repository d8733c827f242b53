/**
 * The file of `auth.tokens_file`: who may come with which token, and what for. Its problems are
 * reported like those of the configuration, all at once and each with its place.
 */
import { z } from "zod";
import { parseYaml, type Path, type YamlSource } from "../config/yaml-source.ts";
import { ConfigError, type ConfigProblem, describeValue } from "../config/problem.ts";
import type { Role } from "../data/plane.ts";
import { IdPatterns, PATTERN_CHARS_MAX, PATTERNS_MAX } from "./id-patterns.ts";
import { ownLimitsSchema } from "./limits.ts";
import type { PrincipalRules } from "./principal.ts";
import { TOKEN_HASH_FORM } from "./token-hash.ts";

/** Entries of one file. Reading so many takes about a second, in which no session begins. */
const TOKENS_MAX = 10_000;
/** Hashes of one entry: one that is being replaced, one that replaces it, and two to spare. */
const HASHES_MAX = 4;

/** One entry, checked. */
export interface TokenEntry {
  name: string;
  token_hashes: readonly string[];
  rules: PrincipalRules;
}

const NAME = "a name of 1 to 64 letters, digits and . _ - : @ /";
const ROLE = "client or server";
const HASH = '"sha256:" and 64 hexadecimal digits, as "relayx token hash" prints it';
const MOMENT = 'a day ("2027-01-31", its first moment UTC) or a moment ("2027-01-31T12:00:00Z")';
const PATTERN = `an id of 1 to ${PATTERN_CHARS_MAX} characters, with * for any characters`;

const role = z.enum(["client", "server"], ROLE);
const pattern = z.string(PATTERN).min(1, PATTERN).max(PATTERN_CHARS_MAX, PATTERN);
const patterns = listOf(pattern, PATTERNS_MAX, "ids");
const hash = z.string(HASH).regex(TOKEN_HASH_FORM, HASH);

const entrySchema = z.strictObject({
  name: z.string(NAME).regex(/^[\w.:@/-]{1,64}$/, NAME),
  role: role.optional(),
  roles: listOf(role, 2, "roles").optional(),
  id: pattern.optional(),
  ids: patterns.optional(),
  token_hash: z.union([hash, listOf(hash, HASHES_MAX, "hashes")], HASH),
  peers: z.array(pattern, "a list of ids").max(PATTERNS_MAX, "a list of ids").default(["*"]),
  quotas: ownLimitsSchema.default({}),
  expires: z.union([z.iso.date(), z.iso.datetime({ offset: true })], MOMENT).optional(),
}, "a mapping with name, role, id and token_hash");

const fileSchema = z.strictObject({
  tokens: z.array(entrySchema, "a list of entries")
    .max(TOKENS_MAX, `at most ${TOKENS_MAX} entries`),
});

function listOf<Item extends z.ZodType>(item: Item, max: number, what: string) {
  const allowed = `a list of 1 to ${max} ${what}`;
  return z.array(item, allowed).min(1, allowed).max(max, allowed);
}

/** Reads the file's text; throws a {@link ConfigError} with everything that is wrong with it. */
export function parseTokenFile(file: string, text: string): TokenEntry[] {
  const source = parseYaml(file, text);
  const problem = problemsIn(file, source);
  const read = fileSchema.safeParse(source.tree);
  if (!read.success) throw new ConfigError(read.error.issues.flatMap((one) => problem.of(one)));

  const problems: ConfigProblem[] = [];
  const names = new Set<string>();
  const hashes = new Set<string>();
  const entries = read.data.tokens.map((entry, index): TokenEntry => {
    const say = (key: string, code: string, found: string, allowed: string) => {
      problems.push(problem.at(["tokens", index, key], code, found, allowed));
    };
    if (names.has(entry.name)) {
      say(
        "name",
        "duplicate_name",
        `${JSON.stringify(entry.name)} a second time`,
        "each name once",
      );
    }
    names.add(entry.name);
    const token_hashes = [entry.token_hash].flat();
    for (const one of token_hashes) {
      if (hashes.has(one)) {
        say("token_hash", "duplicate_token", "a token that another entry has", "each token once");
      }
      hashes.add(one);
    }
    if ((entry.role === undefined) === (entry.roles === undefined)) {
      say("role", "wrong_value", twoOrNone(entry.role), "role, or roles with a list");
    }
    if ((entry.id === undefined) === (entry.ids === undefined)) {
      say("id", "wrong_value", twoOrNone(entry.id), "id, or ids with a list");
    }
    return {
      name: entry.name,
      token_hashes,
      rules: {
        roles: entry.roles ?? [entry.role as Role],
        ids: new IdPatterns(entry.ids ?? [entry.id ?? ""]),
        peers: new IdPatterns(entry.peers),
        limits: entry.quotas,
        expires_unix_ms: entry.expires === undefined ? null : Date.parse(entry.expires),
      },
    };
  });
  if (problems.length > 0) throw new ConfigError(problems);
  return entries;
}

function twoOrNone(value: unknown): string {
  return value === undefined ? "neither of the two" : "both of the two";
}

/** Makes problems with their places in a file. */
function problemsIn(file: string, source: YamlSource) {
  const at = (
    path: Path,
    code: string,
    found: string,
    allowed: string,
    what: "key" | "value" = "value",
  ): ConfigProblem => {
    // A key that is missing is missed where its entry begins.
    const place = source.locate(path, what) ?? source.locate(path.slice(0, -1), "value");
    const key = path.map(String).join(".");
    return {
      file,
      line: place?.line ?? null,
      column: place?.column ?? null,
      key,
      code,
      found,
      allowed,
    };
  };
  const of = (issue: z.core.$ZodIssue): ConfigProblem[] => {
    const path = issue.path.map((one) => typeof one === "number" ? one : String(one));
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) =>
        at([...path, printable(key)], "unknown_key", "an unknown key", knownKeys(path), "key")
      );
    }
    const value = path.reduce<unknown>(
      (inside, one) => (inside as Record<string | number, unknown> | null)?.[one],
      source.tree,
    );
    // Somebody may have written the token itself where its hash belongs.
    const found = path.includes("token_hash") && typeof value === "string"
      ? "a value that is not shown"
      : describeValue(path.map(String).join("."), value);
    return [at(path, "wrong_value", found, issue.message)];
  };
  return { at, of };
}

function knownKeys(path: Path): string {
  if (path.length === 0) return Object.keys(fileSchema.shape).join(", ");
  const shape = path.includes("quotas") ? ownLimitsSchema.shape : entrySchema.shape;
  return Object.keys(shape).join(", ");
}

function printable(key: string): string {
  return /^[\w-]{1,64}$/.test(key) ? key : JSON.stringify(key.slice(0, 64));
}
