/**
 * Loading the configuration: the defaults, over them the file, over that the environment, and over all
 * of it the flags of a command that sets keys. Whatever
 * is wrong anywhere is reported together, each problem with its place.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { z } from "zod";
import { FileProblem, readBoundedFile } from "./bounded-file.ts";
import { crossCheck, type CrossFinding } from "./cross-checks.ts";
import {
  type Environment,
  type Flag,
  type Override,
  readEnvironment,
  readFlags,
} from "./environment.ts";
import { allowedInstead } from "./keys.ts";
import { ConfigError, type ConfigProblem, describeValue } from "./problem.ts";
import { type Config, configSchema } from "./schema.ts";
import { renameSections, supplyV1Defaults, takeEnvFile } from "./v1-form.ts";
import { warningsOf } from "./warnings.ts";
import { parseYaml, type Path, type YamlSource } from "./yaml-source.ts";

/** The greatest configuration file; far beyond any real one. */
export const FILE_BYTES_MAX = 1_048_576;

/** The file that a folder is expected to have. */
const FILE_NAME = "config.yaml";

export interface LoadOptions {
  /** A file, or a folder with a `config.yaml` in it; absent: no file, log to the console. */
  path?: string;
  env: Environment;
  wishes?: Wishes;
}

/** What a command wants of the configuration. */
export interface Wishes {
  /** A section that is served even if nobody else names it. */
  section: "fastway";
  flags: readonly Flag[];
  /** What stands instead of a file where there is none. */
  without_file: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** Whoever starts relayx by hand looks at the console. */
const WITHOUT_FILE: Wishes["without_file"] = { logging: { output: "console" } };

export interface LoadedConfig {
  config: Config;
  /** The file that was read, as it was named; null where there was none. */
  source: string | null;
  /** What is taken as it is and probably not meant so. */
  warnings: ConfigProblem[];
  /** A problem with a value that only shows when it is used, with the value's place. */
  problem(key: string, code: string, found: string, allowed: string): ConfigProblem;
}

/** Loads and checks the whole configuration, or throws a {@link ConfigError} with all problems. */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const file = options.path === undefined ? null : readConfigFile(options.path);
  const source = file === null ? null : file.name;
  const yaml = file === null ? null : parseYaml(file.name, file.text);
  const { wishes } = options;
  const tree = structuredCopy(yaml?.tree ?? wishes?.without_file ?? WITHOUT_FILE);
  const { overrides: variables, problems } = readEnvironment(options.env);
  const overrides = [...variables, ...readFlags(wishes?.flags ?? [])];
  if (wishes) tree[wishes.section] ??= {};
  const v1 = renameSections(tree);
  applyOverrides(tree, overrides);
  supplyV1Defaults(tree, v1);
  const env_file = source === null ? null : takeEnvFile(tree, source);
  problems.push(...env_file?.problems ?? []);

  const named = (
    path: Path,
  ): Path => [v1.aliases.get(String(path[0])) ?? path[0], ...path.slice(1)];
  const place = (path: Path, what: "key" | "value"): SettingPlace => {
    const from = env_file?.taken.get(path.join("."));
    if (from !== undefined) return { file: from, line: null, column: null, is_set: true };
    return placeOf(path, what, { source, yaml, overrides, named });
  };
  for (const { key, ...problem } of v1.problems) {
    const { file, line, column } = place([key], "key");
    problems.push({ file, line, column, key, ...problem });
  }
  const first = configSchema.safeParse(tree);
  const invalid = new Set<string>();
  for (const issue of first.error?.issues ?? []) {
    for (const path of pathsOf(issue)) {
      problems.push(issueProblem(tree, issue, path, place, named));
      invalid.add(path.slice(0, 2).join("."));
      remove(tree, path.slice(0, 2));
    }
  }

  // What remains without the wrong values is valid; the rules between keys run on it, so that one
  // run shows those problems too.
  const config = first.success ? first.data : configSchema.parse(tree);
  const placed = ({ keys, path: only, code, found, allowed }: CrossFinding): ConfigProblem => {
    const paths = only ? [only] : keys.map((key) => key.split("."));
    const path = paths.find((one) => place(one, "value").is_set) ?? paths[0];
    const { file, line, column } = place(path, "value");
    return { file, line, column, key: named(path).join("."), code, found, allowed };
  };
  problems.push(...crossCheck(config, invalid).map(placed));

  if (problems.length > 0) throw new ConfigError(inOrder(problems));
  return {
    config,
    source,
    warnings: warningsOf(config, invalid, (key) => place(key.split("."), "value").is_set)
      .map(placed),
    problem: (key, code, found, allowed) => {
      const path = key.split(".");
      const { file, line, column } = place(path, "value");
      return { file, line, column, key: named(path).join("."), code, found, allowed };
    },
  };
}

interface SettingPlace {
  file: string | null;
  line: number | null;
  column: number | null;
  /** False where the value is a default. */
  is_set: boolean;
}

function placeOf(
  path: Path,
  what: "key" | "value",
  { source, yaml, overrides, named }: {
    source: string | null;
    yaml: YamlSource | null;
    overrides: readonly Override[];
    /** The path as the file has it. */
    named: (path: Path) => Path;
  },
): SettingPlace {
  const override = overrides.findLast(({ section, key }) => section === path[0] && key === path[1]);
  if (override !== undefined) {
    return { file: override.variable, line: null, column: null, is_set: true };
  }
  const place = yaml?.locate(named(path), what) ?? null;
  return {
    file: source,
    line: place?.line ?? null,
    column: place?.column ?? null,
    is_set: place !== null,
  };
}

/** The paths an issue is about; one about unknown keys is about each of them. */
function pathsOf(issue: z.core.$ZodIssue): Path[] {
  const path = issue.path.map((segment) => typeof segment === "number" ? segment : String(segment));
  if (issue.code !== "unrecognized_keys") return [path];
  return issue.keys.map((key) => [...path, key]);
}

function issueProblem(
  tree: unknown,
  issue: z.core.$ZodIssue,
  path: Path,
  place: (path: Path, what: "key" | "value") => SettingPlace,
  named: (path: Path) => Path,
): ConfigProblem {
  const unknown = issue.code === "unrecognized_keys";
  const { file, line, column } = place(path, unknown ? "key" : "value");
  const value = valueAt(tree, path);
  // A name from the file may hold anything, control characters included.
  const key = named(path).map((segment) => {
    const name = String(segment);
    return /^[\w-]{1,64}$/.test(name) ? name : JSON.stringify(name.slice(0, 64));
  }).join(".");
  if (unknown) {
    const section = path.length > 1 ? String(path[0]) : null;
    const allowed = allowedInstead(section, String(path[path.length - 1]));
    const found = section === null ? "an unknown section" : "an unknown key";
    return { file, line, column, key, code: "unknown_key", found, allowed };
  }
  const is_section = path.length === 1;
  return {
    file,
    line,
    column,
    key,
    code: is_section ? "not_a_mapping" : "wrong_value",
    found: describeValue(key, value),
    allowed: is_section ? `a mapping of ${allowedInstead(String(path[0]), "")}` : issue.message,
  };
}

function valueAt(tree: unknown, path: Path): unknown {
  let value = tree;
  for (const segment of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Object.hasOwn(value, segment)
      ? (value as Record<string | number, unknown>)[segment]
      : undefined;
  }
  return value;
}

function remove(tree: Record<string, unknown>, path: Path): void {
  const parent = valueAt(tree, path.slice(0, -1));
  if (typeof parent === "object" && parent !== null) {
    delete (parent as Record<string | number, unknown>)[path[path.length - 1]];
  }
}

/**
 * The tree with sections of its own, so that overriding and removing keys leaves the source alone
 * and two sections that are aliases of one mapping apart. A section without a single key
 * (`gateway:` with all its lines commented out) is an empty one.
 */
function structuredCopy(tree: Record<string, unknown>): Record<string, unknown> {
  const copy: Record<string, unknown> = Object.create(null);
  for (const [name, section] of Object.entries(tree)) {
    if (section === null) copy[name] = {};
    else if (typeof section === "object" && !Array.isArray(section)) {
      copy[name] = name === "streams" ? withEmptyEntries(section) : { ...section };
    } else copy[name] = section;
  }
  return copy;
}

/** A stream with nothing but its name has all of its keys' defaults. */
function withEmptyEntries(section: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(section).map(([name, entry]) => [name, entry ?? {}]));
}

function applyOverrides(tree: Record<string, unknown>, overrides: readonly Override[]): void {
  for (const { section, key, value } of overrides) {
    tree[section] ??= {};
    const keys = tree[section];
    // A section of the wrong kind is reported as such; there is nothing to override in it.
    if (typeof keys === "object" && keys !== null && !Array.isArray(keys)) {
      (keys as Record<string, unknown>)[key] = value;
    }
  }
}

/** The order a reader corrects them in: down the file, then the environment. */
function inOrder(problems: ConfigProblem[]): ConfigProblem[] {
  const at = (problem: ConfigProblem) => problem.line ?? Number.MAX_SAFE_INTEGER;
  return problems.toSorted((a, b) => at(a) - at(b) || (a.column ?? 0) - (b.column ?? 0));
}

function readConfigFile(path: string): { name: string; text: string } {
  let name = path;
  const fail = (code: string, found: string, allowed: string): never => {
    throw new ConfigError([
      { file: name, line: null, column: null, key: "", code, found, allowed },
    ]);
  };
  let bytes: Uint8Array;
  try {
    if (isFolder(path)) name = join(path, FILE_NAME);
    bytes = readBoundedFile(name, FILE_BYTES_MAX);
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error;
    const { code, found, allowed } = error;
    return fail(
      code,
      found,
      code === "missing" ? `${allowed}, or a folder with a ${FILE_NAME} in it` : allowed,
    );
  }
  try {
    return { name, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    return fail("invalid_utf8", "bytes that are no text", "UTF-8 text");
  }
}

/** What cannot even be looked at is said to be so when it is read. */
function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
