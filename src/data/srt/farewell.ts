/**
 * The end of a connection whose peer has left: what was sent to it is still on its way or waits in
 * its receiver for its time to be played. Closing at once would throw that away at the far end.
 */
import type { Libsrt } from "../../../ffi/libsrt/mod.ts";
import { Deadline, type TimerWheel } from "../timer-wheel.ts";
import type { SrtConnection } from "./connection.ts";

const LOOK_MS = 50;
/** What is not acknowledged by then, beyond the latency, never will be. */
const ACKNOWLEDGED_MAX_MS = 3_000;
/** A file's reader may take its time; libsrt's own linger for files is as long. */
const FILE_ACKNOWLEDGED_MAX_MS = 180_000;

export class Farewell {
  readonly #libsrt: Libsrt;
  readonly #wheel: TimerWheel;
  readonly #connection: SrtConnection;
  readonly #latency_ms: number;
  readonly #patience_ms: number;
  readonly #done: () => void;
  readonly #look = new Deadline((now_ms) => this.#check(now_ms));
  readonly #blocks = new BigUint64Array(1);
  #until_ms = 0;
  #played_ms = 0;

  constructor(options: {
    libsrt: Libsrt;
    wheel: TimerWheel;
    connection: SrtConnection;
    latency_ms: number;
    is_file: boolean;
    done: () => void;
  }) {
    this.#libsrt = options.libsrt;
    this.#wheel = options.wheel;
    this.#connection = options.connection;
    this.#latency_ms = options.latency_ms;
    this.#patience_ms = options.is_file ? FILE_ACKNOWLEDGED_MAX_MS : ACKNOWLEDGED_MAX_MS;
    this.#done = options.done;
  }

  start(now_ms: number): void {
    this.#until_ms = now_ms + this.#latency_ms + this.#patience_ms;
    this.#connection.unwatch();
    this.#check(now_ms);
  }

  /** Cuts it short. */
  close(): void {
    this.#wheel.cancel(this.#look);
    this.#connection.close();
    this.#done();
  }

  #check(now_ms: number): void {
    const { socket } = this.#connection;
    const unacknowledged = this.#libsrt.srt_getsndbuffer(socket, this.#blocks, null) >= 0 &&
      this.#blocks[0] > 0n;
    if (unacknowledged && now_ms < this.#until_ms) this.#played_ms = 0;
    else if (this.#played_ms === 0) this.#played_ms = now_ms + this.#latency_ms;
    if (this.#played_ms > 0 && now_ms >= this.#played_ms) this.close();
    else this.#wheel.schedule(this.#look, now_ms + LOOK_MS);
  }
}
