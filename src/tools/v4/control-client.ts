/**
 * One control connection of a V4 client: registers, asks for pairs, and hears what the gateway
 * sends. It lives once; {@link ControlLink} makes a new one when it breaks.
 */
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Role } from "../../data/plane.ts";
import { connectionOptions, type GatewayTls, isAboutTls } from "../tls.ts";
import { LineSplitter } from "./line-splitter.ts";
import {
  envelopeSchema,
  type Grant,
  grantSchema,
  type PortState,
  portStateSchema,
  refusalSchema,
  registerAckSchema,
} from "./messages.ts";

/**
 * The longest message taken from a gateway. A telemetry array is the largest there is: some 250
 * bytes a session, so this is room for 60,000 sessions.
 */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/** How long a gateway may take to accept the connection and to answer the registration. */
const REGISTER_TIMEOUT_MS = 10_000;

/** Why there is no registration, no grant, or no connection any more. */
export class ControlError extends Error {
  override name = "ControlError";
  /**
   * `CONTROL_UNREACHABLE`, `CONTROL_TLS`, `CONTROL_LOST`, `CONTROL_TIMEOUT`, `CONTROL_PROTOCOL` — our
   * end's view — or the gateway's refusals `REGISTER_REFUSED` and `PAIR_REFUSED`.
   */
  readonly code: string;
  /** The gateway's number in a refusal (501–505), else 0. */
  readonly refusal: number;
  constructor(code: string, message: string, refusal = 0) {
    super(message);
    this.code = code;
    this.refusal = refusal;
  }
}

export interface ControlListener {
  /** A grant that nobody here asked for: the server's copy. */
  onGrant?(grant: Grant): void;
  onPortState?(state: PortState): void;
  /** An `error` message; the connection stays unless the gateway closes it. */
  onRefusal?(code: number, text: string): void;
  /** The connection is over after it was registered; called once. */
  onClose?(error: ControlError): void;
}

export interface ControlClientOptions {
  host: string;
  port: number;
  /** Absent: no TLS. */
  tls?: GatewayTls;
  role: Role;
  id: string;
  token: string;
  /** How many sessions a server takes at once. */
  max_conn?: number;
  listener: ControlListener;
}

export interface PairRequest {
  server_id?: string;
  need_zmq: boolean;
  need_srt: boolean;
  /** Both ends are to prove themselves by what only their own grant has. */
  hello_proof?: boolean;
  /** How long to wait for the gateway's answer, milliseconds. */
  timeout_ms: number;
}

interface Asked {
  resolve(grant: Grant): void;
  reject(error: ControlError): void;
  timer: ReturnType<typeof setTimeout>;
}

export class ControlClient {
  readonly #options: ControlClientOptions;
  readonly #splitter = new LineSplitter({ line_bytes_max: MESSAGE_BYTES_MAX });
  readonly #asked = new Map<string, Asked>();
  #socket: Socket | null = null;
  #registering: { resolve(): void; reject(error: ControlError): void } | null = null;
  #registered = false;
  #over = false;
  #asks = 0;

  constructor(options: ControlClientOptions) {
    this.#options = options;
  }

  /** Connects and registers; rejects with {@link ControlError}. */
  start(): Promise<void> {
    const { host, port, tls, role, id, token, max_conn } = this.#options;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#end(
          new ControlError(
            "CONTROL_TIMEOUT",
            `the gateway at ${host}:${port} did not answer the registration within ` +
              `${REGISTER_TIMEOUT_MS} ms`,
          ),
        );
      }, REGISTER_TIMEOUT_MS);
      this.#registering = {
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      const socket = this.#dial();
      this.#socket = socket;
      socket.setNoDelay(true);
      socket.on(tls === undefined ? "connect" : "secureConnect", () => {
        this.#send({ type: "register", payload: { role, id, token, max_conn } });
      });
      socket.on("data", (chunk: Buffer) => this.#read(chunk));
      socket.on("error", (error: Error & { code?: string }) => {
        const reason = error.code ?? error.message;
        if (tls !== undefined && isAboutTls(reason)) {
          const message = `TLS with the gateway at ${host}:${port} failed: ${reason}`;
          this.#end(new ControlError("CONTROL_TLS", message));
          return;
        }
        this.#end(
          this.#registered
            ? new ControlError("CONTROL_LOST", `the connection to ${host}:${port} broke: ${reason}`)
            : new ControlError(
              "CONTROL_UNREACHABLE",
              `cannot reach the gateway at ${host}:${port}: ${reason}`,
            ),
        );
      });
      socket.on("close", () => {
        this.#end(new ControlError("CONTROL_LOST", `${host}:${port} closed the connection`));
      });
    });
  }

  /** Asks for a session; rejects with {@link ControlError} when the gateway refuses it. */
  pair(request: PairRequest): Promise<Grant> {
    return new Promise((resolve, reject) => {
      if (!this.#registered || this.#over) {
        reject(new ControlError("CONTROL_LOST", "there is no control connection"));
        return;
      }
      this.#asks += 1;
      const request_id = `${this.#options.id}-${this.#asks}`;
      const timer = setTimeout(() => {
        this.#asked.delete(request_id);
        reject(
          new ControlError(
            "CONTROL_TIMEOUT",
            `no grant within ${request.timeout_ms} ms; is a server registered that has capacity?`,
          ),
        );
      }, request.timeout_ms);
      this.#asked.set(request_id, { resolve, reject, timer });
      const { server_id, need_zmq, need_srt } = request;
      const qos = request.hello_proof ? { hello_proof: true } : undefined;
      this.#send({
        type: "pair_request",
        payload: { request_id, server_id, need_zmq, need_srt, qos },
      });
    });
  }

  close(): void {
    this.#end(new ControlError("CONTROL_LOST", "closed by this end"));
  }

  #dial(): Socket {
    const { host, port, tls } = this.#options;
    if (tls === undefined) return connect({ host, port });
    return connectTls({ ...connectionOptions(host, tls), port });
  }

  #send(message: unknown): void {
    this.#socket?.write(JSON.stringify(message) + "\n");
  }

  #read(chunk: Buffer): void {
    try {
      this.#splitter.push(chunk, (line) => this.#message(line));
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error);
      this.#end(new ControlError("CONTROL_PROTOCOL", `the gateway sent something else: ${what}`));
    }
  }

  #message(line: string): void {
    if (this.#over) return;
    const { listener } = this.#options;
    const { type, payload } = envelopeSchema.parse(JSON.parse(line));
    switch (type) {
      case "register_ack": {
        const ack = registerAckSchema.parse(payload);
        const waiting = this.#registering;
        if (waiting === null) return;
        if (ack.status !== "ok") {
          const text = ack.error ?? "without a reason";
          this.#end(
            new ControlError(
              "REGISTER_REFUSED",
              `the gateway refused the registration: ${text}`,
              ack.code,
            ),
          );
          return;
        }
        this.#registering = null;
        this.#registered = true;
        waiting.resolve();
        return;
      }
      case "pair_grant": {
        const grant = grantSchema.parse(payload);
        const asked = this.#take(grant.request_id);
        if (asked !== undefined) asked.resolve(grant);
        else listener.onGrant?.(grant);
        return;
      }
      case "pair_error": {
        const refusal = refusalSchema.parse(payload);
        const asked = this.#take(refusal.request_id ?? this.#onlyRequest());
        asked?.reject(
          new ControlError(
            "PAIR_REFUSED",
            `the gateway refused the pair: ${refusal.code} ${refusal.error}`,
            refusal.code,
          ),
        );
        return;
      }
      case "port_state":
        listener.onPortState?.(portStateSchema.parse(payload));
        return;
      case "error": {
        const refusal = refusalSchema.parse(payload);
        listener.onRefusal?.(refusal.code, refusal.error);
        return;
      }
    }
  }

  /** Older gateways do not name the request they refuse; then it is the only one there is. */
  #onlyRequest(): string | undefined {
    return this.#asked.size === 1 ? this.#asked.keys().next().value : undefined;
  }

  #take(request_id: string | undefined): Asked | undefined {
    if (request_id === undefined) return undefined;
    const asked = this.#asked.get(request_id);
    if (asked !== undefined) {
      this.#asked.delete(request_id);
      clearTimeout(asked.timer);
    }
    return asked;
  }

  #end(error: ControlError): void {
    if (this.#over) return;
    this.#over = true;
    this.#socket?.destroy();
    for (const asked of this.#asked.values()) {
      clearTimeout(asked.timer);
      asked.reject(error);
    }
    this.#asked.clear();
    const registering = this.#registering;
    this.#registering = null;
    if (registering !== null) registering.reject(error);
    else if (this.#registered) this.#options.listener.onClose?.(error);
  }
}
