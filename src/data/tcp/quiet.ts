/** Notices that a BE has all that its FE sent and has been silent since: what it says next is new. */
import { Deadline, type TimerWheel } from "../timer-wheel.ts";

/** How long a BE is silent before what it sends is the next FE's. */
const QUIET_MS = 250;

/** Whose BE it is. */
export interface QuietOwner {
  /** Something of the BE's is on its way, even if the FE does not take it at present. */
  readonly be_speaks: boolean;
  /** The BE's kernel has not acknowledged all that it was sent: its answer may come only then. */
  readonly be_receives: boolean;
  beIsQuiet(): void;
}

export class Quiet {
  readonly #wheel: TimerWheel;
  readonly #owner: QuietOwner;
  readonly #due = new Deadline((now_ms) => this.#look(now_ms));
  #moved_ms = 0;

  constructor({ wheel, owner }: { wheel: TimerWheel; owner: QuietOwner }) {
    this.#wheel = wheel;
    this.#owner = owner;
  }

  /** A byte has moved, or the FE has ended. The deadline itself is moved only when it comes. */
  moved(now_ms: number): void {
    this.#moved_ms = now_ms;
  }

  /** Looks from now on. */
  await(): void {
    if (!this.#due.set) this.#wheel.schedule(this.#due, this.#moved_ms + QUIET_MS);
  }

  cancel(): void {
    this.#wheel.cancel(this.#due);
  }

  #look(now_ms: number): void {
    if (this.#owner.be_speaks || this.#owner.be_receives) this.#moved_ms = now_ms;
    if (now_ms - this.#moved_ms >= QUIET_MS) this.#owner.beIsQuiet();
    else this.await();
  }
}
