import { expect, test } from "bun:test";
import { CounterRow, newCounters, readRow } from "../../../src/data/counters.ts";

/** A row is one cache line of eight numbers, so that no two ports share one. */
const columns = 8;

test("a row reads back by name, and its neighbours are left alone", () => {
  const table = newCounters(3);
  expect(table.buffer).toBeInstanceOf(SharedArrayBuffer);
  expect(table.byteLength).toBe(3 * 64);
  table.fill(99);
  const row = new CounterRow(table, 1);
  const line = {
    rtt_ms: 12.5,
    packets_up: 101,
    packets_down: 102,
    packets_lost: 103,
    packets_retransmitted: 104,
    bottleneck_up: "reader" as const,
    bottleneck_down: "network_in" as const,
  };
  row.setBytes(2 ** 53 - 1, 7);
  row.setQuality(line);
  expect(readRow(table, 1)).toEqual({ bytes_up: 2 ** 53 - 1, bytes_down: 7, ...line });

  row.clear();
  expect(Object.values(readRow(table, 1))).toEqual([0, 0, 0, 0, 0, 0, 0, "unknown", "unknown"]);
  const neighbours = [...table.subarray(0, columns), ...table.subarray(2 * columns)];
  expect(neighbours.every((value) => value === 99)).toBe(true);
});

test("what one thread writes, a table over the same memory shows", () => {
  const table = newCounters(2);
  const elsewhere = new Float64Array(table.buffer);
  new CounterRow(table, 1).setBytes(5, 6);
  expect(readRow(elsewhere, 1)).toMatchObject({ bytes_up: 5, bytes_down: 6 });
  expect(readRow(elsewhere, 0)).toMatchObject({ bytes_up: 0, bytes_down: 0 });
});
