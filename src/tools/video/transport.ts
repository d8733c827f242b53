/**
 * One data connection of a tool as its user sees it, whether TCP or SRT is underneath: bytes in
 * order both ways, with back-pressure both ways. It is handed out connected, its hello sent.
 */
import type { PlaneKind } from "../../data/plane.ts";

/** Why a connection broke; orderly ends have no error. */
export class TransportError extends Error {
  override name = "TransportError";
  /** `ECONNREFUSED` and the like, or libsrt's name. */
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** What the transport itself knows about its line; SRT only. */
export interface LineStats {
  /** Packets that were missing on the way here, and on the way there as the peer reported them. */
  loss_packets: number;
  /** Packets sent again. */
  retransmitted_packets: number;
  /** Packets given up, because they were too late or did not fit: bytes that are gone for good. */
  dropped_packets: number;
  rtt_ms: number;
}

export interface TransportListener {
  /** Connected, the hello sent; before anything else. */
  onOpen(transport: Transport): void;
  /** The bytes belong to the listener. */
  onBytes(bytes: Uint8Array): void;
  /** There is room again after a `write` that returned false. */
  onDrain(): void;
  /** The other end has finished sending; our direction is still open. */
  onEnd(): void;
  /** The connection is over; called exactly once, and nothing comes after it. */
  onClose(error: TransportError | null): void;
}

export interface Transport {
  readonly kind: PlaneKind;
  /** Takes the bytes in any case; false asks to stop until `onDrain`. */
  write(bytes: Uint8Array): boolean;
  /** Stops reading, so that the other end feels it. */
  pause(): void;
  resume(): void;
  /** Sends what was written and then ends our direction. */
  finish(): void;
  /** Ends both directions at once; what was not sent is gone. */
  abort(): void;
  /** The line's own figures, or null where the transport has none. */
  line(): LineStats | null;
}

/** Where to connect and how to introduce oneself. */
export interface DialOptions {
  host: string;
  port: number;
  /** The hello line, with its newline. */
  hello: string;
  listener: TransportListener;
}
