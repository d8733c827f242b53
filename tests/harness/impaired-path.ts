/**
 * A bad network between a test's SRT ends and one port of a gateway: a second loopback address that
 * leads to the same port on the first one. What it does to the packets may change at any time.
 */
import type { Buffer } from "node:buffer";
import dgram from "node:dgram";
import { type ImpairedDirection, impairedDirections, type Impairment } from "./impairment.ts";

/** More near ends than any test has; the rest would only be a mistake. */
const PEERS_MAX = 64;

export interface ImpairedPathOptions {
  /** Where the path begins, such as 127.0.0.2. */
  host: string;
  /** Where the gateway is. */
  target: string;
  /** The UDP port, the same at both ends. */
  port: number;
  seed: number;
  /** How long a packet takes there and its answer takes back, together. */
  rtt_ms: number;
  /** What else is wrong from the start, both ways. */
  impairment?: Partial<Omit<Impairment, "delay_ms">>;
}

interface Peer {
  far: dgram.Socket;
  host: string;
  port: number;
}

export class ImpairedPath {
  /** From the near ends to the gateway, and from the gateway to them. */
  readonly toward: ImpairedDirection<Peer>;
  readonly back: ImpairedDirection<Peer>;
  readonly #options: ImpairedPathOptions;
  readonly #near = dgram.createSocket("udp4");
  readonly #peers = new Map<string, Peer>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer rings, `performance.now()`. */
  #rings_ms = Infinity;
  #closed = false;

  constructor(options: ImpairedPathOptions) {
    this.#options = options;
    const { seed, rtt_ms, impairment = {} } = options;
    const { toward, back } = impairedDirections<Peer>({
      seed,
      impairment: { loss: 0, jitter_ms: 0, duplicates: 0, ...impairment, delay_ms: rtt_ms / 2 },
    });
    this.toward = toward;
    this.back = back;
  }

  /** The share of packets that are lost, both ways. */
  set loss(share: number) {
    for (const direction of [this.toward, this.back]) direction.impairment.loss = share;
  }

  /** Whether everything is lost, both ways. */
  set outage(lasts: boolean) {
    for (const direction of [this.toward, this.back]) direction.outage = lasts;
  }

  async start(): Promise<void> {
    const { host, port } = this.#options;
    this.#near.on("message", (packet, from) => {
      const peer = this.#peerAt(from.address, from.port);
      if (peer) this.#take(this.toward, packet, peer);
    });
    await new Promise<void>((resolve, reject) => {
      this.#near.once("error", reject);
      this.#near.bind(port, host, () => {
        this.#near.off("error", reject);
        // A port that nobody listens on any more answers with an error, as networks do.
        this.#near.on("error", () => {});
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const sockets = [this.#near, ...[...this.#peers.values()].map(({ far }) => far)];
    await Promise.all(
      sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
    );
  }

  #peerAt(host: string, port: number): Peer | null {
    const name = `${host}:${port}`;
    const known = this.#peers.get(name);
    if (known) return known;
    if (this.#peers.size >= PEERS_MAX) return null;
    const peer: Peer = { far: dgram.createSocket("udp4"), host, port };
    peer.far.on("error", () => {});
    peer.far.on("message", (packet) => this.#take(this.back, packet, peer));
    this.#peers.set(name, peer);
    return peer;
  }

  #take(direction: ImpairedDirection<Peer>, packet: Buffer, peer: Peer): void {
    direction.offer(packet, packet.length, peer, performance.now());
    this.#arm();
  }

  #arm(): void {
    const next_ms = Math.min(this.toward.next_ms, this.back.next_ms);
    if (this.#closed || next_ms >= this.#rings_ms) return;
    clearTimeout(this.#timer);
    this.#rings_ms = next_ms;
    this.#timer = setTimeout(() => this.#ring(), Math.max(0, next_ms - performance.now()));
  }

  #ring(): void {
    this.#rings_ms = Infinity;
    const now_ms = performance.now();
    const { port, target } = this.#options;
    // Copies, because a socket may send after its call has returned.
    this.toward.deliver(now_ms, (bytes, length, { far }) => {
      far.send(bytes.slice(0, length), port, target);
    });
    this.back.deliver(now_ms, (bytes, length, peer) => {
      this.#near.send(bytes.slice(0, length), peer.port, peer.host);
    });
    this.#arm();
  }
}
