/**
 * A data plane as the control side sees it: it opens a port for a session, reports what happens
 * there, and closes it. How bytes move is the plane's own business, in a worker of its own; the two
 * meet at commands, events and one shared table of counters, and at nothing else.
 *
 * The life of a port, as events:
 * `open()` → [`waiting` → (`waiting_gone` →)]… `paired` → `closed`, with any number of `rejected`
 * in between. Exactly one `closed` follows every `open()` that resolved, whatever ends it.
 */

import type { Config } from "../config/schema.ts";
import type { AdmissionLimit } from "./admission.ts";
import type { Probed } from "./thread-probe.ts";
import type { Bottleneck } from "./bottleneck.ts";

/** The planes of V4. "zmq" is plain TCP and keeps its historical label on the wire. */
export type PlaneKind = "zmq" | "srt";

/** Who an end is: the client is the front end, the server the back end. */
export type Role = "client" | "server";

/** Why a connection to a data port was turned away; the spec's words for the log's `status`. */
export type RejectStatus =
  | "hello_error"
  | "alloc_mismatch"
  | "port_occupied"
  | "server_dup"
  | "client_dup"
  /** The PROXY header of a trusted proxy is missing or cannot be read. */
  | "proxy_error"
  /** The session asks for a proof, and the hello's `hello_token` is missing or wrong. */
  | "hello_unproven"
  /** SRT: the stream id cannot be read, or says nothing that is served here. */
  | "streamid_error"
  /** No such stream, or not with this key: one word for both, so that names cannot be guessed. */
  | "stream_denied"
  /** Somebody publishes it already, and `takeover` is `refuse`. */
  | "stream_busy"
  /** As many viewers as `viewers_max` allows. */
  | "stream_full"
  /** The passphrase is missing or wrong. */
  | "encryption_error";

/** What a session may ask of its SRT port beyond the ordinary (`qos.srt` of a pair_request). */
export interface SrtWishes {
  /** 10 to 79 characters; both ends must have it. */
  passphrase?: string;
  /** `file`: a stream of bytes without deadlines, instead of live messages. */
  transtype?: "live" | "file";
  latency_ms?: number;
}

/**
 * A bound on what all sessions that name the same key may carry together: on both planes, in both
 * directions, each byte counted once where it is handed on. The newest figure for a key holds for all
 * of its sessions, those that run included.
 */
export interface ByteRate {
  /** Whose bound it is, in the control side's own words: a principal or an address. */
  key: string;
  /** 0 is no bound for now; one may be set later, and holds at once. */
  bytes_per_s: number;
}

/** What each end's hello must prove itself by; secrets that go into no log. */
export type HelloProofs = Readonly<Record<Role, string>>;

/** A port that a session has been given, and who may come to it. */
export interface Reservation {
  port: number;
  session_id: string;
  /** By these an SRT caller's `u=` is known; V4's hello says its role itself. */
  client_id?: string;
  server_id?: string;
  srt?: SrtWishes;
  /** Absent: whoever knows the session's id may come. */
  proofs?: HelloProofs;
  /** Each bound holds by itself: the session gets what the narrowest lets through. */
  rates?: readonly ByteRate[];
}

/** What happens to a named stream. */
export type StreamEvent = {
  type: "stream";
  name: string;
  status: "publishing" | "publish_stop" | "viewing" | "view_stop";
  /** Why it stopped; empty where it began. */
  reason: StreamEnd | "";
  user: string;
  remote: string;
  /** What the connection has carried so far. */
  bytes: number;
  /** Messages that a viewer was too slow for. */
  skipped: number;
};

/** What is told of streams, which belong to no session and no granted port. */
export type StreamReport =
  | StreamEvent
  /**
   * A stream, or a port that streams share (`name` is empty then), cannot be served at present; it
   * is tried again. With `error` null it is served after all.
   */
  | { type: "stream_service"; name: string; port: number; error: string | null }
  /** All that anybody is connected to, and those that have just become empty. */
  | { type: "streams"; states: StreamState[] };

export function isStreamReport(event: PlaneEvent): event is StreamReport {
  return event.type === "stream" || event.type === "streams" || event.type === "stream_service";
}

/** What is told of ports and of the plane itself. */
export type PortReport = Exclude<PlaneEvent, StreamReport>;

/**
 * Why a publisher or a viewer of a stream has gone.
 * - `left`: it ended the connection, or the network did.
 * - `replaced`: another publisher took over.
 * - `bitrate`: the publisher sent more than `bitrate_max`.
 * - `slow`: the viewer made no progress for too long.
 * - `removed`: the configuration no longer has the stream.
 * - `key_changed`: the key or the passphrase that it came with is no longer the stream's.
 * - `released`: relayx is stopping.
 * - `banned`: its address is, since it came.
 */
export type StreamEnd =
  | "left"
  | "replaced"
  | "bitrate"
  | "slow"
  | "removed"
  | "key_changed"
  | "released"
  | "banned";

/** A named stream as it is now; told once a second while anybody is there. */
export interface StreamState {
  name: string;
  publisher: { remote: string; user: string; since_unix_ms: number; leg: LegState } | null;
  viewers: {
    remote: string;
    user: string;
    since_unix_ms: number;
    skipped: number;
    leg: LegState;
    /** What holds the stream back on its way to this viewer. */
    bottleneck: Bottleneck;
  }[];
  bytes_in: number;
  bytes_out: number;
  /** Ends since the start, by reason. */
  dropped: Readonly<Record<string, number>>;
}

/** A stream in the answer of `GET /streams`; those nobody is at are listed as well. */
export interface StreamListing extends StreamState {
  viewers_max: number;
}

/** One SRT connection's line between two looks at it, a second apart. */
export interface LegState {
  mbps: number;
  rtt_ms: number;
  /** Percent of the packets of the interval. */
  loss_pct: number;
  retrans_pct: number;
  /** Packets that came too late to be played or sent, in the interval. */
  dropped: number;
  /** What waits in the sender's or the receiver's buffer, ms of stream. */
  buffered_ms: number;
  /** libsrt's estimate of the way's capacity, Mbit/s. */
  bandwidth_mbps: number;
}

/**
 * Why a port's session is over.
 * - `finished`: both directions ended in order.
 * - `aborted`: one end broke off; the other was told likewise.
 * - `idle`: both ends were silent for `gateway.session_idle_timeout`.
 * - `released`: the control side asked for it (expiry, shutdown, …).
 * - `plane_failed`: the worker that carried it died.
 */
export type CloseReason = "finished" | "aborted" | "idle" | "released" | "plane_failed";

/** What a plane reports. `port` and `session_id` always name the reservation it belongs to. */
export type PlaneEvent =
  | {
    type: "waiting";
    port: number;
    session_id: string;
    role: Role;
    id: string;
    remote: string;
  }
  | { type: "waiting_gone"; port: number; session_id: string; role: Role; remote: string }
  | { type: "paired"; port: number; session_id: string; role: Role; id: string; remote: string }
  | {
    type: "closed";
    port: number;
    session_id: string;
    reason: CloseReason;
    /** Which end caused it, where one did: the aborting side, or the first to finish. */
    by: Role | null;
    /** Bytes relayed from the client to the server, hello excluded. */
    bytes_up: number;
    /** Bytes relayed from the server to the client, hello excluded. */
    bytes_down: number;
  }
  | {
    type: "rejected";
    port: number;
    session_id: string;
    status: RejectStatus;
    /** One sentence with what was found and what is allowed. */
    detail: string;
    remote: string;
    /** The stream that was asked for, where it is one of ours and no session's port was. */
    name?: string;
  }
  /** Connections were turned away unheard; told at most once a second per port and reason. */
  | {
    type: "shed";
    port: number;
    /**
     * The key of the bound; `descriptors`: the process has no descriptor or memory for one more;
     * `banned`: they came from an address that is.
     */
    limit: AdmissionLimit | "descriptors" | "banned";
    count: number;
    remote: string;
  }
  | StreamReport
  /** The worker died. A `closed` with `plane_failed` for each of its ports came just before. */
  | { type: "failed"; error: string };

/** Running totals of one open port, read at any time; every number only ever grows per session. */
export interface PortCounters {
  bytes_up: number;
  bytes_down: number;
  /** Smoothed round trip towards the worse of both ends, milliseconds; 0 where unknown. */
  rtt_ms: number;
  /** Packets that should have been there, the base of the two percentages below. */
  packets_up: number;
  packets_down: number;
  /** Packets lost on the way to or from us and packets sent again, both legs together. */
  packets_lost: number;
  packets_retransmitted: number;
  /** What holds either direction back; "unknown" on planes that do not tell. */
  bottleneck_up: Bottleneck;
  bottleneck_down: Bottleneck;
}

/** Why a port could not be opened: the kernel's or libsrt's word for it. */
export class PortOpenError extends Error {
  override name = "PortOpenError";
  /** `EADDRINUSE` and the like, or libsrt's name. */
  readonly code: string;
  readonly port: number;
  constructor(port: number, code: string, message: string) {
    super(message);
    this.port = port;
    this.code = code;
  }
}

/** What a plane is at this moment; for the log, the metrics and the API. */
export interface PlaneSnapshot {
  kind: PlaneKind;
  workers: number;
  /** How many times a worker had to be replaced since the start. */
  workers_replaced: number;
  ports_open: number;
  /**
   * Of each worker: the longest turn of its loop in the last second, ms, in which it served nobody
   * else; null when it hangs or is being replaced.
   */
  loop_lag_ms: (number | null)[];
}

export interface Plane extends Probed {
  readonly kind: PlaneKind;
  /** Whether a session may wish for a passphrase of its own; known once the plane has started. */
  readonly encrypts_single_sessions?: boolean;
  /** Starts the workers; resolves when each has spoken. */
  start(): Promise<void>;
  /**
   * Opens the listener of a reservation and resolves when a hello would be answered.
   * Rejects with {@link PortOpenError} where the port cannot be bound.
   */
  open(reservation: Reservation): Promise<void>;
  /** What an end connects to for a port of the pool: itself, or one that many sessions share. */
  publicPort(port: number): number;
  /** Ends whatever is on the port, with a `closed` event when it is free. Unknown ports: nothing. */
  release(port: number): void;
  /** The totals of an open port, or null when nothing is open there. */
  counters(port: number): PortCounters | null;
  /**
   * The addresses and networks from which nobody may come, all of them and each as
   * `normalizeNetwork` writes it. Connections from there are closed as soon as they are accepted;
   * those that have not proven themselves yet, and those to named streams, are ended. Sessions go
   * on: ending them is the control side's own decision. Throws a RangeError on anything else.
   */
  setBans(networks: readonly string[]): void;
  snapshot(): PlaneSnapshot;
  /** Throws {@link ConfigError} where the plane cannot do what the configuration wants. */
  check(config: Config): void;
  /**
   * New rules for what comes from now on: connections, ports, named streams. Sessions that run are
   * not touched; of streams, those end that are gone or whose key is another one.
   */
  apply(config: Config): void;
  /**
   * Wakes every worker and resolves to true when each has turned since, to false when one has not
   * within the time. A worker that died and is replaced in that time has turned. Made for a watchdog:
   * a process is fed only while this says true. A plane that closes has nothing to turn and says true.
   */
  beat(within_ms: number): Promise<boolean>;
  /** Ends every port and every worker. */
  close(): Promise<void>;
}

/** Who hears a plane's events; set once, at construction. */
export type PlaneListener = (event: PlaneEvent) => void;
