/** One SRT session: CPU and latency at fixed rates, and the highest rate without a loss. */
import type { Case, Goal, Measure, Outcome, Work } from "../sample.ts";
import { carries, curve, goal, isRelay } from "./shared.ts";
import { measureSrt } from "./srt.ts";

const rateCase = (rate_mbps: number): Case => ({
  name: `${rate_mbps} Mbit/s`,
  parameters: { rate_mbps },
});
const RATES = [50, 200, 500].map(rateCase);
const HIGHEST: Case = { name: "highest without loss", parameters: { rate_mbps: 0 } };
const over = RATES.map(({ name, parameters }) => [name, parameters.rate_mbps] as const);
const x = { label: "Mbit/s sent, in messages of 1316 bytes" };

/** The search for the highest rate: up by this factor until it fails, then halves of what is left. */
const SEARCH_FROM_MBPS = 100;
const SEARCH_TO_MBPS = 2000;
const SEARCH_STEP = 1.6;
const SEARCH_HALVINGS = 4;
/** A rate counts as reached when this share of it has come out of the sender. */
const REACHED_SHARE = 0.98;

export const srtOne: Measure = {
  name: "srt-one",
  title: "SRT, one session",
  about:
    "Live mode, latency 120 ms on each connection, messages of 1316 bytes at a fixed pace, one " +
    "way. Every message is numbered and compared whole. The added latency is the one-way time less " +
    'the configured latency of each connection on the way (two with a relay, one without). "Highest" ' +
    "raises the rate until a message is missing or the sender cannot keep the pace, then halves the " +
    "step; each attempt is as long as a window.",
  transports: ["srt"],
  columns: [
    { value: "received_mbps", label: "received", unit: "Mbit/s", digits: 0 },
    { value: "lost_percent", label: "lost", unit: "%", digits: 3 },
    { value: "relay_cores", label: "relay CPU", unit: "cores", digits: 3 },
    { value: "mbit_per_cpu_s", label: "efficiency", unit: "Mbit per CPU-second", digits: 0 },
    { value: "added_p50_ms", label: "added p50", unit: "ms", digits: 2 },
    { value: "added_p99_ms", label: "added p99", unit: "ms", digits: 2 },
    { value: "generator_cores", label: "generators' CPU", unit: "cores", digits: 2 },
  ],
  accepts: carries("srt"),
  rounds: ({ quick, rounds }) => rounds ?? (quick ? 1 : 3),
  cases: ({ quick }) => quick ? [RATES[0], RATES[1]] : [...RATES, HIGHEST],
  run: async (work) =>
    work.case.name === HIGHEST.name
      ? await searchHighest(work)
      : { values: await measureSrt({ work, sessions: 1, ...paceOf(work.case) }) },
  goals: (figures) => {
    const all: Goal[] = RATES.map(({ name }) =>
      goal({
        what: `${name}: CPU against srt-live-transmit's`,
        measured: figures.median(name, "relayx", "relay_cores"),
        at_most: figures.median(name, "srt-live-transmit", "relay_cores"),
        unit: "cores",
        digits: 3,
      })
    );
    all.push(goal({
      what: "highest rate without loss",
      measured: figures.median(HIGHEST.name, "relayx", "received_mbps"),
      at_least: 900,
      unit: "Mbit/s",
      digits: 0,
    }));
    for (const { name } of RATES) {
      all.push(goal({
        what: `${name}: added one-way p99`,
        measured: figures.median(name, "relayx", "added_p99_ms"),
        at_most: 5,
        unit: "ms",
        digits: 2,
      }));
    }
    return all;
  },
  plots: (figures) => [
    curve({
      figures,
      name: "srt-cpu-by-rate",
      title: "SRT, one session: CPU of the relay by rate",
      over,
      value: "relay_cores",
      label: "cores",
      x,
      only: isRelay,
    }),
    curve({
      figures,
      name: "srt-latency-by-rate",
      title: "SRT, one session: one-way time beyond the configured latency",
      over,
      value: "added_p99_ms",
      label: "milliseconds (p99)",
      x,
      goal: { y: 5, label: "goal: 5 ms" },
    }),
  ],
  sentences: (figures) => {
    const slow = figures.median(RATES[0].name, "relayx", "mbit_per_cpu_s");
    const fast = figures.median(RATES[1].name, "relayx", "mbit_per_cpu_s");
    const highest = figures.median(HIGHEST.name, "relayx", "received_mbps");
    const limit = figures.median(HIGHEST.name, "direct", "received_mbps");
    const out: string[] = [];
    if (Number.isFinite(slow) && Number.isFinite(fast)) {
      out.push(
        `relayx moves ${slow.toFixed(0)} Mbit per CPU-second at 50 Mbit/s and ${
          fast.toFixed(0)
        } at ` +
          "200: the cost is per packet, with a fixed part for libsrt's timers that weighs less the " +
          "more is sent.",
      );
    }
    if (Number.isFinite(highest) && Number.isFinite(limit)) {
      out.push(
        `Without a relay the generators reach ${
          limit.toFixed(0)
        } Mbit/s on this machine; through ` +
          `relayx ${
            highest.toFixed(0)
          }, where each packet is handled by libsrt four times instead of ` +
          "twice on the same cores.",
      );
    }
    return out;
  },
};

function paceOf({ parameters: { rate_mbps } }: Case): { rate_mbps: number } {
  return { rate_mbps };
}

/** The highest rate that came through whole, with all that was measured there. */
async function searchHighest(work: Work): Promise<Outcome> {
  let reached: Outcome | null = null;
  let good_mbps = 0;
  let bad_mbps = Infinity;
  const attempt = async (rate_mbps: number) => {
    work.progress(`${rate_mbps.toFixed(0)} Mbit/s`);
    const values = await measureSrt({ work, sessions: 1, rate_mbps });
    const whole = values.lost_messages === 0 && values.gap_messages === 0 &&
      values.sent_mbps >= REACHED_SHARE * rate_mbps &&
      values.received_mbps >= REACHED_SHARE * rate_mbps;
    if (whole) {
      good_mbps = rate_mbps;
      reached = { values };
    } else bad_mbps = rate_mbps;
    return whole;
  };
  let rate = SEARCH_FROM_MBPS;
  while (rate <= SEARCH_TO_MBPS && await attempt(rate)) rate *= SEARCH_STEP;
  if (good_mbps === 0) throw new Error(`${SEARCH_FROM_MBPS} Mbit/s did not come through whole`);
  for (let i = 0; i < SEARCH_HALVINGS && bad_mbps !== Infinity; i++) {
    await attempt((good_mbps + bad_mbps) / 2);
  }
  return reached!;
}
