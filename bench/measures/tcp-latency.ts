/** TCP latency: a message there and back, on an idle relay and beside a bulk session. */
import { observe, resultsOf, startEnds } from "../meeting.ts";
import type { BulkResult, EchoResult } from "../load/wire.ts";
import type { Case, Goal, Measure, Outcome, Work } from "../sample.ts";
import { requireWhole, WRITE_BYTES } from "./bulk.ts";
import { barPlot, carries, goal, HAPROXIES } from "./shared.ts";

const caseOf = (message_bytes: number, beside_bulk: boolean): Case => ({
  name: `${message_bytes < 1024 ? `${message_bytes} B` : `${message_bytes / 1024} KiB`}, ${
    beside_bulk ? "beside bulk" : "idle"
  }`,
  parameters: { message_bytes, beside_bulk: beside_bulk ? 1 : 0 },
});
const CASES = [caseOf(64, false), caseOf(16_384, false), caseOf(64, true), caseOf(16_384, true)];

export const tcpLatency: Measure = {
  name: "tcp-latency",
  title: "TCP latency",
  about:
    "The front end sends a message and waits until all of it has come back; the next one follows " +
    'at once. Each answer is compared whole. "Beside bulk" has a second session that moves bytes one ' +
    "way as fast as it can through the same contender. On a machine whose cores are all busy, waiting " +
    "for a core is part of the time.",
  transports: ["tcp"],
  columns: [
    { value: "p50_us", label: "p50", unit: "µs", digits: 1 },
    { value: "p99_us", label: "p99", unit: "µs", digits: 1 },
    { value: "p99_9_us", label: "p99.9", unit: "µs", digits: 0 },
    { value: "per_second", label: "round trips", unit: "per second", digits: 0 },
    { value: "relay_cores", label: "relay CPU", unit: "cores", digits: 2 },
    { value: "bulk_gbps", label: "bulk beside it", unit: "Gbit/s", digits: 2 },
  ],
  accepts: carries("tcp"),
  rounds: ({ quick, rounds }) => rounds ?? (quick ? 1 : 5),
  cases: ({ quick }) => quick ? [CASES[0], CASES[2]] : CASES,
  run,
  goals: (figures) => {
    const all: Goal[] = [];
    for (const { name } of [CASES[0], CASES[1]]) {
      all.push(goal({
        what: `${name}: p50 against the better HAProxy's`,
        measured: figures.median(name, "relayx", "p50_us"),
        at_most: figures.best(name, "p50_us", HAPROXIES, "less"),
        unit: "µs",
        digits: 1,
      }));
    }
    for (const { name } of [CASES[2], CASES[3]]) {
      all.push(goal({
        what: `${name}: p99 against the better HAProxy's`,
        measured: figures.median(name, "relayx", "p99_us"),
        at_most: figures.best(name, "p99_us", HAPROXIES, "less"),
        unit: "µs",
        digits: 1,
      }));
    }
    return all;
  },
  plots: (figures) => [
    barPlot({
      figures,
      name: "tcp-latency-p50",
      title: "TCP: half of all round trips take at most",
      cases: figures.cases(),
      value: "p50_us",
      label: "microseconds (p50, logarithmic)",
      logarithmic: true,
      x_label: "message size; whiskers from the fastest to the slowest round",
    }),
    barPlot({
      figures,
      name: "tcp-latency-p99",
      title: "TCP: 99 of 100 round trips take at most",
      cases: figures.cases(),
      value: "p99_us",
      label: "microseconds (p99, logarithmic)",
      logarithmic: true,
      x_label: "message size; whiskers from the fastest to the slowest round",
    }),
  ],
  sentences: (figures) => {
    const relay = figures.median(CASES[0].name, "relayx", "p50_us");
    const direct = figures.median(CASES[0].name, "direct", "p50_us");
    if (!Number.isFinite(relay) || !Number.isFinite(direct)) return [];
    return [
      `relayx adds ${(relay - direct).toFixed(1)} µs to the ${
        direct.toFixed(1)
      } µs of a direct 64 B ` +
      "round trip: two passes through the relay, each one wake-up of its thread and two system calls " +
      "to move the bytes.",
    ];
  },
};

async function run({ contender, children, folder, case: { parameters }, size }: Work): Promise<
  Outcome
> {
  const { message_bytes, beside_bulk } = parameters;
  const need = { transport: "tcp" as const, sessions: 2, groups: 2, latency_ms: 0 };
  const running = await contender.start({ children, folder, need });
  try {
    const echo = { program: "echo-end" as const, message_bytes };
    const echo_ends = await startEnds({
      children,
      lane: await running.open(0, 1),
      front: { ...echo, asks: true },
      back: { ...echo, asks: false },
      name: "echo ",
    });
    const bulk = { program: "bulk-end" as const, write_bytes: WRITE_BYTES };
    const bulk_ends = beside_bulk
      ? await startEnds({
        children,
        lane: await running.open(1, 1),
        front: { ...bulk, sends: true, receives: false },
        back: { ...bulk, sends: false, receives: true },
        name: "bulk ",
      })
      : null;
    const { relay, generators } = await observe({
      ends: bulk_ends ? [echo_ends, bulk_ends] : [echo_ends],
      pids: () => running.pids(),
      size,
    });
    const [{ front: times }, moved] = await Promise.all([
      resultsOf<EchoResult, null>(echo_ends),
      bulk_ends ? resultsOf<BulkResult, BulkResult>(bulk_ends) : null,
    ]);
    if (moved) requireWhole(moved.front, moved.back);
    return {
      values: {
        ...times,
        bulk_gbps: moved ? moved.back.window_received_bytes * 8 / moved.back.window_s / 1e9 : NaN,
        relay_cores: relay.cores,
        generator_cores: generators.cores,
      },
    };
  } finally {
    await running.stop();
  }
}
