/** Tells of connections that were turned away at a bound, at most once a second per port and bound. */
import type { PlaneEvent } from "./plane.ts";
import { Deadline, type TimerWheel } from "./timer-wheel.ts";

type ShedEvent = Extract<PlaneEvent, { type: "shed" }>;

const REPORT_MS = 1000;

export class ShedReports {
  readonly #wheel: TimerWheel;
  readonly #report: (event: ShedEvent) => void;
  readonly #waiting = new Map<string, ShedEvent>();
  readonly #due = new Deadline(() => this.#tell());

  constructor(options: { wheel: TimerWheel; report: (event: ShedEvent) => void }) {
    this.#wheel = options.wheel;
    this.#report = options.report;
  }

  add(event: ShedEvent, now_ms: number): void {
    const key = `${event.port} ${event.limit}`;
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
