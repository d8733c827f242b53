/** The last five minutes, second by second, for whoever opens the page and wants to see a course. */
import { clearInterval, setInterval } from "node:timers";
import type { GatewayAnswer, HistoryAnswer } from "./answers.ts";

const INTERVAL_MS = 1000;
const VALUES_MAX = 300;

/** The courses that are kept, each in a ring of its own. */
const COURSES = [
  "zmq_up",
  "zmq_down",
  "srt_up",
  "srt_down",
  "fastway_up",
  "fastway_down",
  "sessions",
] as const;
type Course = typeof COURSES[number];

export interface HistoryOptions {
  read: () => Pick<GatewayAnswer, "bytes" | "sessions" | "fastway">;
}

/** Totals that courses are made from; those of fastway are what clients send and are sent. */
interface Totals {
  bytes: GatewayAnswer["bytes"];
  fastway: { up: number; down: number };
}

export class History {
  readonly #read: HistoryOptions["read"];
  readonly #rings = Object.fromEntries(
    COURSES.map((course) => [course, new Float64Array(VALUES_MAX)]),
  ) as Record<Course, Float64Array>;
  #count = 0;
  #totals: Totals | null = null;
  #has_fastway = false;
  /** `performance.now()` of the last reading, and the time of day then. */
  #at = 0;
  #at_unix_ms = 0;
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(options: HistoryOptions) {
    this.#read = options.read;
  }

  start(): void {
    this.note(performance.now(), Date.now());
    this.#timer = setInterval(() => this.note(performance.now(), Date.now()), INTERVAL_MS);
    this.#timer.unref();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Takes a reading; the first one only says where counting begins. `now` is `performance.now()`. */
  note(now: number, now_unix_ms: number): void {
    const { bytes, sessions, fastway } = this.#read();
    const clients = fastway?.carried.client;
    const totals: Totals = {
      bytes,
      fastway: { up: clients?.bytes_in ?? 0, down: clients?.bytes_out ?? 0 },
    };
    const before = this.#totals;
    const seconds = Math.max(0.001, (now - this.#at) / 1000);
    this.#totals = totals;
    this.#has_fastway = fastway !== undefined;
    this.#at = now;
    this.#at_unix_ms = now_unix_ms;
    if (before === null) return;
    const bps = (after: number, before: number) => Math.max(0, 8 * (after - before) / seconds);
    const values: Record<Course, number> = {
      zmq_up: bps(bytes.zmq.up, before.bytes.zmq.up),
      zmq_down: bps(bytes.zmq.down, before.bytes.zmq.down),
      srt_up: bps(bytes.srt.up, before.bytes.srt.up),
      srt_down: bps(bytes.srt.down, before.bytes.srt.down),
      fastway_up: bps(totals.fastway.up, before.fastway.up),
      fastway_down: bps(totals.fastway.down, before.fastway.down),
      sessions,
    };
    const at = this.#count++ % VALUES_MAX;
    for (const course of COURSES) this.#rings[course][at] = values[course];
  }

  snapshot(): HistoryAnswer {
    return {
      until_unix_ms: this.#at_unix_ms,
      interval_ms: INTERVAL_MS,
      zmq: { up: this.#course("zmq_up"), down: this.#course("zmq_down") },
      srt: { up: this.#course("srt_up"), down: this.#course("srt_down") },
      ...(this.#has_fastway
        ? { fastway: { up: this.#course("fastway_up"), down: this.#course("fastway_down") } }
        : {}),
      sessions: this.#course("sessions"),
    };
  }

  #course(name: Course): number[] {
    const ring = this.#rings[name];
    const length = Math.min(this.#count, VALUES_MAX);
    const first = this.#count - length;
    return Array.from({ length }, (_, i) => Math.round(ring[(first + i) % VALUES_MAX]));
  }
}
