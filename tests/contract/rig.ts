/** A data plane with nothing around it: free ports, a listener that collects, ends that join. */
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { configSchema } from "../../src/config/schema.ts";
import type { CloseReason, PlaneEvent, PlaneKind, Role } from "../../src/data/plane.ts";
import { SrtPlane } from "../../src/data/srt/plane.ts";
import { TcpPlane } from "../../src/data/tcp/plane.ts";
import type { WorkerPlane } from "../../src/data/worker-plane.ts";
import { claimPorts, type PortBlock } from "../harness/free-ports.ts";
import { patience_ms } from "../harness/deadline.ts";
import { Inbox } from "../harness/inbox.ts";
import { TcpEnd } from "../harness/tcp-end.ts";
import { SrtPeers } from "./srt-peers.ts";

/** What the ends of both planes can do alike. */
export interface PlaneEnd {
  readonly received_bytes: number;
  write(bytes: Uint8Array | string): Promise<void>;
  reached(bytes: number, ms?: number): Promise<void>;
  text(): string;
  digest(): string;
  destroy(): void;
  turnedAway(ms?: number): Promise<unknown>;
}

type EventOf<T extends PlaneEvent["type"]> = Extract<PlaneEvent, { type: T }>;

export interface RigSettings {
  hello_timeout_ms?: number;
  session_idle_timeout?: string;
  tcp_workers?: number;
  linger_s?: number;
  unproven_max?: number;
  unproven_per_address_max?: number;
  srt_unproven_per_address_max?: number;
  sndbuf?: number;
  rcvbuf?: number;
}

const tcp_ports = 40;
const srt_ports = 8;

export class Rig<End extends PlaneEnd = PlaneEnd> {
  readonly kind: PlaneKind;
  readonly plane: WorkerPlane;
  readonly events: Inbox<PlaneEvent>;
  readonly first_port: number;
  readonly peers: SrtPeers | null;
  readonly #block: PortBlock;
  readonly #connect: (port: number) => Promise<End>;
  #given = 0;

  constructor(options: {
    kind: PlaneKind;
    plane: WorkerPlane;
    events: Inbox<PlaneEvent>;
    block: PortBlock;
    peers: SrtPeers | null;
    connect: (port: number) => Promise<End>;
  }) {
    this.kind = options.kind;
    this.plane = options.plane;
    this.events = options.events;
    this.peers = options.peers;
    this.#block = options.block;
    this.#connect = options.connect;
    this.first_port = (this.kind === "zmq" ? options.block.tcp : options.block.srt).first;
  }

  /** The range's ports in turn, but the last: on SRT a port's listener is used again and again. */
  nextPort(): number {
    return this.first_port + this.#given++ % (this.last_port - this.first_port);
  }

  /** A port that {@link nextPort} never gives, so that no listener of ours rests on it. */
  get last_port(): number {
    return this.first_port + (this.kind === "zmq" ? tcp_ports : srt_ports) - 1;
  }

  /** Ends what a test has left open, so that a failure stays its own. */
  async reset(): Promise<void> {
    for (let port = this.first_port; port <= this.last_port; port++) {
      if (this.plane.counters(port) === null) continue;
      this.plane.release(port);
      await this.closed(port);
    }
    this.events.items.length = 0;
  }

  async open(port = this.nextPort()): Promise<{ port: number; session_id: string }> {
    const session_id = randomBytes(8).toString("hex");
    await this.plane.open({ port, session_id });
    return { port, session_id };
  }

  connect(port: number): Promise<End> {
    return this.#connect(port);
  }

  async join(
    { port, session_id }: { port: number; session_id: string },
    role: Role,
  ): Promise<End> {
    const end = await this.#connect(port);
    await end.write(`V4HELLO ${JSON.stringify({ role, session_id, id: `${role} of ${port}` })}\n`);
    return end;
  }

  /** An open port with both ends on it, the server first. */
  async session(port = this.nextPort()): Promise<
    { port: number; session_id: string; client: End; server: End }
  > {
    const reservation = await this.open(port);
    const server = await this.join(reservation, "server");
    await this.event("waiting", port);
    const client = await this.join(reservation, "client");
    await this.event("paired", port);
    return { ...reservation, client, server };
  }

  /** The next event of a type on a port. */
  event<T extends PlaneEvent["type"]>(type: T, port: number, ms?: number): Promise<EventOf<T>> {
    const matches = (event: PlaneEvent) =>
      event.type === type && (!("port" in event) || event.port === port);
    return this.events.take(`${type} on ${port}`, matches, ms) as Promise<EventOf<T>>;
  }

  /** Takes the port's `closed` and says why it came. */
  async closed(port: number, ms?: number): Promise<CloseReason> {
    return (await this.event("closed", port, ms)).reason;
  }

  /** Waits until the port's counters say so: bytes arrive a moment before they are counted. */
  async counted(port: number, expected: { bytes_up: number; bytes_down: number }): Promise<void> {
    const until_ms = performance.now() + patience_ms;
    const reached = () => {
      const found = this.plane.counters(port);
      return found?.bytes_up === expected.bytes_up && found.bytes_down === expected.bytes_down;
    };
    while (!reached()) {
      if (performance.now() > until_ms) {
        const found = JSON.stringify(this.plane.counters(port));
        throw new Error(`counters are ${found}, not ${JSON.stringify(expected)}`);
      }
      await timePasses(2);
    }
  }

  /** Events of a type on a port that have come and that nobody has taken. */
  left(type: PlaneEvent["type"], port: number): PlaneEvent[] {
    return this.events.items.filter((event) =>
      event.type === type && (!("port" in event) || event.port === port)
    );
  }

  /**
   * Has the worker that carries the fewest ports die of a mistake, as one of ours would be: it is
   * given a session id that cannot be made a text. The answer is what `open()` says to that.
   */
  breakWorker(port = this.nextPort()): Promise<unknown> {
    const session_id = { toString: null, valueOf: null } as unknown as string;
    return this.plane.open({ port, session_id }).catch((error: unknown) => error);
  }

  async close(): Promise<void> {
    this.peers?.close();
    await this.plane.close();
    await this.#block.release();
  }
}

export async function startTcp(settings: RigSettings = {}): Promise<Rig<TcpEnd>> {
  const block = await claimPorts({ tcp_ports, srt_ports });
  const events = new Inbox<PlaneEvent>();
  const plane = new TcpPlane({
    config: configOf(block, settings),
    listener: (event) => events.push(event),
  });
  await plane.start();
  const connect = (port: number) => TcpEnd.connect({ port });
  return new Rig({ kind: "zmq", plane, events, block, peers: null, connect });
}

export async function startSrt(
  settings: RigSettings = {},
): Promise<Rig<Awaited<ReturnType<SrtPeers["connect"]>>>> {
  const block = await claimPorts({ tcp_ports, srt_ports });
  const events = new Inbox<PlaneEvent>();
  const plane = new SrtPlane({
    config: configOf(block, settings),
    listener: (event) => events.push(event),
  });
  await plane.start();
  const peers = new SrtPeers();
  peers.start();
  const connect = (port: number) => peers.connect({ port });
  return new Rig({ kind: "srt", plane, events, block, peers, connect });
}

export function startPlane(kind: PlaneKind, settings: RigSettings = {}): Promise<Rig> {
  return kind === "zmq" ? startTcp(settings) : startSrt(settings);
}

function configOf(block: PortBlock, settings: RigSettings) {
  const defined = <T extends object>(entries: T) =>
    Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined));
  const { tcp, srt } = block;
  return configSchema.parse({
    gateway: defined({
      bind_address: "127.0.0.1",
      tcp_workers: settings.tcp_workers,
      session_idle_timeout: settings.session_idle_timeout,
    }),
    zeromq: defined({
      port_range: `${tcp.first}-${tcp.last}`,
      linger: settings.linger_s,
      sndbuf: settings.sndbuf,
      rcvbuf: settings.rcvbuf,
    }),
    gosrt: { port_range: `${srt.first}-${srt.last}` },
    limits: defined({
      hello_timeout_ms: settings.hello_timeout_ms,
      unproven_max: settings.unproven_max,
      unproven_per_address_max: settings.unproven_per_address_max,
      srt_unproven_per_address_max: settings.srt_unproven_per_address_max,
    }),
  });
}

/** The descriptors of this process. */
export function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** Lets real time pass, where the time itself is what a test is about. */
export function timePasses(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
