/** fastway: messages per second and per CPU-second, as the virtual connections become more. */
import { FASTWAY_ORIGINAL } from "../facts/fastway-original.ts";
import { figure } from "../figures/words.ts";
import type { EchoResult, FastwayLoadResult } from "../load/wire.ts";
import { type EndOrder, observe, resultsOf, startEnds } from "../meeting.ts";
import type { Case, Measure, Outcome, Work } from "../sample.ts";
import { perCpu } from "./bulk.ts";
import { carries, curve, goal, isRelay, RELAY_COST } from "./shared.ts";

/** Virtual connections, the clients that they are spread over, and the window of each in batches. */
const CROWDS: Readonly<Record<number, { clients: number; window_batches: number }>> = {
  1: { clients: 1, window_batches: 16 },
  100: { clients: 10, window_batches: 4 },
  10_000: { clients: 100, window_batches: 1 },
};
const BATCH = 200;

function caseOf(message_bytes: number, virtual: number, batch = BATCH): Case {
  const size = message_bytes < 1024 ? `${message_bytes} B` : `${message_bytes / 1024} KiB`;
  const { clients, window_batches } = CROWDS[virtual];
  return {
    name: `${size}, ${virtual} virtual${batch === BATCH ? "" : `, ${batch} per write`}`,
    parameters: {
      message_bytes,
      virtual,
      batch,
      clients,
      // As many messages on their way, however few go into a write.
      window_batches: window_batches * BATCH / batch,
    },
  };
}

const CROWD_SIZES = Object.keys(CROWDS).map(Number);
const SMALL = CROWD_SIZES.map((virtual) => caseOf(64, virtual));
const LARGE = CROWD_SIZES.map((virtual) => caseOf(1024, virtual));
const UNBATCHED = caseOf(64, 100, 1);
const over = (cases: readonly Case[]) =>
  cases.map(({ name, parameters }) => [name, parameters.virtual] as const);
const x = { label: "virtual connections (logarithmic)", logarithmic: true } as const;

export const fastway: Measure = {
  name: "fastway",
  title: "fastway",
  about:
    "Clients send messages in batches of 200 frames per write over their virtual connections (1 " +
    "client for 1, 10 for 100, 100 for 10,000) to one server, which sends each back; so many are on " +
    "their way that the relay always has work, and no more than no queue overflows: the protocol cuts " +
    "off who is slow. Every answer is compared with what was sent. Each message is counted twice, " +
    "once in each direction, as the relay carries it twice. The answers come in the order of the " +
    "clients' batches, so that neighbours mostly go to the same client; with one frame per write they " +
    "are mixed. Beside that, one more client asks another " +
    "server one message of 64 B at a time, and that is the latency. HAProxy and the direct connection " +
    "carry the very same bytes over one plain connection per client: they look at no frame and know " +
    "no virtual connections, and so show what moving the bytes alone costs.",
  transports: ["fastway"],
  columns: [
    { value: "messages_k", label: "relayed", unit: "thousand messages/s", digits: 0 },
    {
      value: "messages_k_per_cpu_s",
      label: "efficiency",
      unit: "thousand per CPU-second",
      digits: 0,
    },
    { value: "p50_us", label: "p50 beside it", unit: "µs", digits: 0 },
    { value: "p99_us", label: "p99 beside it", unit: "µs", digits: 0 },
    ...RELAY_COST,
    { value: "rss_mib", label: "relay memory", unit: "MiB", digits: 0 },
  ],
  accepts: carries("fastway"),
  rounds: ({ quick, rounds }) => rounds ?? (quick ? 1 : 3),
  cases: ({ quick }) => quick ? [SMALL[1]] : [...SMALL, UNBATCHED, ...LARGE],
  run,
  goals: (figures) => [
    ...SMALL.map(({ name }) =>
      goal({
        what: `${name}: small messages that one core relays in a second, batched by their senders`,
        measured: figures.median(name, "relayx", "messages_k_per_cpu_s"),
        at_least: 1000,
        unit: "thousand per CPU-second",
        digits: 0,
      })
    ),
    ...FASTWAY_ORIGINAL.map((original) => {
      const { name } = caseOf(original.message_bytes, original.virtual);
      return goal({
        what: `${name}: against the best of the original's published figures`,
        measured: figures.median(name, "relayx", "messages_k_per_cpu_s"),
        at_least: original.per_cpu_second[1],
        unit: "thousand per CPU-second",
        digits: 0,
      });
    }),
  ],
  plots: (figures) =>
    ([["small", "64 B", SMALL], ["large", "1 KiB", LARGE]] as const).flatMap((
      [word, size, cases],
    ) => [
      curve({
        figures,
        name: `fastway-${word}-rate`,
        title: `fastway, messages of ${size}: rate by virtual connections`,
        over: over(cases),
        value: "messages_k",
        label: "thousand messages relayed per second",
        x,
      }),
      curve({
        figures,
        name: `fastway-${word}-efficiency`,
        title: `fastway, messages of ${size}: cost by virtual connections`,
        over: over(cases),
        value: "messages_k_per_cpu_s",
        label: "thousand messages per CPU-second of the relay",
        x,
        only: isRelay,
      }),
    ]),
  sentences: (figures) => {
    const per_cpu = (one: Case, contender: string) =>
      figures.median(one.name, contender, "messages_k_per_cpu_s");
    const [few, many] = [per_cpu(SMALL[0], "relayx"), per_cpu(SMALL[2], "relayx")];
    const landmarks = FASTWAY_ORIGINAL.map(({ message_bytes, virtual, ...its }) =>
      `${caseOf(message_bytes, virtual).name}: ${its.per_second.join("–")} thousand messages/s, ` +
      `${its.per_cpu_second.join("–")} per CPU-second`
    );
    return [
      `The original's published figures, from another machine of two cores and with 200 frames per ` +
      `write: ${landmarks.join("; ")}. They are a landmark: it is not known whether they count a ` +
      "message once or in each direction.",
      ...(Number.isFinite(few) && Number.isFinite(many)
        ? [
          `From 1 to 10,000 virtual connections the cost of a message of 64 B grows to ` +
          `${figure(few / many, 2)} times: ${figure(1000 / few, 2)} µs to ${
            figure(1000 / many, 2)
          } µs of CPU.`,
        ]
        : []),
    ];
  },
};

async function run(
  { contender, children, folder, case: { parameters }, size }: Work,
): Promise<Outcome> {
  const { message_bytes, virtual, batch, clients, window_batches } = parameters;
  const need = { transport: "fastway" as const, sessions: clients + 1, groups: 2, latency_ms: 0 };
  const running = await contender.start({ children, folder, need });
  try {
    const [lane, beside] = [await running.open(0, clients), await running.open(1, 1)];
    const order = (
      { fastway_server: server_id }: typeof lane,
      more: Pick<EndOrder & { program: "fastway-end" }, "manner" | "virtual" | "message_bytes">,
    ) => ({
      program: "fastway-end" as const,
      gateway: server_id !== undefined,
      server_id: server_id ?? 0,
      batch,
      window_batches,
      ...more,
    });
    const load = { virtual, message_bytes };
    const load_ends = await startEnds({
      children,
      lane,
      front: order(lane, { manner: "load", ...load }),
      back: order(lane, { manner: "echo", ...load }),
      name: "load ",
    });
    const question = { virtual: 1, message_bytes: 64 };
    const ask_ends = await startEnds({
      children,
      lane: beside,
      front: order(beside, { manner: "ask", ...question }),
      back: order(beside, { manner: "echo", ...question }),
      name: "asking ",
    });
    const { relay, generators } = await observe({
      ends: [load_ends, ask_ends],
      pids: () => running.pids(),
      size,
    });
    const [{ front: moved }, { front: times }] = await Promise.all([
      resultsOf<FastwayLoadResult, null>(load_ends),
      resultsOf<EchoResult, null>(ask_ends),
    ]);
    if (moved.sent !== moved.received) {
      throw new Error(`${moved.received} of ${moved.sent} messages came back`);
    }
    const messages_k = 2 * moved.window_messages / moved.window_s / 1000;
    return {
      values: {
        messages_k,
        messages_k_per_cpu_s: perCpu(messages_k, relay.cores),
        p50_us: times.p50_us,
        p99_us: times.p99_us,
        relay_cores: relay.cores,
        generator_cores: generators.cores,
        rss_mib: relay.rss_bytes / 2 ** 20,
      },
    };
  } finally {
    await running.stop();
  }
}
