/**
 * What holds a direction of a session or a stream back, told from the figures of the two lines it
 * goes over: from the sender to us, and from us to the reader.
 */
import type { LegState } from "./plane.ts";

/** The words, in the order of their numbers in the shared table; the first is "not known". */
export const BOTTLENECKS = [
  "unknown",
  /** Nothing flows and nothing waits. */
  "idle",
  /** Everything that is sent arrives: the sender is what there is. */
  "sender",
  /** Packets are missing on the way to us. */
  "network_in",
  /** What has come due waits here: relayx or its machine is too slow. */
  "relay",
  /** Packets are missing on the way from us. */
  "network_out",
  /** The line is good and what is sent waits all the same: the reader does not take it. */
  "reader",
  /** A bound on the bytes per second of somebody who takes part. */
  "rate",
] as const;

export type Bottleneck = typeof BOTTLENECKS[number];

/** One sentence each, for whoever operates it. */
export const BOTTLENECK_WORDS: Readonly<Record<Bottleneck, string>> = {
  unknown: "not known yet",
  idle: "nothing is being sent",
  sender: "nothing holds it back: all that the sender sends arrives",
  network_in: "the network between the sender and relayx loses packets",
  relay: "relayx, or the machine it runs on, does not keep up",
  network_out: "the network between relayx and the reader loses packets",
  reader: "the reader does not take what it is sent",
  rate: "a byte rate that is set for one of the ends is used up",
};

/** Percent of packets missing at which a line counts as bad; below it SRT repairs without a trace. */
const LOSS_PCT_MAX = 2;
/** What may wait beyond the latency, ms: two looks of libsrt's own timers and a scheduler's pause. */
const WAIT_MARGIN_MS = 100;

export function findBottleneck(look: {
  /** From the sender to us: what we received. */
  incoming: LegState;
  /** From us to the reader: what we sent. */
  outgoing: LegState;
  /** The configured latency of either line, ms. */
  incoming_latency_ms: number;
  outgoing_latency_ms: number;
  /** The reader's connection took nothing more when it was last tried. */
  blocked: boolean;
}): Bottleneck {
  const { incoming, outgoing, blocked } = look;
  const lossy_out = outgoing.loss_pct > LOSS_PCT_MAX || outgoing.retrans_pct > LOSS_PCT_MAX;
  const waits_out = outgoing.buffered_ms > look.outgoing_latency_ms + WAIT_MARGIN_MS;
  // From the reader backwards: what is stuck there holds up everything before it.
  if (blocked || waits_out || outgoing.dropped > 0) return lossy_out ? "network_out" : "reader";
  if (lossy_out) return "network_out";
  // Behind a hole messages wait as well, so losses are looked at first.
  if (incoming.loss_pct > LOSS_PCT_MAX || incoming.dropped > 0) return "network_in";
  if (incoming.buffered_ms > look.incoming_latency_ms + WAIT_MARGIN_MS) return "relay";
  return incoming.mbps > 0 ? "sender" : "idle";
}
