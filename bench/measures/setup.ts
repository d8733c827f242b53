/** Session set-up: from the request to the first byte that came through, one after another. */
import { Generator, stopAll } from "../generator.ts";
import { treeCost } from "../facts/process-cost.ts";
import { nowNs } from "../load/libc.ts";
import type { SessionsResult } from "../load/wire.ts";
import type { Case, Measure, Outcome, Work } from "../sample.ts";
import { barPlot, carries, goal } from "./shared.ts";

const caseOf = (at_once: number): Case => ({
  name: `${at_once} at once`,
  parameters: { at_once },
});
const CASES = [1, 16, 256].map(caseOf);
const SIXTEEN = CASES[1].name;
const PATIENCE_MS = 120_000;

export const setup: Measure = {
  name: "setup",
  title: "Session set-up",
  about:
    "Over relayx: `pair_request`, both grants, both ends connect and say their hello, and the back " +
    "end's first byte arrives at the front end. Over a proxy, which has no pairing: connect, the proxy " +
    "connects on, and the back end's first byte arrives. A new session is asked for when one is done, " +
    "with 1, 16 or 256 in progress; sessions are closed at once. One generator process is both ends.",
  transports: ["tcp"],
  columns: [
    { value: "per_second", label: "sessions", unit: "per second", digits: 0 },
    { value: "p50_ms", label: "p50", unit: "ms", digits: 3 },
    { value: "p99_ms", label: "p99", unit: "ms", digits: 2 },
    { value: "p99_9_ms", label: "p99.9", unit: "ms", digits: 2 },
    { value: "relay_cpu_ms", label: "relay CPU", unit: "ms per session", digits: 3 },
    { value: "generator_cores", label: "generator's CPU", unit: "cores", digits: 2 },
  ],
  accepts: carries("tcp"),
  rounds: ({ quick, rounds }) => rounds ?? (quick ? 1 : 5),
  cases: ({ quick }) => quick ? [CASES[1]] : CASES,
  run,
  goals: (figures) => [
    goal({
      what: "16 at once: sessions per second",
      measured: figures.median(SIXTEEN, "relayx", "per_second"),
      at_least: 3000,
      unit: "per second",
      digits: 0,
    }),
    goal({
      what: "one at a time: p50",
      measured: figures.median(CASES[0].name, "relayx", "p50_ms"),
      at_most: 1,
      unit: "ms",
      digits: 3,
    }),
    goal({
      what: "16 at once: p99",
      measured: figures.median(SIXTEEN, "relayx", "p99_ms"),
      at_most: 5,
      unit: "ms",
      digits: 2,
    }),
  ],
  plots: (figures) => [
    barPlot({
      figures,
      name: "setup-rate",
      title: "Session set-up: sessions per second",
      cases: figures.cases(),
      value: "per_second",
      label: "sessions per second",
      x_label: "sessions in progress; relayx pairs and checks two hellos, the others only connect",
      goal: { y: 3000, label: "goal: 3,000 per second at 16" },
    }),
    barPlot({
      figures,
      name: "setup-p99",
      title: "Session set-up: 99 of 100 sessions are ready within",
      cases: figures.cases(),
      value: "p99_ms",
      label: "milliseconds (p99, logarithmic)",
      logarithmic: true,
      x_label: "sessions in progress",
    }),
  ],
  sentences: (figures) => {
    const relay = figures.median(SIXTEEN, "relayx", "relay_cpu_ms");
    const rate = figures.median(SIXTEEN, "relayx", "per_second");
    const generator = figures.median(SIXTEEN, "relayx", "generator_cores");
    if (!Number.isFinite(relay) || !Number.isFinite(rate)) return [];
    return [
      `A session costs relayx ${relay.toFixed(3)} ms of CPU; at ${
        rate.toFixed(0)
      } per second that is ` +
      `${(relay * rate / 1000).toFixed(2)} cores, beside ${
        generator.toFixed(2)
      } for the generator.`,
    ];
  },
};

async function run({ contender, children, folder, case: { parameters }, size }: Work): Promise<
  Outcome
> {
  const { at_once } = parameters;
  const total = sessionCount(at_once, size.quick);
  // Ports that have just been freed need not be the next ones granted.
  const need = { transport: "tcp" as const, sessions: 4 * at_once, groups: 1, latency_ms: 0 };
  const running = await contender.start({ children, folder, need });
  const generator = new Generator({
    children,
    name: "generator",
    order: { program: "sessions", way: running.sessionsWay(), total, at_once, hold: false },
  });
  try {
    await generator.ready();
    const from = { at_ns: nowNs(), cpu_s: treeCost(running.pids()).cpu_s };
    const generator_from = treeCost([generator.pid]).cpu_s;
    generator.go({ start_ns: from.at_ns, window_from_ns: 0, window_to_ns: 0 });
    // The generator's own cost cannot be read any more when it has ended, so it is read on the way.
    const reader = setInterval(() => {
      const { cpu_s } = treeCost([generator.pid]);
      if (cpu_s > 0) last = { at_ns: nowNs(), cpu_s };
    }, 20);
    let last = { ...from, cpu_s: generator_from };
    try {
      const result = await generator.result<SessionsResult>(PATIENCE_MS);
      const cpu_s = treeCost(running.pids()).cpu_s - from.cpu_s;
      const { sessions, per_second, p50_ms, p99_ms, p99_9_ms, max_ms } = result;
      return {
        values: {
          sessions,
          per_second,
          p50_ms,
          p99_ms,
          p99_9_ms,
          max_ms,
          relay_cpu_ms: running.pids().length === 0 ? NaN : cpu_s * 1000 / sessions,
          generator_cores: (last.cpu_s - generator_from) / ((last.at_ns - from.at_ns) / 1e9),
        },
      };
    } finally {
      clearInterval(reader);
    }
  } finally {
    await stopAll([generator]);
    await running.stop();
  }
}

/** Enough for a p99.9, and a few seconds at most. */
function sessionCount(at_once: number, quick: boolean): number {
  if (quick) return 16 * at_once;
  return at_once === 1 ? 2_000 : 8_000;
}
