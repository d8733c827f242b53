/** Messages at a fixed rate through one contender: what the SRT measures have in common. */
import { FreePorts } from "../contenders/ports.ts";
import type { Generator } from "../generator.ts";
import { observe, resultsOf, startEnds, throughPath } from "../meeting.ts";
import type { PathFaults, PathResult, SrtResult } from "../load/wire.ts";
import type { Size, Values, Work } from "../sample.ts";
import { perCpu } from "./bulk.ts";

/** What most senders in the field use: seven packets of an MPEG transport stream. */
export const MESSAGE_BYTES = 1316;

/** SRT's configured latency on each connection, milliseconds: the default of libsrt and relayx. */
export const LATENCY_MS = 120;

/** From the last hello to a session that is paired, beyond the latency of both connections. */
const PAIRING_S = 0.3;

/** What a path still has to say when it is told to come to its end. */
const PATH_END_MS = 5000;

/** Beyond the latency of the way, until what is received is as much as what is sent. */
const FILLED_S = 0.2;

export interface SrtWork {
  work: Work;
  sessions: number;
  rate_mbps: number;
  size?: Pick<Size, "window_s" | "warm_up_s">;
  /** On every connection. */
  latency_ms?: number;
}

export async function measureSrt(
  { work, sessions, rate_mbps, size = work.size, latency_ms = LATENCY_MS, faults }: SrtWork & {
    /** What is wrong with the network before the front end; without it there is only the loopback. */
    faults?: PathFaults;
  },
): Promise<Values> {
  const { contender, children, folder } = work;
  const need = { transport: "srt" as const, sessions, groups: 1, latency_ms };
  const running = await contender.start({ children, folder, need });
  let path: Generator | null = null;
  try {
    let lane = await running.open(0, sessions);
    const ports = await new FreePorts().take(3);
    if (faults) {
      ({ lane, path } = await throughPath({ children, lane, listen_port: ports[2], faults }));
    }
    const way_s = (lane.hops * latency_ms + (faults?.rtt_ms ?? 0)) / 1000;
    const order = {
      program: "srt-end" as const,
      rate_mbps,
      message_bytes: MESSAGE_BYTES,
      latency_ms,
      hops: lane.hops,
    };
    const ends = await startEnds({
      children,
      lane,
      front: { ...order, sends: true, local_port: ports[0] },
      back: { ...order, sends: false, local_port: ports[1] },
    });
    const { relay, generators } = await observe({
      ends: [ends],
      beside: path ? [path] : [],
      pids: () => running.pids(),
      size: { window_s: size.window_s, warm_up_s: Math.max(size.warm_up_s, way_s + FILLED_S) },
      settle_s: way_s + PAIRING_S,
    });
    const { front, back } = await resultsOf<SrtResult, SrtResult>(ends);
    if (back.messages > front.messages) {
      throw new Error(`${back.messages} messages arrived of ${front.messages} that were sent`);
    }
    if (back.messages === 0) throw new Error("not one message arrived");
    path?.release();
    const on_path = await path?.result<PathResult>(PATH_END_MS);
    const mbps = (result: SrtResult) =>
      result.window_messages * MESSAGE_BYTES * 8 / result.window_s / 1e6;
    const offered_mbps = sessions * rate_mbps;
    const lost = front.messages - back.messages;
    return {
      offered_mbps,
      sent_mbps: mbps(front),
      received_mbps: mbps(back),
      lost_messages: lost,
      lost_percent: 100 * lost / front.messages,
      gap_messages: back.gaps,
      least_session_percent: 100 * back.window_least_messages /
        (rate_mbps * 1e6 / 8 / MESSAGE_BYTES * back.window_s),
      relay_cores: relay.cores,
      generator_cores: generators.cores,
      mbit_per_cpu_s: perCpu(mbps(back), relay.cores),
      added_p50_ms: back.added_p50_ms,
      added_p99_ms: back.added_p99_ms,
      added_max_ms: back.added_max_ms,
      threads: relay.threads,
      rss_mib: relay.rss_bytes / 2 ** 20,
      ...(on_path && pathValues(on_path, lost)),
    };
  } finally {
    await path?.stop();
    await running.stop();
  }
}

/** Of the messages' direction, unless the name says otherwise. */
function pathValues({ seed, toward, back }: PathResult, missing: number): Values {
  return {
    seed,
    path_forwarded_packets: toward.forwarded,
    path_lost_packets: toward.lost,
    path_reordered_packets: toward.reordered,
    path_overflowed_packets: toward.overflowed + back.overflowed,
    path_lost_back_packets: back.lost,
    first_lost_packets: toward.first_lost,
    repeated_packets: toward.repeated,
    recovered_messages: Math.max(0, toward.first_lost - missing),
  };
}
