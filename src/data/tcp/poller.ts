/**
 * epoll as one worker uses it. `struct epoll_event` is packed on x86-64: { u32 events; u64 data },
 * 12 bytes; `data` carries the descriptor and a generation, so that an event for a descriptor that was
 * closed and given out again within the same batch is not taken for the new one's.
 */
import {
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  type Libc,
} from "../../../ffi/libc/mod.ts";

/** Events taken from the kernel at once: enough that a busy worker rarely asks twice, few enough
 * that commands are not kept waiting. */
const BATCH = 256;
const WORDS = 3;

/** Who hears about a descriptor. */
export interface Watched {
  readonly fd: number;
  /** `events` are EPOLL* bits. */
  ready(events: number): void;
}

export class Poller {
  readonly #libc: Libc;
  readonly #epoll: number;
  readonly #events = new Int32Array(BATCH * WORDS);
  readonly #event = new Int32Array(WORDS);
  readonly #watched: (Watched | undefined)[] = [];
  readonly #generations: number[] = [];

  constructor({ libc }: { libc: Libc }) {
    this.#libc = libc;
    this.#epoll = libc.epoll_create1(EPOLL_CLOEXEC);
    if (this.#epoll < 0) throw libc.failure("epoll_create1");
  }

  watch(watched: Watched, events: number): void {
    const { fd } = watched;
    this.#generations[fd] = ((this.#generations[fd] ?? 0) + 1) | 0;
    this.#watched[fd] = watched;
    this.#control(EPOLL_CTL_ADD, fd, events);
  }

  rewatch(watched: Watched, events: number): void {
    this.#control(EPOLL_CTL_MOD, watched.fd, events);
  }

  /** To be called before the descriptor is closed; events that are on their way are forgotten. */
  forget(fd: number): void {
    this.#watched[fd] = undefined;
    this.#control(EPOLL_CTL_DEL, fd, 0);
  }

  /** Blocks for at most `timeout_ms` (−1: for ever); answers how many events there are to tell. */
  wait(timeout_ms: number): number {
    return this.#libc.epoll_wait(this.#epoll, this.#events, BATCH, timeout_ms);
  }

  /** Tells everyone whom the last wait found ready. */
  tell(count: number): void {
    for (let i = 0; i < count; i++) {
      const at = i * WORDS;
      const fd = this.#events[at + 1];
      if (this.#generations[fd] === this.#events[at + 2]) {
        this.#watched[fd]?.ready(this.#events[at]);
      }
    }
  }

  close(): void {
    this.#libc.close(this.#epoll);
  }

  #control(operation: number, fd: number, events: number): void {
    this.#event[0] = events;
    this.#event[1] = fd;
    this.#event[2] = this.#generations[fd];
    if (this.#libc.epoll_ctl(this.#epoll, operation, fd, this.#event) < 0) {
      throw this.#libc.failure("epoll_ctl");
    }
  }
}
