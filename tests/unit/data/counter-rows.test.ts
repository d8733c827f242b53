import { expect, test } from "bun:test";
import { CounterRows, rowsFor } from "../../../src/data/counter-rows.ts";

test("gives each row to one at a time, and says when there is none left", () => {
  const rows = new CounterRows({ size: 3 });
  const taken = [rows.take(), rows.take(), rows.take()];
  expect(new Set(taken)).toEqual(new Set([0, 1, 2]));
  expect(rows.take()).toBeNull();
  rows.giveBack(1);
  expect([rows.take(), rows.take()]).toEqual([1, null]);
});

test("a range can move past itself while all of its ports are in use", () => {
  expect([rowsFor(21), rowsFor(60_000)]).toEqual([1024, 120_000]);
});
