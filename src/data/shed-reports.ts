/** Tells of connections that were turned away at a bound, at most once a second per place and bound. */
import type { PlaneEvent } from "./plane.ts";
import { Deadline, type TimerWheel } from "./timer-wheel.ts";

/** What is told, and added up meanwhile. */
interface Shed {
  limit: string;
  count: number;
}

export type ShedEvent = Extract<PlaneEvent, { type: "shed" }>;

const REPORT_MS = 1000;

export class ShedReports<E extends Shed = ShedEvent> {
  readonly #wheel: TimerWheel;
  readonly #report: (event: E) => void;
  readonly #place: (event: E) => string | number;
  readonly #waiting = new Map<string, E>();
  readonly #due = new Deadline(() => this.#tell());

  constructor(options: {
    wheel: TimerWheel;
    report: (event: E) => void;
    /** Where it was: a port, or a side. */
    place: (event: E) => string | number;
  }) {
    this.#wheel = options.wheel;
    this.#report = options.report;
    this.#place = options.place;
  }

  add(event: E, now_ms: number): void {
    const key = `${this.#place(event)} ${event.limit}`;
    const waiting = this.#waiting.get(key);
    if (waiting) waiting.count += event.count;
    else this.#waiting.set(key, { ...event });
    if (!this.#due.set) this.#wheel.schedule(this.#due, now_ms + REPORT_MS);
  }

  #tell(): void {
    for (const event of this.#waiting.values()) this.#report(event);
    this.#waiting.clear();
  }
}
