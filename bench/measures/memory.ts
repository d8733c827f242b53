/** Memory over time: many short sessions, a long bulk run, a reader that stalls. relayx alone. */
import type { Running } from "../contenders/contender.ts";
import { treeCost } from "../facts/process-cost.ts";
import type { Figures } from "../figures/figures.ts";
import { slope } from "../figures/statistics.ts";
import { Generator, stopAll } from "../generator.ts";
import { observe, resultsOf, startEnds } from "../meeting.ts";
import { nowNs } from "../load/libc.ts";
import type { BulkResult, SessionsResult } from "../load/wire.ts";
import type { Case, Measure, Outcome, Size, Work } from "../sample.ts";
import { bulkOver, requireWhole, WRITE_BYTES } from "./bulk.ts";
import { goal } from "./shared.ts";

const SHORT: Case = { name: "short sessions", parameters: {} };
const BULK: Case = { name: "long bulk run", parameters: {} };
const STALL: Case = { name: "stalled reader", parameters: {} };
const CASES = [SHORT, BULK, STALL];

const AT_ONCE = 16;
/** A short session takes well under this, milliseconds. */
const SESSION_MS_MAX = 20;
/** How often memory is read at most, and how many points a plot needs. */
const LOOK_MS_MIN = 100;
const POINTS = 300;
/** Beyond this, between the first third and the last of a run, memory is not flat. */
const GROWTH_MIB_MAX = 8;

export const memory: Measure = {
  name: "memory",
  title: "Memory over time",
  about:
    "The relay's resident memory during 100,000 short sessions (as in the set-up measure, 16 at " +
    "once), during a bulk run of 10 minutes, and with a sender at full speed whose reader reads nothing " +
    "for a minute and then everything. Growth compares the least of the last third with the least of " +
    "the first, its first tenth left out: what is loaded once at the start does not count, nor how " +
    "a heap rises and falls between two collections.",
  transports: ["tcp"],
  columns: [
    { value: "rss_from_mib", label: "RSS early", unit: "MiB", digits: 1 },
    { value: "rss_to_mib", label: "RSS at the end", unit: "MiB", digits: 1 },
    { value: "rss_max_mib", label: "most", unit: "MiB", digits: 1 },
    { value: "growth_mib", label: "growth", unit: "MiB", digits: 1 },
    { value: "sessions", label: "sessions", unit: "", digits: 0 },
    { value: "gbytes", label: "moved", unit: "GB", digits: 1 },
  ],
  accepts: ({ name }) => name === "relayx",
  rounds: () => 1,
  cases: () => CASES,
  run,
  goals: (figures) =>
    CASES.map(({ name }) =>
      goal({
        what: `${name}: growth`,
        measured: figures.median(name, "relayx", "growth_mib"),
        at_most: GROWTH_MIB_MAX,
        unit: "MiB",
        digits: 1,
      })
    ),
  plots: (figures) =>
    CASES.map(({ name }) => ({
      name: `memory-${name.replaceAll(" ", "-")}`,
      title: `relayx: memory over time, ${name}`,
      x: { label: "seconds" },
      y: { label: "MiB of RSS" },
      series: figures.contenders().map((contender) => ({
        name: contender,
        points: figures.series(name, contender, "rss_mib")
          .map(([seconds, value]) => ({ x: seconds, y: value, low: value, high: value })),
      })),
    })),
  sentences: (figures) => CASES.flatMap(({ name }) => growthSentence(figures, name)),
};

function growthSentence(figures: Figures, case_name: string): string[] {
  const points = figures.series(case_name, "relayx", "rss_mib");
  if (points.length < 10) return [];
  const per_minute = slope(points.slice(points.length / 5)) * 60;
  return [
    `${case_name}: the straight line through it rises by ${per_minute.toFixed(2)} MiB a minute.`,
  ];
}

interface Lengths {
  sessions: number;
  bulk_s: number;
  stall_s: number;
}

function lengths({ quick, window_s }: Size): Lengths {
  return quick
    ? { sessions: 500, bulk_s: 2 * window_s, stall_s: 2 * window_s }
    : { sessions: 100_000, bulk_s: 600, stall_s: 60 };
}

async function run(work: Work): Promise<Outcome> {
  const { contender, children, folder, size } = work;
  const need = { transport: "tcp" as const, sessions: 4 * AT_ONCE, groups: 1, latency_ms: 0 };
  const running = await contender.start({ children, folder, need });
  const { sessions, bulk_s, stall_s } = lengths(size);
  const expected_s = work.case === SHORT ? sessions / 2000 : work.case === BULK ? bulk_s : stall_s;
  const watch = new MemoryWatch({ running, expected_s, progress: work.progress });
  try {
    const counted = work.case === SHORT
      ? await shortSessions(children, running, sessions)
      : work.case === BULK
      ? await longBulk(work, running, bulk_s)
      : await stalledReader(work, running, stall_s);
    return watch.outcome(counted);
  } finally {
    watch.stop();
    await running.stop();
  }
}

async function shortSessions(children: Work["children"], running: Running, total: number) {
  const generator = new Generator({
    children,
    name: "generator",
    order: {
      program: "sessions",
      way: running.sessionsWay(),
      total,
      at_once: AT_ONCE,
      hold: false,
    },
  });
  try {
    await generator.ready();
    generator.go({ start_ns: nowNs(), window_from_ns: 0, window_to_ns: 0 });
    const result = await generator.result<SessionsResult>(10_000 + total * SESSION_MS_MAX);
    return { sessions: result.sessions };
  } finally {
    await stopAll([generator]);
  }
}

async function longBulk(work: Work, running: Running, window_s: number) {
  const lane = await running.open(0, 1);
  const size = { window_s, warm_up_s: work.size.warm_up_s };
  const { rate_gbps } = await bulkOver({ work, running, lane, both_ways: false, size });
  return { sessions: 1, gbytes: rate_gbps * window_s / 8 };
}

/** The sender never stops; the reader begins when the stall is over and reads to the end. */
async function stalledReader(work: Work, running: Running, stall_s: number) {
  const order = { program: "bulk-end" as const, write_bytes: WRITE_BYTES };
  const ends = await startEnds({
    children: work.children,
    lane: await running.open(0, 1),
    front: { ...order, sends: true, receives: false },
    back: { ...order, sends: false, receives: true, stall_ms: stall_s * 1000 },
  });
  const size = { window_s: stall_s + work.size.window_s, warm_up_s: 0 };
  await observe({ ends: [ends], pids: () => running.pids(), size });
  const { front, back } = await resultsOf<BulkResult, BulkResult>(ends);
  requireWhole(front, back);
  return { sessions: 1, gbytes: back.received_bytes / 1e9 };
}

/** The floor of the last third of a run against that of its first third, without its first tenth. */
export function growthOf(values_mib: readonly number[]): Record<string, number> {
  const started = values_mib.slice(Math.floor(values_mib.length / 10));
  const third = Math.max(1, Math.floor(started.length / 3));
  const early = Math.min(...started.slice(0, third));
  const late = Math.min(...started.slice(-third));
  return {
    rss_from_mib: early,
    rss_to_mib: late,
    rss_max_mib: Math.max(...values_mib),
    growth_mib: late - early,
  };
}

class MemoryWatch {
  readonly #points: [number, number][] = [];
  readonly #timer: ReturnType<typeof setInterval>;

  constructor({ running, expected_s, progress }: {
    running: Running;
    expected_s: number;
    progress: Work["progress"];
  }) {
    const started = performance.now();
    const look = () => {
      const seconds = (performance.now() - started) / 1000;
      const mib = treeCost(running.pids()).rss_bytes / 2 ** 20;
      this.#points.push([Math.round(seconds * 100) / 100, Math.round(mib * 100) / 100]);
      progress(`${seconds.toFixed(0)} s, ${mib.toFixed(1)} MiB`);
    };
    look();
    this.#timer = setInterval(look, Math.max(LOOK_MS_MIN, expected_s * 1000 / POINTS));
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  outcome(counted: Record<string, number>): Outcome {
    this.stop();
    return {
      values: { ...counted, ...growthOf(this.#points.map(([, mib]) => mib)) },
      series: { rss_mib: this.#points },
    };
  }
}
