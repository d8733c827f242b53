/** An accepted data connection and what epoll last said of it. */
import {
  EPOLLERR,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  type Libc,
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
  readonly remote: string;
  /** The host alone, by which connections are counted. */
  readonly address: string;
  /** epoll has said so and no call has answered EAGAIN since. */
  readable = false;
  writable = false;
  /** The peer has sent its FIN; what it sent before may still wait to be read. */
  finished = false;
  /** The connection is broken: reset, or an error of the network. */
  broken = false;
  /** Set by the hello. */
  role: Role | null = null;
  id = "";
  readonly #owner: ConnectionOwner;

  constructor(options: {
    fd: number;
    remote: string;
    address: string;
    owner: ConnectionOwner;
  }) {
    this.fd = options.fd;
    this.remote = options.remote;
    this.address = options.address;
    this.#owner = options.owner;
  }

  get half_closed(): boolean {
    return this.finished;
  }

  watch(poller: Poller): void {
    poller.watch(this, WATCHED_EVENTS);
  }

  ready(events: number): void {
    if (events & EPOLLIN) this.readable = true;
    if (events & EPOLLOUT) this.writable = true;
    if (events & EPOLLRDHUP) {
      this.finished = true;
      this.readable = true;
    }
    // HUP alone is the orderly end of both directions; the last bytes and the FIN are still to be read.
    if (events & EPOLLHUP) this.readable = true;
    if (events & EPOLLERR) this.broken = true;
    this.#owner.connectionReady(this);
  }
}

const lingerZero = new Int32Array([1, 0]);

/** Makes the next close a reset: what is unsent is dropped and the peer sees an abort. */
export function resetOnClose(libc: Libc, fd: number): void {
  libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, lingerZero, 8);
}
