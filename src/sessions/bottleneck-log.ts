/** A line in the log when what holds something back changes; what is in order is no news. */
import { type Bottleneck, BOTTLENECK_WORDS } from "../data/bottleneck.ts";
import type { Log, LogFields } from "../observe/log.ts";

const IN_ORDER: ReadonlySet<Bottleneck> = new Set(["unknown", "idle", "sender"]);

/** What one place looked like last, and what the log says of it. */
interface Place {
  seen: Bottleneck;
  told: Bottleneck | null;
}

export class BottleneckLog {
  readonly #log: Log;
  readonly #places = new Map<string, Place>();

  constructor({ log }: { log: Log }) {
    this.#log = log;
  }

  /**
   * `place` names what is looked at, `fields` say so in the log. To be called at every look: what is
   * seen once may be gone at the next, and only what stays is told.
   */
  note(place: string, seen: Bottleneck, fields: LogFields): void {
    const before = this.#places.get(place) ?? { seen: "unknown", told: null };
    this.#places.set(place, { ...before, seen });
    if (seen !== before.seen || seen === before.told) return;
    const trouble = !IN_ORDER.has(seen);
    if (!trouble && before.told === null) return;
    this.#places.set(place, { seen, told: trouble ? seen : null });
    const line = { status: "bottleneck", ...fields, bottleneck: seen };
    if (trouble) this.#log.warn(line, BOTTLENECK_WORDS[seen]);
    else this.#log.info(line, BOTTLENECK_WORDS[seen]);
  }

  /** It is no more. */
  forget(place: string): void {
    this.#places.delete(place);
  }
}
