/**
 * Environment variables that override the file: `RELAYX_<SECTION>_<KEY>`, for instance
 * `RELAYX_GATEWAY_TCP_PORT=6000`. An empty variable counts as not set, because that is how
 * compose files and unit files spell "no value". Flags of a command that sets keys go before both.
 */
import type { z } from "zod";
import { nearest, sections } from "./keys.ts";
import type { ConfigProblem } from "./problem.ts";

/** Variables of this prefix that are no configuration keys and belong to other parts of relayx. */
const EXEMPT: readonly string[] = ["RELAYX_LIBSRT"];

/** What Kubernetes sets for a service named relayx, for instance `RELAYX_PORT=tcp://10.0.0.1:5555`. */
const OF_KUBERNETES = /^RELAYX_(?:PORT|SERVICE_HOST|SERVICE_PORT)(?:_|$)/;

export type Environment = Readonly<Record<string, string | undefined>>;

/** A key's value from a variable, or from a flag of the command line. */
export interface Override {
  variable: string;
  section: string;
  key: string;
  value: unknown;
}

/** A flag of the command line that sets a key; `name` is how it is written. */
export interface Flag {
  name: string;
  section: string;
  key: string;
  text: string;
}

/** Flags are text as variables are, and read in the same way. */
export function readFlags(flags: readonly Flag[]): Override[] {
  const all = sections();
  return flags.map(({ name: variable, section, key, text }) => {
    const schema = all.get(section)?.get(key);
    if (schema === undefined) throw new Error(`The flag ${variable} sets no key`);
    return { variable, section, key, value: typed(schema, text) };
  });
}

/** The variable that sets a key. */
export function variableName(section: string, key: string): string {
  return `RELAYX_${section}_${key}`.toUpperCase();
}

/** What the environment sets, and the variables that look like a key but are none. */
export function readEnvironment(
  env: Environment,
): { overrides: Override[]; problems: ConfigProblem[] } {
  const known = new Map<string, { section: string; key: string; schema: z.ZodType }>();
  const prefixes: string[] = [];
  for (const [section, keys] of sections()) {
    prefixes.push(`RELAYX_${section.toUpperCase()}_`);
    for (const [key, schema] of keys) {
      known.set(variableName(section, key), { section, key, schema });
    }
  }

  const overrides: Override[] = [];
  const problems: ConfigProblem[] = [];
  for (const variable of Object.keys(env).sort()) {
    const raw = env[variable];
    if (raw === undefined || raw === "" || !variable.startsWith("RELAYX_")) continue;
    if (EXEMPT.includes(variable) || OF_KUBERNETES.test(variable)) continue;
    const target = known.get(variable);
    if (target !== undefined) {
      const { section, key, schema } = target;
      overrides.push({ variable, section, key, value: typed(schema, raw) });
      continue;
    }
    // Others may have variables of this prefix too, so only what is plainly meant as one of our keys
    // is refused.
    const near = nearest(variable, [...known.keys()]);
    if (near === null && !prefixes.some((prefix) => variable.startsWith(prefix))) continue;
    problems.push({
      file: variable,
      line: null,
      column: null,
      key: "",
      code: "unknown_variable",
      found: "a variable that sets no known key",
      allowed: near === null
        ? "RELAYX_<SECTION>_<KEY> with a section and a key of config.yaml"
        : `RELAYX_<SECTION>_<KEY>; did you mean ${near}?`,
    });
  }
  return { overrides, problems };
}

/**
 * A variable is always text; where the key does not take the text, it is read as YAML would. Of a key
 * that is a list it has the entries, with commas between them.
 */
function typed(schema: z.ZodType, raw: string): unknown {
  const as_text = schema.safeParse(raw);
  if (as_text.success) return raw;
  const [issue] = as_text.error.issues;
  if (issue.code === "invalid_type" && issue.expected === "array") {
    return raw.split(",").map((entry) => entry.trim());
  }
  if (/^-?\d{1,15}(?:\.\d{1,15})?$/.test(raw)) return Number(raw);
  if (raw === "true") return true;
  if (raw === "false") return false;
  return raw;
}
