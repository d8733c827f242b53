/**
 * What a session may carry by the bounds it counts against. It takes from all of them in advance for
 * one turn and gives back what the turn has not used, so that nobody keeps an allowance to himself.
 * With none at one of them it waits there, and its owner is told when to go on.
 */
import type { RateGate, RateGates, Waiter } from "./rate-gate.ts";

/** Taken at once: what one direction moves in a turn. */
const WANTED_BYTES = 1 << 20;

export interface SessionRatesOwner {
  /** There is something to take again. */
  allowed(): void;
}

export class SessionRates implements Waiter {
  previous: Waiter | null = null;
  next: Waiter | null = null;
  readonly #gates: RateGates;
  readonly #rows: readonly number[];
  readonly #entered: RateGate[];
  /** What the session was served at each gate and has not taken yet. */
  readonly #shares: number[];
  readonly #owner: SessionRatesOwner;
  /** Taken and not used; below 0 where a message was greater than what was left. */
  #held = 0;
  #waits_at: RateGate | null = null;
  #closed = false;

  constructor(
    options: { gates: RateGates; rows: readonly number[]; owner: SessionRatesOwner },
  ) {
    this.#gates = options.gates;
    this.#rows = options.rows;
    this.#entered = options.rows.map((row) => options.gates.enter(row));
    this.#shares = options.rows.map(() => 0);
    this.#owner = options.owner;
  }

  /** Null where the session counts against nothing. */
  static of(
    rows: readonly number[],
    options: { gates: RateGates; owner: SessionRatesOwner },
  ): SessionRates | null {
    return rows.length === 0 ? null : new SessionRates({ ...options, rows });
  }

  /** It is held back, by a bound and not by its ends. */
  get waits(): boolean {
    return this.#waits_at !== null;
  }

  /** How many bytes may be moved now. With 0 the session waits and its owner is told later. */
  room(now_ms: number): number {
    // What was used and not taken is paid for first, which one taking may not be enough for.
    while (this.#held <= 0 && !this.#waits_at) this.#takeMore(now_ms);
    return Math.max(0, this.#held);
  }

  /** So many bytes have been moved. */
  use(bytes: number): void {
    this.#held -= bytes;
  }

  /** The session's turn is over; what it was served is only kept by one that goes on at once. */
  settle(now_ms: number, { more }: { more: boolean }): void {
    const unused = this.#held;
    this.#held = 0;
    for (let i = 0; unused !== 0 && i < this.#entered.length; i++) {
      if (unused > 0) this.#entered[i].giveBack(unused);
      else this.#entered[i].owe(-unused, now_ms);
    }
    if (!more && !this.#waits_at) this.#shares.fill(0);
  }

  served(gate: RateGate, share_bytes: number): void {
    this.#waits_at = null;
    this.#shares[this.#entered.indexOf(gate)] = share_bytes;
    this.#owner.allowed();
  }

  close(now_ms: number): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waits_at?.leave(this);
    this.#waits_at = null;
    this.settle(now_ms, { more: false });
    for (const row of this.#rows) this.#gates.leave(row);
  }

  /** Takes the same from every gate, or waits at the first that has nothing. */
  #takeMore(now_ms: number): void {
    let taken = WANTED_BYTES;
    for (let i = 0; i < this.#entered.length; i++) {
      const got = this.#take(i, taken, now_ms);
      for (let j = 0; got < taken && j < i; j++) this.#entered[j].giveBack(taken - got);
      taken = got;
      if (taken > 0) continue;
      this.#waits_at = this.#entered[i];
      this.#waits_at.wait(this, now_ms);
      return;
    }
    this.#held += taken;
  }

  #take(index: number, wanted: number, now_ms: number): number {
    const gate = this.#entered[index];
    const share = this.#shares[index];
    if (share > 0) {
      const taken = gate.take(Math.min(wanted, share), now_ms);
      this.#shares[index] = taken === 0 ? 0 : share - taken;
      return taken;
    }
    return gate.crowded ? 0 : gate.takeFreely(wanted, now_ms);
  }
}
