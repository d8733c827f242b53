/** The quick mode on relayx alone: every measure works and every byte is right. No figure is judged. */
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { repository } from "../harness/runtime.ts";
import { allMeasures } from "../../bench/measures/all.ts";
import type { Sample } from "../../bench/sample.ts";

/** Far more than it takes; a failure and not a judgement on speed. */
const PATIENCE_MS = 120_000;

function runBench(args: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ["bench/main.ts", ...args], {
    cwd: repository,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (text) => output += text);
  child.stderr.on("data", (text) => output += text);
  const timer = setTimeout(() => child.kill("SIGTERM"), PATIENCE_MS - 5_000);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(timer);
      resolve({ code, output });
    });
  });
}

test("every measure of the quick mode carries relayx's bytes right", async () => {
  const out = mkdtempSync(join(tmpdir(), "relayx-quick-"));
  try {
    const { code, output } = await runBench([
      "--quick",
      "--window=0.3",
      "--contenders=relayx",
      `--out=${out}`,
    ]);
    expect(output).not.toContain("FAILED");
    expect(code).toBe(0);
    const { samples } = JSON.parse(readFileSync(join(out, "raw.json"), "utf8")) as {
      samples: Sample[];
    };
    expect([...new Set(samples.map(({ measure }) => measure))])
      .toEqual(allMeasures.map(({ name }) => name));
    for (const sample of samples) {
      expect(sample.failed).toBeNull();
      expect(Object.keys(sample.values).length).toBeGreaterThan(0);
    }
    expect(readFileSync(join(out, "report.md"), "utf8")).toContain("# Benchmark report");
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}, PATIENCE_MS);

test("a wrong option is refused with what is allowed", async () => {
  const { code, output } = await runBench(["--only", "speed"]);
  expect(code).toBe(2);
  expect(output).toContain("tcp-bulk");
});
