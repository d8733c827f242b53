import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeMachine } from "../../bench/facts/machine.ts";
import { memory } from "../../bench/measures/memory.ts";
import { tcpBulk } from "../../bench/measures/tcp-bulk.ts";
import { anchor, splitFindings, writeReport } from "../../bench/report.ts";
import type { Sample } from "../../bench/sample.ts";
import { FakeContender } from "./fake-contender.ts";

const quiet = { spin_ratio: 1, steal_cores: 0, other_cores: 0, disturbed: null };
const noisy = { ...quiet, other_cores: 0.8, disturbed: "0.80 cores used by others" };
const size = { quick: false, rounds: null, window_s: 3, warm_up_s: 1 };

function bulk(contender: string, rate_gbps: number, more: Partial<Sample> = {}): Sample {
  return {
    measure: "tcp-bulk",
    case: "1 session, one way",
    contender,
    round: 1,
    values: { rate_gbps, gbit_per_cpu_s: 2 * rate_gbps, relay_cores: 0.5, generator_cores: 1.2 },
    noise: quiet,
    failed: null,
    ...more,
  };
}

const samples: Sample[] = [
  bulk("relayx", 16),
  bulk("relayx", 18, { round: 2 }),
  bulk("relayx", 2, { round: 3, noise: noisy }),
  bulk("haproxy", 6),
  bulk("haproxy-tuned", 8),
  bulk("direct", 20, { values: { rate_gbps: 20, generator_cores: 1.9 } }),
  bulk("socat", 0, { values: {}, failed: "wrong bytes at or behind byte 7 of the stream" }),
  {
    measure: "memory",
    case: "short sessions",
    contender: "relayx",
    round: 1,
    values: { rss_from_mib: 80, rss_to_mib: 81, growth_mib: 1, rss_max_mib: 82 },
    series: { rss_mib: Array.from({ length: 60 }, (_, at) => [at, 80 + at / 60]) },
    noise: quiet,
    failed: null,
  },
];

let out = "";
let report = "";

beforeAll(async () => {
  out = mkdtempSync(join(tmpdir(), "relayx-report-"));
  writeFileSync(join(out, "of-an-older-report.svg"), "<svg/>");
  await writeReport({
    run: {
      started_at: "2026-01-01T00:00:00.000Z",
      took_s: 600,
      size,
      machine: { ...describeMachine(), network: "a namespace of its own" },
      versions: { fake: "1.0" },
      samples,
    },
    measures: [tcpBulk, memory],
    contenders: [new FakeContender({ fault: "none" })],
    findings: "# Findings\n\n<!-- note -->\n\nThe head.\n\n## tcp-bulk\n\nBecause of | wake-ups.\n",
    out,
  });
  report = readFileSync(join(out, "report.md"), "utf8");
});

afterAll(() => rmSync(out, { recursive: true, force: true }));

const lineWith = (words: string) =>
  report.split("\n").find((line) => line.includes(words)) ?? `no line with "${words}"`;

describe("the report", () => {
  test("shows median and spread of the quiet rounds and says how many were disturbed", () => {
    const row = lineWith("| relayx |");
    expect(row).toContain("17.00 (16.00–18.00)");
    expect(row).toContain("3, 1 disturbed");
  });

  test("shows a contender that failed as failed, without a figure", () => {
    const row = lineWith("| socat |");
    expect(row).toContain("**failed**: wrong bytes");
    expect(row).not.toMatch(/\d\.\d/);
  });

  test("holds every goal against the better HAProxy and says whether it is reached", () => {
    expect(lineWith("one session, rate: times")).toContain("≥ 2.00 × | 2.13 × | reached");
    expect(lineWith("Gbit per CPU-second: times")).toContain("2.13 × | **not reached**");
    expect(lineWith("share of direct")).toContain("0.85 × | reached");
    expect(lineWith("long bulk run: growth")).toContain("not measured");
  });

  test("takes in the findings, each in its place", () => {
    expect(report.indexOf("The head.")).toBeLessThan(report.indexOf("## Goals"));
    expect(report).toContain("**Why**\n\nBecause of | wake-ups.");
    expect(lineWith("Gbit per CPU-second: times")).toContain("[TCP bulk](#tcp-bulk)");
    expect(report).not.toContain("note");
  });

  test("refers to plots that are there, and to no other", () => {
    const shown = [...report.matchAll(/\]\(([^)]+\.svg)\)/g)].map(([, name]) => name).sort();
    expect(shown.length).toBeGreaterThanOrEqual(3);
    expect(readdirSync(out).filter((name) => name.endsWith(".svg")).sort()).toEqual(shown);
  });

  test("says how each contender is set up", () => {
    expect(report).toContain("A proxy of the tests. Version: 1.0.");
  });

  test("has every table's rows as wide as its head", () => {
    for (const block of report.split("\n\n").filter((part) => part.startsWith("|"))) {
      const widths = block.split("\n").map((row) => row.replaceAll("\\|", "").split("|").length);
      expect(new Set(widths).size).toBe(1);
    }
  });

  test("leaves the raw samples as JSON that reads back the same", () => {
    const raw = JSON.parse(readFileSync(join(out, "raw.json"), "utf8"));
    expect(raw.samples).toEqual(samples);
    expect(raw.machine.cores).toBeGreaterThan(0);
    expect(raw.size).toEqual(size);
  });
});

describe("findings", () => {
  test("without a word give nothing", () => {
    expect([...splitFindings("# Findings\n\n<!-- how to -->\n")]).toEqual([]);
    expect([...splitFindings("")]).toEqual([]);
    expect([...splitFindings("## tcp-bulk\n\n## setup\n\nSlow.\n")]).toEqual([["setup", "Slow."]]);
  });

  test("are linked by the anchor of their section", () => {
    expect(anchor("SRT, one session")).toBe("srt-one-session");
    expect(anchor("Scale: idle sessions")).toBe("scale-idle-sessions");
  });
});
