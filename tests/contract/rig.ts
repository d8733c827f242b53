/** A data plane with nothing around it: free ports, a listener that collects, ends that join. */
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import type { z } from "zod";
import { configSchema, type streamSchema } from "../../src/config/schema.ts";
import type {
  CloseReason,
  PlaneEvent,
  PlaneKind,
  Reservation,
  Role,
  StreamEvent,
} from "../../src/data/plane.ts";
import type { RateBook } from "../../src/data/rate-book.ts";
import { SrtPlane } from "../../src/data/srt/plane.ts";
import { TcpPlane } from "../../src/data/tcp/plane.ts";
import type { WorkerPlane } from "../../src/data/worker-plane.ts";
import { claimPorts, type PortBlock, type PortRange } from "../harness/free-ports.ts";
import { patience_ms, UNHURRIED_MS } from "../harness/deadline.ts";
import { Inbox } from "../harness/inbox.ts";
import { TcpEnd } from "../harness/tcp-end.ts";
import { type SrtPeer, SrtPeers } from "./srt-peers.ts";

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
  proxy_protocol?: z.input<typeof configSchema>["proxy_protocol"];
  /** Sessions at a time on the SRT plane, each with a port or a place of its own. */
  srt_sessions?: number;
  /** UDP ports that many share; with `sessions_shared` the sessions as well. */
  shared_ports?: number;
  sessions_shared?: boolean;
  /** Of the whole SRT plane. */
  passphrase?: string;
  latency_ms?: number;
  streams?: Record<string, StreamChoice>;
  /** Where the byte rates stand; the plane has its own otherwise. */
  rates?: RateBook;
}

/** A stream's settings; `own_port` gives it a port that is free. */
export type StreamChoice = Omit<z.input<typeof streamSchema>, "port"> & { own_port?: boolean };

const tcp_ports = 40;
const usual_srt_sessions = 8;
/** Room behind the sessions' ports for shared ones and for those of streams. */
const more_srt_ports = 8;

export class Rig<End extends PlaneEnd = PlaneEnd> {
  readonly kind: PlaneKind;
  readonly plane: WorkerPlane;
  readonly events: Inbox<PlaneEvent>;
  readonly first_port: number;
  readonly peers: SrtPeers | null;
  /** The UDP ports that many share, in order. */
  readonly shared_ports: readonly number[];
  #own_ports: Readonly<Record<string, number>>;
  readonly #block: PortBlock;
  readonly #connect: (port: number) => Promise<End>;
  readonly #numbers: number;
  #given = 0;

  constructor(options: {
    kind: PlaneKind;
    plane: WorkerPlane;
    events: Inbox<PlaneEvent>;
    block: PortBlock;
    peers: SrtPeers | null;
    connect: (port: number) => Promise<End>;
    numbers: { first: number; last: number };
    layout?: SrtLayout;
  }) {
    this.kind = options.kind;
    this.plane = options.plane;
    this.events = options.events;
    this.peers = options.peers;
    this.#block = options.block;
    this.#connect = options.connect;
    const { first, last } = options.numbers;
    this.first_port = first;
    this.#numbers = last - first + 1;
    this.shared_ports = options.layout?.shared_ports ?? [];
    this.#own_ports = options.layout?.own_ports ?? {};
  }

  /** The port that a stream has to itself. */
  portOf(stream: string): number {
    return this.#own_ports[stream];
  }

  /** Other settings for the plane from now on; resolves when every worker works by them. */
  async apply(settings: RigSettings): Promise<void> {
    this.plane.apply(configOf(this.#block, settings));
    this.#own_ports = srtLayout(this.#block, settings).own_ports;
    if (!await this.plane.beat(patience_ms)) throw new Error("the plane does not turn");
  }

  /** The range's ports in turn, but the last: on SRT a port's listener is used again and again. */
  nextPort(): number {
    return this.first_port + this.#given++ % (this.last_port - this.first_port);
  }

  /** A port that {@link nextPort} never gives, so that no listener of ours rests on it. */
  get last_port(): number {
    return this.first_port + this.#numbers - 1;
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

  async open(
    port = this.nextPort(),
    about: Omit<Reservation, "port" | "session_id"> = {},
  ): Promise<{ port: number; session_id: string }> {
    const session_id = randomBytes(8).toString("hex");
    await this.plane.open({ port, session_id, ...about });
    return { port, session_id };
  }

  /** Connects to where the ends of a session come, which may be a port that many share. */
  connect(port: number): Promise<End> {
    return this.#connect(this.plane.publicPort(port));
  }

  async join(
    { port, session_id }: { port: number; session_id: string },
    role: Role,
  ): Promise<End> {
    const end = await this.connect(port);
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

  /** The next that is told of a stream. */
  streamEvent(status: StreamEvent["status"], name: string, ms?: number): Promise<StreamEvent> {
    const matches = (event: PlaneEvent) =>
      event.type === "stream" && event.status === status && event.name === name;
    return this.events.take(`${status} of ${name}`, matches, ms) as Promise<StreamEvent>;
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
  const block = await claimPorts({ tcp_ports, srt_ports: usual_srt_sessions });
  const events = new Inbox<PlaneEvent>();
  const plane = new TcpPlane({
    config: configOf(block, settings),
    listener: (event) => events.push(event),
    rates: settings.rates,
  });
  await plane.start();
  const connect = (port: number) => TcpEnd.connect({ port });
  return new Rig({ kind: "zmq", plane, events, block, peers: null, connect, numbers: block.tcp });
}

export async function startSrt(settings: RigSettings = {}): Promise<Rig<SrtPeer>> {
  const { srt_sessions = usual_srt_sessions } = settings;
  const block = await claimPorts({ tcp_ports, srt_ports: srt_sessions + more_srt_ports });
  const layout = srtLayout(block, settings);
  const events = new Inbox<PlaneEvent>();
  const plane = new SrtPlane({
    config: configOf(block, settings),
    listener: (event) => events.push(event),
    rates: settings.rates,
  });
  await plane.start();
  const peers = new SrtPeers();
  peers.start();
  const connect = (port: number) => peers.connect({ port });
  const numbers = settings.sessions_shared ? { first: 1, last: srt_sessions } : layout.port_range;
  return new Rig({ kind: "srt", plane, events, block, peers, connect, numbers, layout });
}

export function startPlane(kind: PlaneKind, settings: RigSettings = {}): Promise<Rig> {
  return kind === "zmq" ? startTcp(settings) : startSrt(settings);
}

/** How a block's UDP ports are used: those of sessions first, then shared ones, then streams' own. */
interface SrtLayout {
  port_range: PortRange;
  shared_ports: number[];
  own_ports: Record<string, number>;
}

function srtLayout({ srt }: PortBlock, settings: RigSettings): SrtLayout {
  const { srt_sessions = usual_srt_sessions, shared_ports = 0, streams = {} } = settings;
  const port_range = { first: srt.first, last: srt.first + srt_sessions - 1 };
  let next = port_range.last + 1;
  return {
    port_range,
    shared_ports: Array.from({ length: shared_ports }, () => next++),
    own_ports: Object.fromEntries(
      Object.entries(streams).flatMap(([name, { own_port }]) => own_port ? [[name, next++]] : []),
    ),
  };
}

function gosrtOf(block: PortBlock, settings: RigSettings) {
  const { port_range, shared_ports } = srtLayout(block, settings);
  return defined({
    port_range: `${port_range.first}-${port_range.last}`,
    mode: settings.sessions_shared ? "shared" as const : undefined,
    shared_sessions_max: settings.sessions_shared ? settings.srt_sessions : undefined,
    shared_port: shared_ports.length > 0 ? `${shared_ports[0]}-${shared_ports.at(-1)}` : undefined,
    passphrase: settings.passphrase,
    latency: settings.latency_ms,
  });
}

function configOf(block: PortBlock, settings: RigSettings) {
  const { tcp } = block;
  const { own_ports } = srtLayout(block, settings);
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
    gosrt: gosrtOf(block, settings),
    proxy_protocol: settings.proxy_protocol,
    streams: Object.fromEntries(
      Object.entries(settings.streams ?? {}).map(([name, { own_port: _, ...stream }]) => [
        name,
        { ...stream, port: own_ports[name] ?? 0 },
      ]),
    ),
    limits: defined({
      hello_timeout_ms: settings.hello_timeout_ms ?? UNHURRIED_MS,
      unproven_max: settings.unproven_max,
      unproven_per_address_max: settings.unproven_per_address_max,
      srt_unproven_per_address_max: settings.srt_unproven_per_address_max,
    }),
  });
}

/** The entries that somebody has set. */
function defined<T extends object>(entries: T) {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined));
}

/** The descriptors of this process. */
export function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** Lets real time pass, where the time itself is what a test is about. */
export function timePasses(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
