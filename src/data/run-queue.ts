/** Who has something to do at once: everyone gets a turn, and nobody a second one before that. */

/** Somebody who moves bytes, one fair turn after the other. */
export interface TurnTaker {
  /** In the queue; the queue's own note. */
  queued: boolean;
  /** True when there is more to do at once. One that is over does nothing. */
  turn(): boolean;
}

export class RunQueue {
  #waiting: TurnTaker[] = [];
  #spare: TurnTaker[] = [];

  get is_empty(): boolean {
    return this.#waiting.length === 0;
  }

  add(taker: TurnTaker): void {
    if (taker.queued) return;
    taker.queued = true;
    this.#waiting.push(taker);
  }

  /** Everyone who is there now moves once. */
  run(): void {
    const turn = this.#waiting;
    if (turn.length === 0) return;
    // Two lists change places, so that a turn allocates none.
    this.#waiting = this.#spare;
    this.#spare = turn;
    for (const taker of turn) {
      taker.queued = false;
      if (taker.turn()) this.add(taker);
    }
    turn.length = 0;
  }
}
