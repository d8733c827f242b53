/** TCP bulk: how fast, and at what cost, over 1, 8 and 64 sessions. */
import type { Figures } from "../figures/figures.ts";
import { figure } from "../figures/words.ts";
import type { Case, Goal, Measure } from "../sample.ts";
import { measureBulk } from "./bulk.ts";
import { barPlot, carries, curve, goal, HAPROXIES, isRelay, RELAY_COST, times } from "./shared.ts";

const caseOf = (sessions: number, both_ways: boolean): Case => ({
  name: `${sessions} ${sessions === 1 ? "session" : "sessions"}, ${
    both_ways ? "both ways" : "one way"
  }`,
  parameters: { sessions, both_ways: both_ways ? 1 : 0 },
});

const ALL_CASES = [false, true].flatMap((both) => [1, 8, 64].map((count) => caseOf(count, both)));
const ONE = caseOf(1, false).name;
const one_way = [1, 8, 64].map((count) => [caseOf(count, false).name, count] as const);

export const tcpBulk: Measure = {
  name: "tcp-bulk",
  title: "TCP bulk",
  about:
    'The front end sends as fast as the connection takes it (and so does the back end in "both ' +
    'ways"), in writes of 1 MiB. The receiver checks the bytes; at the end every byte sent must have ' +
    "arrived. Gbit/s is what the receivers got within the window, all sessions and directions " +
    "together; Gbit per CPU-second divides it by the user and system time of the relaying processes.",
  transports: ["tcp"],
  columns: [
    { value: "rate_gbps", label: "rate", unit: "Gbit/s", digits: 2 },
    { value: "gbit_per_cpu_s", label: "efficiency", unit: "Gbit per CPU-second", digits: 1 },
    ...RELAY_COST,
    { value: "least_session_gbps", label: "slowest session", unit: "Gbit/s", digits: 3 },
  ],
  accepts: carries("tcp"),
  rounds: ({ quick, rounds }) => rounds ?? (quick ? 1 : 5),
  cases: ({ quick }) => quick ? [ALL_CASES[0], ALL_CASES[1], ALL_CASES[3]] : ALL_CASES,
  run: async (work) => ({
    values: await measureBulk({
      work,
      sessions: work.case.parameters.sessions,
      both_ways: work.case.parameters.both_ways === 1,
    }),
  }),
  goals: (figures) => {
    const rate = (name: string) => figures.median(ONE, name, "rate_gbps");
    const efficiency = (name: string) => figures.median(ONE, name, "gbit_per_cpu_s");
    const best_rate = figures.best(ONE, "rate_gbps", HAPROXIES, "more");
    const best_efficiency = figures.best(ONE, "gbit_per_cpu_s", HAPROXIES, "more");
    const all: Goal[] = [
      goal({
        what: "one session, rate: times the better HAProxy's",
        measured: rate("relayx") / best_rate,
        at_least: 2,
        unit: "×",
        digits: 2,
      }),
      goal({
        what: "one session, Gbit per CPU-second: times the better HAProxy's",
        measured: efficiency("relayx") / best_efficiency,
        at_least: 3,
        unit: "×",
        digits: 2,
      }),
      goal({
        what: "one session, rate: share of direct loopback's",
        measured: rate("relayx") / rate("direct"),
        at_least: 0.75,
        unit: "×",
        digits: 2,
      }),
    ];
    return all;
  },
  plots: (figures) => [
    barPlot({
      figures,
      name: "tcp-bulk-rate",
      title: "TCP bulk: how fast",
      cases: figures.cases(),
      value: "rate_gbps",
      label: "Gbit/s, all sessions together",
      x_label: "sessions and directions; whiskers from the slowest to the fastest round",
    }),
    barPlot({
      figures,
      name: "tcp-bulk-efficiency",
      title: "TCP bulk: how much for a second of the relay's CPU",
      cases: figures.cases(),
      value: "gbit_per_cpu_s",
      label: "Gbit per CPU-second",
      x_label: "sessions and directions; whiskers from the worst to the best round",
      only: isRelay,
    }),
    curve({
      figures,
      name: "tcp-bulk-by-sessions",
      title: "TCP bulk, one way: cost as sessions grow",
      over: one_way,
      value: "gbit_per_cpu_s",
      label: "Gbit per CPU-second",
      x: { label: "sessions at the same time", logarithmic: true },
      only: isRelay,
    }),
  ],
  sentences: (figures) => bulkSentences(figures),
};

function bulkSentences(figures: Figures): string[] {
  const out: string[] = [];
  const relay = figures.median(ONE, "relayx", "relay_cores");
  const generators = figures.median(ONE, "relayx", "generator_cores");
  if (Number.isFinite(relay)) {
    out.push(
      `With one session the relay uses ${figure(relay, 2)} cores and the two generators ` +
        `${figure(generators, 2)}: ${
          relay > 0.9
            ? "the relay's thread is busy all the time and bounds the rate"
            : "the relay's thread has time left, so the ends of the connection bound the rate"
        }.`,
    );
  }
  const many = figures.median(one_way[2][0], "relayx", "gbit_per_cpu_s");
  const one = figures.median(ONE, "relayx", "gbit_per_cpu_s");
  if (Number.isFinite(many) && Number.isFinite(one)) {
    out.push(
      `64 sessions move ${times(many / one)} as many bits per CPU-second as one: ` +
        (many < one
          ? "each turn finds less to move per session, so the cost of a system call weighs more."
          : "more is moved for each time the relay is woken."),
    );
  }
  return out;
}
