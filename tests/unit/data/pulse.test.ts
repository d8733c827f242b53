import { expect, test } from "bun:test";
import { HANGS_AFTER_MS, longestTurn, newPulses, Pulse } from "../../../src/data/pulse.ts";

function pulse(row = 0, workers = 1) {
  const table = newPulses(workers);
  return { table, one: new Pulse({ table, row, clock_offset_ms: 1000 }) };
}

test("the longest turn of the second is told, by the shared clock", () => {
  const { table, one } = pulse();
  // The worker's clock is 1000 ms behind the shared one.
  for (const [from, to] of [[10, 13], [20, 60], [70, 71]]) {
    one.turnBegins(from);
    one.turnEnds(to);
  }
  expect(longestTurn(table, 0, 1080)).toBe(40);
  expect(longestTurn(table, 0, 1900)).toBe(40);
});

test("a long turn is forgotten after a second of shorter ones, and after two of rest", () => {
  const { table, one } = pulse();
  one.turnBegins(0);
  one.turnEnds(50);
  one.turnBegins(1060);
  one.turnEnds(1062);
  // The second before still counts for as long as the present one is not over.
  expect(longestTurn(table, 0, 2070)).toBe(50);
  one.turnBegins(2070);
  one.turnEnds(2073);
  expect(longestTurn(table, 0, 3080)).toBe(3);
  expect(longestTurn(table, 0, 5100)).toBe(0);
});

test("a turn that still runs counts, and one that does not end is a worker that hangs", () => {
  const { table, one } = pulse();
  one.turnBegins(0);
  expect(longestTurn(table, 0, 1000 + 700)).toBe(700);
  expect(longestTurn(table, 0, 1000 + HANGS_AFTER_MS)).toBe(HANGS_AFTER_MS);
  expect(longestTurn(table, 0, 1000 + HANGS_AFTER_MS + 1)).toBeNull();
  one.turnEnds(HANGS_AFTER_MS + 10);
  expect(longestTurn(table, 0, 1000 + HANGS_AFTER_MS + 20)).toBe(HANGS_AFTER_MS + 10);
});

test("rows are apart, and a new worker does not begin with what an earlier one left", () => {
  const { table, one } = pulse(1, 3);
  one.turnBegins(0);
  expect([0, 1, 2].map((row) => longestTurn(table, row, 1500))).toEqual([0, 500, 0]);
  new Pulse({ table, row: 1, clock_offset_ms: 0 });
  expect(longestTurn(table, 1, 1500)).toBe(0);
});
