/** What a test and its SRT thread say to each other. */

export interface Totals {
  bytes: number;
  messages: number;
  smallest: number;
  largest: number;
  /** Of all bytes received, in order. */
  sha256: string;
}

/** What a connection may ask for beyond the ordinary. */
export interface SrtManner {
  stream_id?: string;
  passphrase?: string;
  /** `file`: a stream of bytes without deadlines instead of live messages. */
  transtype?: "live" | "file";
}

export type SrtCommand =
  | SrtManner & {
    op: "connect";
    id: number;
    host: string;
    port: number;
    latency_ms: number;
    payload_bytes: number;
    /** Only counts and hashes what arrives instead of handing every message over. */
    quiet: boolean;
  }
  | { op: "send"; id: number; bytes: Uint8Array }
  /** Sends `messages` numbered messages at `mbps` (0: as fast as they are taken). */
  | {
    op: "pour";
    id: number;
    messages: number;
    message_bytes: number;
    mbps: number;
    seed: number;
  }
  | { op: "expect"; id: number; bytes: number }
  | { op: "tally"; id: number }
  /** Leaves what arrives in libsrt, or reads again. */
  | { op: "read"; id: number; reading: boolean }
  | { op: "close"; id: number }
  | { op: "quit" };

export type SrtEvent =
  | { type: "connected"; id: number }
  | { type: "refused"; id: number; reason: string }
  | { type: "message"; id: number; bytes: Uint8Array }
  | { type: "poured"; id: number; sha256: string }
  | { type: "reached"; id: number; totals: Totals }
  | { type: "tally"; id: number; totals: Totals | null }
  | { type: "closed"; id: number; totals: Totals };
