/**
 * The connections of one port that have not said who they are: each counted against the bounds of
 * its worker and each with a deadline for its hello.
 */
import type { Admission, AdmissionLimit } from "./admission.ts";
import { Deadline, type TimerWheel } from "./timer-wheel.ts";

/** What must be known of a connection to hold it to the bounds. */
export interface Unproven {
  /** The peer's host, by which connections are counted. */
  address: string;
}

/** The port that the connections have come to. */
export interface UnprovenOwner<C> {
  /** No hello has come in time. */
  helloOverdue(connection: C): void;
}

export class UnprovenConnections<C extends Unproven> {
  readonly #admission: Admission;
  readonly #wheel: TimerWheel;
  readonly #settings: { readonly hello_timeout_ms: number };
  readonly #owner: UnprovenOwner<C>;
  /** Null while there are none, which is nearly all of a port's life. */
  #deadlines: Map<C, Deadline> | null = null;

  constructor(options: {
    admission: Admission;
    wheel: TimerWheel;
    /** Read anew for each connection. */
    settings: { readonly hello_timeout_ms: number };
    owner: UnprovenOwner<C>;
  }) {
    this.#admission = options.admission;
    this.#wheel = options.wheel;
    this.#settings = options.settings;
    this.#owner = options.owner;
  }

  /** Names the bound that forbids one more connection from there, or counts it. */
  admit(address: string): AdmissionLimit | null {
    return this.#admission.enter(address);
  }

  /**
   * The connection turns out to come from elsewhere. Names the bound that forbids one more from
   * there; it is still counted where it was then.
   */
  move(connection: C, address: string): AdmissionLimit | null {
    const limit = this.#admission.move(connection.address, address);
    if (!limit) connection.address = address;
    return limit;
  }

  /** Starts the clock of a connection that has been admitted. */
  add(connection: C, now_ms: number): void {
    const deadline = new Deadline(() => this.#owner.helloOverdue(connection));
    this.#deadlines ??= new Map();
    this.#deadlines.set(connection, deadline);
    this.#wheel.schedule(deadline, now_ms + this.#settings.hello_timeout_ms);
  }

  /** The connection has proven itself or is about to be closed. */
  delete(connection: C): void {
    const deadline = this.#deadlines?.get(connection);
    if (!this.#deadlines || !deadline) return;
    this.#wheel.cancel(deadline);
    this.#deadlines.delete(connection);
    if (this.#deadlines.size === 0) this.#deadlines = null;
    this.#admission.leave(connection.address);
  }

  [Symbol.iterator](): IterableIterator<C> {
    return [...this.#deadlines?.keys() ?? []].values();
  }
}
