/** Takes the connections of a listening socket, a fair number per turn, and rests where it has to. */
import {
  AF_UNIX,
  decodeAddress,
  EAGAIN,
  EMFILE,
  ENFILE,
  ENOBUFS,
  ENOMEM,
  EPOLLIN,
  formatAddress,
  type Libc,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCKADDR_BYTES,
} from "../../../ffi/libc/mod.ts";
import { Deadline, type TimerWheel } from "../timer-wheel.ts";
import type { Poller, Watched } from "./poller.ts";

/** Accepted in one turn, so that a flood on one port does not hold up the sessions. */
const ACCEPTS_PER_TURN = 64;
/** Rest of a listener when the process has no descriptor left; without it the loop would spin. */
const STARVED_MS = 100;
const OUT_OF_RESOURCES = new Set([EMFILE, ENFILE, ENOBUFS, ENOMEM]);

const peer = new Uint8Array(SOCKADDR_BYTES);
const peerBytes = new Uint32Array(1);

/** A connection that has been accepted and where it comes from. */
export interface Accepted {
  fd: number;
  /** The host alone; empty for a peer on a Unix socket. */
  address: string;
  /** `host:port`; `unix` for such a peer. */
  remote: string;
}

export interface AcceptLoopOptions {
  libc: Libc;
  poller: Poller;
  wheel: TimerWheel;
  /** A socket that listens; closed with the loop. */
  fd: number;
  /** The clock of this turn of the worker, ms. */
  now_ms: () => number;
  take: (accepted: Accepted) => void;
  /** There was no descriptor or no memory for one more connection. */
  starved: () => void;
}

export class AcceptLoop implements Watched {
  readonly fd: number;
  readonly #options: AcceptLoopOptions;
  #starveOver: Deadline | null = null;

  constructor(options: AcceptLoopOptions) {
    this.#options = options;
    this.fd = options.fd;
    options.poller.watch(this, EPOLLIN);
  }

  close(): void {
    const { libc, poller, wheel } = this.#options;
    wheel.cancel(this.#starveOver);
    poller.forget(this.fd);
    libc.close(this.fd);
  }

  ready(): void {
    const { libc, take } = this.#options;
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
      take({ fd, ...addressOfPeer() });
    }
  }

  #starve(): void {
    const { poller, wheel, starved, now_ms } = this.#options;
    poller.rewatch(this, 0);
    this.#starveOver ??= new Deadline(() => poller.rewatch(this, EPOLLIN));
    wheel.schedule(this.#starveOver, now_ms() + STARVED_MS);
    starved();
  }
}

/** The host's byte order; both that we run on begin with the lower byte. */
function addressOfPeer(): { address: string; remote: string } {
  if ((peer[0] | peer[1] << 8) === AF_UNIX) return { address: "", remote: "unix" };
  const { host, port } = decodeAddress(peer);
  return { address: host, remote: formatAddress({ host, port }) };
}
