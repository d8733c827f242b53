/** What can be wrong with a configuration, and the error that carries all of it at once. */
import { isSecretName } from "./secret-name.ts";

/** One thing that is wrong. */
export interface ConfigProblem {
  /** The file as it was named, or the environment variable; null where it is neither. */
  file: string | null;
  /** From 1; null where the problem has no place in the file. */
  line: number | null;
  column: number | null;
  /** `section.key`, or empty where the whole file is meant. */
  key: string;
  /** A stable word for the kind of problem. */
  code: string;
  found: string;
  allowed: string;
}

/** How many problems are printed; a file of rubbish must not fill the screen or the journal. */
const PRINTED_MAX = 50;

/** One problem as one line: `config.yaml:7:15 zeromq.port_range: found …; allowed: …`. */
export function formatProblem(problem: ConfigProblem): string {
  let where = problem.file ?? "";
  if (problem.line !== null) where += `:${problem.line}:${problem.column ?? 1}`;
  if (problem.key !== "") where += `${where === "" ? "" : " "}${problem.key}`;
  return `${where}: found ${problem.found}; allowed: ${problem.allowed}`;
}

/** The configuration cannot be used; `problems` has at least one entry. */
export class ConfigError extends Error {
  override name = "ConfigError";
  readonly code = "config_error";
  readonly problems: readonly ConfigProblem[];
  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.slice(0, PRINTED_MAX).map(formatProblem);
    if (problems.length > PRINTED_MAX) {
      lines.push(`… and ${problems.length - PRINTED_MAX} more problems`);
    }
    super(lines.join("\n"));
    this.problems = problems;
  }
}

/**
 * The value of a key as a message shows it: short, on one line, never the whole of a large one, and
 * never a secret.
 */
export function describeValue(key: string, value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  if (isSecretName(key)) return "a value that is not shown";
  if (typeof value !== "string") return String(value);
  const shown = value.length > 80 ? `${value.slice(0, 80)}…` : value;
  return JSON.stringify(shown);
}
