/**
 * libsrt's listeners, kept for the next session on their port. libsrt closes in the background (a
 * collector that ticks each second, longer for what broke), and a port that is bound again before the
 * old listener is really gone may attach to its dead multiplexer. So a listener rests when its session
 * is over, is used again if the port is granted again, and is only closed when nobody wanted it.
 */
import { performance } from "node:perf_hooks";
import {
  addressFamily,
  AF_INET6,
  decodeAddress,
  encodeAddress,
  formatAddress,
  SOCKADDR_BYTES,
} from "../../../ffi/libc/mod.ts";
import {
  type Libsrt,
  SRT_EASYNCRCV,
  SRT_EPOLL_IN,
  SRT_ERROR,
  type SrtOptionName,
  type SrtOptionValue,
  SRTS_NONEXIST,
} from "../../../ffi/libsrt/mod.ts";
import { Deadline, type TimerWheel } from "../timer-wheel.ts";
import type { SrtWorkerSettings } from "../worker-protocol.ts";
import type { SrtPoller, SrtWatched } from "./poller.ts";

/** Connections that may wait to be accepted. */
const BACKLOG = 32;
/** A listener nobody needs is closed after this; until then its port answers handshakes. */
const REST_MS = 30_000;
/** Rest of a listener whose connections cannot be taken. */
const PAUSE_MS = 100;
/** Between two looks whether a closed listener is gone. */
const GONE_LOOK_MS = 100;
/** libsrt's collector needs up to about 4 s; after this the port counts as taken. */
const GONE_MAX_MS = 6_000;

/**
 * Packets in flight and in each buffer: 16384 × 1456 bytes is 190 ms at 1 Gbit/s, the default latency
 * with room for a round trip. The window is never larger than the receive buffer, because libsrt
 * stalls for good when it overruns it.
 */
const WINDOW_PACKETS = 16_384;
/** What libsrt counts a packet as: the MSS of 1500 less IP and UDP headers. */
const PACKET_BYTES = 1472;
/** The kernel's queue of the port; it cuts this to what net.core allows. */
const UDP_BYTES = 8 << 20;
/**
 * What the wire calls 0, unlimited. libsrt's own word for it, −1, means 1 Gbit/s: it would sleep
 * between two packets, and pace nothing else away. No port carries 10 Gbit/s.
 */
const UNLIMITED_BPS = 10_000_000_000;
/** V4: a peer that is silent for longer, keepalives included, is gone. */
const PEER_IDLE_MS = 8_000;
/** The longest message of live mode: an Ethernet frame less all headers. */
export const MESSAGE_BYTES = 1456;

/** An accepted socket and where it comes from. */
export interface Accepted {
  socket: number;
  /** The host alone. */
  address: string;
  /** `host:port`. */
  remote: string;
}

/** Who takes what a listener accepts. */
export interface Acceptor {
  readonly port: number;
  accept(accepted: Accepted): void;
}

interface Listener {
  socket: number;
  /** Null while it rests. */
  acceptor: Acceptor | null;
  rest: Deadline;
}

export class SrtListeners {
  readonly #libsrt: Libsrt;
  readonly #poller: SrtPoller;
  readonly #wheel: TimerWheel;
  readonly #settings: SrtWorkerSettings;
  readonly #stranger: (port: number, remote: string) => void;
  readonly #exhausted: (port: number) => void;
  readonly #listeners = new Map<number, Listener>();
  /** Those who wait for an earlier listener to be gone, and their next look. */
  readonly #looks = new Map<Acceptor, Deadline>();
  /** Closed and perhaps not gone yet: the socket by its port. */
  readonly #leaving = new Map<number, number>();
  readonly #peer = new Uint8Array(SOCKADDR_BYTES);
  readonly #peerBytes = new Int32Array(1);

  constructor(options: {
    libsrt: Libsrt;
    poller: SrtPoller;
    wheel: TimerWheel;
    settings: SrtWorkerSettings;
    /** Somebody connected to a port without a session and was turned away. */
    stranger: (port: number, remote: string) => void;
    /** libsrt could not hand out a connection: it is out of memory, threads or descriptors. */
    exhausted: (port: number) => void;
  }) {
    this.#libsrt = options.libsrt;
    this.#poller = options.poller;
    this.#wheel = options.wheel;
    this.#settings = options.settings;
    this.#stranger = options.stranger;
    this.#exhausted = options.exhausted;
  }

  /**
   * Has the port listen and calls back once with null, or with the error; at once where that is
   * possible, later where an earlier listener is still leaving. Nobody is called back who has been
   * put to {@link rest} by then.
   */
  open(
    port: number,
    now_ms: number,
    acceptor: Acceptor,
    done: (failure: Error | null) => void,
  ): void {
    const until_ms = now_ms + GONE_MAX_MS;
    const attempt = (then_ms: number) => {
      const there = this.#listeners.get(port);
      if (there) {
        this.#wheel.cancel(there.rest);
        there.acceptor = acceptor;
        return done(null);
      }
      if (this.#isLeaving(port) && then_ms < until_ms) {
        this.#looks.set(acceptor, look);
        this.#wheel.schedule(look, then_ms + GONE_LOOK_MS);
        return;
      }
      this.#looks.delete(acceptor);
      try {
        this.#listen(port, acceptor);
      } catch (error) {
        return done(error as Error);
      }
      done(null);
    };
    const look = new Deadline(attempt);
    attempt(now_ms);
  }

  /** The acceptor's session is over; its listener, if it has got one, rests. */
  rest(acceptor: Acceptor, now_ms: number): void {
    const look = this.#looks.get(acceptor);
    if (look) {
      this.#wheel.cancel(look);
      this.#looks.delete(acceptor);
    }
    const listener = this.#listeners.get(acceptor.port);
    if (listener?.acceptor !== acceptor) return;
    listener.acceptor = null;
    this.#wheel.schedule(listener.rest, now_ms + REST_MS);
  }

  close(): void {
    for (const port of [...this.#listeners.keys()]) this.#close(port);
  }

  #listen(port: number, acceptor: Acceptor): void {
    const socket = openListener(this.#libsrt, this.#settings, port);
    const rest = new Deadline(() => this.#close(port));
    const listener: Listener = { socket, acceptor, rest };
    this.#listeners.set(port, listener);
    const watched = { socket, ready: () => this.#accept(port, listener, watched) };
    this.#poller.watch(watched, SRT_EPOLL_IN);
  }

  #accept(port: number, listener: Listener, watched: SrtWatched): void {
    const libsrt = this.#libsrt;
    for (let i = 0; i < BACKLOG; i++) {
      this.#peerBytes[0] = SOCKADDR_BYTES;
      const socket = libsrt.srt_accept(listener.socket, this.#peer, this.#peerBytes);
      if (socket === SRT_ERROR) {
        if (libsrt.lastError() !== SRT_EASYNCRCV) this.#pause(port, watched);
        return;
      }
      const from = decodeAddress(this.#peer);
      const remote = formatAddress(from);
      if (listener.acceptor) {
        listener.acceptor.accept({ socket, address: from.host, remote });
      } else {
        libsrt.srt_close(socket);
        this.#stranger(port, remote);
      }
    }
  }

  /** Told of the same connection again and again, the loop would spin. */
  #pause(port: number, watched: SrtWatched): void {
    this.#exhausted(port);
    this.#poller.rewatch(watched, 0);
    const resume = new Deadline(() => {
      if (this.#listeners.get(port)?.socket !== watched.socket) return;
      this.#poller.rewatch(watched, SRT_EPOLL_IN);
    });
    this.#wheel.schedule(resume, performance.now() + PAUSE_MS);
  }

  #close(port: number): void {
    const listener = this.#listeners.get(port)!;
    this.#listeners.delete(port);
    this.#wheel.cancel(listener.rest);
    this.#poller.forget(listener.socket);
    this.#libsrt.srt_close(listener.socket);
    this.#leaving.set(port, listener.socket);
  }

  #isLeaving(port: number): boolean {
    const socket = this.#leaving.get(port);
    if (socket === undefined) return false;
    if (this.#libsrt.srt_getsockstate(socket) !== SRTS_NONEXIST) return true;
    this.#leaving.delete(port);
    return false;
  }
}

function openListener(libsrt: Libsrt, settings: SrtWorkerSettings, port: number): number {
  const socket = libsrt.srt_create_socket();
  if (socket === SRT_ERROR) throw libsrt.failure("srt_create_socket");
  try {
    for (const [name, value] of listenerOptions(settings)) libsrt.setOption(socket, name, value);
    const address = encodeAddress(settings.bind_address, port);
    if (libsrt.srt_bind(socket, address, address.length) < 0) {
      const about = formatAddress({ host: settings.bind_address, port });
      throw libsrt.failure(`srt_bind ${about}`);
    }
    if (libsrt.srt_listen(socket, BACKLOG) < 0) throw libsrt.failure("srt_listen");
  } catch (error) {
    libsrt.srt_close(socket);
    throw error;
  }
  return socket;
}

/** In the order in which libsrt wants them; what is accepted inherits all of these. */
function listenerOptions(settings: SrtWorkerSettings): [SrtOptionName, SrtOptionValue][] {
  const { latency_ms, maxbw_bps, ipttl, bind_address } = settings;
  return [
    ["SRTO_RCVSYN", false],
    ["SRTO_SNDSYN", false],
    ["SRTO_FC", WINDOW_PACKETS],
    ["SRTO_RCVBUF", WINDOW_PACKETS * PACKET_BYTES],
    ["SRTO_SNDBUF", WINDOW_PACKETS * PACKET_BYTES],
    ["SRTO_UDP_RCVBUF", UDP_BYTES],
    ["SRTO_UDP_SNDBUF", UDP_BYTES],
    ["SRTO_IPTTL", ipttl],
    // libsrt wants this said, one way or the other, before it binds "::".
    ...(addressFamily(bind_address) === AF_INET6
      ? [["SRTO_IPV6ONLY", 0] as [SrtOptionName, SrtOptionValue]]
      : []),
    ["SRTO_LATENCY", latency_ms],
    ["SRTO_PAYLOADSIZE", MESSAGE_BYTES],
    // gosrt refuses a peer without it.
    ["SRTO_TLPKTDROP", true],
    ["SRTO_PEERIDLETIMEO", PEER_IDLE_MS],
    ["SRTO_MAXBW", Math.max(1, Math.floor((maxbw_bps || UNLIMITED_BPS) / 8))],
  ];
}
