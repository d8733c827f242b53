/** What the snet sessions of a worker share. */
import type { TimerWheel } from "../../timer-wheel.ts";
import { Block, PieceList } from "../pieces.ts";

/** Also the most that is read away at once where a return brings what is here already. */
export const SCRATCH_BYTES = 16 * 1024;

export interface SnetClock {
  readonly wheel: TimerWheel;
  /** The clock as of this turn of the loop, ms. */
  readonly now_ms: number;
}

export class SnetContext {
  readonly clock: SnetClock;
  /** For one read or write at a time; nobody keeps anything in either. */
  readonly pieces = new PieceList();
  readonly scratch = new Block(SCRATCH_BYTES);

  constructor(clock: SnetClock) {
    this.clock = clock;
  }
}
