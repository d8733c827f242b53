/** The benchmark's command line. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { repository } from "../tests/harness/runtime.ts";
import type { Size } from "./sample.ts";

export interface Options {
  size: Size;
  /** Names of measures and contenders; null is all. */
  only: string[] | null;
  contenders: string[] | null;
  out: string;
  /** TCP's congestion control, by the kernel's name. */
  congestion: string;
}

export const USAGE = `npm run bench -- [options]

  --quick               a look at everything in under 2 minutes, one round
  --only NAMES          these measures, separated by commas
  --contenders NAMES    these contenders, separated by commas
  --rounds N            rounds of each measure
  --window SECONDS      how long each sample is measured
  --congestion NAME     TCP's congestion control (cubic, as Ubuntu has it)
  --out DIR             where the report goes (bench/results)
  --help
`;

/** Full: long enough that one tick of the kernel's 10 ms CPU clock is below half a percent. */
const FULL: Size = { quick: false, rounds: null, window_s: 3, warm_up_s: 0.7 };
const QUICK: Size = { quick: true, rounds: null, window_s: 0.5, warm_up_s: 0.15 };

/** Throws with one clear sentence where something is not allowed; null asks for the usage. */
export function parseOptions(
  argv: readonly string[],
  known: { measures: readonly string[]; contenders: readonly string[] },
): Options | null {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      quick: { type: "boolean" },
      only: { type: "string" },
      contenders: { type: "string" },
      rounds: { type: "string" },
      window: { type: "string" },
      congestion: { type: "string" },
      out: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help) return null;
  const size = values.quick ? { ...QUICK } : { ...FULL };
  if (values.rounds !== undefined) {
    size.rounds = number("--rounds", values.rounds, { min: 1, max: 100, whole: true });
  }
  if (values.window !== undefined) {
    size.window_s = number("--window", values.window, { min: 0.1, max: 600, whole: false });
  }
  return {
    size,
    only: names("--only", values.only, known.measures),
    contenders: names("--contenders", values.contenders, known.contenders),
    congestion: values.congestion ?? "cubic",
    out: values.out ?? join(repository, "bench", "results"),
  };
}

function number(
  option: string,
  found: string,
  { min, max, whole }: { min: number; max: number; whole: boolean },
): number {
  const value = Number(found);
  const fits = found.trim() !== "" && value >= min && value <= max &&
    (!whole || Number.isInteger(value));
  if (!fits) {
    const kind = whole ? "a whole number" : "a number";
    throw new Error(`${option}: found "${found}"; allowed is ${kind} from ${min} to ${max}`);
  }
  return value;
}

function names(
  option: string,
  found: string | undefined,
  known: readonly string[],
): string[] | null {
  if (found === undefined) return null;
  const asked = found.split(",").map((name) => name.trim()).filter(Boolean);
  const wrong = asked.filter((name) => !known.includes(name));
  if (wrong.length > 0 || asked.length === 0) {
    throw new Error(`${option}: found "${found}"; allowed are ${known.join(", ")}`);
  }
  return asked;
}
