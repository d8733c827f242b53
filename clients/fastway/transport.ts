/** The bytes between an endpoint and its gateway, whatever is between: a socket, or snet over many. */
import type { FastwayError } from "./errors.ts";

export interface TransportOwner {
  /** Bytes can go both ways from now on. */
  transportOpen(): void;
  /** Nobody writes into `bytes` any more. */
  transportBytes(bytes: Uint8Array): void;
  /** {@link Transport.waiting_bytes} has become less. */
  transportDrained(): void;
  /** snet: the connection is lost, and is looked for; and it is back. */
  transportAway(): void;
  transportBack(): void;
  /** It is over, for this reason; told once, and nothing after it. */
  transportOver(error: FastwayError): void;
}

export interface Transport {
  /** Written bytes that still take memory here. */
  readonly waiting_bytes: number;
  /** Bytes written since the start; counts on while snet is away. */
  readonly written_bytes: number;
  /** What may be written without an {@link acknowledge}, bytes. */
  readonly unacknowledged_max: number;
  start(owner: TransportOwner): void;
  /** The pieces are the transport's from here on: it may change them in place. */
  write(pieces: Uint8Array[]): void;
  /** The gateway has all that was written up to this number of bytes. */
  acknowledge(written_bytes: number): void;
  /** Stops reading, and goes on; a little may still come after `pause`. */
  pause(): void;
  resume(): void;
  /** The gateway is silent: the connection is not worth waiting for any longer. */
  suspect(error: FastwayError): void;
  /** Sends what is written, then ends; the owner is not told. Resolves when the socket is gone. */
  end(): Promise<void>;
  /** Ends it at once; the owner is not told. */
  destroy(): void;
}
