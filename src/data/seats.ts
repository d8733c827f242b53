/**
 * Who sits at a port: one seat for the client, one for the server. Decides what a proven hello leads
 * to, the same for every plane.
 */
import type { Hello } from "./hello.ts";
import type { HelloProofs, RejectStatus, Role } from "./plane.ts";
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
  readonly #proofs: HelloProofs | null;
  #client: C | null = null;
  #server: C | null = null;
  #paired = false;

  constructor({ session_id, proofs }: { session_id: string; proofs?: HelloProofs }) {
    // An empty one would let in whoever says nothing.
    const secrets = [session_id, ...(proofs ? [proofs.client, proofs.server] : [])];
    if (!secrets.every((secret) => secret.length > 0)) {
      throw new Error("A port needs a session id, and proofs are not empty");
    }
    this.#session_id = session_id;
    this.#proofs = proofs ?? null;
  }

  /** Tells what the hello leads to and, unless it is turned away, seats the connection. */
  take(hello: Hello, connection: C): SeatDecision<C> {
    if (!this.#isOurs(hello.session_id)) {
      return reject("alloc_mismatch", "the session_id is not the one reserved on this port");
    }
    if (!this.#isProven(hello)) {
      const found = hello.hello_token ? "a wrong" : "no";
      const detail =
        `${found} hello_token; the session asks for the one in the ${hello.role}'s grant`;
      return reject("hello_unproven", detail);
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

  /** The end whose proof this is; null where it is nobody's, or none is asked for. */
  provenRole(hello_token = ""): Role | null {
    if (this.#proofs === null) return null;
    const [client, server] = [this.#proofs.client, this.#proofs.server]
      .map((proof) => isSameSecret(hello_token, proof));
    return client ? "client" : server ? "server" : null;
  }

  #isProven({ role, hello_token = "" }: Hello): boolean {
    return this.#proofs === null || isSameSecret(hello_token, this.#proofs[role]);
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
