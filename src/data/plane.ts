/**
 * A data plane as the control side sees it: it opens a port for a session, reports what happens
 * there, and closes it. How bytes move is the plane's own business, in a worker of its own; the two
 * meet at commands, events and one shared table of counters, and at nothing else.
 *
 * The life of a port, as events:
 * `open()` → [`waiting` → (`waiting_gone` →)]… `paired` → `closed`, with any number of `rejected`
 * in between. Exactly one `closed` follows every `open()` that resolved, whatever ends it.
 */

import type { AdmissionLimit } from "./admission.ts";

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
  | "client_dup";

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
  }
  /** Connections were turned away at a bound; told at most once a second per port. */
  | {
    type: "shed";
    port: number;
    /** The key of the bound; `descriptors`: the process has no descriptor or memory for one more. */
    limit: AdmissionLimit | "descriptors";
    count: number;
    remote: string;
  }
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
}

export interface Plane {
  readonly kind: PlaneKind;
  /** Starts the workers; resolves when each has spoken. */
  start(): Promise<void>;
  /**
   * Opens the listener of a reservation and resolves when a hello would be answered.
   * Rejects with {@link PortOpenError} where the port cannot be bound.
   */
  open(reservation: { port: number; session_id: string }): Promise<void>;
  /** Ends whatever is on the port, with a `closed` event when it is free. Unknown ports: nothing. */
  release(port: number): void;
  /** The totals of an open port, or null when nothing is open there. */
  counters(port: number): PortCounters | null;
  snapshot(): PlaneSnapshot;
  /** Ends every port and every worker. */
  close(): Promise<void>;
}

/** Who hears a plane's events; set once, at construction. */
export type PlaneListener = (event: PlaneEvent) => void;
