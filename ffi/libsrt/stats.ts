/**
 * `srt_bistats`: SRT_TRACEBSTATS of libsrt 1.5 (496 bytes on 64-bit Linux), the fields used here by
 * their offset. The struct only grew at its end so far; a longer one than we know is harmless because
 * {@link STATS_BYTES} leaves room, and a version older than 1.5 is refused where the library opens.
 */

/** Room for the struct of 1.5.x (496) and for what later versions append. */
export const STATS_BYTES = 1024;

type StatType = "int" | "int64" | "double";

const fields = {
  /** Packets of the whole connection, retransmitted ones included. */
  pktSentTotal: { at: 8, type: "int64" },
  pktRecvTotal: { at: 16, type: "int64" },
  /** Packets that the peer reported as lost. */
  pktSndLossTotal: { at: 24, type: "int" },
  /** Packets that we found missing. */
  pktRcvLossTotal: { at: 28, type: "int" },
  pktRetransTotal: { at: 32, type: "int" },
  /** Packets dropped because they came too late to be sent or played. */
  pktSndDropTotal: { at: 64, type: "int" },
  pktRcvDropTotal: { at: 68, type: "int" },
  pktRcvUndecryptTotal: { at: 72, type: "int" },
  byteSentTotal: { at: 80, type: "int64" },
  byteRecvTotal: { at: 88, type: "int64" },
  /** Packets on their way and not acknowledged yet. */
  pktFlightSize: { at: 320, type: "int" },
  /** Smoothed round trip, ms. */
  msRTT: { at: 328, type: "double" },
  /** Estimated capacity of the link, Mbit/s. */
  mbpsBandwidth: { at: 336, type: "double" },
  byteAvailSndBuf: { at: 344, type: "int" },
  byteAvailRcvBuf: { at: 348, type: "int" },
  msSndBuf: { at: 372, type: "int" },
  msRcvBuf: { at: 388, type: "int" },
  /** Packets received, each counted once however often it came. */
  pktRecvUniqueTotal: { at: 440, type: "int64" },
} as const satisfies Record<string, { at: number; type: StatType }>;

export type SrtStats = { -readonly [K in keyof typeof fields]: number };

const entries = Object.entries(fields) as [keyof SrtStats, { at: number; type: StatType }][];

export function emptyStats(): SrtStats {
  return Object.fromEntries(entries.map(([name]) => [name, 0])) as SrtStats;
}

/** Reads the struct into `into`, so that a sampling loop makes no garbage of its own. */
export function decodeStats(view: DataView, into: SrtStats): SrtStats {
  for (const [name, { at, type }] of entries) {
    into[name] = type === "int"
      ? view.getInt32(at, true)
      : type === "double"
      ? view.getFloat64(at, true)
      // Two halves instead of a bigint: counters stay far below 2^53.
      : view.getUint32(at, true) + view.getInt32(at + 4, true) * 2 ** 32;
  }
  return into;
}
