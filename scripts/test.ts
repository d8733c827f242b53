/**
 * `npm test` after the build: formatting, lint and types, then the tests, the quickest kind first.
 * Everything runs even if something failed before, so that one run shows all of it. The last line
 * is `N passed, N failed` and counts the tests; the exit code counts everything.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";

const ROOT = join(import.meta.dirname, "..");

const CHECKS: readonly (readonly string[])[] = [
  ["deno", "fmt", "--check"],
  ["deno", "lint"],
  ["tsc", "--noEmit"],
];

/** The kinds of test in their order, each with the longest one test may take, milliseconds. */
const KINDS: readonly { folder: string; timeout_ms: number }[] = [
  { folder: "unit", timeout_ms: 30_000 },
  { folder: "contract", timeout_ms: 60_000 },
  { folder: "fuzz", timeout_ms: 120_000 },
  { folder: "e2e", timeout_ms: 300_000 },
  { folder: "bench", timeout_ms: 60_000 },
];

interface Result {
  passed: number;
  failed: number;
}

/** Runs a command with its output passed straight on; resolves with its exit code. */
function run(command: readonly string[]): Promise<number> {
  console.log(`\n$ ${command.join(" ")}`);
  return new Promise((resolve, reject) => {
    const path = [join(ROOT, "node_modules", ".bin"), process.env.PATH ?? ""].join(delimiter);
    const child = spawn(command[0], command.slice(1), {
      cwd: ROOT,
      env: { ...process.env, PATH: path },
      stdio: ["ignore", "inherit", "inherit"],
    });
    child.once("error", reject);
    // A signal instead of a code is a crash.
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

/** Runs the tests of one folder and counts them by the report that the runner writes. */
async function runTests(kind: { folder: string; timeout_ms: number }, report: string) {
  const code = await run([
    "bun",
    "test",
    `./tests/${kind.folder}/`,
    `--timeout=${kind.timeout_ms}`,
    "--reporter=junit",
    `--reporter-outfile=${report}`,
  ]);
  const result = count(report);
  // Without a single failed test the runner itself has failed: a crash, or an error outside tests.
  if (code !== 0 && result.failed === 0) result.failed = 1;
  return result;
}

function count(report: string): Result {
  let xml: string;
  try {
    xml = readFileSync(report, "utf8");
  } catch {
    return { passed: 0, failed: 1 };
  }
  const head = /<testsuites\b[^>]*>/.exec(xml)?.[0] ?? "";
  const number = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const failed = number("failures") + number("errors");
  return { passed: number("tests") - failed - number("skipped"), failed };
}

function hasTests(folder: string): boolean {
  try {
    return readdirSync(join(ROOT, "tests", folder), { recursive: true })
      .some((name) => String(name).endsWith(".test.ts"));
  } catch {
    return false;
  }
}

const broken: string[] = [];
for (const check of CHECKS) {
  if (await run(check) !== 0) broken.push(check.join(" "));
}

const total: Result = { passed: 0, failed: 0 };
const reports = mkdtempSync(join(tmpdir(), "relayx-tests-"));
try {
  for (const kind of KINDS) {
    if (!hasTests(kind.folder)) continue;
    const { passed, failed } = await runTests(kind, join(reports, `${kind.folder}.xml`));
    total.passed += passed;
    total.failed += failed;
  }
} finally {
  rmSync(reports, { recursive: true, force: true });
}

console.log("");
for (const check of broken) console.log(`failed: ${check}`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = broken.length > 0 || total.failed > 0 ? 1 : 0;
