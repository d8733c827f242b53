/**
 * Draining: no new registrations and no new sessions, while those that run go on until they are done
 * or the deadline comes. It can be taken back at any time.
 */
import { clearTimeout, setTimeout } from "node:timers";
import type { Log } from "../observe/log.ts";
import type { Broker } from "./broker.ts";
import type { SessionTable } from "./session-table.ts";

/** What whoever asks meanwhile is told, with the code 504. */
export const DRAINING = "draining";

/** Sessions of another protocol, which drain along; of fastway each virtual connection is one. */
export interface OtherSessions {
  readonly size: number;
  /** Nobody new: what is free is closed, the rest when its session is over. */
  stopServing(): void;
  serveAgain(): void;
  whenEmpty(): Promise<void>;
  /** Ends every session; `reason` is the log's word. */
  endAll(reason: string): void;
}

export interface DrainState {
  since_unix_ms: number;
  /** Null: sessions may take as long as they like. */
  deadline_unix_ms: number | null;
}

export class Drain {
  readonly #broker: Broker;
  readonly #sessions: SessionTable;
  readonly #log: Log;
  readonly #others: readonly OtherSessions[];
  #state: DrainState | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(
    options: {
      broker: Broker;
      sessions: SessionTable;
      log: Log;
      others?: readonly OtherSessions[];
    },
  ) {
    this.#others = options.others ?? [];
    this.#broker = options.broker;
    this.#sessions = options.sessions;
    this.#log = options.log;
  }

  /** Begins, or sets another deadline for what has begun. `deadline_ms` counts from now. */
  start(deadline_ms: number | null, by: string): void {
    const now = Date.now();
    const state: DrainState = {
      since_unix_ms: this.#state?.since_unix_ms ?? now,
      deadline_unix_ms: deadline_ms === null ? null : now + deadline_ms,
    };
    this.#disarm();
    this.#state = state;
    this.#log.info(
      {
        status: "draining",
        by,
        deadline_ms,
        sessions: this.#others.reduce((sum, { size }) => sum + size, this.#sessions.size),
      },
      "the gateway drains: nobody new is let in, sessions that run go on",
    );
    this.#broker.refuseAll(DRAINING);
    for (const other of this.#others) other.stopServing();
    if (deadline_ms !== null) {
      this.#timer = setTimeout(() => this.#onDeadline(), deadline_ms);
      this.#timer.unref();
    }
    const empty = [this.#sessions, ...this.#others].map((one) => one.whenEmpty());
    void Promise.all(empty).then(() => {
      if (this.#state !== state) return;
      this.#log.info({ status: "drained" }, "no session is left; the gateway stays drained");
    });
  }

  /** Takes it back; nothing where it does not drain. */
  stop(by: string): void {
    if (this.#state === null) return;
    this.#disarm();
    this.#state = null;
    this.#log.info({ status: "undrained", by }, "the drain is taken back: all are let in again");
    this.#broker.serveAgain();
    for (const other of this.#others) other.serveAgain();
  }

  close(): void {
    this.#disarm();
  }

  /** Null while it does not drain. */
  snapshot(): DrainState | null {
    return this.#state;
  }

  #onDeadline(): void {
    for (const { id } of [...this.#sessions.all()]) {
      this.#sessions.end(id, { reason: "drained", by: "the deadline of the drain" });
    }
    for (const other of this.#others) other.endAll("drained");
  }

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
