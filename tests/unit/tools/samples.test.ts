import { describe, expect, test } from "bun:test";
import { Samples } from "../../../src/tools/video/samples.ts";

describe("samples", () => {
  test("nearest-rank percentiles", () => {
    const samples = new Samples();
    for (let value = 100; value >= 1; value--) samples.add(value);
    expect(samples.percentiles(0, 50, 95, 99, 100)).toEqual([1, 50, 95, 99, 100]);
  });

  test("one sample is every percentile", () => {
    const samples = new Samples();
    samples.add(3);
    expect(samples.percentiles(50, 99)).toEqual([3, 3]);
    expect(samples.summary()).toEqual({ max: 3, avg: 3, std: 0 });
  });

  test("nothing measured is zero", () => {
    expect(new Samples().percentiles(50)).toEqual([0]);
    expect(new Samples().summary()).toEqual({ max: 0, avg: 0, std: 0 });
  });

  test("mean and deviation of the population", () => {
    const samples = new Samples();
    for (const value of [2, 4, 4, 4, 5, 5, 7, 9]) samples.add(value);
    expect(samples.summary()).toEqual({ max: 9, avg: 5, std: 2 });
  });

  test("a maximum below zero is not lost", () => {
    const samples = new Samples();
    samples.add(-5);
    samples.add(-7);
    expect(samples.summary().max).toBe(-5);
  });

  test("beyond its bound it keeps an even choice", () => {
    const samples = new Samples({ samples_max: 1000 });
    const count = 100_000;
    for (let value = 1; value <= count; value++) samples.add(value);
    expect(samples.count).toBe(count);
    expect(samples.values().length).toBeLessThanOrEqual(1000);
    expect(samples.values().length).toBeGreaterThan(400);
    const [median, high] = samples.percentiles(50, 95);
    expect(Math.abs(median / count - 0.5)).toBeLessThan(0.01);
    expect(Math.abs(high / count - 0.95)).toBeLessThan(0.01);
    expect(samples.summary().max).toBe(count);
  });
});
