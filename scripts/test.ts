/**
 * `npm test` after the build: formatting, lint and types, then the tests. Each file of tests runs in a
 * process of its own, some of them at a time, for most of them wait more than they work; those that
 * measure run alone at the end. A file's output is shown in one piece when it is done. Everything runs
 * even if something failed before, so that one run shows all of it. The last line is
 * `N passed, N failed` and counts the tests; the exit code counts everything.
 *
 * What a test says holds on a machine that has time for it. A file that works against real time and
 * failed beside others has a second run alone, with the same seed, and that one counts; it is named
 * as `unsteady`, with the output of both. More than a few of them are no accident, and count as they are.
 *
 * `bun scripts/test.ts PART…` runs only the files with one of the parts in their names, and no checks.
 * RELAYX_TEST_LANES says how many files run at a time.
 */
import { availableParallelism } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { Durations, type TestFile, testFiles } from "./test/files.ts";
import { type Result, runCheck, runFile, seedOf, withTools } from "./test/runner.ts";

const ROOT = join(import.meta.dirname, "..");

const CHECKS: readonly (readonly string[])[] = [
  ["deno", "fmt", "--check"],
  ["deno", "lint"],
  ["tsc", "--noEmit"],
  ["tsc", "--noEmit", "-p", "src/admin/page"],
];

/** The longest any file of tests may take. */
const FILE_MS_MAX = 900_000;
/** Files that may have a second run. */
const UNSTEADY_MAX = 3;

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
const unsteady: { file: TestFile; first: Result }[] = [];
const durations = new Durations({ file: join(ROOT, "dist", "test-durations.json") });
const files = testFiles({ folder: join(ROOT, "tests"), durations, wanted });
await runAll(files.filter(({ is_alone }) => !is_alone), lanes);
await runAll(files.filter(({ is_alone }) => is_alone), 1);
for (const { file, first } of unsteady) {
  const RELAYX_SEED = seedOf(first.output) ?? environment.RELAYX_SEED;
  count(file, unsteady.length > UNSTEADY_MAX ? first : await run(file, { RELAYX_SEED }));
}
durations.save();

console.log("");
for (const { file } of unsteady) console.log(`unsteady: ${join("tests", file.name)}`);
for (const name of [...broken, ...failed_files]) console.log(`failed: ${name}`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = broken.length > 0 || total.failed > 0 || files.length === 0 ? 1 : 0;

/** Runs the files in their order, so many at a time. */
async function runAll(files: readonly TestFile[], lanes: number): Promise<void> {
  const queue = files.values();
  await Promise.all(Array.from({ length: lanes }, async () => {
    for (const file of queue) {
      const result = await run(file);
      if (result.failed > 0 && file.is_timed && lanes > 1) unsteady.push({ file, first: result });
      else count(file, result);
    }
  }));
}

async function run(
  { name, timeout_ms }: TestFile,
  more: Record<string, string | undefined> = {},
): Promise<Result> {
  const path = join("tests", name);
  const result = await runFile({
    path,
    root: ROOT,
    timeout_ms,
    file_ms_max: FILE_MS_MAX,
    environment: { ...environment, ...more },
  });
  const { output, took_ms } = result;
  durations.took(name, took_ms);
  console.log(`\n$ bun test ${path} (${(took_ms / 1000).toFixed(1)} s)\n${output.trimEnd()}`);
  return result;
}

function count({ name }: TestFile, { passed, failed }: Result): void {
  total.passed += passed;
  total.failed += failed;
  if (failed > 0) failed_files.push(join("tests", name));
}
