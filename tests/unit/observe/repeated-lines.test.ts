import { expect, test } from "bun:test";
import { RepeatedLines } from "../../../src/observe/repeated-lines.ts";
import { RecordingLog } from "../sessions/recording-log.ts";

test("the first of a kind is written at once, the rest of its second as one line with a count", async () => {
  const log = new RecordingLog();
  const lines = new RepeatedLines({ log });
  for (let i = 0; i < 1000; i++) lines.warn("a", { status: "x", i }, "it happened");
  lines.warn("b", { status: "y" }, "something else");
  expect(log.lines.items.map(({ status, count }) => [status, count])).toEqual([["x", 1], ["y", 1]]);
  expect(await log.lines.find((line) => line.count === 999)).toMatchObject({ status: "x", i: 999 });
  lines.warn("a", { status: "x" }, "it happened");
  lines.close();
  expect(log.lines.items.map(({ count }) => count)).toEqual([1, 1, 999, 1]);
});

test("lines of both levels keep theirs, also those that are told together", () => {
  const log = new RecordingLog();
  const lines = new RepeatedLines({ log });
  for (let time = 0; time < 3; time++) {
    lines.info("calm", { status: "x" }, "it happened");
    lines.warn("bad", { status: "y" }, "it happened");
  }
  lines.close();
  expect(log.lines.items.map(({ level, status, count }) => [level, status, count])).toEqual([
    ["info", "x", 1],
    ["warn", "y", 1],
    ["info", "x", 2],
    ["warn", "y", 2],
  ]);
});
