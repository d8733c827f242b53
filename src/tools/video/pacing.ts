/**
 * When the next frame is due. The rate is kept against the start of the run, so that a late timer
 * is made up for by the next frames and the average is the one asked for.
 */

export interface PacingOptions {
  /** Payload bits per second in millions; 0 is as fast as the other end takes it. */
  rate_mbps: number;
  /** A pause before every frame, milliseconds. */
  delay_ms: number;
  /** At most this much more before every frame, drawn anew each time, milliseconds. */
  jitter_ms: number;
  /** How many frames of a hundred are left out on purpose. */
  drop_pct: number;
  /** Numbers in [0, 1). */
  random: () => number;
  /** A clock in milliseconds that only goes forward. */
  now_ms: () => number;
}

/** How far a sender may be behind its rate and still catch up at full speed, milliseconds. */
const CATCH_UP_MS_MAX = 50;

export class Pacing {
  readonly #options: PacingOptions;
  #due_ms: number | null = null;

  constructor(options: PacingOptions) {
    this.#options = options;
  }

  /** Whether the next frame is to be left out. */
  drops(): boolean {
    return this.#options.drop_pct > 0 && this.#options.random() * 100 < this.#options.drop_pct;
  }

  /** How long to wait before a frame with this payload, milliseconds, and books the frame. */
  waitBefore(payload_bytes: number): number {
    const { rate_mbps, delay_ms, jitter_ms, random, now_ms } = this.#options;
    const now = now_ms();
    let wait = 0;
    if (rate_mbps > 0) {
      const due = Math.max(this.#due_ms ?? now, now - CATCH_UP_MS_MAX);
      wait = Math.max(0, due - now);
      this.#due_ms = due + (payload_bytes * 8) / (rate_mbps * 1000);
    }
    const pause = delay_ms + (jitter_ms > 0 ? random() * jitter_ms : 0);
    return Math.max(wait, pause);
  }
}
