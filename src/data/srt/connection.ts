/** An accepted SRT socket and what it is watched for. */
import { type Libsrt, SRT_EPOLL_IN } from "../../../ffi/libsrt/mod.ts";
import type { Role } from "../plane.ts";
import type { Accepted } from "./listeners.ts";
import type { SrtPoller, SrtWatched } from "./poller.ts";

/** How often the messages of a peer that is gone are looked for. */
export const TAIL_LOOK_MS = 20;
/** Beyond the latency; what has not come due by then has a hole before it and never will. */
const TAIL_MARGIN_MS = 200;

/** Who a connection belongs to; told when libsrt has something new. */
export interface SrtConnectionOwner {
  connectionReady(connection: SrtConnection, events: number): void;
}

export class SrtConnection implements SrtWatched {
  readonly socket: number;
  readonly address: string;
  readonly remote: string;
  /** Set by the hello. */
  role: Role | null = null;
  id = "";
  /** The beginning of a hello that came in several messages. */
  helloBytes: Uint8Array | null = null;
  /** What came behind the hello in its message; goes to the peer first. */
  firstMessage: Uint8Array | null = null;
  /** SRT has no half-close: an end that is gone is gone. */
  readonly half_closed = false;
  /** libsrt has given the connection up; what it had received can still be read. */
  broken = false;
  readonly #libsrt: Libsrt;
  readonly #poller: SrtPoller;
  /** Who hears of it: where it came in at first, then whoever it has said it belongs to. */
  owner: SrtConnectionOwner;
  #interest = 0;
  #watched = false;
  #open = true;
  #tailUntil_ms = 0;

  constructor(
    options: Accepted & { libsrt: Libsrt; poller: SrtPoller; owner: SrtConnectionOwner },
  ) {
    this.socket = options.socket;
    this.address = options.address;
    this.remote = options.remote;
    this.#libsrt = options.libsrt;
    this.#poller = options.poller;
    this.owner = options.owner;
  }

  /** False when the peer has left before anybody looked. */
  watch(): boolean {
    this.#interest = SRT_EPOLL_IN;
    this.#watched = this.#poller.watch(this, this.#interest);
    return this.#watched;
  }

  /** Starts or stops being told of SRT_EPOLL_IN or SRT_EPOLL_OUT. */
  want(event: number, wanted: boolean): void {
    const interest = wanted ? this.#interest | event : this.#interest & ~event;
    if (interest === this.#interest || !this.#watched) return;
    this.#interest = interest;
    this.#poller.rewatch(this, interest);
  }

  ready(events: number): void {
    this.owner.connectionReady(this, events);
  }

  /** Packets that libsrt has received and nobody has read, those not due yet included. */
  receivedPackets(): number {
    return this.#libsrt.getInt(this.socket, "SRTO_RCVDATA") ?? 0;
  }

  /** The receive latency that both ends have agreed on, ms. */
  receiveLatency(): number {
    return this.#libsrt.getInt(this.socket, "SRTO_RCVLATENCY") ?? 0;
  }

  /** The latency of the other direction: how long the peer keeps what it is sent, ms. */
  sendLatency(): number {
    return this.#libsrt.getInt(this.socket, "SRTO_PEERLATENCY") ?? 0;
  }

  /**
   * The peer is gone. What it had sent is still in libsrt, which hands it out as it comes due and says
   * between times that the connection is lost: so it is asked again until {@link hasTail} says no.
   */
  lose(now_ms: number): void {
    this.broken = true;
    this.unwatch();
    this.#tailUntil_ms = now_ms + this.receiveLatency() + TAIL_MARGIN_MS;
  }

  /** Whether something that a lost peer had sent may still come due. */
  hasTail(now_ms: number): boolean {
    return now_ms < this.#tailUntil_ms && this.receivedPackets() > 0;
  }

  /** Is told of nothing any more; the socket stays. */
  unwatch(): void {
    this.#watched = false;
    this.#poller.forget(this.socket);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.unwatch();
    this.#libsrt.srt_close(this.socket);
  }
}
