/**
 * Deadlines of thousands of connections at a constant cost each: a ring of slots, one list per slot.
 * A deadline is kept to the slot's width and never fires early.
 */

/** 256 slots of 50 ms: 12.8 s a round, so a hello's 2 s is found in its first round and a session's
 * idle minute is looked at five times. */
const SLOT_MS = 50;
const SLOTS = 256;

/** A deadline that is set or not, and what happens when it passes. */
export class Deadline {
  readonly fire: (now_ms: number) => void;
  /** Milliseconds on the clock that the wheel is advanced by. */
  at_ms = 0;
  slot = -1;
  previous: Deadline | null = null;
  next: Deadline | null = null;

  constructor(fire: (now_ms: number) => void) {
    this.fire = fire;
  }

  get set(): boolean {
    return this.slot >= 0;
  }
}

export class TimerWheel {
  readonly #slots: (Deadline | null)[] = Array(SLOTS).fill(null);
  /** The last slot number (unwrapped) that has been looked at. */
  #position: number;
  #count = 0;

  constructor({ now_ms }: { now_ms: number }) {
    this.#position = Math.floor(now_ms / SLOT_MS);
  }

  schedule(deadline: Deadline, at_ms: number): void {
    this.cancel(deadline);
    // Rounded up, so that the slot is only reached when the deadline has passed.
    const number = Math.max(Math.ceil(at_ms / SLOT_MS), this.#position + 1);
    const slot = number % SLOTS;
    deadline.at_ms = at_ms;
    deadline.slot = slot;
    deadline.next = this.#slots[slot];
    if (deadline.next) deadline.next.previous = deadline;
    this.#slots[slot] = deadline;
    this.#count++;
  }

  /** Also takes a deadline that nobody has needed so far. */
  cancel(deadline: Deadline | null): void {
    if (!deadline || deadline.slot < 0) return;
    if (deadline.previous) deadline.previous.next = deadline.next;
    else this.#slots[deadline.slot] = deadline.next;
    if (deadline.next) deadline.next.previous = deadline.previous;
    deadline.slot = -1;
    deadline.previous = null;
    deadline.next = null;
    this.#count--;
  }

  /** Fires what is due. A deadline is unset before it fires and may be set again. */
  advance(now_ms: number): void {
    const target = Math.floor(now_ms / SLOT_MS);
    // After a long pause one round visits every slot.
    const first = Math.max(this.#position + 1, target - SLOTS + 1);
    if (target > this.#position) this.#position = target;
    for (let number = first; number <= target; number++) this.#fireSlot(number, now_ms);
  }

  /** Milliseconds until the next slot that holds something; −1 (for ever, to epoll) when none does. */
  nextDelay(now_ms: number): number {
    if (this.#count === 0) return -1;
    for (let ahead = 1; ahead <= SLOTS; ahead++) {
      const number = this.#position + ahead;
      if (this.#slots[number % SLOTS]) return Math.max(0, Math.ceil(number * SLOT_MS - now_ms));
    }
    return -1;
  }

  #fireSlot(number: number, now_ms: number): void {
    let deadline = this.#slots[number % SLOTS];
    const due: Deadline[] = [];
    for (; deadline; deadline = deadline.next) {
      // A later round's deadlines share the slot.
      if (deadline.at_ms <= now_ms) due.push(deadline);
    }
    for (const one of due) {
      // One fired before may have cancelled this one.
      if (!one.set) continue;
      this.cancel(one);
      one.fire(now_ms);
    }
  }
}
