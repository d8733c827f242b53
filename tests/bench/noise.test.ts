import { describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { judge } from "../../bench/facts/noise.ts";
import { treeCost } from "../../bench/facts/process-cost.ts";

const before = { at_ms: 0, busy_s: 100, steal_s: 1, ours_s: 50 };

describe("noise", () => {
  test("a second in which only the benchmark computed is undisturbed", () => {
    const after = { at_ms: 1000, busy_s: 101.9, steal_s: 1, ours_s: 51.9 };
    expect(judge({ spin_ratio: 1.05, before, after })).toEqual({
      spin_ratio: 1.05,
      steal_cores: 0,
      other_cores: 0,
      disturbed: null,
    });
  });

  test("others that compute, a host that takes CPU and a slow core are each named", () => {
    const others = { at_ms: 1000, busy_s: 101.5, steal_s: 1, ours_s: 51 };
    expect(judge({ spin_ratio: 1, before, after: others }).disturbed).toContain("used by others");
    const stolen = { at_ms: 1000, busy_s: 101, steal_s: 1.2, ours_s: 51 };
    expect(judge({ spin_ratio: 1, before, after: stolen }).disturbed).toContain("stolen");
    const quiet = { at_ms: 1000, busy_s: 101, steal_s: 1, ours_s: 51 };
    expect(judge({ spin_ratio: 1.5, before, after: quiet }).disturbed).toContain("slower");
  });

  test("the cost of a tree counts children, and goes on counting those that have ended", async () => {
    // The shell's child computes for a while, ends, and leaves the shell waiting for its input.
    const script = "i=0; (while [ $i -lt 60000 ]; do i=$((i+1)); done); echo done; read line";
    const shell = spawn("sh", ["-c", script], { stdio: ["pipe", "pipe", "ignore"] });
    try {
      await once(shell.stdout!, "data");
      const cost = treeCost([shell.pid!]);
      expect(cost.processes).toBe(1);
      expect(cost.cpu_s).toBeGreaterThan(0.01);
      expect(cost.rss_bytes).toBeGreaterThan(100_000);
      expect(treeCost([process.pid]).processes).toBeGreaterThan(1);
    } finally {
      const gone = once(shell, "close");
      shell.stdin!.end("\n");
      await gone;
    }
    expect(treeCost([shell.pid!])).toEqual({ cpu_s: 0, rss_bytes: 0, threads: 0, processes: 0 });
  });
});
