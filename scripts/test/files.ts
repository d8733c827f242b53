/** The files with tests: in which order they are run, and which of them beside others. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** The kinds of test, each with the longest one test may take, and what a file is guessed to. */
const KINDS: Readonly<Record<string, { timeout_ms: number; guess_ms: number }>> = {
  e2e: { timeout_ms: 300_000, guess_ms: 20_000 },
  contract: { timeout_ms: 60_000, guess_ms: 15_000 },
  fuzz: { timeout_ms: 120_000, guess_ms: 5000 },
  bench: { timeout_ms: 60_000, guess_ms: 2000 },
  unit: { timeout_ms: 30_000, guess_ms: 500 },
};

/** These measure time, rates or memory, and what runs beside them would be measured with them. */
const ALONE: ReadonlySet<string> = new Set([
  "bench/impaired-path.test.ts",
  "contract/heartbeat.test.ts",
  "e2e/broadcasts.test.ts",
  "e2e/endurance.test.ts",
  "e2e/srt-impaired.test.ts",
  "e2e/tools-lossy.test.ts",
]);

/** These run against real time: the kernel's, libsrt's, a browser's. */
const TIMED_KINDS: ReadonlySet<string> = new Set(["e2e", "contract", "bench"]);

export interface TestFile {
  /** From the folder `tests`. */
  name: string;
  timeout_ms: number;
  is_alone: boolean;
  /** Whether it may have failed for what ran beside it. */
  is_timed: boolean;
}

/** What each file has taken the last time, ms. It is a help and nothing depends on it. */
export class Durations {
  readonly #file: string;
  readonly #known: Record<string, number>;

  constructor({ file }: { file: string }) {
    this.#file = file;
    this.#known = read(file);
  }

  of(name: string): number {
    return this.#known[name] ?? KINDS[kindOf(name)].guess_ms;
  }

  took(name: string, ms: number): void {
    this.#known[name] = Math.round(ms);
  }

  save(): void {
    mkdirSync(dirname(this.#file), { recursive: true });
    writeFileSync(this.#file, `${JSON.stringify(this.#known, null, 2)}\n`);
  }
}

/** All files, those first that take the longest, so that no lane is left with one at the end. */
export function testFiles(
  { folder, durations, wanted }: {
    folder: string;
    durations: Durations;
    /** Only files with one of these in their names; all where there are none. */
    wanted: readonly string[];
  },
): TestFile[] {
  return readdirSync(folder, { recursive: true })
    .map((name) => String(name))
    .filter((name) => name.endsWith(".test.ts"))
    .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
    .sort((a, b) => durations.of(b) - durations.of(a) || (a < b ? -1 : 1))
    .map((name) => {
      const kind = kindOf(name);
      const { timeout_ms } = KINDS[kind];
      const is_alone = ALONE.has(name);
      return { name, timeout_ms, is_alone, is_timed: !is_alone && TIMED_KINDS.has(kind) };
    });
}

function kindOf(name: string): string {
  const kind = name.split("/")[0];
  if (kind in KINDS) return kind;
  throw new Error(
    `tests/${name}: found a test of no known kind; allowed: tests in ${
      Object.keys(KINDS).map((known) => join("tests", known)).join(", ")
    }`,
  );
}

function read(file: string): Record<string, number> {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Record<string, number>;
  } catch {
    return {};
  }
}
