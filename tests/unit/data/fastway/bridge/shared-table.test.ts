/** The table that all workers share: against a Map, and with several threads at once. */
import { expect, test } from "bun:test";
import { Worker } from "node:worker_threads";
import {
  newSharedTable,
  SharedTable,
} from "../../../../../src/data/fastway/bridge/shared-table.ts";
import { announcedRandom } from "../../../../harness/random.ts";

const shape = { key_words: 2, value_words: 3 };

function newTable(entries: number): SharedTable {
  return new SharedTable({ memory: newSharedTable(entries, shape), shape });
}

test("it is what a Map is, whatever is put in and taken out", () => {
  const random = announcedRandom("shared table");
  for (let run = 0; run < 40; run++) {
    const table = newTable(30);
    const model = new Map<string, number>();
    const key = new Int32Array(2);
    for (let step = 0; step < 600; step++) {
      key[0] = random.int(0, 7);
      key[1] = random.int(-4, 3);
      const name = key.join();
      const slot = table.find(key);
      expect(slot >= 0).toBe(model.has(name));
      if (slot >= 0) expect(table.value(slot, 2)).toBe(model.get(name)!);
      if (random.int(0, 2) > 0 && (model.has(name) || model.size < 40)) {
        const taken = table.take(key);
        if (!model.has(name)) expect(table.value(taken, 2)).toBe(0);
        table.setValue(taken, 2, step);
        model.set(name, step);
      } else if (slot >= 0) {
        table.remove(slot);
        model.delete(name);
      }
      expect(table.entries).toBe(model.size);
      if (step % 100 === 99) {
        const odd = [...model].filter(([, value]) => value % 2 === 1);
        const seen: number[] = [];
        table.sweep((at) => {
          seen.push(table.value(at, 2));
          return table.value(at, 2) % 2 === 1;
        });
        expect(seen.toSorted()).toEqual([...model.values()].toSorted());
        model.clear();
        for (const [one, value] of odd) model.set(one, value);
      }
    }
  }
});

test("a full table says so and finds what it has", () => {
  const table = newTable(10);
  const key = new Int32Array(2);
  let there = 0;
  for (; there < 1000; there++) {
    key[0] = there;
    if (table.take(key) < 0) break;
  }
  expect(there).toBeGreaterThanOrEqual(10);
  expect(there).toBeLessThan(1000);
  expect(table.find(key)).toBe(-1);
  for (let i = 0; i < there; i++) {
    key[0] = i;
    expect(table.find(key)).toBeGreaterThanOrEqual(0);
  }
});

test("threads that add, take away and count under its lock do not disturb each other", async () => {
  const random = announcedRandom("shared table of threads");
  const memory = newSharedTable(100, shape);
  const url = new URL("table-taker.ts", import.meta.url);
  const rounds = 20_000;
  const done = await Promise.all([0, 1, 2].map((index) => {
    const workerData = { memory, shape, index, rounds, seed: random.seed + index };
    const worker = new Worker(url, { workerData });
    return new Promise<number[]>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  }));
  const table = new SharedTable({ memory, shape });
  const key = new Int32Array(2);
  for (let i = 0; i < 20; i++) {
    key[0] = i;
    const expected = done.reduce((sum, counts) => sum + counts[i], 0);
    const slot = table.find(key);
    expect(slot < 0 ? 0 : table.value(slot, 0)).toBe(expected);
    expect(slot < 0).toBe(expected === 0);
  }
}, 30_000);
