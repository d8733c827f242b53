/** Bytes as fast as they go through one contender: what tcp-bulk and tcp-size have in common. */
import type { Lane, Running } from "../contenders/contender.ts";
import { observe, type Observed, resultsOf, startEnds } from "../meeting.ts";
import type { BulkResult } from "../load/wire.ts";
import type { Size, Values, Work } from "../sample.ts";

/** The generators' write size unless it is what is measured. */
export const WRITE_BYTES = 1 << 20;

export async function measureBulk({ work, sessions, both_ways, write_bytes = WRITE_BYTES }: {
  work: Work;
  sessions: number;
  both_ways: boolean;
  write_bytes?: number;
}): Promise<Values> {
  const { contender, children, folder } = work;
  const need = { transport: "tcp" as const, sessions, groups: 1, latency_ms: 0 };
  const running = await contender.start({ children, folder, need });
  try {
    const lane = await running.open(0, sessions);
    return await bulkOver({ work, running, lane, both_ways, write_bytes, size: work.size });
  } finally {
    await running.stop();
  }
}

/** One bulk run over a lane that is open, by a contender that serves. */
export async function bulkOver(
  { work, running, lane, both_ways, write_bytes = WRITE_BYTES, size }: {
    work: Work;
    running: Running;
    lane: Lane;
    both_ways: boolean;
    write_bytes?: number;
    size: Pick<Size, "window_s" | "warm_up_s">;
  },
): Promise<Values> {
  const order = { program: "bulk-end" as const, write_bytes };
  const ends = await startEnds({
    children: work.children,
    lane,
    front: { ...order, sends: true, receives: both_ways },
    back: { ...order, sends: both_ways, receives: true },
  });
  const observed = await observe({ ends: [ends], pids: () => running.pids(), size });
  const { front, back } = await resultsOf<BulkResult, BulkResult>(ends);
  requireWhole(front, back);
  return bulkValues({ front, back, both_ways, observed });
}

/** Every byte that one end sent, the other received; the pieces were checked as they came. */
export function requireWhole(front: BulkResult, back: BulkResult): void {
  for (const [from, to] of [[front, back], [back, front]]) {
    if (from.sent_bytes !== to.received_bytes) {
      throw new Error(`${to.received_bytes} of ${from.sent_bytes} bytes arrived`);
    }
  }
  // A connection that ended before the first byte lacks none, and shows nothing.
  if (front.sent_bytes + back.sent_bytes === 0) throw new Error("no byte was carried");
}

function bulkValues({ front, back, both_ways, observed: { relay, generators } }: {
  front: BulkResult;
  back: BulkResult;
  both_ways: boolean;
  observed: Observed;
}): Values {
  const receivers = both_ways ? [front, back] : [back];
  const rate_gbps = receivers.reduce(
    (sum, { window_received_bytes, window_s }) => sum + window_received_bytes * 8 / window_s / 1e9,
    0,
  );
  const least = Math.min(
    ...receivers.map((one) => one.window_least_bytes * 8 / one.window_s / 1e9),
  );
  return {
    rate_gbps,
    least_session_gbps: least,
    gbit_per_cpu_s: perCpu(rate_gbps, relay.cores),
    relay_cores: relay.cores,
    generator_cores: generators.cores,
    rss_mib: relay.rss_bytes / 2 ** 20,
  };
}

/** Less than one tick of the CPU clock was charged: there is nothing to divide by. */
export function perCpu(amount: number, cores: number): number {
  return cores > 0 ? amount / cores : NaN;
}
