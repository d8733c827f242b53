/**
 * The close of an end whose peer broke off, when `zeromq.linger` gives it time: what is still unsent
 * goes out first, then the abort is passed on. The kernel's own SO_LINGER would block the whole worker
 * in close(), so this looks at the socket from time to time instead.
 */
import { type Libc, SIOCOUTQ } from "../../../ffi/libc/mod.ts";
import { Deadline, type TimerWheel } from "../timer-wheel.ts";
import { resetOnClose } from "./connection.ts";
import { flushPipe } from "./flow.ts";
import type { Pipe, PipePool } from "./pipes.ts";

/** Between two looks: one slot of the wheel. */
const LOOK_MS = 50;

const unsent = new Int32Array(1);

export class LingeringClose {
  readonly #libc: Libc;
  readonly #wheel: TimerWheel;
  readonly #pipes: PipePool;
  readonly #fd: number;
  readonly #left: { pipe: Pipe; bytes: number } | null;
  readonly #look = new Deadline((now_ms) => this.#check(now_ms));
  #until_ms = 0;

  constructor(options: {
    libc: Libc;
    wheel: TimerWheel;
    pipes: PipePool;
    fd: number;
    left: { pipe: Pipe; bytes: number } | null;
  }) {
    this.#libc = options.libc;
    this.#wheel = options.wheel;
    this.#pipes = options.pipes;
    this.#fd = options.fd;
    this.#left = options.left;
  }

  start(now_ms: number, linger_ms: number): void {
    this.#until_ms = now_ms + linger_ms;
    this.#check(now_ms);
  }

  #check(now_ms: number): void {
    const libc = this.#libc;
    const flushed = !this.#left || flushPipe(libc, this.#left, this.#fd);
    const sent = flushed && (libc.ioctl(this.#fd, SIOCOUTQ, unsent) < 0 || unsent[0] === 0);
    if (!sent && now_ms < this.#until_ms) {
      this.#wheel.schedule(this.#look, now_ms + LOOK_MS);
      return;
    }
    if (this.#left) this.#pipes.discard(this.#left.pipe);
    resetOnClose(libc, this.#fd);
    libc.close(this.#fd);
  }
}
