/** A bare V4 peer for tests: what arrives is split at line feeds and kept. */
import { connect, type Socket } from "node:net";
import { EventList } from "../sessions/events.ts";

export interface Message {
  type: string;
  // deno-lint-ignore no-explicit-any -- tests look into payloads of every shape
  payload: any;
}

export class ControlClient {
  readonly socket: Socket;
  readonly messages = new EventList<Message>();
  /** Resolves when the connection is gone, whichever way. */
  readonly closed: Promise<void>;
  /** Resolves when the gateway has ended its side. */
  readonly ended: Promise<void>;
  #rest = "";

  private constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    this.ended = new Promise((resolve) => {
      socket.once("end", () => resolve());
      socket.once("close", () => resolve());
    });
    socket.on("error", () => {});
    socket.on("data", (chunk) => this.#take(chunk.toString()));
  }

  static connect(port: number): Promise<ControlClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new ControlClient(socket));
      });
    });
  }

  static async register(
    port: number,
    role: string,
    id: string,
    max_conn = 1,
  ): Promise<ControlClient> {
    const client = await ControlClient.connect(port);
    client.send("register", { role, id, token: "t", max_conn });
    const ack = await client.next("register_ack");
    if (ack.payload.status !== "ok") throw new Error(ack.payload.error);
    return client;
  }

  send(type: string, payload: unknown): void {
    this.socket.write(JSON.stringify({ type, payload }));
  }

  /** The first message of the type, past or to come. */
  next(type: string): Promise<Message> {
    return this.messages.find((message) => message.type === type);
  }

  grant(request_id: string): Promise<Message> {
    return this.messages.find((message) =>
      message.type === "pair_grant" && message.payload.request_id === request_id
    );
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.messages.push(JSON.parse(line));
  }
}
