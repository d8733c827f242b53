/** One endpoint as the control side knows it: who it is, what is counted for it, how fast it is. */
import type { Standing } from "../../access/standing.ts";
import type { EndpointCounters, EndpointFacts } from "../../data/fastway/protocol.ts";

/** What grows for as long as an endpoint is there, each way. */
export interface Traffic {
  bytes_in: number;
  bytes_out: number;
  messages_in: number;
  messages_out: number;
}

export const NO_TRAFFIC: Readonly<Traffic> = {
  bytes_in: 0,
  bytes_out: 0,
  messages_in: 0,
  messages_out: 0,
};

const NOTHING: Readonly<EndpointCounters> = {
  ...NO_TRAFFIC,
  virtual: 0,
  queue_messages: 0,
  queue_bytes: 0,
};

const WAYS = Object.keys(NO_TRAFFIC) as readonly (keyof Traffic)[];

export class Endpoint {
  facts: EndpointFacts;
  readonly since_unix_ms = Date.now();
  /** Null once it is to be ended, and where it never got one. */
  standing: Standing | null = null;
  /** snet: its connection is lost and may come back. */
  is_away = false;
  /** As they were at the last look. */
  counters: Readonly<EndpointCounters> = NOTHING;
  /** Each second, as measured last. */
  readonly rates: Traffic = { ...NO_TRAFFIC };
  #measured: Readonly<EndpointCounters> = NOTHING;
  #measured_at: number;

  /** `now` is `performance.now()`. */
  constructor(facts: EndpointFacts, now: number) {
    this.facts = facts;
    this.#measured_at = now;
  }

  /** Takes its counters as they are now; answers what has been added since the last look. */
  look(counters: Readonly<EndpointCounters>): Traffic {
    const added = { ...NO_TRAFFIC };
    for (const way of WAYS) added[way] = Math.max(0, counters[way] - this.counters[way]);
    this.counters = counters;
    return added;
  }

  /** Works the rates out anew, from here to the last time that this was called. */
  measure(now: number): void {
    const seconds = Math.max(0.001, (now - this.#measured_at) / 1000);
    for (const way of WAYS) {
      this.rates[way] = Math.max(0, this.counters[way] - this.#measured[way]) / seconds;
    }
    this.#measured = this.counters;
    this.#measured_at = now;
  }
}

export function addTraffic(sum: Traffic, added: Readonly<Traffic>): void {
  for (const way of WAYS) sum[way] += added[way];
}
