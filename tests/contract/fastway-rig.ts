/** A fastway plane with nothing around it, and peers that speak its frames on plain sockets. */
import { Buffer } from "node:buffer";
import type { z } from "zod";
import { configSchema } from "../../src/config/schema.ts";
import type { FastwayEvent, FastwayPorts } from "../../src/data/fastway/plane.ts";
import { WorkerFastwayPlane } from "../../src/data/fastway/worker-plane.ts";
import { close, command, data, dial, ping, serverHello } from "../harness/fastway-frames.ts";
import { Inbox } from "../harness/inbox.ts";
import { TcpEnd } from "../harness/tcp-end.ts";

export type FastwayChoice = NonNullable<z.input<typeof configSchema>["fastway"]>;
type EventOf<T extends FastwayEvent["type"]> = Extract<FastwayEvent, { type: T }>;

export const KEY = "the key of the tests";

export class FastwayRig {
  readonly plane: WorkerFastwayPlane;
  readonly events = new Inbox<FastwayEvent>();
  ports: FastwayPorts = { client: 0, server: 0 };
  readonly #rest: z.input<typeof configSchema>;
  readonly #peers: FastwayPeer[] = [];

  constructor(
    choice: FastwayChoice,
    rest: z.input<typeof configSchema>,
    Plane = WorkerFastwayPlane,
  ) {
    this.#rest = rest;
    this.plane = new Plane({
      config: this.#configOf(choice),
      listener: (event) => this.events.push(event),
    });
  }

  async apply(choice: FastwayChoice): Promise<void> {
    this.plane.apply(this.#configOf(choice));
    if (!await this.plane.beat(5000)) throw new Error("the plane does not turn");
  }

  event<T extends FastwayEvent["type"]>(
    type: T,
    matches: (event: EventOf<T>) => boolean = () => true,
  ): Promise<EventOf<T>> {
    const is = (event: FastwayEvent): event is EventOf<T> =>
      event.type === type && matches(event as EventOf<T>);
    return this.events.take(type, is) as Promise<EventOf<T>>;
  }

  /** A connection that has said nothing yet. */
  async connect(side: "client" | "server", host = "127.0.0.1"): Promise<FastwayPeer> {
    const end = await TcpEnd.connect({ port: this.ports[side], host, name: `${side} of fastway` });
    const peer = new FastwayPeer(end);
    this.#peers.push(peer);
    return peer;
  }

  /** Likewise, as soon as somebody listens. */
  async connectAgain(side: "client" | "server"): Promise<FastwayPeer> {
    for (;;) {
      try {
        return await this.connect(side);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ECONNREFUSED") throw error;
        await this.plane.beat(5000);
      }
    }
  }

  async client(): Promise<FastwayPeer> {
    const peer = await this.connect("client");
    const { facts } = await this.event("endpoint", ({ facts }) => facts.remote === peer.remote);
    peer.id = facts.id;
    peer.endpoint = facts.endpoint;
    return peer;
  }

  async server(id: number, { behind = Buffer.alloc(0) } = {}): Promise<FastwayPeer> {
    const peer = await this.connect("server");
    await peer.prove(id, KEY, behind);
    const { facts } = await this.event("endpoint", ({ facts }) => facts.remote === peer.remote);
    peer.id = id;
    peer.endpoint = facts.endpoint;
    return peer;
  }

  async close(): Promise<void> {
    for (const peer of this.#peers) peer.end.destroy();
    await this.plane.close();
  }

  #configOf(choice: FastwayChoice) {
    return configSchema.parse({
      ...this.#rest,
      fastway: {
        ClientAddr: "127.0.0.1:0",
        ServerAddr: "127.0.0.1:0",
        ServerAuthKey: KEY,
        ...choice,
      },
    });
  }
}

export async function startFastway(
  choice: FastwayChoice = {},
  rest: z.input<typeof configSchema> = {},
  Plane = WorkerFastwayPlane,
): Promise<FastwayRig> {
  const rig = new FastwayRig(choice, rest, Plane);
  rig.ports = await rig.plane.start();
  return rig;
}

/** One end that speaks frames; what it gets is taken one frame after the other. */
export class FastwayPeer {
  readonly end: TcpEnd;
  id = 0;
  endpoint = 0;
  #taken_bytes = 0;

  constructor(end: TcpEnd) {
    this.end = end;
  }

  get remote(): string {
    return this.end.remote;
  }

  /** Answers the challenge. */
  async prove(id: number, key: string, behind: Uint8Array = Buffer.alloc(0)): Promise<void> {
    const challenge = await this.take(8);
    await this.end.write(Buffer.concat([serverHello(challenge, key, id), behind]));
  }

  send(...frames: Uint8Array[]): Promise<void> {
    return this.end.write(Buffer.concat(frames));
  }

  /** The next bytes that come. */
  async take(bytes: number): Promise<Buffer> {
    const head = await this.end.head(this.#taken_bytes + bytes);
    const taken = head.subarray(this.#taken_bytes);
    this.#taken_bytes += bytes;
    return Buffer.from(taken);
  }

  /** The next frame, without its Length. */
  async frame(): Promise<Buffer> {
    return this.take((await this.take(4)).readUInt32LE());
  }

  /** The next frame in words: `data 7 hello`, `accept 1 2`. */
  async hears(): Promise<string> {
    const frame = await this.frame();
    const id = frame.readUInt32LE();
    if (id !== 0) return `data ${id} ${frame.subarray(4)}`;
    const name = ["dial", "accept", "connect", "refuse", "close", "ping"][frame[4]];
    const args = [];
    for (let at = 5; at < frame.length; at += 4) args.push(frame.readUInt32LE(at));
    return [name, ...args].join(" ");
  }

  /** Dials, and answers the virtual connection's id once both have been told. */
  async dial(remote: FastwayPeer): Promise<number> {
    await this.send(dial(remote.id));
    const [accept, id] = (await this.hears()).split(" ");
    if (accept !== "accept") throw new Error(`${accept} instead of accept`);
    await remote.hears();
    return Number(id);
  }
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export { close, command, data as frame, dial, ping };
