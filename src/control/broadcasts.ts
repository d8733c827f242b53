/**
 * What every registered connection is told unasked: `telemetry` each second and, each other second,
 * `status` and `port_state` before it. A message is serialised once and the same bytes go to all.
 */
import type { Buffer } from "node:buffer";
import { clearInterval, setInterval } from "node:timers";
import type { PortPool } from "../sessions/port-pool.ts";
import type { PerPlane } from "../sessions/session-table.ts";
import { encode } from "./messages.ts";
import type { Topic } from "./outgoing.ts";
import { portState, type ServerStatusReport } from "./status.ts";
import type { Telemetry } from "./telemetry.ts";

/** The interval of `telemetry`. */
const TICK_MS = 1000;
/** `status` and `port_state` go out with each such tick: every 2 s. */
const TICKS_PER_STATUS = 2;

/** Who hears a broadcast. */
export interface Audience {
  readonly size: number;
  broadcast(topic: Topic, message: Buffer, now: number): void;
}

export class Broadcasts {
  readonly #audience: Audience;
  readonly #pools: PerPlane<PortPool>;
  readonly #status: ServerStatusReport;
  readonly #telemetry: Telemetry;
  readonly #tick_ms: number;
  #ticks = 0;
  #last_unix_ms = 0;
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(
    options: {
      audience: Audience;
      pools: PerPlane<PortPool>;
      status: ServerStatusReport;
      telemetry: Telemetry;
      tick_ms?: number;
    },
  ) {
    this.#audience = options.audience;
    this.#pools = options.pools;
    this.#status = options.status;
    this.#telemetry = options.telemetry;
    this.#tick_ms = options.tick_ms ?? TICK_MS;
  }

  /** When the last broadcast went out, Unix milliseconds; 0 before the first. */
  get lastUnixMs(): number {
    return this.#last_unix_ms;
  }

  start(): void {
    this.#timer = setInterval(() => this.#tick(), this.#tick_ms);
    this.#timer.unref();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #tick(): void {
    const now = performance.now();
    const heard = this.#audience.size > 0;
    if (++this.#ticks % TICKS_PER_STATUS === 0) {
      const status = this.#status.read();
      if (heard) {
        this.#audience.broadcast("status", encode("status", status), now);
        const ports = encode("port_state", portState(this.#pools));
        this.#audience.broadcast("port_state", ports, now);
      }
    }
    // Read even when nobody listens: the next listener must not get an average over that time.
    const telemetry = this.#telemetry.read(now);
    if (heard) this.#audience.broadcast("telemetry", telemetry, now);
    this.#last_unix_ms = Date.now();
  }
}
