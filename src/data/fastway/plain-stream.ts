/** The bytes of a socket as they are: non-blocking, edge-triggered and registered once. */
import {
  EAGAIN,
  EPOLLERR,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDHUP,
  type Libc,
  SIOCOUTQ,
  SO_SNDBUF,
  SOL_SOCKET,
} from "../../../ffi/libc/mod.ts";
import type { Poller, Watched } from "../tcp/poller.ts";
import type { Pieces } from "./pieces.ts";
import { NOBODY, type SocketStream, STREAM_OVER, type StreamOwner, WOULD_BLOCK } from "./stream.ts";

const WATCHED_EVENTS = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
/** The peer will send nothing more, or the connection is broken: the next reads find out which. */
const FINAL_EVENTS = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

const unsent = new Int32Array(1);

export interface PlainStreamOptions {
  libc: Libc;
  poller: Poller;
  fd: number;
  /** Where bytes go that nobody wants. */
  dregs: Uint8Array;
}

export class PlainStream implements SocketStream, Watched {
  readonly fd: number;
  readonly unsent_bytes = 0;
  owner: StreamOwner = NOBODY;
  /** The peer has sent its FIN, or worse; what it sent before may still wait to be read. */
  is_finished = false;
  readonly #options: PlainStreamOptions;
  /** epoll has said so, and no read has come back short since. */
  #readable = false;
  #closed = false;

  constructor(options: PlainStreamOptions) {
    this.#options = options;
    this.fd = options.fd;
    options.poller.watch(this, WATCHED_EVENTS);
  }

  read(pieces: Pieces): number {
    if (!this.#readable) return WOULD_BLOCK;
    const { libc } = this.#options;
    const bytes = libc.readv(this.fd, pieces.iovecs, pieces.count);
    if (bytes > 0) {
      // A short read has emptied the socket: what comes next, epoll tells.
      if (bytes < pieces.total_bytes && !this.is_finished) this.#readable = false;
      return bytes;
    }
    if (bytes === 0 || libc.errno() !== EAGAIN) return STREAM_OVER;
    this.#readable = false;
    return WOULD_BLOCK;
  }

  write(pieces: Pieces): number {
    const { libc } = this.#options;
    const bytes = libc.writev(this.fd, pieces.iovecs, pieces.count);
    if (bytes >= 0) return bytes;
    return libc.errno() === EAGAIN ? WOULD_BLOCK : STREAM_OVER;
  }

  unacknowledgedBytes(): number {
    return this.#options.libc.ioctl(this.fd, SIOCOUTQ, unsent) < 0 ? 0 : unsent[0];
  }

  limitUnacknowledged(bytes: number): void {
    // The kernel doubles what it is told.
    this.#options.libc.setsockopt(this.fd, SOL_SOCKET, SO_SNDBUF, Int32Array.of(bytes / 2), 4);
  }

  askForRoom(): void {
    this.#options.poller.rewatch(this, WATCHED_EVENTS);
  }

  dropConnection(): boolean {
    return false;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { libc, poller, dregs } = this.#options;
    // Unread bytes would make a reset of the close, and the peer would lose what is on its way to it.
    libc.recv(this.fd, dregs, dregs.length, 0);
    poller.forget(this.fd);
    libc.close(this.fd);
  }

  /** Gives the descriptor away, as it is. */
  release(): number {
    this.#closed = true;
    this.#options.poller.forget(this.fd);
    return this.fd;
  }

  ready(events: number): void {
    if (events & FINAL_EVENTS) this.is_finished = true;
    if (events & (EPOLLIN | FINAL_EVENTS)) this.#readable = true;
    this.owner.streamReady();
  }
}
