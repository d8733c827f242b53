/**
 * The fastway plane as the control side sees it: two listeners, endpoints that come and go, and
 * virtual connections between them that only the workers know one by one.
 */
import type { Config } from "../../config/schema.ts";
import type { Probed } from "../thread-probe.ts";
import type { WorkerTotals } from "./counters.ts";
import type { EndpointCounters, FastwayReport, FastwaySide } from "./protocol.ts";

/** What is heard of the plane. `failed`: a worker has died; its endpoints' ends came just before. */
export type FastwayEvent =
  | Exclude<FastwayReport, { type: "listening" | "listen_failed" }>
  | { type: "failed"; error: string };

export type FastwayListener = (event: FastwayEvent) => void;

/** Where the plane listens; what was port 0 has become the one that the kernel gave. */
export type FastwayPorts = Readonly<Record<FastwaySide, number>>;

/** A listener could not be opened. */
export class FastwayListenError extends Error {
  override name = "FastwayListenError";
  readonly side: FastwaySide;
  readonly code: string;
  constructor(side: FastwaySide, code: string, message: string) {
    super(message);
    this.side = side;
    this.code = code;
  }
}

export interface FastwaySnapshot {
  workers: number;
  workers_replaced: number;
  /** See `PlaneSnapshot`. */
  loop_lag_ms: (number | null)[];
}

export interface FastwayPlane extends Probed {
  /** Resolves when both sides can connect; rejects with a {@link FastwayListenError}. */
  start(): Promise<FastwayPorts>;
  /** Has the workers take connections from the Unix sockets as well; see `FastwayListen`. */
  openDoor(side: FastwaySide, path: string): Promise<void>;
  setServing(is_serving: boolean): void;
  admit(endpoint: number): void;
  /** Endpoints that are gone already: nothing. `reason` comes back in the end's `detail`. */
  end(endpoint: number, reason: string): void;
  closeVirtual(): void;
  /** Null where the endpoint is gone. */
  counters(endpoint: number): EndpointCounters | null;
  /** Of all workers together; those that have died are counted as far as they came. */
  totals(): WorkerTotals;
  setBans(networks: readonly string[]): void;
  apply(config: Config): void;
  snapshot(): FastwaySnapshot;
  /** See `Plane.beat`. */
  beat(within_ms: number): Promise<boolean>;
  close(): Promise<void>;
}
