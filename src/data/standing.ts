/**
 * Standing ports as the control side sees them. A port of a session is opened for one pairing and
 * gone after it; a standing port listens all the time. A back end (BE) connects and waits there, front
 * ends (FE) come one after another and are paired with it, and it stays until it leaves itself.
 *
 *   empty ─ a BE says hello ─► ready ─ an FE says hello ─► busy ─ the FE is gone ─► ready
 *     ▲                          │ the BE leaves             │ the BE leaves
 *     └──────────────────────────┴───────────────────────────┘
 *
 * Every step is told as `standing`. Exactly one `standing_closed` follows every `openStanding()` that
 * has resolved, whatever ends it.
 */
import type { Config } from "../config/schema.ts";
import type { ByteRate, PlaneEvent, PlaneKind, PlaneSnapshot, RejectStatus } from "./plane.ts";
import type { Probed } from "./thread-probe.ts";

/** Who an end of a standing port is, in the words of its hello. */
export type StandingRole = "FE" | "BE";

export type StandingState = "empty" | "ready" | "busy";

/** A connection whose hello has been taken. */
export interface StandingEnd {
  /** What its hello calls itself; empty where it gave no `client_id`. */
  readonly id: string;
  readonly remote: string;
}

export interface StandingSettings {
  /** Which of the two ranges the port is of: a label, as both are plain TCP. */
  readonly label: PlaneKind;
  /** What relayx may hold at most in each direction, bytes; at least 512 KiB. */
  readonly ring_bytes_max: number;
  /** Bounds on what the port's sessions carry; see {@link ByteRate}. */
  readonly rates?: readonly ByteRate[];
}

/**
 * Why a session on a standing port is over. Whether the BE has stayed is in the `standing` behind it.
 * - `finished`: the FE or the BE ended in order, and what was on its way has been delivered.
 * - `aborted`: one end broke off.
 * - `idle`: nothing passed between the ends for `gateway.session_idle_timeout`; a BE that has taken
 *   all that was sent to it stays.
 * - `released`: the control side ended it, with a word of its own in `detail`.
 * - `plane_failed`: the worker that carried it died.
 */
export type StandingOver = "finished" | "aborted" | "idle" | "released" | "plane_failed";

export type StandingEvent =
  | {
    type: "standing";
    port: number;
    state: StandingState;
    be: StandingEnd | null;
    fe: StandingEnd | null;
  }
  | {
    type: "standing_over";
    port: number;
    reason: StandingOver;
    by: StandingRole | null;
    be: StandingEnd | null;
    fe: StandingEnd | null;
    /** From the FE to the BE and back, hellos excluded, in this session. */
    bytes_up: number;
    bytes_down: number;
    /** What {@link StandingPlane.stopSession} was told; empty otherwise. */
    detail: string;
  }
  /** The port listens no longer; whatever was on it has been reported before. */
  | { type: "standing_closed"; port: number; reason: "released" | "plane_failed" }
  | {
    type: "rejected";
    port: number;
    /** `no_server`: an FE came while no BE waited. */
    status: RejectStatus | "no_server";
    detail: string;
    remote: string;
  }
  | Extract<PlaneEvent, { type: "shed" | "failed" }>;

/** Who hears a standing plane's events; set once, at construction. */
export type StandingListener = (event: StandingEvent) => void;

/** Running totals of one port since it was opened; they grow over all of its sessions. */
export interface StandingCounters {
  bytes_up: number;
  bytes_down: number;
}

export interface StandingPlane extends Probed {
  start(): Promise<void>;
  /** Resolves when a hello would be answered; rejects with a `PortOpenError`. */
  openStanding(port: number, settings: StandingSettings): Promise<void>;
  /** Ends whatever is on the port and stops listening. Ports that are not open: nothing. */
  closeStanding(port: number): void;
  /** Ends the session on the port, both of its connections, if there is one. */
  stopSession(port: number, reason: string): void;
  /** Closes the connection of a BE that waits on the port, if there is one. */
  dropWaiting(port: number): void;
  /** Null where the port is not open. */
  counters(port: number): StandingCounters | null;
  setBans(networks: readonly string[]): void;
  /** New rules for what comes from now on; what runs is not touched. */
  apply(config: Config): void;
  snapshot(): PlaneSnapshot;
  /** See `Plane.beat`. */
  beat(within_ms: number): Promise<boolean>;
  close(): Promise<void>;
}
