/** The snet sessions of one side by their numbers, which are on the wire. */
import type { Ids } from "../ids.ts";
import type { SnetSession } from "./session.ts";

export class SnetSessions {
  readonly #ids: Ids;
  readonly #sessions = new Map<number, SnetSession>();
  readonly #isTaken = (id: number) => this.#sessions.has(id);

  /** Numbers from 1; workers that share a port share them, too. */
  constructor({ ids }: { ids: Ids }) {
    this.#ids = ids;
  }

  get count(): number {
    return this.#sessions.size;
  }

  /** For a session that is about to begin; a peer that fails to prove itself leaves a gap. */
  takeId(): number {
    return this.#ids.take(this.#isTaken);
  }

  find(id: number): SnetSession | undefined {
    return this.#sessions.get(id);
  }

  add(session: SnetSession): void {
    this.#sessions.set(session.id, session);
  }

  delete(session: SnetSession): void {
    this.#sessions.delete(session.id);
  }
}
