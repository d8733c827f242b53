/**
 * What an accepted connection goes through before it is an endpoint, one stage after the other:
 *
 *   accepted → of a proxy: its PROXY header → with snet: its handshake
 *            → a server: its proof; a client, where one is asked for: its token → endpoint
 *
 * A stage is entered with the arrival, makes itself the owner of its stream, reads exactly what is its
 * own and calls the next one. It may put another stream over the one that it found.
 */
import type { FastwayRefusal, FastwaySide, FastwayTransport, ShedLimit } from "./protocol.ts";
import type { SocketStream, Stream } from "./stream.ts";

/** A connection that is no endpoint yet. It counts as unproven until it is handed over. */
export interface Arrival {
  readonly side: FastwaySide;
  /** What was accepted; it is the stream until a stage puts another one over it. */
  readonly socket: SocketStream;
  /** What the next stage reads and writes. */
  stream: Stream;
  /** `host:port`, and the host alone. */
  remote: string;
  address: string;
  transport: FastwayTransport;
  /** Refused, or handed over; whatever is still told of its stream is nothing to a stage then. */
  readonly is_over: boolean;
  /** From now on the stage has so much time; an arrival that is not over by then is refused so. */
  allow(ms: number, status: FastwayRefusal, detail: string): void;
  /** Closes the stream and tells why. */
  refuse(status: FastwayRefusal, detail: string): void;
  /** Closes the stream because of a bound, which is told at most once a second. */
  shed(limit: ShedLimit): void;
  /** It is no arrival any more: it counts nowhere and has no deadline; its stream is somebody else's. */
  handOver(): void;
}

export interface Stage {
  enter(arrival: Arrival): void;
}

/** Where a stage sends the arrivals that have passed. */
export type NextStage = (arrival: Arrival) => void;
