/** Numbers in stripes: no two workers give the same one, and each number tells whose it is. */
import { expect, test } from "bun:test";
import { Ids, workerOfId } from "../../../../src/data/fastway/ids.ts";

const END = 2 ** 32;
const free = () => false;

function taken(ids: Ids, count: number): number[] {
  return Array.from({ length: count }, () => ids.take(free));
}

test("one worker alone counts from 1", () => {
  expect(taken(new Ids({ worker: 0, workers: 1 }), 4)).toEqual([1, 2, 3, 4]);
});

test("two workers take turns", () => {
  expect(taken(new Ids({ worker: 0, workers: 2 }), 3)).toEqual([1, 3, 5]);
  expect(taken(new Ids({ worker: 1, workers: 2 }), 3)).toEqual([2, 4, 6]);
});

test("one worker's numbers wrap at 2^32, with 0 or without", () => {
  const from = END - 2;
  const all = new Ids({ worker: 0, workers: 1, from });
  expect(taken(all, 4)).toEqual([END - 2, END - 1, 0, 1]);
  const virtual = new Ids({ worker: 0, workers: 1, skips_zero: true, from });
  expect(taken(virtual, 4)).toEqual([END - 2, END - 1, 1, 2]);
});

test("numbers in use are passed over", () => {
  const ids = new Ids({ worker: 1, workers: 3 });
  expect(ids.take((id) => id < 8)).toBe(8);
  expect(ids.take(free)).toBe(11);
});

test("with any number of workers, around the wrap each number is given once and tells its worker", () => {
  for (let workers = 1; workers <= 64; workers++) {
    for (const skips_zero of [false, true]) {
      const from = END - 5 * workers;
      const seen = new Set<number>();
      for (let worker = 0; worker < workers; worker++) {
        // At most 5 before the wrap, and 4 after it.
        const numbers = taken(new Ids({ worker, workers, skips_zero, from }), 9);
        for (const id of numbers) {
          expect(id).toBeGreaterThanOrEqual(skips_zero ? 1 : 0);
          expect(id).toBeLessThan(END);
          expect(workerOfId(id, workers)).toBe(worker);
          expect(seen.has(id)).toBe(false);
          seen.add(id);
        }
        const first = numbers.findIndex((id) => id < from);
        const expected = (worker + 1) % workers || (skips_zero ? workers : 0);
        expect(numbers[first]).toBe(expected);
      }
      // What is before the wrap is all there.
      const before = [...seen].filter((id) => id >= from).length;
      expect(before).toBe(5 * workers);
    }
  }
});
