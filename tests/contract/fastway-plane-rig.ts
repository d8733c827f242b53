/** The fastway plane with nothing around it, clients and servers that connect to it, and its events. */
import type { z } from "zod";
import { configSchema } from "../../src/config/schema.ts";
import type { FastwayEvent, FastwayPlane, FastwayPorts } from "../../src/data/fastway/plane.ts";
import type { EndpointFacts, EndpointOver } from "../../src/data/fastway/protocol.ts";
import { WorkerFastwayPlane } from "../../src/data/fastway/worker-plane.ts";
import { patience_ms } from "../harness/deadline.ts";
import { type ConnectOptions, FastwayPeer, type ServerOptions } from "../harness/fastway-peer.ts";
import { Inbox } from "../harness/inbox.ts";

export const RIG_KEY = "test";

export type FastwayKeys = NonNullable<z.input<typeof configSchema>["fastway"]>;
type PlaneOptions = ConstructorParameters<typeof WorkerFastwayPlane>[0];
type EventOf<T extends FastwayEvent["type"]> = Extract<FastwayEvent, { type: T }>;

/** Its ids begin where it is told. */
class NumberedPlane extends WorkerFastwayPlane {
  readonly #first_id: number;

  constructor(options: PlaneOptions & { first_id: number }) {
    super(options);
    this.#first_id = options.first_id;
  }

  override get settings(): object {
    return { ...super.settings, first_id: this.#first_id };
  }
}

export class FastwayRig {
  readonly plane: FastwayPlane;
  readonly events: Inbox<FastwayEvent>;
  readonly ports: FastwayPorts;

  private constructor(plane: FastwayPlane, events: Inbox<FastwayEvent>, ports: FastwayPorts) {
    this.plane = plane;
    this.events = events;
    this.ports = ports;
  }

  /** `first_id`: of clients and of virtual connections. Several workers share the two ports. */
  static async start(
    fastway: FastwayKeys = {},
    { first_id = 1, workers = 1 } = {},
  ): Promise<FastwayRig> {
    const events = new Inbox<FastwayEvent>();
    const plane = new NumberedPlane({
      config: configOf(fastway, workers),
      first_id,
      listener: (event) => events.push(event),
    });
    try {
      return new FastwayRig(plane, events, await plane.start());
    } catch (error) {
      await plane.close();
      throw error;
    }
  }

  client(options: Partial<ConnectOptions> = {}): Promise<FastwayPeer> {
    return FastwayPeer.client({ port: this.ports.client, ...options });
  }

  server(id: number, options: Partial<ServerOptions> = {}): Promise<FastwayPeer> {
    return FastwayPeer.server({ port: this.ports.server, key: RIG_KEY, ...options, id });
  }

  /** The next event of a type that matches. */
  event<T extends FastwayEvent["type"]>(
    type: T,
    matches: (event: EventOf<T>) => boolean = () => true,
    ms = patience_ms,
  ): Promise<EventOf<T>> {
    return this.events.take(
      type,
      (event) => event.type === type && matches(event as EventOf<T>),
      ms,
    ) as Promise<EventOf<T>>;
  }

  /** What the plane has told of a peer when it came. */
  async facts({ remote }: FastwayPeer): Promise<EndpointFacts> {
    return (await this.event("endpoint", ({ facts }) => facts.remote === remote)).facts;
  }

  /** Takes the end of an endpoint and says why it came. */
  async over({ endpoint }: EndpointFacts, ms?: number): Promise<EventOf<"endpoint_over">> {
    return await this.event("endpoint_over", (event) => event.endpoint === endpoint, ms);
  }

  /** Why the peer's endpoint has ended, or will. */
  async reasonOf(peer: FastwayPeer, ms?: number): Promise<EndpointOver> {
    return (await this.over(await this.facts(peer), ms)).reason;
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
    return this.plane.close();
  }
}

export function configOf(fastway: FastwayKeys, workers: number) {
  return configSchema.parse({
    gateway: { tcp_workers: workers },
    fastway: {
      ReusePort: workers > 1,
      ClientAddr: "127.0.0.1:0",
      ServerAddr: "127.0.0.1:0",
      ServerAuthKey: RIG_KEY,
      process_folder: "",
      ...fastway,
    },
  });
}
