/** Many SRT sessions of 5 Mbit/s, as so many videos: CPU, loss, latency, threads and memory. */
import { slope } from "../figures/statistics.ts";
import type { Case, Measure } from "../sample.ts";
import { carries, curve, goal, isRelay } from "./shared.ts";
import { measureSrt } from "./srt.ts";

const RATE_MBPS = 5;
const caseOf = (sessions: number): Case => ({
  name: `${sessions} ${sessions === 1 ? "session" : "sessions"}`,
  parameters: { sessions },
});
const CASES = [1, 10, 50, 100].map(caseOf);
const over = CASES.map(({ name, parameters }) => [name, parameters.sessions] as const);
const x = { label: "sessions of 5 Mbit/s" };

export const srtMany: Measure = {
  name: "srt-many",
  title: "SRT, many sessions",
  about:
    "Sessions of 5 Mbit/s each, all at once, one way, otherwise as with one session. relayx carries " +
    'them in one process, srt-live-transmit needs a process for each; their costs are summed up. "Least ' +
    'session" is what the worst-served session received of its 5 Mbit/s.',
  transports: ["srt"],
  columns: [
    { value: "received_mbps", label: "received", unit: "Mbit/s", digits: 0 },
    { value: "lost_messages", label: "lost", unit: "messages", digits: 0 },
    { value: "least_session_percent", label: "least session", unit: "%", digits: 1 },
    { value: "relay_cores", label: "relay CPU", unit: "cores", digits: 3 },
    { value: "added_p50_ms", label: "added p50", unit: "ms", digits: 2 },
    { value: "added_p99_ms", label: "added p99", unit: "ms", digits: 2 },
    { value: "threads", label: "threads", unit: "", digits: 0 },
    { value: "rss_mib", label: "RSS", unit: "MiB", digits: 0 },
    { value: "generator_cores", label: "generators' CPU", unit: "cores", digits: 2 },
  ],
  accepts: carries("srt"),
  rounds: ({ quick, rounds }) => rounds ?? (quick ? 1 : 3),
  cases: ({ quick }) => quick ? [CASES[1]] : CASES,
  run: async (work) => ({
    values: await measureSrt({
      work,
      sessions: work.case.parameters.sessions,
      rate_mbps: RATE_MBPS,
    }),
  }),
  goals: (figures) => {
    const most = CASES[3].name;
    // By what came through: where streams break, a session costs less because it gets less.
    const per_mbps = (name: string) =>
      figures.median(name, "relayx", "relay_cores") /
      figures.median(name, "relayx", "received_mbps");
    return [
      goal({
        what: "100 sessions: lost messages",
        measured: figures.median(most, "relayx", "lost_messages"),
        at_most: 0,
        unit: "",
        digits: 0,
      }),
      goal({
        what: "100 sessions: CPU by what is received, against the same at 10",
        measured: per_mbps(most) / per_mbps(CASES[1].name),
        at_most: 1.1,
        unit: "×",
        digits: 2,
      }),
    ];
  },
  plots: (figures) => [
    curve({
      figures,
      name: "srt-many-cpu",
      title: "SRT: CPU of the relay by sessions",
      over,
      value: "relay_cores",
      label: "cores",
      x,
      only: isRelay,
    }),
    curve({
      figures,
      name: "srt-many-latency",
      title: "SRT: one-way time beyond the configured latency by sessions",
      over,
      value: "added_p99_ms",
      label: "milliseconds (p99)",
      x,
    }),
    curve({
      figures,
      name: "srt-many-memory",
      title: "SRT: memory of the relay by sessions",
      over,
      value: "rss_mib",
      label: "MiB of RSS",
      x,
      only: isRelay,
    }),
  ],
  sentences: (figures) => {
    const points = over.map(([name, sessions]) =>
      [sessions, figures.median(name, "relayx", "relay_cores")] as const
    ).filter(([, cores]) => Number.isFinite(cores));
    if (points.length < 2) return [];
    const each = slope(points);
    const threads = figures.median(points.length > 0 ? CASES[3].name : "", "relayx", "threads");
    return [
      `Each further session of 5 Mbit/s costs ${
        (100 * each).toFixed(2)
      } % of a core, so a core carries ` +
      `about ${(1 / each).toFixed(0)} of them.${
        Number.isFinite(threads)
          ? ` At 100 sessions relayx has ${
            threads.toFixed(0)
          } threads: libsrt keeps two per bound port.`
          : ""
      }`,
    ];
  },
};
