/**
 * The listening sockets of a worker. A port listens while it is granted, and closes with its session.
 * Only under a stream of short sessions does it go on for a moment: there the lowest ports are granted
 * again and again, and to bind one anew takes the kernel a look at every connection of it that is
 * still in TIME_WAIT, thousands by then.
 */
import {
  addressFamily,
  decodeAddress,
  EAGAIN,
  EMFILE,
  encodeAddress,
  ENFILE,
  ENOBUFS,
  ENOMEM,
  EPOLLIN,
  formatAddress,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_V6ONLY,
  type Libc,
  SO_KEEPALIVE,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_SNDBUF,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOCKADDR_BYTES,
  SOL_SOCKET,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
} from "../../../ffi/libc/mod.ts";
import type { AddressRules } from "../address-rules.ts";
import type { PlaneEvent } from "../plane.ts";
import { bannedEvent, exhaustedEvent, strangerEvent } from "../port-events.ts";
import { Deadline, type TimerWheel } from "../timer-wheel.ts";
import type { TcpWorkerSettings } from "../worker-protocol.ts";
import type { Poller, Watched } from "./poller.ts";

/**
 * Connections that may wait to be accepted. Two are expected; the rest is room for a flood, in which
 * an honest end would otherwise lose a second to its SYN's retry.
 */
const BACKLOG = 1024;
/** Accepted in one turn, so that a flood on one port does not hold up the sessions. */
const ACCEPTS_PER_TURN = 64;
/**
 * A port that is granted again within this time after its last session is in such a stream, and goes
 * on to listen for as long after the next.
 */
const REST_MS = 100;
/** Rest of a listener when the process has no descriptor left; without it the loop would spin. */
const STARVED_MS = 100;
const OUT_OF_RESOURCES = new Set([EMFILE, ENFILE, ENOBUFS, ENOMEM]);
/** A peer whose host is gone without a word is noticed after 60 + 3 × 10 s. */
const KEEPALIVE: [option: number, value: number][] = [
  [TCP_KEEPIDLE, 60],
  [TCP_KEEPINTVL, 10],
  [TCP_KEEPCNT, 3],
];

const peer = new Uint8Array(SOCKADDR_BYTES);
const peerBytes = new Uint32Array(1);

/** A connection that has been accepted and where it comes from. */
export interface Accepted {
  fd: number;
  /** The host alone. */
  address: string;
  /** `host:port`. */
  remote: string;
}

/** Sizes of a socket's buffers, as `setsockopt` wants them; 0 leaves them to the kernel's tuning. */
export interface SocketBuffers {
  readonly sndbuf_bytes: number;
  readonly rcvbuf_bytes: number;
}

/** Who takes what a listener accepts. */
export interface Acceptor {
  readonly port: number;
  /** Set once both ends are there. */
  readonly session: object | null;
  /** Of the sockets that it takes, bytes, instead of the configuration's; 0 is the kernel's own. */
  readonly buffers?: SocketBuffers;
  accept(accepted: Accepted): void;
}

export interface ListenersOptions {
  libc: Libc;
  poller: Poller;
  wheel: TimerWheel;
  settings: TcpWorkerSettings;
  addresses: AddressRules;
  event: (event: PlaneEvent) => void;
  /** The clock of this turn of the loop, ms. */
  now_ms: () => number;
}

export class TcpListeners {
  readonly #options: ListenersOptions;
  readonly #listeners = new Map<number, Listener>();
  /** When the ports were closed last, ms; at most one entry per port of the pool. */
  readonly #closed_ms = new Map<number, number>();

  constructor(options: ListenersOptions) {
    this.#options = options;
  }

  /** Has the port listen. Throws {@link SystemCallError} where it cannot be bound. */
  open(acceptor: Acceptor): void {
    const { port } = acceptor;
    const resting = this.#listeners.get(port);
    if (resting) return resting.serve(acceptor);
    const now_ms = this.#options.now_ms();
    const busy = now_ms - (this.#closed_ms.get(port) ?? -Infinity) < REST_MS;
    const closed = this.#onClosed;
    this.#listeners.set(port, new Listener(this.#options, { acceptor, busy, closed }));
  }

  readonly #onClosed = (port: number): void => {
    this.#listeners.delete(port);
    this.#closed_ms.set(port, this.#options.now_ms());
  };

  /** The acceptor's port is over. A reservation that never became a session is no part of a stream. */
  rest(acceptor: Acceptor): void {
    const listener = this.#listeners.get(acceptor.port);
    if (acceptor.session) listener?.rest();
    else listener?.close();
  }

  close(): void {
    for (const listener of [...this.#listeners.values()]) listener.close();
  }
}

class Listener implements Watched {
  readonly fd: number;
  readonly #options: ListenersOptions;
  readonly #port: number;
  readonly #busy: boolean;
  readonly #closed: (port: number) => void;
  #restOver: Deadline | null = null;
  #starveOver: Deadline | null = null;
  /** Null while it rests. */
  #acceptor: Acceptor | null;

  constructor(
    options: ListenersOptions,
    use: { acceptor: Acceptor; busy: boolean; closed: (port: number) => void },
  ) {
    this.#options = options;
    this.#port = use.acceptor.port;
    this.#acceptor = use.acceptor;
    this.#busy = use.busy;
    this.#closed = use.closed;
    const { libc, settings } = options;
    const { bind_address: host } = settings;
    const buffers = use.acceptor.buffers ?? settings;
    this.fd = listen(libc, { host, port: this.#port, buffers });
    options.poller.watch(this, EPOLLIN);
  }

  serve(acceptor: Acceptor): void {
    this.#options.wheel.cancel(this.#restOver);
    this.#acceptor = acceptor;
  }

  rest(): void {
    if (!this.#busy) return this.close();
    const { wheel, now_ms } = this.#options;
    this.#acceptor = null;
    this.#restOver ??= new Deadline(() => this.close());
    wheel.schedule(this.#restOver, now_ms() + REST_MS);
  }

  close(): void {
    const { libc, poller, wheel } = this.#options;
    wheel.cancel(this.#restOver);
    wheel.cancel(this.#starveOver);
    poller.forget(this.fd);
    libc.close(this.fd);
    this.#closed(this.#port);
  }

  ready(): void {
    const { libc } = this.#options;
    for (let i = 0; i < ACCEPTS_PER_TURN; i++) {
      peerBytes[0] = SOCKADDR_BYTES;
      const fd = libc.accept4(this.fd, peer, peerBytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        const errno = libc.errno();
        if (errno === EAGAIN) return;
        if (OUT_OF_RESOURCES.has(errno)) return this.#starve();
        // A connection that broke off while it waited: an error of its network, told here.
        continue;
      }
      const { host, port } = decodeAddress(peer);
      this.#hand({ fd, address: host, remote: formatAddress({ host, port }) });
    }
  }

  #hand(accepted: Accepted): void {
    const { libc, addresses, event } = this.#options;
    const { address, remote } = accepted;
    // A proxy's clients are banned one by one, once it has said who they are.
    const banned = addresses.isBanned(address) && !addresses.isTrustedProxy(address);
    if (this.#acceptor && !banned) return this.#acceptor.accept(accepted);
    libc.close(accepted.fd);
    event(banned ? bannedEvent(this.#port, remote) : strangerEvent(this.#port, remote));
  }

  /** No descriptor or no memory for one more connection. */
  #starve(): void {
    const { poller, wheel, event, now_ms } = this.#options;
    poller.rewatch(this, 0);
    this.#starveOver ??= new Deadline(() => poller.rewatch(this, EPOLLIN));
    wheel.schedule(this.#starveOver, now_ms() + STARVED_MS);
    event(exhaustedEvent(this.#port));
  }
}

function listen(
  libc: Libc,
  { host, port, buffers }: { host: string; port: number; buffers: SocketBuffers },
): number {
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = libc.socket(addressFamily(host), type, 0);
  if (fd < 0) throw libc.failure("socket");
  const set = (level: number, option: number, value: number) =>
    libc.setsockopt(fd, level, option, Int32Array.of(value), 4);
  // Connections of an earlier session on this port may still be in TIME_WAIT.
  set(SOL_SOCKET, SO_REUSEADDR, 1);
  if (host === "::") set(IPPROTO_IPV6, IPV6_V6ONLY, 0);
  // What is accepted inherits all of these.
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  for (const [option, value] of KEEPALIVE) set(IPPROTO_TCP, option, value);
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  if (buffers.sndbuf_bytes > 0) set(SOL_SOCKET, SO_SNDBUF, buffers.sndbuf_bytes);
  if (buffers.rcvbuf_bytes > 0) set(SOL_SOCKET, SO_RCVBUF, buffers.rcvbuf_bytes);
  const address = encodeAddress(host, port);
  const bound = libc.bind(fd, address, address.length) === 0;
  if (bound && libc.listen(fd, BACKLOG) === 0) return fd;
  const failure = libc.failure(bound ? "listen" : "bind", formatAddress({ host, port }));
  libc.close(fd);
  throw failure;
}
