/**
 * A back end of relay_X v1 that echoes: it keeps a watermark of ports ready in each range, by
 * connecting to empty ones as `port_state` names them, and sends back what front ends send. When the
 * control connection is lost it registers again, and its data connections go on meanwhile.
 */
import { clearTimeout, setTimeout } from "node:timers";
import type { Log } from "../../observe/log.ts";
import { type PortState, V1Control, type V1ControlError } from "./control.ts";
import { EchoConnection } from "./echo-connection.ts";

const RECONNECT_MS = 500;
/** A port that turned us away is left alone for so long: another back end may have it. */
const AVOID_MS = 1000;

export type Label = "zmq" | "srt";

export interface Rlx1BackEndOptions {
  host: string;
  port: number;
  client_id: string;
  secret: string;
  /** How many ports of each range are to be ready. */
  ready: Record<Label, number>;
  log: Log;
}

export class Rlx1BackEnd {
  readonly #options: Rlx1BackEndOptions;
  readonly #connections = new Map<number, EchoConnection>();
  readonly #avoided = new Map<number, number>();
  /** By connections that are over. */
  #echoed_bytes = 0;
  #control: V1Control | null = null;
  #state: PortState | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #is_closed = false;

  constructor(options: Rlx1BackEndOptions) {
    this.#options = options;
  }

  /** Resolves when registered; rejects where the first attempt fails. */
  async start(): Promise<void> {
    await this.#register();
  }

  close(): void {
    this.#is_closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#control?.close();
    for (const connection of this.#connections.values()) connection.close();
  }

  snapshot(): { waiting: Record<Label, number>; connections: number; echoed_bytes: number } {
    let bytes = this.#echoed_bytes;
    for (const connection of this.#connections.values()) bytes += connection.bytes;
    return {
      waiting: { zmq: this.#waiting("zmq"), srt: this.#waiting("srt") },
      connections: this.#connections.size,
      echoed_bytes: bytes,
    };
  }

  async #register(): Promise<void> {
    const { host, port, client_id, secret, log } = this.#options;
    const control = this.#control = new V1Control({
      host,
      port,
      role: "BE",
      client_id,
      secret,
      onState: (state) => {
        this.#state = state;
        this.#fill();
      },
      onLost: (error) => {
        log.warn({ status: "disconnected", error: error.message }, "the gateway is gone");
        this.#state = null;
        this.#again();
      },
    });
    await control.start();
    log.info({ status: "registered", id: client_id }, "registered as a back end");
    // The gateway's own ranges win; what counts is that somebody wants the ports.
    control.send("port_alloc", {
      zmq_start_port: 1,
      zmq_end_port: 65_535,
      srt_start_port: 1,
      srt_end_port: 65_535,
    });
  }

  #again(): void {
    if (this.#is_closed) return;
    this.#timer = setTimeout(() => {
      this.#register().catch((error: V1ControlError) => {
        if (this.#is_closed) return;
        const fields = { status: "control_error", code: error.code, error: error.message };
        this.#options.log.warn(fields, "the gateway cannot be had; it is tried again");
        this.#again();
      });
    }, RECONNECT_MS);
  }

  /** Of our connections: those whose port the gateway calls ready, and those on their way. */
  #waiting(label: Label): number {
    const ready = new Set(this.#state?.[`${label}_ready_ports`]);
    let count = 0;
    for (const [port, connection] of this.#connections) {
      if (connection.label === label && (connection.isArriving || ready.has(port))) count++;
    }
    return count;
  }

  #fill(): void {
    const state = this.#state;
    if (state === null || this.#is_closed) return;
    const now = performance.now();
    for (const [port, until] of this.#avoided) if (until <= now) this.#avoided.delete(port);
    for (const port of [...state.zmq_ready_ports, ...state.srt_ready_ports]) {
      this.#connections.get(port)?.arrived();
    }
    for (const label of ["zmq", "srt"] as const) {
      const empty = state[`${label}_empty_ports`]
        .filter((port) => !this.#connections.has(port) && !this.#avoided.has(port));
      // Several back ends that began with the lowest would all run for the same ones.
      shuffle(empty);
      const missing = this.#options.ready[label] - this.#waiting(label);
      for (const port of empty.slice(0, Math.max(0, missing))) this.#wait(label, port);
    }
  }

  #wait(label: Label, port: number): void {
    const { host, client_id, log } = this.#options;
    const connection = new EchoConnection({
      host,
      port,
      label,
      client_id,
      onGone: (bytes, error) => {
        this.#connections.delete(port);
        this.#echoed_bytes += bytes;
        this.#avoided.set(port, performance.now() + AVOID_MS);
        log.debug({ status: "waiting_gone", port, bytes, error }, "a data connection is over");
        if (this.#is_closed) return;
        setTimeout(() => this.#fill(), AVOID_MS + 1).unref();
      },
    });
    this.#connections.set(port, connection);
    connection.start();
  }
}

function shuffle(list: number[]): void {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [list[i], list[j]] = [list[j], list[i]];
  }
}
