/** A configuration file as text: its values as a plain tree, and where each of them stands. */
import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import { ConfigError, type ConfigProblem } from "./problem.ts";

/** A place in the file, both numbers from 1. */
export interface Place {
  line: number;
  column: number;
}

export type Path = readonly (string | number)[];

export interface YamlSource {
  /** The file's mapping; empty where the file has no values. */
  tree: Record<string, unknown>;
  /** Where the value of a path stands, or its key; null where the file does not have it. */
  locate(path: Path, what: "key" | "value"): Place | null;
}

/** How often aliases may multiply nodes; a file needs none, and a "billion laughs" needs many. */
const ALIASES_MAX = 100;

/** Reads a file's text. Throws a {@link ConfigError} with every syntax error it has. */
export function parseYaml(file: string, text: string): YamlSource {
  const lines = new LineCounter();
  const problem = (code: string, found: string, allowed: string, place: Place | null) =>
    ({
      file,
      line: place?.line ?? null,
      column: place?.column ?? null,
      key: "",
      code,
      found,
      allowed,
    }) satisfies ConfigProblem;
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };

  let document: Document;
  try {
    document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      logLevel: "error",
      uniqueKeys: true,
      version: "1.2",
    });
  } catch (error) {
    // The parser descends recursively: thousands of nested brackets exhaust the stack.
    throw new ConfigError([
      problem("yaml_error", `text that cannot be parsed (${oneLine(error)})`, "YAML 1.2", null),
    ]);
  }
  if (document.errors.length > 0) {
    const problems = new Map<number, ConfigProblem>();
    for (const error of document.errors) {
      const place = placeAt(error.pos[0]);
      // One slip lets the parser stumble on through the rest of its line; the first error counts.
      if (problems.has(place.line)) continue;
      problems.set(
        place.line,
        error.code === "DUPLICATE_KEY"
          ? problem(
            "duplicate_key",
            `the key ${describeKey(text, error.pos[0])} a second time`,
            "each key once",
            place,
          )
          : problem(
            "yaml_error",
            `broken YAML (${oneLine(error)})`,
            "YAML 1.2, one document",
            place,
          ),
      );
    }
    throw new ConfigError([...problems.values()]);
  }

  let tree: unknown;
  try {
    tree = document.toJS({ maxAliasCount: ALIASES_MAX });
  } catch (error) {
    throw new ConfigError([
      problem(
        "yaml_error",
        `aliases that cannot be resolved (${oneLine(error)})`,
        `at most ${ALIASES_MAX} aliases, or better none`,
        null,
      ),
    ]);
  }
  // A file of comments only is an empty configuration: the defaults.
  if (tree === null || tree === undefined) tree = {};
  if (typeof tree !== "object" || Array.isArray(tree)) {
    const start = isNode(document.contents) ? document.contents.range?.[0] : undefined;
    throw new ConfigError([
      problem(
        "not_a_mapping",
        Array.isArray(tree) ? "a list" : "a single value",
        'sections with keys, for instance "gateway:" and below it "  tcp_port: 5555"',
        placeAt(start ?? 0),
      ),
    ]);
  }

  return {
    tree: tree as Record<string, unknown>,
    locate: (path, what) => {
      const offset = offsetOf(document, path, what);
      return offset === null ? null : placeAt(offset);
    },
  };
}

function offsetOf(document: Document, path: Path, what: "key" | "value"): number | null {
  let node: unknown = document.contents;
  let offset: number | null = null;
  for (const segment of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) =>
        String(isScalar(key) ? key.value : key) === String(segment)
      );
      if (pair === undefined) return null;
      const key_offset = isNode(pair.key) ? pair.key.range?.[0] ?? null : null;
      const value_offset = isNode(pair.value) ? pair.value.range?.[0] ?? null : null;
      offset = what === "key" ? key_offset : value_offset ?? key_offset;
      // An absent value (`tcp_port:`) is placed by the parser behind its key; the key is clearer.
      const { value } = pair;
      if (isScalar(value) && value.type === "PLAIN" && value.source === "") offset = key_offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(segment)];
      if (!isNode(node)) return null;
      offset = node.range?.[0] ?? null;
    } else if (isScalar(node) && node.value === null) {
      // A section of which nothing but its name is there has no keys of its own.
      return null;
    } else {
      // What an alias stands for is written elsewhere; its own place is the nearest true answer.
      return offset;
    }
  }
  return offset;
}

function describeKey(text: string, offset: number): string {
  return JSON.stringify(/^[^\s:]{0,64}/.exec(text.slice(offset, offset + 64))![0]);
}

function oneLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  if (/call stack/i.test(message)) return "nested too deeply";
  return message.replace(/\s+/g, " ").slice(0, 200);
}
