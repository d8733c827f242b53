/**
 * Who sits at a port: one seat for the client, one for the server. Decides what a proven hello leads
 * to, the same for every plane.
 */
import type { Hello } from "./hello.ts";
import type { RejectStatus, Role } from "./plane.ts";
import { isSameSecret } from "./secret.ts";

/** What a plane must know about an end that sits and waits. */
export interface Seated {
  /**
   * The end has finished sending and cannot be told from one that died after its last byte. It keeps
   * what it sent, but somebody who comes back under its role takes the seat.
   */
  readonly half_closed: boolean;
}

export type SeatDecision<C extends Seated> =
  | { type: "reject"; status: RejectStatus; detail: string }
  | { type: "wait"; replaces: C | null }
  | { type: "pair"; with: C };

export class Seats<C extends Seated> {
  readonly #session_id: string;
  #client: C | null = null;
  #server: C | null = null;
  #paired = false;

  constructor({ session_id }: { session_id: string }) {
    // An empty one would let in whoever says nothing.
    if (!(session_id.length > 0)) throw new Error("A port needs a session id");
    this.#session_id = session_id;
  }

  /** Tells what the hello leads to and, unless it is turned away, seats the connection. */
  take(hello: Hello, connection: C): SeatDecision<C> {
    if (!this.#isOurs(hello.session_id)) {
      return reject("alloc_mismatch", "the session_id is not the one reserved on this port");
    }
    if (this.#paired) return reject("port_occupied", "both ends of this session are connected");
    const seated = this.at(hello.role);
    if (seated && !seated.half_closed) {
      return reject(`${hello.role}_dup`, `a ${hello.role} is already waiting on this port`);
    }
    this.#seat(hello.role, connection);
    const other = this.at(hello.role === "client" ? "server" : "client");
    if (!other) return { type: "wait", replaces: seated };
    this.#paired = true;
    return { type: "pair", with: other };
  }

  at(role: Role): C | null {
    return role === "client" ? this.#client : this.#server;
  }

  /** A waiting end is gone; its seat is free at once. */
  leave(role: Role): void {
    this.#seat(role, null);
  }

  #seat(role: Role, connection: C | null): void {
    if (role === "client") this.#client = connection;
    else this.#server = connection;
  }

  /** A session id lets its bearer into the session, so it is compared in constant time. */
  #isOurs(given: string): boolean {
    return isSameSecret(given, this.#session_id);
  }
}

function reject(status: RejectStatus, detail: string): SeatDecision<never> {
  return { type: "reject", status, detail };
}
