/**
 * Pings, which the gateway answers in their order. They keep it from thinking that this endpoint is
 * idle, show that it is still there, and say what it has read: everything before a ping that came back.
 */
import { clearInterval, setInterval } from "node:timers";

/** Pings without an answer; no more are sent. */
const UNANSWERED_MAX = 1024;

export interface PingsOptions {
  interval_ms: number;
  silence_timeout_ms: number;
  /** Sends one, and answers how many bytes have been sent with it. */
  send: () => number;
  /** The gateway has so many bytes. */
  acknowledged: (position: number) => void;
  /** Nothing has come for that long. */
  silent: (silent_ms: number) => void;
}

export class Pings {
  readonly #options: PingsOptions;
  /** How much had been sent with each ping that has no answer yet. */
  readonly #positions: number[] = [];
  #last_position = 0;
  #timer: ReturnType<typeof setInterval> | null = null;
  #silent_ms = 0;
  #was_heard = false;
  /** Nothing can be heard, and that is nobody's fault: we do not read, or the connection is away. */
  #is_deaf = false;

  constructor(options: PingsOptions) {
    this.#options = options;
  }

  /** How much had been sent with the last ping. */
  get last_position(): number {
    return this.#last_position;
  }

  start(): void {
    const { interval_ms } = this.#options;
    if (interval_ms === 0) return;
    this.#timer = setInterval(() => this.#beat(), interval_ms);
  }

  send(): void {
    if (this.#positions.length >= UNANSWERED_MAX) return;
    // Before it is sent: sending may ask again whether one is due.
    this.#last_position = Infinity;
    this.#last_position = this.#options.send();
    this.#positions.push(this.#last_position);
  }

  /** Something has come. */
  heard(): void {
    this.#was_heard = true;
  }

  setDeaf(is_deaf: boolean): void {
    this.#is_deaf = is_deaf;
    this.#silent_ms = 0;
  }

  /** An answer; false where there was no question. */
  answered(): boolean {
    const position = this.#positions.shift();
    if (position === undefined) return false;
    this.#options.acknowledged(position);
    return true;
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #beat(): void {
    const { interval_ms, silence_timeout_ms } = this.#options;
    this.#silent_ms = this.#was_heard || this.#is_deaf ? 0 : this.#silent_ms + interval_ms;
    this.#was_heard = false;
    if (silence_timeout_ms > 0 && this.#silent_ms >= silence_timeout_ms) {
      const silent_ms = this.#silent_ms;
      this.#silent_ms = 0;
      this.#options.silent(silent_ms);
    } else {
      this.send();
    }
  }
}
