/**
 * Visitors who have proven nothing yet: how many there may be, in all and from one address, who may
 * not even be one of them, and how long each of them has.
 */
import type { Config } from "../config/schema.ts";
import { Admission, type AdmissionLimit } from "../data/admission.ts";
import type { Log } from "../observe/log.ts";
import { DeadlineLine } from "../data/deadline-line.ts";
import type { RepeatedLines } from "../observe/repeated-lines.ts";
import type { Visitor } from "./visitor.ts";

/** What forbids a visitor to come in. */
export type VisitorBound = AdmissionLimit | "banned";

export class UnprovenVisitors {
  readonly #log: Log;
  readonly #repeated: RepeatedLines;
  readonly #isBanned: (address: string) => boolean;
  readonly #onOverdue: (visitor: Visitor) => void;
  readonly #admission: Admission;
  readonly #deadlines: DeadlineLine<Visitor>;

  constructor(options: {
    config: Config;
    log: Log;
    repeated: RepeatedLines;
    /** Whether nobody from this address may come in. */
    isBanned: (address: string) => boolean;
    /** A visitor's time is over; it is logged and still counted. */
    onOverdue: (visitor: Visitor) => void;
  }) {
    const { config } = options;
    this.#log = options.log;
    this.#repeated = options.repeated;
    this.#isBanned = options.isBanned;
    this.#onOverdue = options.onOverdue;
    this.#admission = new Admission({ ...config.limits, unproven_prefix: "" });
    this.#deadlines = new DeadlineLine({
      period_ms: config.gateway.auth_timeout,
      onDue: (visitor) => this.#overdue(visitor),
    });
  }

  get size(): number {
    return this.#admission.total;
  }

  /** Bounds hold for those who are there as well, and their deadlines move with the timeout. */
  apply(config: Config): void {
    this.#admission.apply({ ...config.limits, unproven_prefix: "" });
    this.#deadlines.setPeriod(config.gateway.auth_timeout);
  }

  close(): void {
    this.#deadlines.close();
  }

  /**
   * Where an address is judged, and the only place: first the one that the kernel has, and again, for
   * a proxy, when it has announced another or none. Counts the visitor, or names what forbids it.
   */
  admit(visitor: Visitor): VisitorBound | null {
    this.#uncount(visitor);
    // A proxy's clients are judged one by one, once it has said who they are.
    const is_undecided = visitor.awaited === "PROXY header";
    if (!is_undecided && this.#isBanned(visitor.address)) return "banned";
    // Until then each counts for itself: a thousand clients may come through one proxy at once.
    const counted_as = is_undecided ? visitor.remote : visitor.address;
    const limit = this.#admission.enter(counted_as);
    if (limit === null) visitor.counted_as = counted_as;
    return limit;
  }

  turnAway(visitor: Visitor, bound: VisitorBound): void {
    visitor.destroy();
    const remote = visitor.address;
    if (bound === "banned") {
      this.#repeated.warn(
        "banned",
        { status: "banned", remote, door: "control" },
        "control connections were closed: their addresses are banned",
      );
      return;
    }
    this.#repeated.warn(
      bound,
      { status: "limit_reached", limit: bound, remote },
      "control connections were closed: too many have not registered",
    );
  }

  /** The visitor's time runs from now. */
  startClock(visitor: Visitor): void {
    this.#deadlines.add(visitor);
  }

  /** Another deadline than ours holds for the visitor from now on. It stays counted. */
  stopClock(visitor: Visitor): void {
    this.#deadlines.delete(visitor);
  }

  /** The visitor is somebody, or gone: it is not counted any more and has no deadline. */
  delete(visitor: Visitor): void {
    this.stopClock(visitor);
    this.#uncount(visitor);
  }

  #uncount(visitor: Visitor): void {
    if (visitor.counted_as === null) return;
    this.#admission.leave(visitor.counted_as);
    visitor.counted_as = null;
  }

  #overdue(visitor: Visitor): void {
    this.#log.info(
      {
        status: "register_refused",
        remote: visitor.remote,
        error: `no ${visitor.awaited} within gateway.auth_timeout`,
      },
      "a connection that did not register is closed",
    );
    this.#onOverdue(visitor);
  }
}
