/**
 * The journal: a log that passes every line on and remembers it for a while as a numbered event, so
 * that the admin side can say what has happened without reading files. What is remembered does not
 * depend on `logging.level`, except that debug lines are remembered only where they are logged.
 *
 * Numbers begin at the start's time in microseconds and grow by one: those of a later run are always
 * greater, so a reader that goes on where it stopped misses nothing when relayx is started again.
 */
import { clearTimeout, setTimeout } from "node:timers";
import {
  bytesOf,
  type EventLevel,
  type EventPage,
  type EventQuery,
  matches,
  namesOf,
  type RecordedEvent,
} from "./event.ts";
import { EventIndex, type Links } from "./event-index.ts";
import { writableFields, writableText } from "./log-fields.ts";
import type { Log, LogFields } from "./log.ts";
import { StatusCounts } from "./status-counts.ts";

export interface JournalLimits {
  events_max: number;
  /** Of all kept events together, estimated. */
  events_bytes_max: number;
}

/** Readers that wait at once; one more is answered without waiting. */
const WAITING_MAX = 256;
/** How long a waiting reader is left alone after the first event, so that it wakes once for many. */
const GATHER_MS = 20;
/** So few new events are looked through one by one; beyond that the index is quicker. */
const SCANNED_MAX = 256;
/** Forgotten events at the head of the list are cut off when there are so many. */
const CUT_AT = 1024;

interface Kept {
  readonly event: RecordedEvent;
  readonly bytes: number;
  /** Its places in the index; null until somebody has asked for a session or a peer since. */
  links: { by_session: Links<RecordedEvent>; by_id: Links<RecordedEvent> } | null;
}

export class Journal implements Log {
  readonly #log: Log;
  readonly #counts = new StatusCounts();
  readonly #first_seq: number;
  readonly #by_session = new EventIndex<RecordedEvent>();
  readonly #by_id = new EventIndex<RecordedEvent>();
  readonly #waiting = new Set<() => void>();
  #limits: JournalLimits;
  #keeps_debug: boolean;
  /** Kept events from `#head` on; what stands before it has been forgotten. */
  #kept: (Kept | undefined)[] = [];
  #head = 0;
  #bytes = 0;
  #next_seq: number;
  #waking: ReturnType<typeof setTimeout> | null = null;

  constructor(
    options: {
      log: Log;
      limits: JournalLimits;
      /** `logging.level` is debug. */
      keeps_debug: boolean;
      now_unix_ms?: number;
    },
  ) {
    this.#log = options.log;
    this.#limits = options.limits;
    this.#keeps_debug = options.keeps_debug;
    this.#first_seq = this.#next_seq = (options.now_unix_ms ?? Date.now()) * 1000;
  }

  debug(fields: LogFields, message: string): void {
    if (this.#keeps_debug) this.#remember("debug", fields, message);
    this.#log.debug(fields, message);
  }

  info(fields: LogFields, message: string): void {
    this.#remember("info", fields, message);
    this.#log.info(fields, message);
  }

  warn(fields: LogFields, message: string): void {
    this.#remember("warn", fields, message);
    this.#log.warn(fields, message);
  }

  error(fields: LogFields, message: string): void {
    this.#remember("error", fields, message);
    this.#log.error(fields, message);
  }

  /** How often each kind of event has happened; also those that are not kept any more. */
  get counts(): StatusCounts {
    return this.#counts;
  }

  apply({ limits, keeps_debug }: { limits: JournalLimits; keeps_debug: boolean }): void {
    this.#limits = limits;
    this.#keeps_debug = keeps_debug;
    this.#forgetTheOldest();
  }

  read(query: EventQuery): EventPage {
    const { after, limit } = query;
    const last_seq = this.#next_seq - 1;
    const events: RecordedEvent[] = [];
    if (after === undefined) {
      for (const event of this.#candidates(query)) if (matches(event, query)) events.push(event);
      return { events: events.slice(-limit), last_seq, missed: 0 };
    }
    const missed = Math.max(0, this.#oldestSeq - Math.max(this.#first_seq, after + 1));
    for (const event of this.#candidates(query)) {
      if (event.seq <= after || !matches(event, query)) continue;
      events.push(event);
      // Others may follow: the next question goes on behind the last one that is answered.
      if (events.length === limit) return { events, last_seq: event.seq, missed };
    }
    return { events, last_seq, missed };
  }

  /**
   * Like {@link read}, but waits up to `wait_ms` for a matching event where there is none yet. Ends
   * at once when `signal` does, and when the journal is closed.
   */
  async wait(query: EventQuery, wait_ms: number, signal?: AbortSignal): Promise<EventPage> {
    const until = performance.now() + wait_ms;
    let page = this.read(query);
    while (page.events.length === 0 && !signal?.aborted) {
      const left_ms = until - performance.now();
      if (left_ms <= 0 || this.#waiting.size >= WAITING_MAX) break;
      if (!await this.#nextEvent(left_ms, signal)) break;
      // Nothing up to there has matched, so only what has come since is looked at.
      const { missed } = page;
      page = this.read({ ...query, after: page.last_seq });
      page.missed += missed;
    }
    return page;
  }

  /** Lets waiting readers go. */
  release(): void {
    clearTimeout(this.#waking ?? undefined);
    this.#waking = null;
    for (const wake of [...this.#waiting]) wake();
  }

  snapshot(): { events: number; bytes: number; waiting: number; oldest_unix_ms: number | null } {
    return {
      events: this.#kept.length - this.#head,
      bytes: this.#bytes,
      waiting: this.#waiting.size,
      oldest_unix_ms: this.#kept[this.#head]?.event.time_unix_ms ?? null,
    };
  }

  /** Closes the log behind it; what is remembered can still be read. */
  close(): Promise<void> {
    this.release();
    return this.#log.close();
  }

  get #oldestSeq(): number {
    return this.#kept[this.#head]?.event.seq ?? this.#next_seq;
  }

  #remember(level: EventLevel, line: LogFields, message: string): void {
    const { status = "", ...fields } = writableFields(line) as LogFields;
    this.#counts.add(level, status, fields);
    const event = {
      seq: this.#next_seq++,
      time_unix_ms: Date.now(),
      level,
      status,
      message,
      fields,
    };
    const bytes = bytesOf(event);
    this.#kept.push({ event, bytes, links: null });
    this.#bytes += bytes;
    this.#forgetTheOldest();
    if (this.#waiting.size > 0) this.#wakeSoon();
  }

  #forgetTheOldest(): void {
    const { events_max, events_bytes_max } = this.#limits;
    while (
      this.#kept.length - this.#head > events_max || this.#bytes > events_bytes_max
    ) {
      const oldest = this.#kept[this.#head];
      if (oldest === undefined) return;
      if (oldest.links !== null) {
        this.#by_session.deleteOldest(oldest.links.by_session);
        this.#by_id.deleteOldest(oldest.links.by_id);
      }
      this.#bytes -= oldest.bytes;
      this.#kept[this.#head++] = undefined;
    }
    if (this.#head >= CUT_AT && this.#head * 2 >= this.#kept.length) {
      this.#kept = this.#kept.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Events among which those that are asked for are, oldest first. */
  #candidates({ after, session_id, id }: EventQuery): Iterable<RecordedEvent> {
    const is_short = after !== undefined && this.#next_seq - after <= SCANNED_MAX;
    if (!is_short && (session_id !== undefined || id !== undefined)) {
      this.#index();
      if (session_id !== undefined) return this.#by_session.of(writableText(session_id));
      if (id !== undefined) return this.#by_id.of(writableText(id));
    }
    // Numbers have no gaps, so the first one behind `after` has a known place.
    const skipped = after === undefined ? 0 : Math.max(0, after + 1 - this.#oldestSeq);
    return eventsFrom(this.#kept, this.#head + skipped);
  }

  /**
   * Adds what has come since the last time. It is done for who asks and not with every event, because
   * thousands of sessions a second would pay for it and next to none is ever asked for.
   */
  #index(): void {
    let first = this.#kept.length;
    while (first > this.#head && this.#kept[first - 1]?.links === null) first--;
    for (let i = first; i < this.#kept.length; i++) {
      const kept = this.#kept[i];
      if (kept === undefined) continue;
      const { event } = kept;
      const { session_id } = event.fields;
      const sessions = typeof session_id === "string" ? [session_id] : [];
      kept.links = {
        by_session: this.#by_session.add(event, sessions),
        by_id: this.#by_id.add(event, namesOf(event.fields)),
      };
    }
  }

  /** True when an event may have come; false when the time is over or the reader has gone. */
  #nextEvent(wait_ms: number, signal: AbortSignal | undefined): Promise<boolean> {
    return new Promise((resolve) => {
      const seen = this.#next_seq;
      const end = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", end);
        this.#waiting.delete(end);
        resolve(this.#next_seq > seen);
      };
      const timer = setTimeout(end, wait_ms);
      signal?.addEventListener("abort", end);
      this.#waiting.add(end);
    });
  }

  /** Events that come close together wake the readers once. */
  #wakeSoon(): void {
    this.#waking ??= setTimeout(() => this.release(), GATHER_MS).unref();
  }
}

function* eventsFrom(kept: readonly (Kept | undefined)[], from: number): Iterable<RecordedEvent> {
  for (let i = from; i < kept.length; i++) {
    const one = kept[i];
    if (one !== undefined) yield one.event;
  }
}
