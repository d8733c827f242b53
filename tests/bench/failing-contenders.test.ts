/** A contender that fails or returns wrong bytes is reported as failed, and never with a figure. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Figures } from "../../bench/figures/figures.ts";
import { fastway } from "../../bench/measures/fastway.ts";
import { setup } from "../../bench/measures/setup.ts";
import { tcpBulk } from "../../bench/measures/tcp-bulk.ts";
import { tcpLatency } from "../../bench/measures/tcp-latency.ts";
import type { Measure, Sample, Size } from "../../bench/sample.ts";
import { Suite } from "../../bench/suite.ts";
import { FakeContender, type Fault } from "./fake-contender.ts";

/** A sample has programs of its own to start, which a busy machine takes its time for. */
setDefaultTimeout(30_000);

const size: Size = { quick: true, rounds: 1, window_s: 0.1, warm_up_s: 0.05 };

/** One case of a measure is enough to see a fault. */
const firstCase = (measure: Measure): Measure => ({
  ...measure,
  cases: (full) => measure.cases(full).slice(0, 1),
});

async function samplesOf(measure: Measure, contenders: FakeContender[]): Promise<Sample[]> {
  const progress = { sample: () => {}, detail: () => {}, done: () => {} };
  const suite = new Suite({ measures: [firstCase(measure)], contenders, size, progress, scratch });
  try {
    return await suite.run();
  } finally {
    await suite.close();
  }
}

const scratch = mkdtempSync(join(tmpdir(), "relayx-suite-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe("a contender that", () => {
  const faults: [Fault, string][] = [
    ["not_installed", "not installed"],
    ["does_not_start", "does not listen"],
    ["closes_early", ""],
    ["wrong_bytes", "wrong bytes"],
    ["loses_the_end", "bytes arrived"],
  ];

  test.each(faults)("%s is reported as failed in bulk", async (fault, reason) => {
    const contender = new FakeContender({ fault });
    const [sample, ...more] = await samplesOf(tcpBulk, [contender]);
    expect(more).toEqual([]);
    expect(sample.failed).toContain(reason);
    expect(sample.failed).not.toBe("");
    expect(sample.values).toEqual({});
    expect(new Figures([sample]).median(sample.case, "fake", "rate_gbps")).toBeNaN();
    expect(contender.serving).toBe(0);
    expect(readdirSync(scratch)).toEqual([]);
  });

  test("changes an echo is reported as failed in latency", async () => {
    const contender = new FakeContender({ fault: "wrong_bytes", fault_after: 640 });
    const [sample] = await samplesOf(tcpLatency, [contender]);
    expect(sample.failed).toContain("wrong bytes");
  });

  test.each([["wrong_bytes", "wrong bytes"], ["closes_early", ""]] as const)(
    "%s is reported as failed in fastway",
    async (fault, reason) => {
      const contender = new FakeContender({ fault, fault_after: 20_000 });
      const [sample] = await samplesOf(fastway, [contender]);
      expect(sample.failed).toContain(reason);
      expect(sample.values).toEqual({});
    },
  );

  test("changes the first byte is reported as failed in set-up", async () => {
    const contender = new FakeContender({ fault: "wrong_bytes", fault_after: 0 });
    const [sample] = await samplesOf(setup, [contender]);
    expect(sample.failed).toContain("wrong bytes");
  });

  test("is sound has figures, also when the one before it has failed", async () => {
    const contenders = [
      new FakeContender({ name: "broken", fault: "closes_early" }),
      new FakeContender({ name: "sound", fault: "none" }),
    ];
    const [broken, sound] = await samplesOf(tcpBulk, contenders);
    expect(broken.failed).not.toBeNull();
    expect(sound.failed).toBeNull();
    expect(sound.values.rate_gbps).toBeGreaterThan(0);
  });

  test("failed once has no figures at all, however good its other rounds were", () => {
    const base = { measure: "m", case: "c", contender: "fake", noise: null };
    const figures = new Figures([
      { ...base, round: 1, values: { rate_gbps: 99 }, failed: null },
      { ...base, round: 2, values: {}, failed: "wrong bytes" },
    ]);
    expect(figures.median("c", "fake", "rate_gbps")).toBeNaN();
    expect(figures.failure("c", "fake")).toBe("wrong bytes");
  });
});

describe("a disturbed round", () => {
  const noise = { spin_ratio: 1, steal_cores: 0, other_cores: 1, disturbed: "others" };
  const quiet = { ...noise, other_cores: 0, disturbed: null };
  const base = { measure: "m", case: "c", contender: "fake", failed: null };

  test("does not count where there are others, and counts where there are none", () => {
    const slow = { ...base, round: 1, values: { rate: 1 }, noise };
    const fast = { ...base, round: 2, values: { rate: 10 }, noise: quiet };
    expect(new Figures([slow, fast]).median("c", "fake", "rate")).toBe(10);
    expect(new Figures([slow, fast]).rounds("c", "fake")).toEqual({ count: 2, disturbed: 1 });
    expect(new Figures([slow]).median("c", "fake", "rate")).toBe(1);
  });
});

test("the generators are where the benchmark looks for them", () => {
  for (const program of ["bulk-end", "echo-end", "sessions", "srt-end", "impaired-path"]) {
    expect(existsSync(new URL(`../../bench/load/${program}.ts`, import.meta.url))).toBeTrue();
  }
});
