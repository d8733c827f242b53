import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { LogArchive } from "../../../src/observe/log-archive.ts";

const DAY_MS = 86_400_000;

let folder: string;
let path: string;
const errors: Error[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "relayx-archive-"));
  path = join(folder, "gateway.log");
  errors.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function archive(options: { max_age: number; compress: boolean }): LogArchive {
  return new LogArchive({ path, report: (error) => errors.push(error), ...options });
}

/** A file that was set aside so many days ago; its name. */
function setAside(days: number, suffix = ""): string {
  const name = basename(LogArchive.nameFor(path, new Date(Date.now() - days * DAY_MS), 1)) + suffix;
  writeFileSync(join(folder, name), `content of ${name}\n`);
  return name;
}

test("a name has the time, and a number where one is taken", () => {
  const time = new Date(Date.UTC(2026, 0, 31, 12, 30, 15, 7));
  expect(LogArchive.nameFor("/a/gateway.log", time, 1)).toBe("/a/gateway-20260131T123015.007Z.log");
  expect(LogArchive.nameFor("/a/gateway.log", time, 2)).toBe(
    "/a/gateway-20260131T123015.007Z-2.log",
  );
  expect(LogArchive.nameFor("/a/log", time, 1)).toBe("/a/log-20260131T123015.007Z");
});

test("what is older than the age is deleted, compressed or not; all else stays", async () => {
  const young = setAside(6.9);
  const young_gz = setAside(6, ".gz");
  setAside(7.1);
  setAside(30, ".gz");
  const strangers = ["gateway.log", "gateway-notes.log", "other-20000101T000000.000Z.log"];
  for (const name of strangers) writeFileSync(join(folder, name), "");
  await archive({ max_age: 7, compress: false }).tidy();
  expect(readdirSync(folder).sort()).toEqual([...strangers, young, young_gz].sort());
  expect(errors).toEqual([]);
});

test("age 0 keeps everything", async () => {
  const old = setAside(10_000);
  await archive({ max_age: 0, compress: false }).tidy();
  expect(readdirSync(folder)).toEqual([old]);
});

test("what is not compressed is, and reads the same", async () => {
  const name = setAside(1);
  // An earlier run that was cut off left this behind.
  writeFileSync(join(folder, `${name}.gz.part`), "half");
  await archive({ max_age: 7, compress: true }).tidy();
  expect(readdirSync(folder)).toEqual([`${name}.gz`]);
  expect(gunzipSync(readFileSync(join(folder, `${name}.gz`))).toString()).toBe(
    `content of ${name}\n`,
  );
});

test("a failure is reported and leaves the next run possible", async () => {
  const broken = new LogArchive({
    path: join(folder, "absent", "gateway.log"),
    max_age: 1,
    compress: true,
    report: (error) => errors.push(error),
  });
  await broken.tidy();
  await broken.tidy();
  expect(errors).toHaveLength(2);
});

test("closing leaves the source of an unfinished compression", async () => {
  const name = setAside(1);
  writeFileSync(join(folder, name), "x".repeat(8_000_000));
  const stopped = archive({ max_age: 7, compress: true });
  const tidied = stopped.tidy();
  await stopped.close();
  await tidied;
  const left = readdirSync(folder);
  // Either nothing had begun or all of it was done: never both, never half.
  expect([[name], [`${name}.gz`]]).toContainEqual(left);
  expect(errors).toEqual([]);
});
