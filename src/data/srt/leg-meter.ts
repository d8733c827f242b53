/**
 * One SRT connection's line between two looks at it, from `srt_bistats` (libsrt's API-functions and
 * statistics documents): totals are compared with those of the last look, levels are taken as they are.
 */
import {
  decodeStats,
  emptyStats,
  type Libsrt,
  type SrtStats,
  STATS_BYTES,
} from "../../../ffi/libsrt/mod.ts";
import type { LegState } from "../plane.ts";

/** What we receive on the connection, and what we send. */
export interface Leg {
  received: LegState;
  sent: LegState;
  /** Totals since the connection came up. */
  totals: Readonly<SrtStats>;
}

const bytes = new Uint8Array(STATS_BYTES);
const view = new DataView(bytes.buffer);
const levels = emptyStats();

export class LegMeter {
  readonly #libsrt: Libsrt;
  readonly #socket: number;
  #before = emptyStats();
  #now = emptyStats();
  #at_ms: number;

  constructor(options: { libsrt: Libsrt; socket: number; now_ms: number }) {
    this.#libsrt = options.libsrt;
    this.#socket = options.socket;
    this.#at_ms = options.now_ms;
  }

  /** How much of the stream waits to be acknowledged, ms; 0 where the connection is gone. */
  sendBufferMs(): number {
    if (this.#libsrt.srt_bistats(this.#socket, bytes, 0, 1) !== 0) return 0;
    return decodeStats(view, levels).msSndBuf;
  }

  /** Null where the connection is gone. */
  read(now_ms: number): Leg | null {
    if (this.#libsrt.srt_bistats(this.#socket, bytes, 0, 1) !== 0) return null;
    const before = this.#now;
    const now = decodeStats(view, this.#before);
    [this.#before, this.#now] = [before, now];
    const leg = between(before, now, Math.max(1, now_ms - this.#at_ms));
    this.#at_ms = now_ms;
    return leg;
  }
}

/** What has happened from one reading to the next, so many milliseconds later. */
export function between(before: SrtStats, now: SrtStats, elapsed_ms: number): Leg {
  const grown = (name: keyof SrtStats) => Math.max(0, now[name] - before[name]);
  const mbps = (name: keyof SrtStats) => round(8 * grown(name) / (1000 * elapsed_ms));
  const line = { rtt_ms: round(now.msRTT), bandwidth_mbps: round(now.mbpsBandwidth) };
  const missing = Math.max(0, packetsMissing(now) - packetsMissing(before));
  const came = grown("pktRecvTotal");
  const sent = grown("pktSentTotal");
  return {
    received: {
      ...line,
      mbps: mbps("byteRecvTotal"),
      loss_pct: percent(missing, came + missing),
      retrans_pct: 0,
      dropped: grown("pktRcvDropTotal") + grown("pktRcvUndecryptTotal"),
      buffered_ms: now.msRcvBuf,
    },
    sent: {
      ...line,
      mbps: mbps("byteSentTotal"),
      loss_pct: percent(grown("pktSndLossTotal"), sent),
      retrans_pct: percent(grown("pktRetransTotal"), sent),
      dropped: grown("pktSndDropTotal"),
      buffered_ms: now.msSndBuf,
    },
    totals: now,
  };
}

/**
 * Packets found missing since the connection came up. One that was only late is asked for as well and
 * then comes twice, so what came twice is taken off: a network that reorders loses nothing.
 */
export function packetsMissing(stats: Readonly<SrtStats>): number {
  return stats.pktRcvLossTotal - (stats.pktRecvTotal - stats.pktRecvUniqueTotal);
}

function percent(part: number, whole: number): number {
  return whole > 0 ? round(Math.min(100, 100 * part / whole)) : 0;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
