import { describe, expect, test } from "bun:test";
import { Pacing, type PacingOptions } from "../../../src/tools/video/pacing.ts";

function pacing(options: Partial<PacingOptions>): Pacing {
  return new Pacing({
    rate_mbps: 0,
    delay_ms: 0,
    jitter_ms: 0,
    drop_pct: 0,
    random: () => 0.5,
    now_ms: () => 0,
    ...options,
  });
}

describe("pacing", () => {
  test("without a rate nothing is waited for", () => {
    expect(pacing({}).waitBefore(1_000_000)).toBe(0);
  });

  test("a rate spaces frames by their size", () => {
    const paced = pacing({ rate_mbps: 8 });
    expect([1000, 3000, 1000].map((bytes) => paced.waitBefore(bytes))).toEqual([0, 1, 4]);
  });

  test("a late sender catches up, but only so much", () => {
    let now = 0;
    const paced = pacing({ rate_mbps: 8, now_ms: () => now });
    paced.waitBefore(1000);
    now = 3;
    expect(paced.waitBefore(1000)).toBe(0);
    expect(paced.waitBefore(1000)).toBe(0);
    expect(paced.waitBefore(1000)).toBe(0);
    expect(paced.waitBefore(1000)).toBe(1);
    now = 10_000;
    let free = 0;
    while (paced.waitBefore(1000) === 0) free++;
    expect(free).toBe(51);
  });

  test("delay and jitter add up, and the longer of pause and rate counts", () => {
    expect(pacing({ delay_ms: 20, jitter_ms: 50 }).waitBefore(1)).toBe(45);
    const paced = pacing({ rate_mbps: 8, delay_ms: 2 });
    expect([10_000, 1000].map((bytes) => paced.waitBefore(bytes))).toEqual([2, 10]);
  });

  test("leaves out the asked share", () => {
    let at = 0;
    const paced = pacing({ drop_pct: 25, random: () => (at++ % 100) / 100 });
    const dropped = Array.from({ length: 1000 }, () => paced.drops()).filter(Boolean).length;
    expect(dropped).toBe(250);
    expect(pacing({ drop_pct: 0, random: () => 0 }).drops()).toBe(false);
  });
});
