/** Who is there, in the order in which they came, and what all of them have carried. */
import type { EndpointCounters, FastwaySide } from "../../data/fastway/protocol.ts";
import { addTraffic, type Endpoint, NO_TRAFFIC, type Traffic } from "./endpoint.ts";

export type PerSide<T> = Record<FastwaySide, T>;

export class Roster {
  readonly #endpoints = new Map<number, Endpoint>();
  readonly #counts: PerSide<number> = { client: 0, server: 0 };
  readonly #carried: PerSide<Traffic> = { client: { ...NO_TRAFFIC }, server: { ...NO_TRAFFIC } };
  #away = 0;

  all(): Iterable<Endpoint> {
    return this.#endpoints.values();
  }

  get(endpoint: number): Endpoint | undefined {
    return this.#endpoints.get(endpoint);
  }

  get size(): number {
    return this.#endpoints.size;
  }

  countOf(side: FastwaySide): number {
    return this.#counts[side];
  }

  /** Endpoints whose connection is lost and may come back. */
  get away(): number {
    return this.#away;
  }

  add(endpoint: Endpoint): void {
    this.#endpoints.set(endpoint.facts.endpoint, endpoint);
    this.#counts[endpoint.facts.side]++;
  }

  /** Says whether its connection is there. */
  setAway(endpoint: Endpoint, is_away: boolean): void {
    if (endpoint.is_away === is_away) return;
    endpoint.is_away = is_away;
    this.#away += is_away ? 1 : -1;
  }

  /** Takes an endpoint's counters as they are now; answers what has been added. */
  look(endpoint: Endpoint, counters: Readonly<EndpointCounters>): Traffic {
    const added = endpoint.look(counters);
    addTraffic(this.#carried[endpoint.facts.side], added);
    return added;
  }

  delete(endpoint: Endpoint): void {
    if (!this.#endpoints.delete(endpoint.facts.endpoint)) return;
    this.#counts[endpoint.facts.side]--;
    this.setAway(endpoint, false);
  }

  /** Since the start, by the last look at each endpoint. */
  carried(): PerSide<Readonly<Traffic>> {
    return { client: { ...this.#carried.client }, server: { ...this.#carried.server } };
  }
}
