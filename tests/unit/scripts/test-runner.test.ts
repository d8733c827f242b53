/** What runs the tests: whatever becomes of a file, it is counted. */
import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { Durations, testFiles } from "../../../scripts/test/files.ts";
import { runFile, seedOf, withTools } from "../../../scripts/test/runner.ts";
import { repository } from "../../harness/runtime.ts";

const root = mkdtempSync(join(tmpdir(), "relayx-runner-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const environment = withTools(repository, delimiter);

function run(text: string, file_ms_max = 20_000) {
  writeFileSync(join(root, "one.test.ts"), `import { expect, test } from "bun:test";\n${text}\n`);
  return runFile({ path: "one.test.ts", root, timeout_ms: 5000, file_ms_max, environment });
}

test("tests that pass, fail and are skipped are counted, and the output is kept", async () => {
  const result = await run(`
    test("a", () => console.log("said by a"));
    test("b", () => expect(1).toBe(2));
    test.skip("c", () => {});
    test("d", () => {});
  `);
  expect(result).toMatchObject({ passed: 2, failed: 1 });
  expect(result.output).toContain("said by a");
  expect(result.output).toContain("toBe");
});

test.each([
  ["ends before its tests are done", `test("a", () => process.exit(3));`],
  ["dies", `test("a", () => process.kill(process.pid, "SIGSEGV"));`],
  ["cannot be read", `test("a", () => {`],
  ["throws outside of tests", `throw new Error("at once");`],
  ["has no tests", ""],
])("a file that %s is a failure", async (_, text) => {
  expect(await run(text)).toMatchObject({ passed: 0, failed: 1 });
});

test("a file that does not end is ended, and is a failure", async () => {
  const result = await run(`test("a", () => { for (;;); });`, 500);
  expect(result).toMatchObject({ passed: 0, failed: 1 });
  expect(result.output).toContain("the most allowed");
});

test("the longest file is first, by what it took the last time or what its kind takes", () => {
  const folder = join(root, "tests");
  for (const name of ["unit/a", "unit/b", "e2e/c", "contract/d", "e2e/broadcasts"]) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, `${name}.test.ts`), "");
  }
  writeFileSync(join(folder, "unit/fixture.ts"), "");
  const file = join(root, "dist/durations.json");
  const first = new Durations({ file });
  const names = (wanted: string[], durations = first) =>
    testFiles({ folder, durations, wanted }).map(({ name }) => name.replace(".test.ts", ""));
  expect(names([])).toEqual(["e2e/broadcasts", "e2e/c", "contract/d", "unit/a", "unit/b"]);
  expect(names(["unit/", "d.test"])).toEqual(["contract/d", "unit/a", "unit/b"]);
  first.took("unit/b.test.ts", 90_000.4);
  first.save();
  expect(names([], new Durations({ file }))[0]).toBe("unit/b");
  const alone = testFiles({ folder, durations: first, wanted: [] }).filter((one) => one.is_alone);
  expect(alone.map(({ name }) => name)).toEqual(["e2e/broadcasts.test.ts"]);
  mkdirSync(join(folder, "other"));
  writeFileSync(join(folder, "other/e.test.ts"), "");
  expect(() => names([])).toThrow("tests/other/e.test.ts: found a test of no known kind");
});

test("only what works against real time, beside others, may have failed for those", () => {
  const folder = join(root, "kinds");
  for (const name of ["unit/a", "fuzz/b", "e2e/c", "contract/d", "e2e/broadcasts"]) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, `${name}.test.ts`), "");
  }
  const durations = new Durations({ file: join(root, "none.json") });
  const timed = testFiles({ folder, durations, wanted: [] })
    .filter(({ is_timed }) => is_timed).map(({ name }) => name);
  expect(timed.sort()).toEqual(["contract/d.test.ts", "e2e/c.test.ts"]);
});

test("a second run has the seed of the first", () => {
  expect(seedOf("a subject: RELAYX_SEED=1234\nanother: RELAYX_SEED=1234\n")).toBe("1234");
  expect(seedOf("(pass) nothing random")).toBeNull();
});
