/** Standing ports with nothing around them: free ports, a listener that collects, ends that come. */
import { Buffer } from "node:buffer";
import type { z } from "zod";
import { configSchema } from "../../src/config/schema.ts";
import type {
  StandingEvent,
  StandingRole,
  StandingSettings,
  StandingState,
} from "../../src/data/standing.ts";
import { TcpStandingPlane } from "../../src/data/tcp/standing-plane.ts";
import { UNHURRIED_MS } from "../harness/deadline.ts";
import { claimPorts, type PortBlock } from "../harness/free-ports.ts";
import { Inbox } from "../harness/inbox.ts";
import { TcpEnd } from "../harness/tcp-end.ts";

type EventOf<T extends StandingEvent["type"]> = Extract<StandingEvent, { type: T }>;
type ConfigInput = z.input<typeof configSchema>;

/** The sections that a test sets; the rest is as it is by default. */
export type StandingRigConfig = Pick<
  ConfigInput,
  "gateway" | "limits" | "zeromq" | "proxy_protocol"
>;

/** The most TCP ports that one block of the harness has. */
const BLOCK_PORTS = 48;

export function rlx1Hello(role: StandingRole, client_id?: string): Buffer {
  return Buffer.from(`RLX1HELLO ${JSON.stringify({ role, client_id })}\n`);
}

export class StandingRig {
  readonly plane: TcpStandingPlane;
  readonly events = new Inbox<StandingEvent>();
  readonly ports: readonly number[];
  readonly #blocks: PortBlock[];
  #given = 0;

  private constructor(blocks: PortBlock[], config: StandingRigConfig) {
    this.#blocks = blocks;
    this.ports = blocks.flatMap(({ tcp }) =>
      Array.from({ length: tcp.last - tcp.first + 1 }, (_, i) => tcp.first + i)
    );
    this.plane = new TcpStandingPlane({
      config: configOf(config),
      ports_max: this.ports.length,
      listener: (event) => this.events.push(event),
    });
  }

  static async start(
    config: StandingRigConfig = {},
    { ports = BLOCK_PORTS }: { ports?: number } = {},
  ): Promise<StandingRig> {
    const blocks: PortBlock[] = [];
    for (let left = ports; left > 0; left -= BLOCK_PORTS) {
      blocks.push(await claimPorts({ tcp_ports: Math.min(left, BLOCK_PORTS), srt_ports: 1 }));
    }
    const rig = new StandingRig(blocks, config);
    await rig.plane.start();
    return rig;
  }

  apply(config: StandingRigConfig): void {
    this.plane.apply(configOf(config));
  }

  /** The rig's ports in turn, each once. */
  nextPort(): number {
    return this.ports[this.#given++];
  }

  async open(settings: Partial<StandingSettings> = {}, port = this.nextPort()): Promise<number> {
    await this.plane.openStanding(port, {
      label: "zmq",
      ring_bytes_max: 64 * 1_048_576,
      ...settings,
    });
    return port;
  }

  /** Connects and says who it is, with `behind` in the same segment; waits for nothing. */
  async join(
    port: number,
    role: StandingRole,
    { id, behind = "" }: { id?: string; behind?: string | Uint8Array } = {},
  ): Promise<TcpEnd> {
    const end = await TcpEnd.connect({ port, name: `${role} ${id ?? ""} on ${port}` });
    await end.write(Buffer.concat([rlx1Hello(role, id), Buffer.from(behind)]));
    return end;
  }

  /** A BE that waits on the port. */
  async be(port: number, id = "be"): Promise<TcpEnd> {
    const end = await this.join(port, "BE", { id });
    await this.state(port, "ready");
    return end;
  }

  /** An FE that has been paired. */
  async fe(port: number, id = "fe"): Promise<TcpEnd> {
    const end = await this.join(port, "FE", { id });
    await this.state(port, "busy");
    return end;
  }

  /** An open port with both ends on it. */
  async session(
    settings?: Partial<StandingSettings>,
  ): Promise<{ port: number; be: TcpEnd; fe: TcpEnd }> {
    const port = await this.open(settings);
    return { port, be: await this.be(port), fe: await this.fe(port) };
  }

  /** The next event of a type on a port. */
  event<T extends StandingEvent["type"]>(type: T, port: number): Promise<EventOf<T>> {
    const matches = (event: StandingEvent) =>
      event.type === type && (!("port" in event) || event.port === port);
    return this.events.take(`${type} on ${port}`, matches) as Promise<EventOf<T>>;
  }

  /** Takes the next state that is told of a port, which must be this one. */
  async state(port: number, state: StandingState): Promise<EventOf<"standing">> {
    const event = await this.event("standing", port);
    if (event.state !== state) throw new Error(`${port} is ${event.state}, not ${state}`);
    return event;
  }

  /** What has been told of a port and nobody has taken, type by type. */
  left(port: number): string[] {
    return this.events.items.flatMap((event) =>
      "port" in event && event.port === port ? [event.type] : []
    );
  }

  /** Has a worker die of a mistake, as one of ours would be. The answer is what the order got. */
  breakWorker(): Promise<unknown> {
    return this.open({}, 70_000).catch((error: unknown) => error);
  }

  async close(): Promise<void> {
    await this.plane.close();
    for (const block of this.#blocks) await block.release();
  }
}

function configOf({ gateway, limits, ...sections }: StandingRigConfig) {
  return configSchema.parse({
    ...sections,
    gateway: { bind_address: "127.0.0.1", ...gateway },
    limits: { hello_timeout_ms: UNHURRIED_MS, ...limits },
  });
}
