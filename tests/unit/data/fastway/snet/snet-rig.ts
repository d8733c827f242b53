/** A connection without a kernel for the stage and the sessions of snet, and what is told of it. */
import { Buffer } from "node:buffer";
import { SnetContext } from "../../../../../src/data/fastway/snet/context.ts";
import { SnetSessions } from "../../../../../src/data/fastway/snet/sessions.ts";
import { SnetStage } from "../../../../../src/data/fastway/snet/stage.ts";
import { Ids } from "../../../../../src/data/fastway/ids.ts";
import { Block, PieceList, type Pieces } from "../../../../../src/data/fastway/pieces.ts";
import type { SnetSettings } from "../../../../../src/data/fastway/protocol.ts";
import type { Arrival } from "../../../../../src/data/fastway/stage.ts";
import {
  NOBODY,
  type SocketStream,
  type Stream,
  STREAM_OVER,
  type StreamOwner,
  WOULD_BLOCK,
} from "../../../../../src/data/fastway/stream.ts";
import { TimerWheel } from "../../../../../src/data/timer-wheel.ts";
import { SnetPeer } from "../../../../harness/snet-peer.ts";

/** Both ends of a connection: what the stage has of it, and what the test's peer does with it. */
export class FakeSocket implements SocketStream {
  owner: StreamOwner = NOBODY;
  readonly unsent_bytes = 0;
  is_closed = false;
  /** What the kernel still takes, bytes; the peer makes room by {@link FakeSocket.acknowledge}. */
  room = Infinity;
  limit_bytes = 0;
  asked = 0;
  /** What the kernel counts beside the bytes that are under way. */
  booked_beside = 0;
  #unacknowledged = 0;
  #incoming = Buffer.alloc(0);
  #outgoing = Buffer.alloc(0);
  #is_finished = false;
  #is_broken = false;

  read(pieces: Pieces): number {
    if (this.is_closed) throw new Error("read on a closed socket");
    if (this.#incoming.length === 0) {
      return this.#is_finished || this.#is_broken ? STREAM_OVER : WOULD_BLOCK;
    }
    let count = 0;
    for (let piece = 0; piece < pieces.count && this.#incoming.length > 0; piece++) {
      const room = pieces.to[piece] - pieces.from[piece];
      const part = this.#incoming.subarray(0, room);
      pieces.bytes[piece].set(part, pieces.from[piece]);
      this.#incoming = this.#incoming.subarray(part.length);
      count += part.length;
    }
    return count;
  }

  write(pieces: Pieces): number {
    if (this.is_closed) throw new Error("write on a closed socket");
    if (this.#is_broken) return STREAM_OVER;
    if (this.room === 0) return WOULD_BLOCK;
    let count = 0;
    for (let piece = 0; piece < pieces.count && this.room > 0; piece++) {
      const [from, to] = [pieces.from[piece], pieces.to[piece]];
      const part = pieces.bytes[piece].subarray(from, Math.min(to, from + this.room));
      this.#outgoing = Buffer.concat([this.#outgoing, part]);
      this.room -= part.length;
      count += part.length;
    }
    this.#unacknowledged += count;
    return count;
  }

  dropConnection(): boolean {
    return false;
  }

  close(): void {
    this.is_closed = true;
  }

  unacknowledgedBytes(): number {
    return this.#unacknowledged + (this.#unacknowledged > 0 ? this.booked_beside : 0);
  }

  limitUnacknowledged(bytes: number): void {
    this.limit_bytes = bytes;
  }

  askForRoom(): void {
    this.asked++;
  }

  /** The peer's: sends. */
  send(bytes: Uint8Array): void {
    this.#incoming = Buffer.concat([this.#incoming, bytes]);
    this.owner.streamReady();
  }

  /** The peer's: takes what has come, which its kernel acknowledges. */
  receive(): Buffer {
    const bytes = this.#outgoing;
    this.#outgoing = Buffer.alloc(0);
    this.#unacknowledged = 0;
    return bytes;
  }

  /** There is room again, and whoever waits for it is told. */
  acknowledge(bytes: number): void {
    this.#unacknowledged -= bytes;
    this.room += bytes;
    this.owner.streamReady();
  }

  finish(): void {
    this.#is_finished = true;
    this.owner.streamReady();
  }

  /** From now on writes fail, and reads as well behind what has come. Nobody is told of it yet. */
  break(): void {
    this.#is_broken = true;
  }
}

export class FakeArrival implements Arrival {
  readonly side = "client";
  readonly socket = new FakeSocket();
  stream: Stream = this.socket;
  transport: Arrival["transport"] = "tcp";
  is_over = false;
  refusal = "";
  handed_over = false;
  overdue: () => void = () => {};
  readonly remote: string;
  readonly address = "192.0.2.7";

  constructor(port = 1) {
    this.remote = `192.0.2.7:${port}`;
  }

  allow(_ms: number, status: string, detail: string): void {
    this.overdue = () => this.refuse(status, detail);
  }

  refuse(status: string, detail: string): void {
    this.is_over = true;
    this.refusal = `${status}: ${detail}`;
    this.stream.close();
  }

  shed(limit: string): void {
    this.refuse("shed", limit);
  }

  handOver(): void {
    this.is_over = true;
    this.handed_over = true;
  }
}

/** What an endpoint would hear of its stream. */
export class Listener implements StreamOwner {
  readonly heard: string[] = [];
  ready = 0;

  streamReady(): void {
    this.ready++;
  }

  streamAway(): void {
    this.heard.push("away");
  }

  streamBack(remote: string): void {
    this.heard.push(`back ${remote}`);
  }
}

export class SnetRig {
  readonly clock = { wheel: new TimerWheel({ now_ms: 0 }), now_ms: 0 };
  readonly settings: SnetSettings;
  readonly sessions = new SnetSessions({
    ids: new Ids({ worker: 0, workers: 1, skips_zero: true }),
  });
  readonly passed: Arrival[] = [];
  readonly stage: SnetStage;
  is_serving = true;
  readonly #context = new SnetContext(this.clock);

  constructor(settings: Partial<SnetSettings> = {}) {
    this.settings = {
      encrypts: true,
      buffer_bytes: 4096,
      init_timeout_ms: 1000,
      wait_timeout_ms: 5000,
      ...settings,
    };
    this.stage = new SnetStage({
      context: this.#context,
      sessions: this.sessions,
      settings: () => this.settings,
      is_serving: () => this.is_serving,
      next: (arrival) => this.passed.push(arrival),
    });
  }

  /** Time goes by. */
  pass(ms: number): void {
    this.clock.now_ms += ms;
    this.clock.wheel.advance(this.clock.now_ms);
  }
}

/** A session with its peer, proven, and the endpoint that listens to it. */
export function opened(rig: SnetRig) {
  const peer = new SnetPeer({ encrypts: rig.settings.encrypts });
  const arrival = new FakeArrival();
  rig.stage.enter(arrival);
  arrival.socket.send(peer.hello());
  arrival.socket.send(peer.prove(arrival.socket.receive()));
  const { stream, socket } = arrival;
  if (!rig.passed.includes(arrival)) throw new Error(`no session: ${arrival.refusal}`);
  const listener = new Listener();
  stream.owner = listener;
  return { peer, stream, socket, listener };
}

/** The peer's return on a new connection, up to its proof. */
export function returning(rig: SnetRig, peer: SnetPeer, port = 2) {
  const arrival = new FakeArrival(port);
  rig.stage.enter(arrival);
  arrival.socket.send(peer.returnRequest());
  return { arrival, socket: arrival.socket, answer: arrival.socket.receive() };
}

/** The peer's return on a new connection. */
export function returned(rig: SnetRig, peer: SnetPeer, port = 2): FakeSocket {
  const { socket, answer } = returning(rig, peer, port);
  socket.send(peer.resume(answer));
  return socket;
}

const area = new Block(64 * 1024);
const pieces = new PieceList();

/** Everything that a stream has now, read into two pieces at a time. */
export function read(stream: Stream): Buffer {
  const parts: Buffer[] = [];
  for (;;) {
    pieces.clear();
    pieces.add(area, 0, 3);
    pieces.add(area, 3, 4096);
    const count = stream.read(pieces);
    if (count < 0) return Buffer.concat(parts);
    parts.push(Buffer.from(area.bytes.subarray(0, count)));
  }
}

/** What a stream answers to one write, in pieces of a thousand bytes. */
export function write(stream: Stream, bytes: Uint8Array | string): number {
  const plain = Buffer.from(bytes);
  const block = new Block(Math.max(4096, plain.length));
  block.bytes.set(plain);
  pieces.clear();
  for (let at = 0; at < plain.length; at += 1000) {
    pieces.add(block, at, Math.min(plain.length, at + 1000));
  }
  return stream.write(pieces);
}
