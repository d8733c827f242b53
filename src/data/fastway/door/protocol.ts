/**
 * What the control side and the door say to each other. The door is a thread with an ordinary event
 * loop that speaks TLS in front of the plane's workers, which do not; see `tls-doorway.ts`.
 */
import type { TlsRules } from "../../../config/tls-files.ts";
import type { ListenAddress } from "../../../config/fastway-section.ts";
import type { ProxyRules } from "../../address-rules.ts";
import type { AdmissionLimit, AdmissionOptions } from "../../admission.ts";
import type { FastwaySide } from "../protocol.ts";

/** All rules of the door; each set of them replaces the one before, for connections from then on. */
export interface DoorRules extends ProxyRules, AdmissionOptions {
  /** Null: nobody gets through. */
  tls: TlsRules | null;
  /** From accept until a worker has the connection, a PROXY header and the handshake included. */
  handshake_timeout_ms: number;
}

/** To the door. */
export type DoorOrder =
  | { type: "rules"; rules: DoorRules }
  /** What has changed since the last one. */
  | { type: "bans"; added: readonly string[]; removed: readonly string[] }
  /** Takes connections there and hands them to the worker that listens on the Unix socket. */
  | { type: "listen"; side: FastwaySide; at: ListenAddress; path: string }
  /** To be answered by `pong`. */
  | { type: "ping" }
  /** Cuts everything and ends. */
  | { type: "stop" };

/** Why a connection was not handed on; the log's `status`. */
export type DoorRefusal =
  /** What came is no handshake, or one that failed. */
  | "tls_failed"
  /** The client's certificate is not what it must be. */
  | "tls_refused"
  | "proxy_error"
  /** The worker behind the door did not take it. */
  | "door_error";

/** From the door, as lists. `up` comes first: a message sent to it before that may be lost on Bun. */
export type DoorReport =
  | { type: "up" }
  | { type: "listening"; side: FastwaySide; port: number }
  | { type: "listen_failed"; side: FastwaySide; code: string; message: string }
  | {
    type: "refused";
    side: FastwaySide;
    status: DoorRefusal;
    detail: string;
    /** `host:port`. */
    remote: string;
    address: string;
    /** The address of the proxy it came through; null: it came itself. */
    proxy: string | null;
  }
  /** Turned away at once, at a bound or a ban; `address` may be that of a proxy. */
  | { type: "shed"; side: FastwaySide; limit: AdmissionLimit | "banned"; address: string }
  /** Accepting failed, for instance because there is no descriptor left; the listener goes on. */
  | { type: "accept_failed"; side: FastwaySide; error: string }
  | { type: "pong" }
  /** The last word, after `stop`. */
  | { type: "down" };

/** What the door counts in shared memory, for whoever looks. */
export interface DoorFigures {
  /** Connections that are on their way in, and those that are through and open. */
  entering: number;
  open: number;
  /** Since the start: connections that got through, and those that did not. */
  passed_total: number;
  refused_total: number;
  shed_total: number;
}

const FIGURES: readonly (keyof DoorFigures)[] = [
  "entering",
  "open",
  "passed_total",
  "refused_total",
  "shed_total",
];

export function newDoorFigures(): Float64Array {
  return new Float64Array(new SharedArrayBuffer(FIGURES.length * 8));
}

export function writeDoorFigures(table: Float64Array, figures: Readonly<DoorFigures>): void {
  for (let i = 0; i < FIGURES.length; i++) table[i] = figures[FIGURES[i]];
}

export function readDoorFigures(table: Float64Array): DoorFigures {
  return Object.fromEntries(FIGURES.map((name, i) => [name, table[i]])) as unknown as DoorFigures;
}
