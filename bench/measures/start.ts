/** Start: from exec until it serves, memory at rest, and the size of the program. */
import { statSync } from "node:fs";
import { treeCost } from "../facts/process-cost.ts";
import { binary_path } from "../../tests/harness/runtime.ts";
import type { Case, Measure, Outcome, Work } from "../sample.ts";
import { barPlot, goal } from "./shared.ts";

const CASE: Case = { name: "cold process", parameters: {} };
/** What comes after "serving" and still allocates has come by then, milliseconds. */
const REST_MS = 1000;

export const start: Measure = {
  name: "start",
  title: "Start",
  about:
    "From the exec until the port listens, which relayx's control port does last of all; looked " +
    "at every 5 ms. Memory is read a second later.",
  transports: ["tcp"],
  columns: [
    { value: "serving_ms", label: "exec to serving", unit: "ms", digits: 1 },
    { value: "rss_mb", label: "RSS at rest", unit: "MB", digits: 1 },
    { value: "threads", label: "threads", unit: "", digits: 0 },
    { value: "binary_mb", label: "binary", unit: "MB", digits: 1 },
  ],
  accepts: ({ name, carries }) => carries.includes("tcp") && name !== "direct",
  rounds: ({ quick, rounds }) => rounds ?? (quick ? 1 : 10),
  cases: () => [CASE],
  run,
  goals: (figures) => [
    goal({
      what: "exec to serving",
      measured: figures.median(CASE.name, "relayx", "serving_ms"),
      at_most: 50,
      unit: "ms",
      digits: 1,
    }),
    goal({
      what: "RSS at rest",
      measured: figures.median(CASE.name, "relayx", "rss_mb"),
      at_most: 60,
      unit: "MB",
      digits: 1,
    }),
  ],
  plots: (figures) => [
    barPlot({
      figures,
      name: "start-time",
      title: "Start: from exec to serving",
      cases: figures.cases(),
      value: "serving_ms",
      label: "milliseconds",
      x_label: "whiskers from the fastest to the slowest start",
      goal: { y: 50, label: "goal: 50 ms" },
    }),
  ],
  sentences: () => [],
};

async function run({ contender, children, folder, size }: Work): Promise<Outcome> {
  const need = { transport: "tcp" as const, sessions: 1, groups: 1, latency_ms: 0 };
  const running = await contender.start({ children, folder, need });
  try {
    await new Promise((resolve) => setTimeout(resolve, size.quick ? REST_MS / 10 : REST_MS));
    const { rss_bytes, threads } = treeCost(running.pids());
    return {
      values: {
        serving_ms: running.serving_ms,
        rss_mb: rss_bytes / 1e6,
        threads,
        binary_mb: contender.name === "relayx" ? statSync(binary_path).size / 1e6 : NaN,
      },
    };
  } finally {
    await running.stop();
  }
}
