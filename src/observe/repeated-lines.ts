/**
 * Log lines for what a peer can bring about thousands of times a second. The first of a kind is
 * written at once, those of the following second together at its end with their count: nothing goes
 * unsaid, and no peer can drown what others have to say.
 */
import { clearTimeout, setTimeout } from "node:timers";
import type { Log, LogFields } from "./log.ts";

/** The shortest time between two lines of one kind. */
const INTERVAL_MS = 1000;

interface Kind {
  readonly level: "info" | "warn";
  /** Those since the last line. */
  count: number;
  /** What the latest of them was about. */
  fields: LogFields;
  readonly message: string;
  timer: ReturnType<typeof setTimeout> | null;
}

export class RepeatedLines {
  readonly #log: Log;
  readonly #kinds = new Map<string, Kind>();

  constructor(options: { log: Log }) {
    this.#log = options.log;
  }

  /** `kind` says what counts as the same: the event, and the peer where it is known. */
  warn(kind: string, fields: LogFields, message: string): void {
    this.#tell("warn", kind, fields, message);
  }

  /** The same for what is in order. */
  info(kind: string, fields: LogFields, message: string): void {
    this.#tell("info", kind, fields, message);
  }

  #tell(level: Kind["level"], kind: string, fields: LogFields, message: string): void {
    const known = this.#kinds.get(kind);
    if (known !== undefined) {
      known.count++;
      known.fields = fields;
      return;
    }
    this.#log[level]({ ...fields, count: 1 }, message);
    const fresh: Kind = { level, count: 0, fields, message, timer: null };
    this.#kinds.set(kind, fresh);
    this.#wait(kind, fresh);
  }

  /** Writes what has been counted and not yet said. */
  close(): void {
    for (const { level, count, fields, message, timer } of this.#kinds.values()) {
      if (timer !== null) clearTimeout(timer);
      if (count > 0) this.#log[level]({ ...fields, count }, message);
    }
    this.#kinds.clear();
  }

  #wait(name: string, kind: Kind): void {
    kind.timer = setTimeout(() => {
      if (kind.count === 0) {
        this.#kinds.delete(name);
        return;
      }
      this.#log[kind.level]({ ...kind.fields, count: kind.count }, kind.message);
      kind.count = 0;
      this.#wait(name, kind);
    }, INTERVAL_MS);
    kind.timer.unref();
  }
}
