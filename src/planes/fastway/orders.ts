/** What the operator sees of fastway, and orders there. */
import type { FastwayPlane, FastwayPorts } from "../../data/fastway/plane.ts";
import type { FastwaySide } from "../../data/fastway/protocol.ts";
import type { FastwayDoor, FastwayDoorSnapshot } from "./door.ts";
import type { Traffic } from "./endpoint.ts";
import type { Meter } from "./meter.ts";
import type { PerSide, Roster } from "./roster.ts";
import { type EndpointRow, endpointRow } from "./rows.ts";

export interface FastwayFigures {
  ports: PerSide<number>;
  clients: number;
  servers: number;
  /** Endpoints whose snet connection is lost and may come back. */
  away: number;
  virtual: number;
  virtual_total: number;
  /** Dials. */
  refused: { unknown: number; limit: number; draining: number };
  unknown_total: number;
  /** Since the start, by who has sent it to the gateway or been sent it. */
  carried: PerSide<Readonly<Traffic>>;
  queue_messages: number;
  queue_bytes: number;
  pool_bytes: number;
  pool_used_bytes: number;
  workers: number;
  workers_replaced: number;
  loop_lag_ms: (number | null)[];
  /** Absent where neither side has a TLS listener. */
  tls?: FastwayDoorSnapshot;
}

/** Which endpoints are asked for, and from where on. */
export interface EndpointQuery {
  side?: FastwaySide;
  id?: number;
  /** Those with a greater number. */
  after: number;
  limit: number;
}

export interface EndpointPage {
  endpoints: EndpointRow[];
  /** What to ask `after` next; null: there are no more. */
  next: number | null;
  /** All that pass, on whatever page. */
  total: number;
}

export class Orders {
  readonly #plane: FastwayPlane;
  readonly #roster: Roster;
  readonly #meter: Meter;
  readonly #door: Pick<FastwayDoor, "snapshot">;
  readonly #ports: () => FastwayPorts;

  constructor(
    options: {
      plane: FastwayPlane;
      roster: Roster;
      meter: Meter;
      door: Pick<FastwayDoor, "snapshot">;
      ports: () => FastwayPorts;
    },
  ) {
    this.#plane = options.plane;
    this.#roster = options.roster;
    this.#meter = options.meter;
    this.#door = options.door;
    this.#ports = options.ports;
  }

  snapshot(): FastwayFigures {
    const roster = this.#roster;
    this.#meter.refresh(performance.now());
    const totals = this.#plane.totals();
    const { refused_unknown, refused_limit, refused_draining, ...others } = totals;
    const tls = this.#door.snapshot();
    let queue_messages = 0;
    let queue_bytes = 0;
    for (const { counters } of roster.all()) {
      queue_messages += counters.queue_messages;
      queue_bytes += counters.queue_bytes;
    }
    return {
      ports: { ...this.#ports() },
      clients: roster.countOf("client"),
      servers: roster.countOf("server"),
      away: roster.away,
      ...others,
      refused: { unknown: refused_unknown, limit: refused_limit, draining: refused_draining },
      carried: roster.carried(),
      queue_messages,
      queue_bytes,
      ...this.#plane.snapshot(),
      ...(Object.keys(tls.ports).length === 0 ? {} : { tls }),
    };
  }

  /** By their numbers, which workers give out each on their own. */
  page({ side, id, after, limit }: EndpointQuery): EndpointPage {
    this.#meter.refresh(performance.now());
    const found = [...this.#roster.all()]
      .filter(({ facts }) =>
        (side === undefined || facts.side === side) && (id === undefined || facts.id === id)
      )
      .sort((a, b) => a.facts.endpoint - b.facts.endpoint);
    const behind = found.filter(({ facts }) => facts.endpoint > after);
    const shown = behind.slice(0, limit);
    return {
      endpoints: shown.map(endpointRow),
      next: behind.length > limit ? shown[shown.length - 1].facts.endpoint : null,
      total: found.length,
    };
  }

  /** Ends an endpoint, whose peers are told Close; false where there is none. */
  kick(endpoint: number): boolean {
    if (this.#roster.get(endpoint) === undefined) return false;
    this.#plane.end(endpoint, "kicked");
    return true;
  }
}
