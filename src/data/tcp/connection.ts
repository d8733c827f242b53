/** An accepted data connection and what epoll last said of it. */
import {
  EPIPE,
  EPOLLERR,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  type Libc,
  SO_ERROR,
  SO_LINGER,
  SOL_SOCKET,
} from "../../../ffi/libc/mod.ts";
import type { Role } from "../plane.ts";
import type { Poller, Watched } from "./poller.ts";

/** Everything, edge-triggered and registered once: no epoll_ctl while bytes flow. */
const WATCHED_EVENTS = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

/** Who a connection belongs to; told when epoll has something new. */
export interface ConnectionOwner {
  connectionReady(connection: Connection): void;
}

export class Connection implements Watched {
  readonly fd: number;
  /** `host:port` for the log. */
  remote: string;
  /** The host alone, by which connections are counted. */
  address: string;
  /** A trusted proxy's, whose header has not been read yet. */
  proxied: boolean;
  /** epoll has said so and no call has answered EAGAIN since. */
  readable = false;
  writable = false;
  /** The peer has sent its FIN; what it sent before may still wait to be read. */
  finished = false;
  /** It waits without holding the reservation: its end has been reported already. */
  reportedGone = false;
  /** The connection is broken: reset, or an error of the network. */
  broken = false;
  /** Set by the hello. */
  role: Role | null = null;
  id = "";
  readonly #libc: Libc;
  readonly #owner: ConnectionOwner;

  constructor(options: {
    libc: Libc;
    fd: number;
    remote: string;
    address: string;
    proxied: boolean;
    owner: ConnectionOwner;
  }) {
    this.#libc = options.libc;
    this.fd = options.fd;
    this.remote = options.remote;
    this.address = options.address;
    this.proxied = options.proxied;
    this.#owner = options.owner;
  }

  get half_closed(): boolean {
    return this.finished;
  }

  watch(poller: Poller): void {
    poller.watch(this, WATCHED_EVENTS);
  }

  /** Turns the peer away: a close with unread bytes would be a reset, and a refusal is a silent end. */
  closeSilently({ poller, scratch }: { poller: Poller; scratch: Uint8Array }): void {
    this.#libc.recv(this.fd, scratch, scratch.length, 0);
    poller.forget(this.fd);
    this.#libc.close(this.fd);
  }

  ready(events: number): void {
    if (events & EPOLLIN) this.readable = true;
    if (events & EPOLLOUT) this.writable = true;
    if (events & EPOLLERR) {
      this.broken = true;
      // A reset that comes after the FIN is an EPIPE to the kernel, any other is not: so a reset,
      // which also says RDHUP, is not taken for an end that was in order.
      this.finished = socketError(this.#libc, this.fd) === EPIPE;
    } else if (events & EPOLLRDHUP) {
      this.finished = true;
      this.readable = true;
    }
    // HUP alone is the orderly end of both directions; the last bytes and the FIN are still to be read.
    if (events & EPOLLHUP) this.readable = true;
    this.#owner.connectionReady(this);
  }
}

const pending = new Int32Array(1);
const pendingBytes = new Uint32Array(1);

/** The error that waits on a socket, which this takes away; 0 for none. */
function socketError(libc: Libc, fd: number): number {
  pendingBytes[0] = 4;
  return libc.getsockopt(fd, SOL_SOCKET, SO_ERROR, pending, pendingBytes) < 0 ? 0 : pending[0];
}

const lingerZero = new Int32Array([1, 0]);

/** Makes the next close a reset: what is unsent is dropped and the peer sees an abort. */
export function resetOnClose(libc: Libc, fd: number): void {
  libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, lingerZero, 8);
}
