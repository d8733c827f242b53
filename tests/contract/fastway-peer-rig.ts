/** The fastway plane with bare clients and servers of the harness that connect to it. */
import type { FastwayEvent, FastwayPlane, FastwayPorts } from "../../src/data/fastway/plane.ts";
import type { EndpointFacts, EndpointOver } from "../../src/data/fastway/protocol.ts";
import { WorkerFastwayPlane } from "../../src/data/fastway/worker-plane.ts";
import { patience_ms } from "../harness/deadline.ts";
import { type ConnectOptions, FastwayPeer, type ServerOptions } from "../harness/fastway-peer.ts";
import type { Inbox } from "../harness/inbox.ts";
import { type FastwayChoice, type FastwayRig, KEY, startFastway } from "./fastway-rig.ts";

type EventOf<T extends FastwayEvent["type"]> = Extract<FastwayEvent, { type: T }>;

/** Which worker has an endpoint follows from its number's upper half; see `learnPlaces`. */
export function lifeOf({ endpoint }: EndpointFacts): number {
  return Math.floor(endpoint / 2 ** 32);
}

/** A plane whose ids begin there. */
function numberedFrom(first_id: number): typeof WorkerFastwayPlane {
  return class extends WorkerFastwayPlane {
    override get settings(): object {
      return { ...super.settings, first_id };
    }
  };
}

export class PeerRig {
  readonly plane: FastwayPlane;
  readonly events: Inbox<FastwayEvent>;
  readonly ports: FastwayPorts;
  readonly #rig: FastwayRig;

  private constructor(rig: FastwayRig) {
    this.#rig = rig;
    ({ plane: this.plane, events: this.events, ports: this.ports } = rig);
  }

  /** `first_id`: of clients and of virtual connections. Several workers share the two ports. */
  static async start(
    choice: FastwayChoice = {},
    { first_id = 1, workers = 1 } = {},
  ): Promise<PeerRig> {
    const rig = await startFastway(
      { ReusePort: workers > 1, ...choice },
      { gateway: { tcp_workers: workers } },
      numberedFrom(first_id),
    );
    return new PeerRig(rig);
  }

  client(options: Partial<ConnectOptions> = {}): Promise<FastwayPeer> {
    return FastwayPeer.client({ port: this.ports.client, ...options });
  }

  server(id: number, options: Partial<ServerOptions> = {}): Promise<FastwayPeer> {
    return FastwayPeer.server({ port: this.ports.server, key: KEY, ...options, id });
  }

  /** The next event of a type that matches. */
  event<T extends FastwayEvent["type"]>(
    type: T,
    matches?: (event: EventOf<T>) => boolean,
  ): Promise<EventOf<T>> {
    return this.#rig.event(type, matches);
  }

  /** What the plane has told of a peer when it came. */
  async facts({ remote }: FastwayPeer): Promise<EndpointFacts> {
    return (await this.event("endpoint", ({ facts }) => facts.remote === remote)).facts;
  }

  /** Takes the end of an endpoint, which says why it came. */
  over({ endpoint }: EndpointFacts): Promise<EventOf<"endpoint_over">> {
    return this.event("endpoint_over", (event) => event.endpoint === endpoint);
  }

  /** Why the peer's endpoint has ended, or will. */
  async reasonOf(peer: FastwayPeer): Promise<EndpointOver> {
    return (await this.over(await this.facts(peer))).reason;
  }

  /** Waits until the plane's figures say so: shared memory is behind what the peers see. */
  async totalsUntil(expected: Partial<ReturnType<FastwayPlane["totals"]>>): Promise<void> {
    const until_ms = performance.now() + patience_ms;
    const keys = Object.keys(expected) as (keyof typeof expected)[];
    for (;;) {
      const totals = this.plane.totals();
      if (keys.every((key) => totals[key] === expected[key])) return;
      if (performance.now() > until_ms) {
        throw new Error(`totals are ${JSON.stringify(totals)}, not ${JSON.stringify(expected)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  close(): Promise<void> {
    return this.#rig.close();
  }
}
