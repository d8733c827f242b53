/** One SRT session over a path that loses packets and takes its time: what comes through all the same. */
import { randomInt } from "node:crypto";
import process from "node:process";
import type { Figures } from "../figures/figures.ts";
import { figure } from "../figures/words.ts";
import type { Case, Goal, Measure, Size, Values, Work } from "../sample.ts";
import { carries, curve, goal } from "./shared.ts";
import { measureSrt } from "./srt.ts";

const RATE_MBPS = 5;
/** About 2400 messages: a tenth of a percent of them, the goal's margin, is then more than two. */
const WINDOW_S = 5;
const LOSSES_PERCENT = [0, 1, 5, 10];
const RTTS_MS = [20, 100, 200];
/** The usual rule for SRT on lines with losses, and libsrt's own default as the least. */
const LATENCY_RTTS = 4;
const LATENCY_MS_MIN = 120;
/** How much more than without a relay may be missing, percent of all messages. */
const MARGIN_PERCENT = 0.1;

const nameOf = (loss_percent: number, rtt_ms: number) =>
  `${loss_percent} % loss, ${rtt_ms} ms round trip`;

const latencyOf = (rtt_ms: number) => Math.max(LATENCY_MS_MIN, LATENCY_RTTS * rtt_ms);

/** The contenders of a round share the case and with it its seed; each round has another. */
function newCase(loss_percent: number, rtt_ms: number): Case {
  const given = process.env.RELAYX_SEED;
  const seed = given === undefined ? randomInt(0, 2 ** 32 - 1) : Number(given) >>> 0;
  return { name: nameOf(loss_percent, rtt_ms), parameters: { loss_percent, rtt_ms, seed } };
}

export const srtImpaired: Measure = {
  name: "srt-impaired",
  title: "SRT over a path with losses",
  about:
    `One session of ${RATE_MBPS} Mbit/s in live mode, otherwise as with one session. Between the ` +
    "sender and the relay (for direct: the receiver) lies a path that takes half of the round trip " +
    "each way and loses packets of either direction by a seeded chance, repeats and acknowledgements " +
    "as well; behind the relay is the plain loopback. Losses begin with the window, when libsrt has " +
    `measured the round trip. Every connection has the same latency, ${LATENCY_RTTS} round trips and ` +
    `at least ${LATENCY_MS_MIN} ms. All contenders of a round have the same seed (in raw.json). ` +
    '"Missing" are messages that never came; "lost first" are data packets that the path lost when ' +
    'they were sent for the first time, and "recovered" are those that came all the same. The added ' +
    "latency is the one-way time less the configured latencies and the path's delay. Differences " +
    "between two contenders are differences of the medians of their rounds.",
  transports: ["srt"],
  columns: [
    { value: "received_percent", label: "received", unit: "%", digits: 3 },
    { value: "lost_messages", label: "missing", unit: "messages", digits: 0 },
    { value: "lost_percent", label: "missing", unit: "%", digits: 3 },
    { value: "path_lost_packets", label: "lost by the path", unit: "packets", digits: 0 },
    { value: "first_lost_packets", label: "lost first", unit: "packets", digits: 0 },
    { value: "recovered_messages", label: "recovered", unit: "messages", digits: 0 },
    { value: "repeated_packets", label: "sent again", unit: "packets", digits: 0 },
    { value: "added_p99_ms", label: "added p99", unit: "ms", digits: 2 },
    { value: "relay_cores", label: "relay CPU", unit: "cores", digits: 3 },
    { value: "generator_cores", label: "generators' CPU", unit: "cores", digits: 2 },
  ],
  // A shared port changes nothing about what is sent again, and would take a quarter of the time.
  accepts: (contender) => carries("srt")(contender) && contender.name !== "relayx-shared",
  rounds: ({ quick, rounds }) => rounds ?? (quick ? 1 : 3),
  cases: ({ quick }) =>
    quick
      ? [newCase(5, 20)]
      : RTTS_MS.flatMap((rtt_ms) => LOSSES_PERCENT.map((loss) => newCase(loss, rtt_ms))),
  run: async (work) => ({ values: await measureImpaired(work) }),
  goals: (figures) =>
    RTTS_MS.map((rtt_ms): Goal =>
      goal({
        what: `${rtt_ms} ms round trip, the worst loss: missing beyond direct's`,
        measured: mostBeyondDirect(figures, rtt_ms),
        at_most: MARGIN_PERCENT,
        unit: "% of the messages",
        digits: 3,
      })
    ),
  plots: (figures) =>
    RTTS_MS.map((rtt_ms) =>
      curve({
        figures,
        name: `srt-impaired-missing-${rtt_ms}ms`,
        title: `SRT over a path of ${rtt_ms} ms round trip: messages missing by loss`,
        over: LOSSES_PERCENT.map((loss) => [nameOf(loss, rtt_ms), loss] as const),
        value: "lost_percent",
        label: "% of the messages",
        x: { label: `% of the packets lost; latency ${latencyOf(rtt_ms)} ms` },
      })
    ),
  sentences: (figures) => {
    const loss = LOSSES_PERCENT[LOSSES_PERCENT.length - 1];
    return RTTS_MS.flatMap((rtt_ms) => {
      const [relayed, limit, first_lost] = [
        figures.median(nameOf(loss, rtt_ms), "relayx", "lost_percent"),
        figures.median(nameOf(loss, rtt_ms), "direct", "lost_percent"),
        figures.median(nameOf(loss, rtt_ms), "relayx", "first_lost_packets"),
      ];
      if (!Number.isFinite(relayed) || !Number.isFinite(limit)) return [];
      return [
        `With ${loss} % lost and ${rtt_ms} ms there and back, ${figure(first_lost, 0)} packets ` +
        `were lost when they were first sent, and ${figure(relayed, 3)} % of the messages stayed ` +
        `missing through relayx, ${figure(limit, 3)} % without a relay.`,
      ];
    });
  },
};

async function measureImpaired(work: Work): Promise<Values> {
  const { loss_percent, rtt_ms, seed } = work.case.parameters;
  const size: Size = work.size.quick
    ? work.size
    : { ...work.size, window_s: Math.max(WINDOW_S, work.size.window_s) };
  const values = await measureSrt({
    work,
    sessions: 1,
    rate_mbps: RATE_MBPS,
    size,
    latency_ms: latencyOf(rtt_ms),
    faults: { rtt_ms, loss: loss_percent / 100, jitter_ms: 0, seed },
  });
  const added = ["added_p50_ms", "added_p99_ms", "added_max_ms"];
  return {
    ...values,
    received_percent: 100 - values.lost_percent,
    ...Object.fromEntries(added.map((name) => [name, values[name] - rtt_ms / 2])),
  };
}

/** Over the losses that were measured; NaN where there are none. */
function mostBeyondDirect(figures: Figures, rtt_ms: number): number {
  const beyond = LOSSES_PERCENT.map((loss) => nameOf(loss, rtt_ms))
    .map((name) =>
      figures.median(name, "relayx", "lost_percent") -
      figures.median(name, "direct", "lost_percent")
    )
    .filter(Number.isFinite);
  return beyond.length === 0 ? NaN : Math.max(...beyond);
}
