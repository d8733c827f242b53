/**
 * A client or a server of fastway, as bare as can be: it writes the bytes that a test gives it and
 * keeps the frames that come back, in their order. It never answers anything by itself.
 */
import { Buffer } from "node:buffer";
import net from "node:net";
import type { Duplex } from "node:stream";
import { type Deferred, deferred, patience_ms, within } from "./deadline.ts";
import { dial, type Frame, FrameReader, ping, serverHello } from "./fastway-frames.ts";
import type { Closing } from "./tcp-end.ts";

export interface PeerOptions {
  /** What failures call it. */
  name?: string;
  /** Gets every frame, which then is not kept for {@link FastwayPeer.next}. */
  listener?: (frame: Frame) => void;
}

export interface ConnectOptions extends PeerOptions {
  port: number;
  host?: string;
  local_address?: string;
}

export interface ServerOptions extends ConnectOptions {
  id: number;
  key?: string;
}

const CHALLENGE_BYTES = 8;

export class FastwayPeer {
  readonly name: string;
  /** `address:port` as the gateway sees this end. */
  readonly remote: string;
  /** Frames that have come and that nobody has taken, the oldest first. */
  readonly frames: Frame[] = [];
  /** How many have come in all, echoes that {@link settled} waited for aside. */
  frames_total = 0;
  readonly #socket: Duplex;
  readonly #reader = new FrameReader();
  readonly #listener: ((frame: Frame) => void) | null;
  readonly #closing = deferred<Closing>();
  readonly #challenge = deferred<Buffer>();
  /** The gateway's challenge as far as it has come; null once frames follow. */
  #greeting: Buffer | null;
  #waiter: Deferred<Frame> | null = null;
  #reaching: { total: number; done: Deferred<void> } | null = null;
  /** Pings of ours that stand for "everything before this has been dealt with". */
  readonly #settling: Deferred<void>[] = [];
  #fault: Error | null = null;
  #is_closed = false;

  /** Takes over a connected stream, TLS for instance. */
  constructor(
    socket: Duplex,
    { name = "peer", listener, greets = false }: PeerOptions & { greets?: boolean } = {},
  ) {
    this.name = name;
    this.#socket = socket;
    const { localAddress, localPort } = socket as net.Socket;
    this.remote = `${localAddress}:${localPort}`;
    this.#listener = listener ?? null;
    this.#greeting = greets ? Buffer.alloc(0) : null;
    let error: string | null = null;
    let ended = false;
    socket.on("data", (bytes: Buffer) => this.#take(bytes));
    socket.on("end", () => {
      ended = true;
      socket.end();
    });
    socket.on("error", (failure: NodeJS.ErrnoException) => error = failure.code ?? failure.message);
    socket.on("close", () => {
      this.#is_closed = true;
      this.#fail(new Error(`${name}: closed by the other side (${error ?? "orderly"})`));
      this.#closing.resolve({ ended, error });
    });
  }

  static async client(options: ConnectOptions): Promise<FastwayPeer> {
    return new FastwayPeer(await connect(options), { name: "client", ...options });
  }

  /** A server that the gateway has taken: new dials of its id come here. */
  static async server(options: ServerOptions): Promise<FastwayPeer> {
    const { id, key = "" } = options;
    const server = await FastwayPeer.unproven({ name: `server ${id}`, ...options });
    await server.send(serverHello(await server.challenge(), key, id));
    await server.settled();
    return server;
  }

  /** A connection to the servers' port that has said nothing yet. */
  static async unproven(options: ConnectOptions): Promise<FastwayPeer> {
    return new FastwayPeer(await connect(options), { name: "server", ...options, greets: true });
  }

  /** What the gateway asks a server to prove itself with. */
  challenge(): Promise<Buffer> {
    return within(`${this.name}: the challenge`, this.#challenge.promise);
  }

  get is_closed(): boolean {
    return this.#is_closed;
  }

  /** Bytes of a frame that has come in part. */
  get rest(): number {
    return this.#reader.rest;
  }

  /** Resolves once the kernel has the bytes. */
  send(...pieces: Uint8Array[]): Promise<void> {
    const bytes = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
    const sent = new Promise<void>((resolve, reject) => {
      this.#socket.write(bytes, (error) => error ? reject(error) : resolve());
    });
    return within(`${this.name}: write of ${bytes.length} bytes`, sent);
  }

  /** Writes and looks away: for a peer that is about to be cut off anyway. */
  sendCarelessly(bytes: Uint8Array): void {
    if (!this.#is_closed && !this.#socket.destroyed) this.#socket.write(bytes, () => {});
  }

  /** Sends the pieces one by one, each in a segment of its own; `between` is awaited after each. */
  async sendPieces(pieces: Iterable<Uint8Array>, between: () => Promise<void>): Promise<void> {
    for (const piece of pieces) {
      await this.send(piece);
      await between();
    }
  }

  /** The oldest frame that nobody has taken, now or when it comes. One at a time may wait. */
  async next(label = "a frame", ms = patience_ms): Promise<Frame> {
    const first = this.frames.shift();
    if (first) return first;
    if (this.#fault) throw new Error(`${label}: ${this.#fault.message}`);
    this.#waiter = deferred<Frame>();
    try {
      return await within(`${this.name}: ${label}`, this.#waiter.promise, ms);
    } finally {
      this.#waiter = null;
    }
  }

  /** Resolves when so many frames have come in all. One at a time may wait. */
  async reached(total: number, ms = patience_ms): Promise<void> {
    if (this.frames_total >= total) return;
    const label = `${this.name}: ${total} frames`;
    if (this.#fault) {
      throw new Error(`${label}: ${this.frames_total}, then ${this.#fault.message}`);
    }
    this.#reaching = { total, done: deferred<void>() };
    try {
      await within(label, this.#reaching.done.promise, ms);
    } catch (error) {
      throw new Error(`${(error as Error).message}; ${this.frames_total} have come`);
    } finally {
      this.#reaching = null;
    }
  }

  /** The next frame, which must be of this type. */
  async take<Type extends Frame["type"]>(type: Type): Promise<Extract<Frame, { type: Type }>> {
    const found = await this.next(type);
    if (found.type !== type) {
      throw new Error(`${this.name}: ${JSON.stringify(found)} instead of ${type}`);
    }
    return found as Extract<Frame, { type: Type }>;
  }

  /** Dials and answers the virtual connection's id; the next frame must be the Accept. */
  async dial(remote_id: number): Promise<number> {
    await this.send(dial(remote_id));
    const { conn_id, remote_id: found } = await this.take("accept");
    if (found !== remote_id) throw new Error(`${this.name}: accepted ${found}, not ${remote_id}`);
    return conn_id;
  }

  /**
   * Resolves when the gateway has dealt with everything sent before, and everything that it had for
   * this peer at that time is in {@link frames}.
   */
  settled(ms = patience_ms): Promise<void> {
    if (this.#fault) return Promise.reject(this.#fault);
    const echo = deferred<void>();
    this.#settling.push(echo);
    this.sendCarelessly(ping());
    return within(`${this.name}: the echo of a ping`, echo.promise, ms);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Ends our direction in order. */
  halfClose(): void {
    this.#socket.end();
  }

  /** Lets go without caring for what is still under way. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** Breaks off with a RST. */
  abort(): void {
    (this.#socket as net.Socket).resetAndDestroy();
  }

  /** Resolves when the connection is gone, whoever ended it. */
  closed(ms = patience_ms): Promise<Closing> {
    return within(`${this.name}: close`, this.#closing.promise, ms);
  }

  #take(bytes: Buffer): void {
    let rest = bytes;
    if (this.#greeting) {
      const missing = CHALLENGE_BYTES - this.#greeting.length;
      this.#greeting = Buffer.concat([this.#greeting, bytes.subarray(0, missing)]);
      if (this.#greeting.length < CHALLENGE_BYTES) return;
      this.#challenge.resolve(this.#greeting);
      this.#greeting = null;
      rest = bytes.subarray(missing);
    }
    try {
      for (const frame of this.#reader.read(rest)) this.#deliver(frame);
    } catch (error) {
      this.#fail(error as Error);
      this.#socket.destroy();
    }
  }

  #deliver(frame: Frame): void {
    if (frame.type === "ping" && this.#settling.length > 0) {
      return this.#settling.shift()!.resolve();
    }
    this.frames_total++;
    if (this.#reaching && this.frames_total >= this.#reaching.total) this.#reaching.done.resolve();
    if (this.#listener) this.#listener(frame);
    else if (this.#waiter) {
      this.#waiter.resolve(frame);
      this.#waiter = null;
    } else this.frames.push(frame);
  }

  #fail(error: Error): void {
    this.#fault ??= error;
    this.#challenge.reject(this.#fault);
    this.#waiter?.reject(this.#fault);
    this.#reaching?.done.reject(this.#fault);
    for (const echo of this.#settling.splice(0)) echo.reject(this.#fault);
  }
}

function connect({ port, host = "127.0.0.1", local_address, name }: ConnectOptions) {
  const connected = new Promise<net.Socket>((resolve, reject) => {
    const socket = net.connect({ port, host, noDelay: true, localAddress: local_address });
    socket.setNoDelay(true);
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
  return within(`${name ?? "peer"}: connect to ${port}`, connected);
}

/** A virtual connection that the first peer has dialled to the second, and both have been told of. */
export async function virtualConnection(
  from: FastwayPeer,
  to: FastwayPeer,
  remote_id: number,
): Promise<number> {
  const conn_id = await from.dial(remote_id);
  const { conn_id: found } = await to.take("connect");
  if (found !== conn_id) throw new Error(`${to.name}: told of ${found}, not of ${conn_id}`);
  return conn_id;
}
