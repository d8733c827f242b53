/**
 * How long a connection of the admin port may keep one waiting: for its first request and for each
 * request's body, for the next request after an answer, and for taking the answer. While a request is
 * being answered nothing is due, however long that takes: some wait for events.
 */
import type { Socket } from "node:net";
import { DeadlineLine } from "../data/deadline-line.ts";

/** From one answer to the next request's head. */
const IDLE_MS = 15_000;
/** A peer that does not take its answer is cut after this time. */
const ANSWER_MS = 30_000;

export interface PatienceOptions {
  request_timeout_ms: number;
  /** A request is not complete in time. */
  onSlow: (socket: Socket) => void;
}

export class Patience {
  readonly #request: DeadlineLine<Socket>;
  readonly #idle: DeadlineLine<Socket>;
  readonly #answer: DeadlineLine<Socket>;

  constructor({ request_timeout_ms, onSlow }: PatienceOptions) {
    const cut = (socket: Socket) => void socket.destroy();
    this.#request = new DeadlineLine({ period_ms: request_timeout_ms, onDue: onSlow });
    this.#idle = new DeadlineLine({ period_ms: IDLE_MS, onDue: cut });
    this.#answer = new DeadlineLine({ period_ms: ANSWER_MS, onDue: cut });
  }

  /** A head, or the body that belongs to one, is waited for. */
  forRequest(socket: Socket): void {
    this.end(socket);
    this.#request.add(socket);
  }

  /** The peer has its answer, and may ask again. */
  forNext(socket: Socket): void {
    this.end(socket);
    this.#idle.add(socket);
  }

  /** The answer is on its way. */
  forTaking(socket: Socket): void {
    this.end(socket);
    this.#answer.add(socket);
  }

  /** Nothing is waited for. */
  end(socket: Socket): void {
    for (const line of [this.#request, this.#idle, this.#answer]) line.delete(socket);
  }

  /** The peer has asked nothing since its last answer. */
  isIdle(socket: Socket): boolean {
    return this.#idle.has(socket);
  }

  apply({ request_timeout_ms }: { request_timeout_ms: number }): void {
    this.#request.setPeriod(request_timeout_ms);
  }

  close(): void {
    for (const line of [this.#request, this.#idle, this.#answer]) line.close();
  }
}
