/**
 * As much of a V4 gateway as the tools need to be tested without one: registers anybody, grants one
 * TCP port a session, joins the two ends of it, and broadcasts its pool every few milliseconds.
 */
import { Buffer } from "node:buffer";
import { createServer, type Server, type Socket } from "node:net";

const BROADCAST_MS = 10;

interface Peer {
  socket: Socket;
  role: string;
  id: string;
}

export interface FakeGatewayOptions {
  /** Answers a registration; undefined accepts it. */
  register?: (payload: { id: string }) => { code: number; error: string } | undefined;
  /** Answers a pair_request; undefined grants it, null leaves it without an answer. */
  pair?: (payload: { server_id?: string }) => { code: number; error: string } | null | undefined;
  /** Sees, and may change, what goes from the server to the client. */
  down?: (bytes: Buffer, client: Socket, server: Socket) => Buffer;
  /** Whether the port of an ended session becomes idle again. */
  frees_ports?: boolean;
}

export class FakeGateway {
  readonly #options: FakeGatewayOptions;
  readonly #peers = new Set<Peer>();
  readonly #control: Server;
  readonly #sockets = new Set<Socket>();
  readonly #servers = new Set<Server>();
  readonly #registrations: { id: string; resolve: () => void }[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
  #used = 0;
  #sessions = 0;
  port = 0;

  constructor(options: FakeGatewayOptions = {}) {
    this.#options = options;
    this.#control = createServer((socket) => this.#accept(socket));
  }

  async start(port = 0): Promise<void> {
    this.port = await this.#listen(this.#control, port);
    this.#timer = setInterval(() => this.#broadcast(), BROADCAST_MS);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(
      Array.from(this.#servers, (server) => new Promise((resolve) => server.close(resolve))),
    );
  }

  /** Resolves at the next registration of this id. */
  registered(id: string): Promise<void> {
    return new Promise((resolve) => this.#registrations.push({ id, resolve }));
  }

  /** Breaks every control connection of this id off. */
  cut(id: string): void {
    for (const peer of this.#peers) if (peer.id === id) peer.socket.resetAndDestroy();
  }

  /** Sends a line of the test's choice to everybody. */
  say(line: string): void {
    for (const peer of this.#peers) peer.socket.write(line);
  }

  #listen(server: Server, port: number): Promise<number> {
    this.#servers.add(server);
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "127.0.0.1", () => {
        const address = server.address();
        resolve(address !== null && typeof address === "object" ? address.port : 0);
      });
    });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
  }

  #accept(socket: Socket): void {
    this.#keep(socket);
    let text = "";
    const peer: Peer = { socket, role: "", id: "" };
    socket.on("close", () => this.#peers.delete(peer));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
        const message = JSON.parse(text.slice(0, end));
        text = text.slice(end + 1);
        if (message.type === "register") this.#register(peer, message.payload);
        else void this.#pair(peer, message.payload);
      }
    });
  }

  #register(peer: Peer, payload: { role: string; id: string }): void {
    const refusal = this.#options.register?.(payload);
    const answer = refusal ? { status: "error", ...refusal } : { status: "ok" };
    peer.socket.write(JSON.stringify({ type: "register_ack", payload: answer }) + "\n");
    if (refusal) {
      peer.socket.end();
      return;
    }
    peer.role = payload.role;
    peer.id = payload.id;
    this.#peers.add(peer);
    for (const waiting of this.#registrations.splice(0)) {
      if (waiting.id === payload.id) waiting.resolve();
      else this.#registrations.push(waiting);
    }
  }

  async #pair(
    client: Peer,
    payload: { request_id: string; server_id?: string },
  ): Promise<void> {
    const refusal = this.#options.pair?.(payload);
    if (refusal === null) return;
    const server = Array.from(this.#peers).find((peer) => peer.role === "server");
    if (refusal || server === undefined) {
      const payload = refusal ?? { code: 505, error: "no port available" };
      client.socket.write(JSON.stringify({ type: "pair_error", payload }) + "\n");
      return;
    }
    this.#sessions += 1;
    const grant = {
      request_id: payload.request_id,
      session_id: this.#sessions.toString(16).padStart(16, "0"),
      server_id: server.id,
      client_id: client.id,
      zmq_port: await this.#openPort(),
    };
    const line = JSON.stringify({ type: "pair_grant", payload: grant }) + "\n";
    client.socket.write(line);
    server.socket.write(line);
  }

  async #openPort(): Promise<number> {
    const ends = new Map<string, { socket: Socket; rest: Buffer }>();
    this.#used += 1;
    const listener = createServer({ allowHalfOpen: true }, (socket) => {
      this.#keep(socket);
      let head = Buffer.alloc(0);
      const hello = (chunk: Buffer) => {
        head = Buffer.concat([head, chunk]);
        const end = head.indexOf(10);
        if (end < 0) return;
        socket.off("data", hello);
        socket.pause();
        const { role } = JSON.parse(head.subarray("V4HELLO ".length, end).toString());
        ends.set(role, { socket, rest: head.subarray(end + 1) });
        const client = ends.get("client");
        const server = ends.get("server");
        if (client && server) this.#join(client, server, () => listener.close());
      };
      socket.on("data", hello);
    });
    return await this.#listen(listener, 0);
  }

  #join(
    client: { socket: Socket; rest: Buffer },
    server: { socket: Socket; rest: Buffer },
    over: () => void,
  ): void {
    const { down = (bytes: Buffer) => bytes, frees_ports = true } = this.#options;
    let open = 2;
    const relay = (from: Socket, to: Socket, change: (bytes: Buffer) => Buffer) => {
      from.on("data", (chunk: Buffer) => {
        if (!to.write(change(chunk))) from.pause();
      });
      to.on("drain", () => from.resume());
      from.on("end", () => to.end());
      from.on("error", () => to.resetAndDestroy());
      from.on("close", () => {
        open -= 1;
        if (open > 0) return;
        over();
        if (frees_ports) this.#used -= 1;
      });
      from.resume();
    };
    server.socket.write(client.rest);
    client.socket.write(server.rest);
    relay(client.socket, server.socket, (bytes) => bytes);
    relay(
      server.socket,
      client.socket,
      (bytes) => down(bytes, client.socket, server.socket),
    );
  }

  #broadcast(): void {
    const pool = (occupied: number) => ({
      total: 8,
      idle: 8 - occupied,
      reserved: 0,
      occupied,
      blocked: 0,
    });
    const payload = { zmq: pool(this.#used), srt: pool(0) };
    this.say(JSON.stringify({ type: "port_state", payload }) + "\n");
  }
}
