/** What the control side and a data worker say to each other, over a MessagePort. */
import type { LibsrtLocation } from "../../ffi/libsrt/mod.ts";
import type { ProxyRules } from "./address-rules.ts";
import type { BridgeMemory } from "./fastway/bridge/memory.ts";
import type { FastwayOrder, FastwayReport } from "./fastway/protocol.ts";
import type { PlaneEvent, Reservation } from "./plane.ts";
import type { RateMemory } from "./rate-row.ts";
import type { StandingEvent, StandingSettings } from "./standing.ts";
import type { ProbeResult, ThreadProbe } from "./thread-probe.ts";

/** To the worker, as lists. Each is followed by a write to the worker's eventfd, which wakes it. */
export type WorkerCommand =
  | { type: "open"; reservation: OpenOrder }
  | { type: "release"; port: number }
  | { type: "standing"; order: StandingOrder }
  | { type: "fastway"; order: FastwayOrder }
  /** What has changed since the last one; see `Plane.setBans`. */
  | { type: "bans"; added: readonly string[]; removed: readonly string[] }
  /** The rules from now on, all of them; of the kind that the worker was started with. */
  | { type: "settings"; settings: object }
  /** To be answered by `pong` as soon as the loop has turned. */
  | { type: "ping" }
  /** To be answered by `probed`. */
  | { type: "probe"; probe: ThreadProbe }
  | { type: "stop" };

/** A reservation as a worker is told of it. */
export interface OpenOrder extends Omit<Reservation, "rates"> {
  /** Of the port's counters in the shared memory. */
  row: number;
  /** The port is a standing one, and the `session_id` is empty. */
  standing?: StandingSettings;
  /** Where the session's byte rates stand in the shared memory; empty for nearly all sessions. */
  rate_rows: readonly number[];
}

/** What a standing port can be told while it is open; see `StandingPlane`. */
export type StandingOrder =
  | { type: "stop_session"; port: number; reason: string }
  | { type: "drop_waiting"; port: number };

/** What a worker tells of its standing ports; their end is told as `closed`, as that of any port. */
export type StandingReport = Extract<
  StandingEvent,
  { type: "standing" | "standing_over" | "rejected" }
>;

/** From the worker, as lists. `up` comes first: a message sent to it before that may be lost on Bun. */
export type WorkerReport =
  | { type: "up"; eventfd: number }
  | { type: "opened"; port: number }
  | { type: "open_failed"; port: number; code: string; message: string }
  | { type: "event"; event: PlaneEvent }
  | { type: "standing"; event: StandingReport }
  | { type: "fastway"; event: FastwayReport }
  | { type: "pong" }
  | { type: "probed"; result: ProbeResult }
  /** The last word: orderly after `stop`, with an error when the loop broke. */
  | { type: "down"; error: string | null };

/** The memory that the workers of a plane and the control side have in common. */
export interface SharedMemory {
  /** See `counters.ts`; a row per port number. */
  counters: Float64Array;
  /** See `pulse.ts`; a row per worker. */
  pulses: Float64Array;
  /** See `rate-row.ts`; a row per key, for the workers of all planes. */
  rates: RateMemory;
  /** Only of fastway's workers. */
  fastway?: FastwayMemory;
}

export interface FastwayMemory {
  /** The worker's own table; see `fastway/counters.ts`. */
  counters: Float64Array;
  /** One number: how many workers of the plane there have been. Each takes the next one. */
  generations: Int32Array;
  /** Null where it is the only one. */
  bridge: BridgeMemory | null;
}

/** Which worker it is that is started. */
export interface WorkerPlace {
  /** Among the workers of its plane, from 0. */
  seat: number;
  /** Among those of all planes, and how many these are: each has a place in every row of rates. */
  rates_seat: number;
  rates_seats: number;
}

/**
 * The rules that a worker works by. One object for a worker's life, which a `settings` command changes
 * in place: whoever needs a rule reads it when it does. The address to bind and the shared ports stay
 * what they were.
 */
export interface WorkerSettings extends ProxyRules {
  bind_address: string;
  hello_timeout_ms: number;
  hello_bytes_max: number;
  unproven_max: number;
  unproven_per_address_max: number;
  /** What stands before the names of the two in the configuration. */
  unproven_prefix: "" | "srt_";
  /** 0 means never. */
  session_idle_timeout_ms: number;
}

/** A named stream, as the configuration has it. */
export interface StreamSettings {
  name: string;
  /** Empty: nobody needs one. */
  publish_key: string;
  read_key: string;
  /** A port of its own; 0 is the shared ones. */
  port: number;
  /** Instead of the gateway's; empty is that one. */
  passphrase: string;
  takeover: "refuse" | "replace";
  slow_viewer: "skip" | "drop";
  viewers_max: number;
  /** Bits per second; 0 is unlimited. */
  bitrate_max_bps: number;
}

export interface TcpWorkerSettings extends WorkerSettings {
  /** Socket buffers in bytes; 0 leaves them to the kernel's own tuning. */
  sndbuf_bytes: number;
  rcvbuf_bytes: number;
  /** How long an abort waits for what is unsent; 0 drops it. */
  linger_ms: number;
}

export interface SrtWorkerSettings extends WorkerSettings {
  latency_ms: number;
  /** Bits per second; 0 is unlimited. */
  maxbw_bps: number;
  /** The expected rate, bit/s, and percent on top of it; 0 leaves `maxbw_bps` to rule. */
  inputbw_bps: number;
  oheadbw_percent: number;
  ipttl: number;
  iptos: number;
  peer_idle_ms: number;
  udp_buffer_bytes: number;
  /** For every connection; empty is none. */
  passphrase: string;
  /** Bytes: 16, 24 or 32. */
  pbkeylen: number;
  /** The ports that many sessions and all named streams share; empty where there are none. */
  shared_ports: number[];
  /** Sessions are on the shared ports as well. */
  sessions_shared: boolean;
  streams: StreamSettings[];
  libsrt: LibsrtLocation;
}
