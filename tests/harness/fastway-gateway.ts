/**
 * A small gateway of fastway in the test's own process, for what a real one does not do when it is
 * told to: answers that never come, frames that nobody asked for, bytes in pieces of any size, and
 * snet's connections cut at any byte. It speaks by the documentation alone.
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import net, { type AddressInfo } from "node:net";
import { turn } from "./deadline.ts";
import { command, data, type Frame, FrameReader, serverHello } from "./fastway-frames.ts";
import { type SnetManner, SnetSessions } from "./fastway-snet-sessions.ts";
import type { Random } from "./random.ts";

/** What a peer's bytes come over. */
export interface PeerStream {
  write(bytes: Uint8Array): void;
  end(): void;
}

export interface StreamOwner {
  bytes(bytes: Buffer): void;
  gone(): void;
}

export interface TestGatewayOptions {
  key?: string;
  snet?: SnetManner;
  /** Cuts all that is written to sockets into pieces, each in a segment of its own. */
  splits?: Random;
}

type Side = "client" | "server";

class Peer implements StreamOwner {
  readonly side: Side;
  readonly connections = new Set<number>();
  readonly frames = new FrameReader();
  readonly challenge = randomBytes(8);
  id = 0;
  hello: Buffer | null;
  stream!: PeerStream;
  readonly #gateway: TestGateway;

  constructor(side: Side, gateway: TestGateway) {
    this.side = side;
    this.#gateway = gateway;
    this.hello = side === "server" ? Buffer.alloc(0) : null;
  }

  send(bytes: Uint8Array): void {
    this.stream.write(bytes);
  }

  bytes(bytes: Buffer): void {
    let rest = bytes;
    if (this.hello) {
      const missing = 20 - this.hello.length;
      this.hello = Buffer.concat([this.hello, rest.subarray(0, missing)]);
      rest = rest.subarray(missing);
      if (this.hello.length < 20) return;
      this.id = this.hello.readUInt32LE(16);
      const right = serverHello(this.challenge, this.#gateway.key, this.id).equals(this.hello);
      this.hello = null;
      if (!right) return this.stream.end();
      this.#gateway.joined(this);
    }
    for (const frame of this.frames.read(rest)) this.#gateway.take(this, frame);
  }

  gone(): void {
    this.#gateway.left(this);
  }
}

export class TestGateway {
  readonly key: string;
  /** Ids whose dials get no answer at all. */
  readonly mute = new Set<number>();
  answers_pings = true;
  /** How many pings have come. */
  pings = 0;
  /** Closes that came, with the connections' numbers. */
  readonly closes: number[] = [];
  readonly snet: SnetSessions | null;
  readonly #splits: Random | null;
  readonly #servers: net.Server[];
  readonly #sockets = new Set<net.Socket>();
  readonly #peers: Record<Side, Map<number, Peer>> = { client: new Map(), server: new Map() };
  readonly #connections = new Map<number, [Peer, Peer]>();
  #last_client = 0;
  #last_connection = 0;

  private constructor({ key = "", snet, splits }: TestGatewayOptions) {
    this.key = key;
    this.#splits = splits ?? null;
    this.snet = snet ? new SnetSessions(snet) : null;
    const listen = (side: Side) =>
      net.createServer({ noDelay: true, allowHalfOpen: false }, (socket) => {
        this.#sockets.add(socket);
        socket.on("close", () => this.#sockets.delete(socket));
        socket.on("error", () => {});
        const arrive = (stream: PeerStream) => this.#arrive(side, stream);
        if (this.snet) this.snet.take(socket, arrive);
        else this.#plain(socket, arrive);
      });
    this.#servers = [listen("client"), listen("server")];
  }

  static async start(options: TestGatewayOptions = {}): Promise<TestGateway> {
    const gateway = new TestGateway(options);
    for (const server of gateway.#servers) {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    }
    return gateway;
  }

  port(side: Side): number {
    return (this.#servers[side === "client" ? 0 : 1].address() as AddressInfo).port;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Bytes to an endpoint that the protocol may not know. */
  inject(side: Side, id: number, bytes: Uint8Array): void {
    this.#peers[side].get(id)!.send(bytes);
  }

  /** Breaks every socket off, with no word. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  stop(): void {
    for (const server of this.#servers) server.close();
    this.snet?.stop();
    this.cut();
  }

  joined(peer: Peer): void {
    this.#peers[peer.side].set(peer.id, peer);
  }

  left(peer: Peer): void {
    if (this.#peers[peer.side].get(peer.id) === peer) this.#peers[peer.side].delete(peer.id);
    for (const id of [...peer.connections]) this.#close(id);
  }

  take(peer: Peer, frame: Frame): void {
    switch (frame.type) {
      case "ping":
        this.pings++;
        if (this.answers_pings) peer.send(command(5));
        return;
      case "dial":
        return this.#dial(peer, frame.remote_id);
      case "close":
        this.closes.push(frame.conn_id);
        return this.#close(frame.conn_id);
      case "data": {
        const sides = this.#connections.get(frame.conn_id);
        if (!sides) return peer.send(command(4, frame.conn_id));
        return sides[sides[0] === peer ? 1 : 0].send(data(frame.conn_id, frame.body));
      }
      default:
        peer.stream.end();
    }
  }

  #dial(peer: Peer, remote_id: number): void {
    if (this.mute.has(remote_id)) return;
    const other = this.#peers[peer.side === "client" ? "server" : "client"].get(remote_id);
    if (!other) return peer.send(command(3, remote_id));
    const id = ++this.#last_connection;
    this.#connections.set(id, [peer, other]);
    peer.connections.add(id);
    other.connections.add(id);
    peer.send(command(1, id, remote_id));
    other.send(command(2, id, peer.id));
  }

  #close(id: number): void {
    for (const peer of this.#connections.get(id) ?? []) {
      peer.connections.delete(id);
      peer.send(command(4, id));
    }
    this.#connections.delete(id);
  }

  #arrive(side: Side, stream: PeerStream): StreamOwner {
    const peer = new Peer(side, this);
    peer.stream = stream;
    if (side === "client") {
      peer.id = ++this.#last_client;
      this.joined(peer);
    } else {
      peer.send(peer.challenge);
    }
    return peer;
  }

  #plain(socket: net.Socket, arrive: (stream: PeerStream) => StreamOwner): void {
    const write = this.#splits ? pieces(socket, this.#splits) : (bytes: Uint8Array) => {
      socket.write(bytes);
    };
    const owner = arrive({ write, end: () => socket.destroy() });
    socket.on("data", (bytes: Buffer) => owner.bytes(bytes));
    socket.on("close", () => owner.gone());
  }
}

/** Writes in pieces of 1 to 40 bytes, one for each turn of the loop. */
function pieces(socket: net.Socket, random: Random): (bytes: Uint8Array) => void {
  let before = Promise.resolve();
  return (bytes) => {
    before = before.then(async () => {
      for (let at = 0; at < bytes.length;) {
        const length = random.int(1, 40);
        if (!socket.destroyed) socket.write(bytes.subarray(at, at + length));
        at += length;
        await turn();
      }
    });
  };
}
