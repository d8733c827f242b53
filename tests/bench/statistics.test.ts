import { describe, expect, test } from "bun:test";
import { median, percentile, percentiles, slope, spread } from "../../bench/figures/statistics.ts";

describe("median and spread", () => {
  test("the middle of an odd count, the mean of two in an even one, whatever the order", () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([7])).toBe(7);
  });

  test("the input stays as it was", () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });

  test("nothing measured is not a number, and never 0", () => {
    expect(median([])).toBeNaN();
    expect(spread([])).toEqual({ median: NaN, min: NaN, max: NaN, count: 0 });
  });

  test("numbers are compared as numbers, not as words", () => {
    expect(spread([100, 9, 20])).toEqual({ median: 20, min: 9, max: 100, count: 3 });
  });
});

describe("percentiles", () => {
  const hundred = Float64Array.from({ length: 100 }, (_, i) => i + 1);

  test("nearest rank: the value that so many do not exceed", () => {
    expect(percentile(hundred, 50)).toBe(50);
    expect(percentile(hundred, 99)).toBe(99);
    expect(percentile(hundred, 99.9)).toBe(100);
    expect(percentile(hundred, 100)).toBe(100);
    expect(percentile(hundred, 0)).toBe(1);
  });

  test("a rank that is whole is not rounded up by the way numbers are stored", () => {
    const thousand = Float64Array.from({ length: 1000 }, (_, i) => i + 1);
    expect(percentile(thousand, 99.9)).toBe(999);
    expect(percentile(thousand, 70)).toBe(700);
  });

  test("of one value it is that value; of none it is not a number", () => {
    expect(percentile([42], 99)).toBe(42);
    expect(percentile([], 50)).toBeNaN();
  });

  test("the set sorts for itself and leaves its input alone", () => {
    const shuffled = Float64Array.of(9, 1, 5);
    expect(percentiles(shuffled)).toEqual({ p50: 5, p99: 9, p99_9: 9, max: 9 });
    expect([...shuffled]).toEqual([9, 1, 5]);
  });
});

describe("slope", () => {
  test("of a straight line is its own", () => {
    expect(slope([[0, 1], [10, 21], [20, 41]])).toBeCloseTo(2);
  });

  test("of a single place is not a number", () => {
    expect(slope([[1, 5], [1, 9]])).toBeNaN();
  });
});
