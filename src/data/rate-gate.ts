/**
 * Where the sessions of one worker wait for one key's allowance. They are served in the order in which
 * they came, at each look an equal share of what there is, where all who wait are counted, those of
 * other workers too: so a session with much to send takes no more than its share from one with little,
 * and what somebody leaves is there for the others at the next look.
 */
import { GRAIN_BYTES, RateRow } from "./rate-row.ts";
import { Deadline, type TimerWheel } from "./timer-wheel.ts";

/** Between two looks; a slot of the wheel. */
const LOOK_MS = 50;
/** The longest rest between two looks: the rate may have been raised meanwhile. */
const REST_MS_MAX = 1000;

/** Somebody who waits at a gate, at one at a time; the links are the gate's. */
export interface Waiter {
  previous: Waiter | null;
  next: Waiter | null;
  /** It may take so much at this gate without waiting again. */
  served(gate: RateGate, share_bytes: number): void;
}

export interface RateGateOptions {
  row: RateRow;
  wheel: TimerWheel;
  /** Workers that there are, of both planes. */
  workers: number;
  clock_offset_ms: number;
}

export class RateGate {
  readonly #row: RateRow;
  readonly #wheel: TimerWheel;
  readonly #workers: number;
  readonly #clock_offset_ms: number;
  readonly #due = new Deadline((now_ms) => this.#serve(now_ms));
  #first: Waiter | null = null;
  #last: Waiter | null = null;
  #count = 0;
  #looked_ms = 0;

  constructor(options: RateGateOptions) {
    this.#row = options.row;
    this.#wheel = options.wheel;
    this.#workers = options.workers;
    this.#clock_offset_ms = options.clock_offset_ms;
  }

  /** Somebody waits, here or at another worker: whoever comes now has to wait as well. */
  get crowded(): boolean {
    return this.#row.bytes_per_s > 0 && this.#row.waiting(this.#workers) > 0;
  }

  /** Up to `wanted` bytes of the allowance; 0 where there is nothing worth it. */
  take(wanted: number, now_ms: number): number {
    return this.#row.take(wanted, now_ms + this.#clock_offset_ms);
  }

  /** What may be taken by somebody who has not waited: half, so that there is some for the next. */
  takeFreely(wanted: number, now_ms: number): number {
    const shared_ms = now_ms + this.#clock_offset_ms;
    const half = Math.max(GRAIN_BYTES, this.#row.available(shared_ms) / 2);
    return this.#row.take(Math.min(wanted, half), shared_ms);
  }

  giveBack(bytes: number): void {
    this.#row.giveBack(bytes);
  }

  /** So much has been used and not taken. */
  owe(bytes: number, now_ms: number): void {
    this.#row.owe(bytes, now_ms + this.#clock_offset_ms);
  }

  wait(waiter: Waiter, now_ms: number): void {
    waiter.previous = this.#last;
    waiter.next = null;
    if (this.#last) this.#last.next = waiter;
    else this.#first = waiter;
    this.#last = waiter;
    this.#row.setWaiting(++this.#count);
    if (this.#due.set) return;
    this.#looked_ms = now_ms;
    this.#lookAgain(now_ms);
  }

  /** Waits no more, for instance because its session is over. */
  leave(waiter: Waiter): void {
    if (waiter.previous) waiter.previous.next = waiter.next;
    else this.#first = waiter.next;
    if (waiter.next) waiter.next.previous = waiter.previous;
    else this.#last = waiter.previous;
    waiter.previous = waiter.next = null;
    this.#row.setWaiting(--this.#count);
    if (this.#count === 0) this.#wheel.cancel(this.#due);
  }

  #serve(now_ms: number): void {
    const left = this.#row.available(now_ms + this.#clock_offset_ms);
    const waiting = Math.max(this.#count, this.#row.waiting(this.#workers));
    // What has come since the last look is shared, even where other workers have been there first and
    // left just what is ours; or all there is, where somebody did not want his share.
    const come = this.#row.bytes_per_s * (now_ms - this.#looked_ms) / 1000;
    const fair = Math.max(left, come) / waiting;
    const share = Math.max(GRAIN_BYTES, Math.min(left, fair));
    this.#looked_ms = now_ms;
    // Who is served may have to wait again at once, and is not served twice.
    const served = left === Infinity
      ? this.#count
      : Math.min(this.#count, Math.floor(left / share));
    for (let i = 0; i < served; i++) {
      const waiter = this.#first;
      if (!waiter) break;
      this.leave(waiter);
      waiter.served(this, share);
    }
    if (this.#first) this.#lookAgain(now_ms);
  }

  #lookAgain(now_ms: number): void {
    const shared_ms = now_ms + this.#clock_offset_ms;
    const rest_ms = Math.min(REST_MS_MAX, this.#row.untilAvailable(GRAIN_BYTES, shared_ms));
    this.#wheel.schedule(this.#due, now_ms + Math.max(LOOK_MS, rest_ms));
  }
}

/** A worker's gates, each there for as long as a session counts against it. */
export class RateGates {
  readonly #make: (row: number) => RateGate;
  readonly #gates = new Map<number, { gate: RateGate; users: number }>();

  constructor({ make }: { make: (row: number) => RateGate }) {
    this.#make = make;
  }

  enter(row: number): RateGate {
    let there = this.#gates.get(row);
    if (!there) this.#gates.set(row, there = { gate: this.#make(row), users: 0 });
    there.users++;
    return there.gate;
  }

  leave(row: number): void {
    const there = this.#gates.get(row)!;
    if (--there.users === 0) this.#gates.delete(row);
  }
}
