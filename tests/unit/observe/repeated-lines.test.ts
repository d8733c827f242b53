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
