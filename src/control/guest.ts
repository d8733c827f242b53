/**
 * Another protocol on the control port. The first message of a connection says whose it is: V4's, or
 * that of a guest, which it then belongs to until it ends. Getting in, framing, bounds of size and
 * time, bans, TLS and queues are the same for all; what is said and who hears it is each one's own, so
 * that no broadcast of one ever reaches the peers of another.
 */
import type { ControlConnection } from "./connection.ts";
import type { Envelope } from "./messages.ts";

/** A message as it came: its bytes are there for what JSON's numbers cannot hold. */
export interface Frame {
  readonly object: object;
  readonly bytes: Uint8Array;
}

export interface Guest {
  /** Whether the first message of a connection is one of its. */
  greets(first: Envelope): boolean;
  /** Takes every message from the first one on. */
  onMessage(connection: ControlConnection, message: Envelope, frame: Frame): void;
  /** The connection is over, or its peer does not take part any longer: once. */
  onGone(connection: ControlConnection, reason: string): void;
  /** Who the peer is, for the log. */
  describe(connection: ControlConnection): Record<string, unknown>;
}

/** What a guest may do with a connection that is its own. */
export interface GuestHost {
  /** The peer has registered: it counts as a stranger no longer and has no deadline. */
  prove(connection: ControlConnection): void;
  /** Ends our side after what is queued; `onGone` is called before this returns. */
  end(connection: ControlConnection, reason: string): void;
  /** Whether it still waits for its answer. */
  isWaiting(connection: ControlConnection): boolean;
}
