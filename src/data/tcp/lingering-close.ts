/**
 * The close of an end whose peer broke off: what the kernel still has to deliver goes out first, then
 * the abort is passed on. The kernel's own SO_LINGER would block the whole worker in close(), so this
 * looks at the socket from time to time instead.
 */
import { type Libc, SIOCOUTQ } from "../../../ffi/libc/mod.ts";
import { Deadline, type TimerWheel } from "../timer-wheel.ts";
import { resetOnClose } from "./connection.ts";

/** Between two looks: one slot of the wheel. */
const LOOK_MS = 50;

const unsent = new Int32Array(1);

export class LingeringClose {
  readonly #libc: Libc;
  readonly #wheel: TimerWheel;
  readonly #fd: number;
  readonly #look = new Deadline((now_ms) => this.#check(now_ms));
  #until_ms = 0;

  constructor(options: { libc: Libc; wheel: TimerWheel; fd: number }) {
    this.#libc = options.libc;
    this.#wheel = options.wheel;
    this.#fd = options.fd;
  }

  start(now_ms: number, linger_ms: number): void {
    this.#until_ms = now_ms + linger_ms;
    this.#check(now_ms);
  }

  #check(now_ms: number): void {
    const libc = this.#libc;
    const delivered = libc.ioctl(this.#fd, SIOCOUTQ, unsent) < 0 || unsent[0] === 0;
    if (!delivered && now_ms < this.#until_ms) {
      this.#wheel.schedule(this.#look, now_ms + LOOK_MS);
      return;
    }
    resetOnClose(libc, this.#fd);
    libc.close(this.#fd);
  }
}
