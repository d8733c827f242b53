/**
 * Ports that could not be bound: somebody else on this machine has them. Each is tried again in the
 * background by really opening and releasing it, and is idle only once that has worked; handing it
 * out on suspicion would make every pairing pay for a failing attempt. A session id nobody knows
 * stands in for the reservation while a port is tried, so no connection can get in.
 */
import { randomBytes } from "node:crypto";
import { clearInterval, setInterval } from "node:timers";
import type { Log } from "../observe/log.ts";
import type { Plane, PlaneKind, PortOpenError, PortReport } from "../data/plane.ts";
import type { PortPool } from "./port-pool.ts";
import type { PerPlane } from "./session-table.ts";

/** How often blocked ports are tried again. */
const RETRY_MS = 5000;
/** At most so many per plane and turn; the next turn goes on where this one stopped. */
const TRIES_PER_TURN_MAX = 32;

export class BlockedPorts {
  readonly #planes: PerPlane<Plane>;
  readonly #pools: PerPlane<PortPool>;
  readonly #log: Log;
  readonly #retry_ms: number;
  readonly #onRoom: () => void;
  /** Ports being tried → the session id that stands in. */
  readonly #tried: PerPlane<Map<number, string>> = { zmq: new Map(), srt: new Map() };
  readonly #next_port = { zmq: 0, srt: 0 };
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(
    options: {
      planes: PerPlane<Plane>;
      pools: PerPlane<PortPool>;
      log: Log;
      /** Called when a port is idle again. */
      onRoom: () => void;
      retry_ms?: number;
    },
  ) {
    this.#planes = options.planes;
    this.#pools = options.pools;
    this.#log = options.log;
    this.#onRoom = options.onRoom;
    this.#retry_ms = options.retry_ms ?? RETRY_MS;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#retry("zmq");
      this.#retry("srt");
    }, this.#retry_ms);
    this.#timer.unref();
  }

  /** A port has just turned out to be taken. */
  onBlocked(kind: PlaneKind, error: PortOpenError): void {
    this.#log.warn(
      { status: "port_blocked", kind, port: error.port, code: error.code, error: error.message },
      "the port cannot be bound; it is tried again in the background",
    );
  }

  /** True when the event belongs to a port that is only being tried. */
  onPlaneEvent(kind: PlaneKind, event: PortReport): boolean {
    if (event.type === "failed") return false;
    const stand_in = this.#tried[kind].get(event.port);
    if (stand_in === undefined) return false;
    if (event.type === "shed") return true;
    if (event.session_id !== stand_in) return false;
    if (event.type !== "closed") return true;
    this.#tried[kind].delete(event.port);
    // A worker that died proves nothing about the port: the next turn tries it again.
    if (event.reason === "plane_failed") return true;
    // The range may have become smaller meanwhile.
    if (this.#pools[kind].has(event.port)) this.#pools[kind].free(event.port);
    this.#log.info(
      { status: "port_unblocked", kind, port: event.port },
      "the port can be bound again",
    );
    this.#onRoom();
    return true;
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #retry(kind: PlaneKind): void {
    const pool = this.#pools[kind];
    if (pool.counts().blocked === 0) return;
    for (const port of pool.blocked(TRIES_PER_TURN_MAX, this.#next_port[kind])) {
      this.#next_port[kind] = port + 1;
      if (!this.#tried[kind].has(port)) this.#try(kind, port);
    }
  }

  #try(kind: PlaneKind, port: number): void {
    const session_id = randomBytes(8).toString("hex");
    this.#tried[kind].set(port, session_id);
    this.#planes[kind].open({ port, session_id }).then(
      () => this.#planes[kind].release(port),
      (error: unknown) => {
        this.#tried[kind].delete(port);
        this.#log.debug({ kind, port, error: String(error) }, "the port still cannot be bound");
      },
    );
  }
}
