/**
 * The last virtual connections with another worker that have ended, and whose they were here: what was
 * still on its way is told of by id, and its sender is to hear of it.
 */

/** What is on its way when one ends is there within a turn or two of the other worker. */
const ROUTES_MAX = 4096;

export class EndedRoutes {
  /** By id, the oldest first: the number of the endpoint. */
  readonly #endpoints = new Map<number, number>();

  add(id: number, endpoint: number): void {
    this.#endpoints.delete(id);
    this.#endpoints.set(id, endpoint);
    if (this.#endpoints.size <= ROUTES_MAX) return;
    for (const oldest of this.#endpoints.keys()) {
      this.#endpoints.delete(oldest);
      break;
    }
  }

  find(id: number): number | null {
    return this.#endpoints.get(id) ?? null;
  }
}
