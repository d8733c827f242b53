/** Scale: thousands of idle sessions, what each costs, and what they do to one busy session. */
import { Generator, stopAll } from "../generator.ts";
import { treeCost } from "../facts/process-cost.ts";
import { openFilesMax } from "../facts/machine.ts";
import { nowNs } from "../load/libc.ts";
import type { SessionsResult } from "../load/wire.ts";
import type { Case, Measure, Outcome, Work } from "../sample.ts";
import { bulkOver } from "./bulk.ts";
import { curve, goal } from "./shared.ts";

const caseOf = (sessions: number): Case => ({
  name: `${sessions} idle sessions`,
  parameters: { sessions },
});
const FULL = [1000, 2500, 5000].map(caseOf);
const MOST = FULL[2].name;
const over = FULL.map(({ name, parameters }) => [name, parameters.sessions] as const);
const x = { label: "idle sessions" };
const AT_ONCE = 16;
const BRING_UP_MS = 120_000;
/** Descriptors that either side needs beside two per session. */
const SPARE_DESCRIPTORS = 200;
/** What the relay and the broadcasts need to come to rest after the last session, milliseconds. */
const REST_MS = 1500;

export const scale: Measure = {
  name: "scale",
  title: "Scale: idle sessions",
  about:
    "Sessions are opened 16 at a time and then left alone, with the front end and the back end " +
    "still registered. RSS per session is the growth of the relay's own resident memory by the number " +
    "of sessions; what the kernel keeps for the sockets is not in it. CPU is read over the idle time. " +
    "One more session moves bytes one way before the idle ones are opened and again beside them. At the " +
    "end every idle session must still carry a byte.",
  transports: ["tcp"],
  columns: [
    { value: "rss_kib_per_session", label: "RSS", unit: "KiB per session", digits: 2 },
    { value: "idle_cpu_percent", label: "CPU while idle", unit: "% of a core", digits: 2 },
    { value: "set_up_s", label: "all open in", unit: "s", digits: 2 },
    { value: "set_up_p99_ms", label: "set-up p99", unit: "ms", digits: 2 },
    { value: "busy_alone_gbps", label: "busy session alone", unit: "Gbit/s", digits: 2 },
    { value: "busy_beside_gbps", label: "beside them", unit: "Gbit/s", digits: 2 },
    { value: "threads", label: "threads", unit: "", digits: 0 },
  ],
  // socat would be a process per session; nginx and HAProxy as their manuals allow stand for peers.
  accepts: ({ name }) => ["relayx", "haproxy-tuned", "nginx"].includes(name),
  rounds: ({ quick, rounds }) => rounds ?? (quick ? 1 : 3),
  cases: ({ quick }) => quick ? [caseOf(200)] : FULL,
  run,
  goals: (figures) => {
    const value = (name: string) => figures.median(MOST, "relayx", name);
    return [
      goal({
        what: "5,000 sessions: RSS per session",
        measured: value("rss_kib_per_session"),
        at_most: 4,
        unit: "KiB",
        digits: 2,
      }),
      goal({
        what: "5,000 sessions: CPU while idle",
        measured: value("idle_cpu_percent"),
        at_most: 1,
        unit: "% of a core",
        digits: 2,
      }),
      goal({
        what: "busy session beside 5,000 idle ones, share of its rate alone",
        measured: value("busy_beside_gbps") / value("busy_alone_gbps"),
        at_least: 0.95,
        unit: "×",
        digits: 3,
      }),
    ];
  },
  plots: (figures) => [
    curve({
      figures,
      name: "scale-memory",
      title: "Idle sessions: memory of the relay",
      over,
      value: "rss_growth_mib",
      label: "MiB of RSS beyond the relay at rest",
      x,
    }),
    curve({
      figures,
      name: "scale-cpu",
      title: "Idle sessions: CPU of the relay",
      over,
      value: "idle_cpu_percent",
      label: "% of one core",
      x,
      goal: { y: 1, label: "goal: 1 % of a core at 5,000" },
    }),
  ],
  sentences: (figures) => {
    const memory = figures.median(MOST, "relayx", "rss_kib_per_session");
    const cpu = figures.median(MOST, "relayx", "idle_cpu_percent");
    if (!Number.isFinite(memory) || !Number.isFinite(cpu)) return [];
    const grown = ([name]: (typeof over)[number]) =>
      figures.median(name, "relayx", "rss_growth_mib");
    const [most, before] = [over.at(-1)!, over.at(-2)!];
    const margin_kib = 1024 * (grown(most) - grown(before)) / (most[1] - before[1]);
    return [
      `The last ${most[1] - before[1]} sessions cost ${
        margin_kib.toFixed(2)
      } KiB each. What the first ` +
      "ones cost beyond that is the runtime's own: compiled code and the heap's first growth.",
      `An idle session costs relayx ${memory.toFixed(2)} KiB and 5,000 of them ${
        cpu.toFixed(2)
      } % of ` +
      "a core; the bound on their number is descriptors (two per session) and ports (one per session), " +
      "not memory or CPU.",
    ];
  },
};

async function run(work: Work): Promise<Outcome> {
  const { contender, children, folder, size, progress } = work;
  const { sessions } = work.case.parameters;
  const wanted = 2 * sessions + SPARE_DESCRIPTORS;
  if (openFilesMax() < wanted) {
    throw new Error(
      `${wanted} open files are needed and ${openFilesMax()} allowed; raise "ulimit -n"`,
    );
  }
  const need = { transport: "tcp" as const, sessions: sessions + 8, groups: 2, latency_ms: 0 };
  const running = await contender.start({ children, folder, need });
  const busy = async () => {
    const lane = await running.open(1, 1);
    return await bulkOver({ work, running, lane, both_ways: false, size });
  };
  const generator = new Generator({
    children,
    name: "generator",
    order: {
      program: "sessions",
      way: running.sessionsWay(),
      total: sessions,
      at_once: AT_ONCE,
      hold: true,
    },
  });
  try {
    await generator.ready();
    const alone = await busy();
    const before = treeCost(running.pids());
    progress(`opening ${sessions} sessions`);
    generator.go({ start_ns: nowNs(), window_from_ns: 0, window_to_ns: 0 });
    const up = await generator.holding<SessionsResult>(BRING_UP_MS);
    await pause(REST_MS);
    progress(`${sessions} sessions are idle`);
    const idle_from = { at_ns: nowNs(), ...treeCost(running.pids()) };
    await pause(size.quick ? size.window_s * 1000 : 10_000);
    const idle_to = { at_ns: nowNs(), ...treeCost(running.pids()) };
    const beside = await busy();
    generator.release();
    await generator.result(BRING_UP_MS);
    const growth_bytes = idle_to.rss_bytes - before.rss_bytes;
    const idle_s = (idle_to.at_ns - idle_from.at_ns) / 1e9;
    return {
      values: {
        rss_kib_per_session: growth_bytes / 1024 / sessions,
        rss_growth_mib: growth_bytes / 2 ** 20,
        idle_cpu_percent: 100 * (idle_to.cpu_s - idle_from.cpu_s) / idle_s,
        set_up_s: up.elapsed_s,
        set_up_p99_ms: up.p99_ms,
        busy_alone_gbps: alone.rate_gbps,
        busy_beside_gbps: beside.rate_gbps,
        threads: idle_to.threads,
      },
    };
  } finally {
    await stopAll([generator]);
    await running.stop();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
