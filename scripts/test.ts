/**
 * `npm test` after the build: formatting, lint and types, then the tests. Each file of tests runs in a
 * process of its own, some of them at a time, for most of them wait more than they work; those that
 * measure run alone at the end. A file's output is shown in one piece when it is done. Everything runs
 * even if something failed before, so that one run shows all of it. The last line is
 * `N passed, N failed` and counts the tests; the exit code counts everything.
 *
 * `bun scripts/test.ts PART…` runs only the files with one of the parts in their names, and no checks.
 * RELAYX_TEST_LANES says how many files run at a time.
 */
import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { Durations, type TestFile, testFiles } from "./test/files.ts";
import { runCheck, runFile, withTools } from "./test/runner.ts";

const ROOT = join(import.meta.dirname, "..");

const CHECKS: readonly (readonly string[])[] = [
  ["deno", "fmt", "--check"],
  ["deno", "lint"],
  ["tsc", "--noEmit"],
  ["tsc", "--noEmit", "-p", "src/admin/page"],
];

/** The longest any file of tests may take. */
const FILE_MS_MAX = 900_000;

const lanes = Number(process.env.RELAYX_TEST_LANES ?? availableParallelism() + 2);
const wanted = process.argv.slice(2);
const environment = withTools(ROOT, delimiter);

const broken: string[] = [];
for (const command of wanted.length === 0 ? CHECKS : []) {
  console.log(`\n$ ${command.join(" ")}`);
  if (await runCheck({ command, root: ROOT, environment }) !== 0) broken.push(command.join(" "));
}

const total = { passed: 0, failed: 0 };
const failed_files: string[] = [];
const durations = new Durations({ file: join(ROOT, "dist", "test-durations.json") });
const files = testFiles({ folder: join(ROOT, "tests"), durations, wanted });
await runAll(files.filter(({ is_alone }) => !is_alone), lanes);
await runAll(files.filter(({ is_alone }) => is_alone), 1);
durations.save();

console.log("");
for (const name of [...broken, ...failed_files]) console.log(`failed: ${name}`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = broken.length > 0 || total.failed > 0 || files.length === 0 ? 1 : 0;

/** Runs the files in their order, so many at a time. */
async function runAll(files: readonly TestFile[], lanes: number): Promise<void> {
  const queue = files.values();
  await Promise.all(Array.from({ length: lanes }, async () => {
    for (const file of queue) await run(file);
  }));
}

async function run({ name, timeout_ms }: TestFile): Promise<void> {
  const path = join("tests", name);
  const { passed, failed, output, took_ms } = await runFile({
    path,
    root: ROOT,
    timeout_ms,
    file_ms_max: FILE_MS_MAX,
    environment,
  });
  durations.took(name, took_ms);
  total.passed += passed;
  total.failed += failed;
  if (failed > 0) failed_files.push(path);
  console.log(`\n$ bun test ${path} (${(took_ms / 1000).toFixed(1)} s)\n${output.trimEnd()}`);
}
