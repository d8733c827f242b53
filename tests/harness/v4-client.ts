/**
 * A V4 control client: one TCP connection, JSON objects out, one object and a newline in. It knows
 * the wire and nothing of the gateway; whatever the gateway says that is not the wire is a failure.
 */
import { Buffer } from "node:buffer";
import net from "node:net";
import tls from "node:tls";
import { deferred, patience_ms, within } from "./deadline.ts";
import { Inbox } from "./inbox.ts";
import type { Role } from "./tcp-end.ts";

export interface Message {
  type: string;
  payload: unknown;
}

export interface Answer {
  status?: string;
  code?: number;
  error?: string;
  request_id?: string;
}

export interface Grant {
  request_id: string;
  session_id: string;
  server_id: string;
  client_id: string;
  zmq_port?: number;
  srt_port?: number;
  srt_passphrase?: string;
  hello_token?: string;
}

export interface PoolState {
  total: number;
  idle: number;
  reserved: number;
  occupied: number;
  blocked: number;
}

export interface PortState {
  zmq: PoolState;
  srt: PoolState;
}

export interface ServerStatus {
  server_id: string;
  occupied_ports: number[];
  remaining_ports: number;
  cpu_percent: number;
  mem_mb: number;
}

export interface Telemetry {
  kind: "zmq" | "srt";
  port: number;
  session_id: string;
  server_id: string;
  client_id: string;
  mbps_up: number;
  mbps_down: number;
  rtt_ms: number;
  loss_pct: number;
  retrans_pct: number;
  quality: number;
}

export interface PairRequest {
  request_id?: string;
  server_id?: string;
  need_zmq?: boolean;
  need_srt?: boolean;
  qos?: unknown;
}

const broadcasts = new Set(["status", "port_state", "telemetry"]);

export class V4Client {
  /** Answers and grants that nobody has taken yet. */
  readonly inbox = new Inbox<Message>();
  /** The last broadcasts; they come for ever, so only few are kept. */
  readonly air = new Inbox<Message>({ items_max: 64 });
  received_bytes = 0;
  readonly id: string;
  readonly #socket: net.Socket;
  readonly #connected = deferred<void>();
  readonly #closing = deferred<{ error: string | null }>();
  #tail = "";
  #error: string | null = null;
  #asked = 0;

  /** With `tls`, the connection is encrypted; with `socket`, it is already there. */
  constructor({ port, id = "somebody", local_address, host = "127.0.0.1", tls: secure, socket }: {
    port: number;
    id?: string;
    local_address?: string;
    host?: string;
    tls?: tls.ConnectionOptions;
    socket?: net.Socket;
  }) {
    this.id = id;
    const over = socket ?? net.connect({ port, host, localAddress: local_address });
    over.setNoDelay(true);
    this.#socket = secure === undefined ? over : tls.connect({ ...secure, socket: over });
    if (secure === undefined && socket !== undefined) this.#connected.resolve();
    this.#socket.on(secure === undefined ? "connect" : "secureConnect", () => {
      this.#connected.resolve();
    });
    this.#socket.on("data", (data: Buffer) => this.#take(data));
    this.#socket.on("error", (error: NodeJS.ErrnoException) => {
      this.#error = error.code ?? error.message;
      this.#connected.reject(error);
    });
    this.#socket.on("close", () => {
      const gone = new Error(
        `the control connection of "${this.id}" is closed (${this.#error ?? "orderly"})`,
      );
      this.#connected.reject(gone);
      this.inbox.end(gone);
      this.air.end(gone);
      this.#closing.resolve({ error: this.#error });
    });
  }

  static async connect(options: ConstructorParameters<typeof V4Client>[0]): Promise<V4Client> {
    const client = new V4Client(options);
    await within("control connect", client.#connected.promise);
    return client;
  }

  /** Connects and registers; a refusal is a failure. */
  static async register(
    { role, max_conn, ...where }: {
      port: number;
      role: Role;
      id: string;
      max_conn?: number;
      local_address?: string;
      tls?: tls.ConnectionOptions;
      socket?: net.Socket;
    },
  ): Promise<V4Client> {
    const { id } = where;
    const client = await V4Client.connect(where);
    const ack = await client.tryRegister({ role, id, token: `secret-of-${id}`, max_conn });
    if (ack.status !== "ok") {
      throw new Error(`"${id}" was not registered: ${JSON.stringify(ack)}`);
    }
    return client;
  }

  get remote(): string {
    return `${this.#socket.localAddress}:${this.#socket.localPort}`;
  }

  async tryRegister(payload: Record<string, unknown>): Promise<Answer> {
    this.send({ type: "register", payload });
    return await this.answer("register_ack");
  }

  send(message: unknown): void {
    this.#socket.write(JSON.stringify(message) + "\n");
  }

  /** Raw bytes; resolves once the kernel has them, and never rejects: the peer may have hung up. */
  write(bytes: Uint8Array | string): Promise<void> {
    return within(
      "control write",
      new Promise<void>((resolve) => this.#socket.write(bytes, () => resolve())),
    );
  }

  /** Sends a pair_request and gives back its request_id. */
  ask(request: PairRequest): string {
    const request_id = request.request_id ?? `${this.id}-${++this.#asked}`;
    this.send({
      type: "pair_request",
      payload: { need_zmq: false, need_srt: false, ...request, request_id },
    });
    return request_id;
  }

  /** The payload of the next message of this type. */
  async answer(type: string, ms = patience_ms): Promise<Answer> {
    const message = await this.inbox.take(
      `"${type}" for "${this.id}"`,
      (one) => one.type === type,
      ms,
    );
    return message.payload as Answer;
  }

  async granted(request_id: string, ms = patience_ms): Promise<Grant> {
    const message = await this.inbox.take(
      `"pair_grant" of ${request_id} for "${this.id}"`,
      (one) => one.type === "pair_grant" && (one.payload as Grant).request_id === request_id,
      ms,
    );
    return message.payload as Grant;
  }

  async refused(request_id: string, ms = patience_ms): Promise<Answer> {
    const message = await this.inbox.take(
      `"pair_error" of ${request_id} for "${this.id}"`,
      (one) => one.type === "pair_error" && (one.payload as Answer).request_id === request_id,
      ms,
    );
    return message.payload as Answer;
  }

  /**
   * Resolves when everything this client sent before has been dealt with: messages of a connection
   * dealt with in order, and a request for no plane at all is refused at once. A grant may still be
   * on its way then, but the ports it names are reserved.
   */
  async settled(): Promise<void> {
    await this.refused(this.ask({ request_id: `${this.id}-barrier-${++this.#asked}` }));
  }

  /** Answers of this type that have come and not been taken. */
  untaken(type: string): unknown[] {
    return this.inbox.items.filter((one) => one.type === type).map((one) => one.payload);
  }

  /** The next `status` broadcast that matches. */
  async status(matches: (list: ServerStatus[]) => boolean = () => true): Promise<ServerStatus[]> {
    const message = await this.air.upcoming(
      "a matching status broadcast",
      (one) => one.type === "status" && matches(one.payload as ServerStatus[]),
    );
    return message.payload as ServerStatus[];
  }

  async portState(matches: (state: PortState) => boolean = () => true): Promise<PortState> {
    const message = await this.air.upcoming(
      "a matching port_state broadcast",
      (one) => one.type === "port_state" && matches(one.payload as PortState),
    );
    return message.payload as PortState;
  }

  async telemetry(matches: (list: Telemetry[]) => boolean = () => true): Promise<Telemetry[]> {
    const message = await this.air.upcoming(
      "a matching telemetry broadcast",
      (one) => one.type === "telemetry" && matches(one.payload as Telemetry[]),
    );
    return message.payload as Telemetry[];
  }

  /** Resolves when the connection is gone, whoever ended it. */
  closed(ms = patience_ms): Promise<{ error: string | null }> {
    return within(`close of "${this.id}"`, this.#closing.promise, ms);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** An orderly end; resolves when the gateway has answered it, so the id is free by then. */
  async close(): Promise<void> {
    this.#socket.end();
    await this.closed();
  }

  abort(): void {
    this.#socket.resetAndDestroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #take(data: Buffer): void {
    this.received_bytes += data.length;
    const lines = (this.#tail + data.toString("utf8")).split("\n");
    this.#tail = lines.pop() ?? "";
    for (const line of lines) {
      let message: Message;
      try {
        message = JSON.parse(line) as Message;
      } catch {
        const fault = new Error(`the gateway sent a line that is not JSON: ${line.slice(0, 200)}`);
        this.inbox.end(fault);
        this.air.end(fault);
        return;
      }
      (broadcasts.has(message.type) ? this.air : this.inbox).push(message);
    }
  }
}
