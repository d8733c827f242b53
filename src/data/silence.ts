/** Notices that both ends of a session have been silent for too long. */
import { Deadline, type TimerWheel } from "./timer-wheel.ts";

/** Whose ends have gone silent. */
export interface SilenceOwner {
  close(reason: "idle"): void;
  /** True while it is a bound of ours that lets nothing pass. */
  readonly held: boolean;
}

export class Silence {
  readonly #wheel: TimerWheel;
  readonly #timeout_ms: number;
  readonly #owner: SilenceOwner;
  #deadline: Deadline | null = null;
  #heard_ms = 0;

  constructor(options: {
    wheel: TimerWheel;
    /** 0 means never. */
    timeout_ms: number;
    owner: SilenceOwner;
  }) {
    this.#wheel = options.wheel;
    this.#timeout_ms = options.timeout_ms;
    this.#owner = options.owner;
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
    if (this.#timeout_ms === 0) return;
    this.#deadline ??= new Deadline((now_ms) => this.#check(now_ms));
    this.#wheel.schedule(this.#deadline, this.#heard_ms + this.#timeout_ms);
  }

  #check(now_ms: number): void {
    if (this.#owner.held) this.#heard_ms = now_ms;
    if (now_ms - this.#heard_ms >= this.#timeout_ms) this.#owner.close("idle");
    else this.#await();
  }
}
