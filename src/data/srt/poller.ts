/**
 * libsrt's epoll as the one poller of this process uses it: level-triggered, so that a socket which
 * still has something is told again. `SRT_EPOLL_EVENT` is { i32 socket; i32 events }.
 */
import { type Libsrt, SRT_EPOLL_ENABLE_EMPTY, SRT_EPOLL_ERR } from "../../../ffi/libsrt/mod.ts";

/** Sockets told of at once. */
const BATCH = 256;

/** Who hears about a socket. */
export interface SrtWatched {
  readonly socket: number;
  /** `events` are SRT_EPOLL_* bits. */
  ready(events: number): void;
}

export class SrtPoller {
  readonly #libsrt: Libsrt;
  readonly #epoll: number;
  readonly #events = new Int32Array(BATCH * 2);
  readonly #interest = new Int32Array(1);
  readonly #watched = new Map<number, SrtWatched>();

  constructor({ libsrt }: { libsrt: Libsrt }) {
    this.#libsrt = libsrt;
    this.#epoll = libsrt.srt_epoll_create();
    if (this.#epoll < 0) throw libsrt.failure("srt_epoll_create");
    libsrt.srt_epoll_set(this.#epoll, SRT_EPOLL_ENABLE_EMPTY);
  }

  get size(): number {
    return this.#watched.size;
  }

  /** False for a socket that is gone already. */
  watch(watched: SrtWatched, events: number): boolean {
    this.#interest[0] = events | SRT_EPOLL_ERR;
    if (this.#libsrt.srt_epoll_add_usock(this.#epoll, watched.socket, this.#interest) < 0) {
      return false;
    }
    this.#watched.set(watched.socket, watched);
    return true;
  }

  /**
   * Changes what a socket is watched for. Never by removing and adding it again, which loses events.
   * A socket that has broken meanwhile is gone from libsrt's table: its error has been told already.
   */
  rewatch(watched: SrtWatched, events: number): void {
    this.#interest[0] = events | SRT_EPOLL_ERR;
    this.#libsrt.srt_epoll_update_usock(this.#epoll, watched.socket, this.#interest);
  }

  forget(socket: number): void {
    if (this.#watched.delete(socket)) this.#libsrt.srt_epoll_remove_usock(this.#epoll, socket);
  }

  /** Waits for at most `timeout_ms`; answers how many sockets there are to tell. */
  wait(timeout_ms: number): number {
    // The documents promise BATCH + 1 when there are more, the code answers at most BATCH.
    const ready = this.#libsrt.srt_epoll_uwait(this.#epoll, this.#events, BATCH, timeout_ms);
    return Math.min(ready, BATCH);
  }

  /** Tells everyone whom the last wait found ready. */
  tell(count: number): void {
    for (let i = 0; i < count; i++) {
      this.#watched.get(this.#events[2 * i])?.ready(this.#events[2 * i + 1]);
    }
  }

  close(): void {
    this.#libsrt.srt_epoll_release(this.#epoll);
  }
}
