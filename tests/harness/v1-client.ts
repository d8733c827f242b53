/**
 * A control client of relay_X v1: one TCP connection, JSON objects out, one object and a newline in.
 * It knows the wire and nothing of the gateway. Lines are kept as they came, because numbers beyond
 * 2^53 are only right there.
 */
import { Buffer } from "node:buffer";
import net from "node:net";
import { deferred, patience_ms, within } from "./deadline.ts";
import { Inbox } from "./inbox.ts";

export interface V1Message {
  type: string;
  // deno-lint-ignore no-explicit-any -- tests look into payloads of every shape
  payload: any;
  msg_id?: string;
  ts_ms?: number;
  trace_id?: string;
  sign?: string;
  kid?: string;
  /** The line that it was. */
  line: string;
}

export interface V1PortState {
  zmq_total: number;
  srt_total: number;
  zmq_busy: number;
  srt_busy: number;
  zmq_ready_ports: number[];
  srt_ready_ports: number[];
  zmq_empty_ports: number[];
  srt_empty_ports: number[];
}

export class V1Client {
  /** All that has come but telemetry and port_state, until somebody takes it. */
  readonly inbox = new Inbox<V1Message>();
  /** Broadcasts that come again and again. */
  readonly air = new Inbox<V1Message>({ items_max: 1000 });
  /** Every message there was, in order. */
  readonly all: V1Message[] = [];
  readonly #socket: net.Socket;
  readonly #connected = deferred<void>();
  readonly #closing = deferred<void>();
  readonly #ended = deferred<void>();
  #tail = "";
  #asked = 0;

  constructor({ port, host = "127.0.0.1" }: { port: number; host?: string }) {
    const socket = this.#socket = net.connect({ port, host, noDelay: true });
    socket.on("connect", () => this.#connected.resolve());
    socket.on("error", (error) => this.#connected.reject(error));
    socket.on("data", (data: Buffer) => this.#take(data));
    socket.on("end", () => this.#ended.resolve());
    socket.on("close", () => {
      const gone = new Error("the control connection is closed");
      this.inbox.end(gone);
      this.air.end(gone);
      this.#ended.resolve();
      this.#closing.resolve();
    });
  }

  static async connect(where: { port: number; host?: string }): Promise<V1Client> {
    const client = new V1Client(where);
    await within("connect", client.#connected.promise);
    return client;
  }

  /** Registers; whoever is not let in fails here. */
  async register(
    { role, client_id, secret }: { role: "FE" | "BE"; client_id?: string; secret: string },
  ): Promise<void> {
    this.send("register", { role, secret, client_id });
    await this.next("auth");
  }

  send(type: string, payload: unknown, envelope: object = {}): void {
    this.write(JSON.stringify({ type, payload, ...envelope }));
  }

  write(bytes: string | Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** The oldest message of the type that has not been taken, past or to come. */
  next(type: string): Promise<V1Message> {
    return this.inbox.take(type, (message) => message.type === type);
  }

  /** The first state of the ports that is as expected, past or to come. */
  async states(
    matches: (state: V1PortState) => boolean,
    label = "port_state",
  ): Promise<V1PortState> {
    const { payload } = await this.air.see(
      label,
      (message) => message.type === "port_state" && matches(message.payload),
    );
    return payload;
  }

  /** Asks for ports, and resolves with the answer. */
  async acquire(
    asked: { need_zmq?: boolean; need_srt?: boolean; ttl_seconds?: number },
    envelope: object = {},
  ): Promise<V1Message> {
    const request_id = `request-${++this.#asked}`;
    this.send("port_acquire", { request_id, ...asked }, envelope);
    return await this.inbox.take(
      `the grant of ${request_id}`,
      ({ type, payload }) => type === "port_grant" && payload.request_id === request_id,
    );
  }

  /** Everything that was sent before this has been dealt with. */
  async settled(): Promise<void> {
    const c_send = Date.now() * 1000 + this.#asked++;
    this.send("ping", { c_send });
    await this.inbox.take(
      "pong",
      ({ type, payload }) => type === "pong" && payload.c_send === c_send,
    );
  }

  /** Stops reading, so that what is sent piles up. */
  pause(): void {
    this.#socket.pause();
  }

  halfClose(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Resolves when the gateway has ended its side. */
  async ended(ms = patience_ms): Promise<void> {
    await within("the gateway's end", this.#ended.promise, ms);
    this.#socket.destroy();
  }

  async close(): Promise<void> {
    this.#socket.destroy();
    await within("close", this.#closing.promise);
  }

  #take(data: Buffer): void {
    const lines = (this.#tail + data.toString("utf8")).split("\n");
    this.#tail = lines.pop() ?? "";
    for (const line of lines) {
      const message = { ...JSON.parse(line), line } as V1Message;
      this.all.push(message);
      const is_air = message.type === "port_state" || message.type === "telemetry";
      (is_air ? this.air : this.inbox).push(message);
    }
  }
}
