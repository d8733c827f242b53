/** Notices that both ends of a session have been silent for too long. */
import { Deadline, type TimerWheel } from "./timer-wheel.ts";

export class Silence {
  readonly #wheel: TimerWheel;
  readonly #timeout_ms: number;
  readonly #onSilent: () => void;
  readonly #deadline = new Deadline((now_ms) => this.#check(now_ms));
  #heard_ms = 0;

  constructor(options: {
    wheel: TimerWheel;
    /** 0 means never. */
    timeout_ms: number;
    onSilent: () => void;
  }) {
    this.#wheel = options.wheel;
    this.#timeout_ms = options.timeout_ms;
    this.#onSilent = options.onSilent;
  }

  start(now_ms: number): void {
    this.#heard_ms = now_ms;
    this.#await();
  }

  /** Bytes have passed. The deadline itself is moved only when it comes, not with every byte. */
  heard(now_ms: number): void {
    this.#heard_ms = now_ms;
  }

  stop(): void {
    this.#wheel.cancel(this.#deadline);
  }

  #await(): void {
    if (this.#timeout_ms > 0) {
      this.#wheel.schedule(this.#deadline, this.#heard_ms + this.#timeout_ms);
    }
  }

  #check(now_ms: number): void {
    if (now_ms - this.#heard_ms >= this.#timeout_ms) this.#onSilent();
    else this.#await();
  }
}
