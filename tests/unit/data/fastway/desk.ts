/** A fastway worker's parts with no kernel under them: streams in memory, a clock that stands still. */
import { Buffer } from "node:buffer";
import type { Libc } from "../../../../ffi/libc/mod.ts";
import { AddressRules } from "../../../../src/data/address-rules.ts";
import { Admission } from "../../../../src/data/admission.ts";
import { Batch } from "../../../../src/data/fastway/batch.ts";
import { ChunkPool } from "../../../../src/data/fastway/chunk-pool.ts";
import type { FastwayContext } from "../../../../src/data/fastway/context.ts";
import { newFastwayCounters, noTotals } from "../../../../src/data/fastway/counters.ts";
import { Directory } from "../../../../src/data/fastway/directory.ts";
import { Endpoints } from "../../../../src/data/fastway/endpoints.ts";
import { OwnHeadcount } from "../../../../src/data/fastway/headcount.ts";
import { Ids } from "../../../../src/data/fastway/ids.ts";
import { PieceList, type Pieces } from "../../../../src/data/fastway/pieces.ts";
import type {
  EndpointFacts,
  FastwayReport,
  FastwaySide,
  FastwaySideSettings,
  FastwayWorkerSettings,
} from "../../../../src/data/fastway/protocol.ts";
import { ReceiveArea } from "../../../../src/data/fastway/receive-area.ts";
import type { Arrival } from "../../../../src/data/fastway/stage.ts";
import {
  NOBODY,
  type SocketStream,
  STREAM_OVER,
  WOULD_BLOCK,
} from "../../../../src/data/fastway/stream.ts";
import { Switchboard } from "../../../../src/data/fastway/switchboard.ts";
import { RunQueue } from "../../../../src/data/run-queue.ts";
import type { Poller } from "../../../../src/data/tcp/poller.ts";
import { TimerWheel } from "../../../../src/data/timer-wheel.ts";

/** Bytes in memory: what the peer has sent is read, what is written is kept. */
export class MemoryStream implements SocketStream {
  owner = NOBODY;
  readonly unsent_bytes = 0;
  /** What one read brings, and what one write takes, at most. */
  read_bytes_max = Infinity;
  write_bytes_max = Infinity;
  /** What it takes in all until {@link open} lets more through. */
  room_bytes = Infinity;
  is_closed = false;
  is_over = false;
  #incoming = Buffer.alloc(0);
  #written: Buffer[] = [];

  feed(...bytes: Uint8Array[]): void {
    this.#incoming = Buffer.concat([this.#incoming, ...bytes]);
    this.owner.streamReady();
  }

  /** The peer ends. */
  finish(): void {
    this.is_over = true;
    this.owner.streamReady();
  }

  open(bytes: number): void {
    this.room_bytes = bytes;
    this.owner.streamReady();
  }

  /** What was written since the last time. */
  take(): Buffer {
    const written = Buffer.concat(this.#written);
    this.#written = [];
    return written;
  }

  read(pieces: Pieces): number {
    const there = Math.min(this.#incoming.length, this.read_bytes_max, pieces.total_bytes);
    if (there === 0) return this.is_over ? STREAM_OVER : WOULD_BLOCK;
    let at = 0;
    for (let i = 0; i < pieces.count && at < there; i++) {
      const part = Math.min(pieces.to[i] - pieces.from[i], there - at);
      pieces.bytes[i].set(this.#incoming.subarray(at, at + part), pieces.from[i]);
      at += part;
    }
    this.#incoming = this.#incoming.subarray(there);
    return there;
  }

  write(pieces: Pieces): number {
    if (this.is_over) return STREAM_OVER;
    const taken = Math.min(this.write_bytes_max, this.room_bytes, pieces.total_bytes);
    if (taken === 0) return WOULD_BLOCK;
    this.room_bytes -= taken;
    const all = Array.from(
      { length: pieces.count },
      (_, i) => pieces.bytes[i].subarray(pieces.from[i], pieces.to[i]),
    );
    this.#written.push(Buffer.concat(all).subarray(0, taken));
    return taken;
  }

  unacknowledgedBytes(): number {
    return 0;
  }

  limitUnacknowledged(): void {}

  askForRoom(): void {}

  dropConnection(): boolean {
    return false;
  }

  close(): void {
    this.is_closed = true;
  }
}

export interface DeskChoice {
  client?: Partial<FastwaySideSettings>;
  server?: Partial<FastwaySideSettings>;
  pool?: Partial<FastwayWorkerSettings["pool"]>;
  packet_bytes_max?: number;
  /** Where the ids of virtual connections and of clients begin. */
  virtual_from?: number;
  clients_from?: number;
}

const SIDE: FastwaySideSettings = {
  virtual_max: 0,
  part_bytes: 2048,
  idle_timeout_ms: 0,
  queue_messages_max: 1024,
  queue_bytes_max: 1 << 24,
  endpoints_max: 1000,
  endpoints_per_address_max: 1000,
  snet: null,
};

export class Desk {
  readonly context: FastwayContext;
  readonly endpoints: Endpoints;
  readonly switchboard: Switchboard;
  readonly reports: FastwayReport[] = [];
  readonly wheel = new TimerWheel({ now_ms: 0 });
  readonly totals = noTotals();
  readonly #runnable = new RunQueue();

  constructor(choice: DeskChoice = {}) {
    const settings: FastwayWorkerSettings = {
      trusted_proxies: [],
      proxy_header: "required",
      unproven_max: 100,
      unproven_per_address_max: 100,
      unproven_prefix: "",
      packet_bytes_max: choice.packet_bytes_max ?? 512 * 1024,
      handshake_timeout_ms: 5000,
      server_key: "",
      client_token: false,
      client: { ...SIDE, ...choice.client },
      server: { ...SIDE, ...choice.server },
      pool: {
        chunk_bytes_min: 64,
        chunk_bytes_max: 65_536,
        factor: 2,
        page_bytes: 65_536,
        pool_bytes_max: 1 << 26,
        ...choice.pool,
      },
    };
    const pool = new ChunkPool(settings.pool);
    const area = new ReceiveArea();
    const batch = new Batch({ area, pool });
    this.context = {
      libc: {} as Libc,
      settings,
      poller: {} as Poller,
      wheel: this.wheel,
      admission: new Admission(settings),
      addresses: new AddressRules(settings),
      pool,
      area,
      batch,
      pieces: new PieceList(),
      counters: newFastwayCounters(1000),
      dregs: new Uint8Array(0),
      now_ms: 0,
      is_serving: true,
      report: (event) => void this.reports.push(event),
      enqueue: (taker) => this.#runnable.add(taker),
      mustWait: () => false,
    };
    const directory = new Directory();
    const place = { worker: 0, workers: 1 };
    this.switchboard = new Switchboard({
      batch,
      directory,
      totals: this.totals,
      isServing: () => this.context.is_serving,
      ids: new Ids({ ...place, skips_zero: true, from: choice.virtual_from }),
    });
    this.endpoints = new Endpoints({
      context: this.context,
      switchboard: this.switchboard,
      directory,
      rows: 1000,
      first_endpoint: 0,
      client_ids: new Ids({ ...place, from: choice.clients_from }),
      headcount: new OwnHeadcount(),
    });
  }

  client(): Party {
    return this.#enter("client", (arrival) => this.endpoints.takeClient(arrival));
  }

  server(id: number): Party {
    return this.#enter("server", (arrival) => this.endpoints.takeServer(arrival, id));
  }

  /** Turns until nobody has anything to do. */
  run(): void {
    while (!this.#runnable.is_empty) this.#runnable.run();
    this.endpoints.settle();
  }

  passTime(ms: number): void {
    this.context.now_ms += ms;
    this.wheel.advance(this.context.now_ms);
    this.run();
  }

  /** How an endpoint ended; null while it has not. */
  end(of: Party): Extract<FastwayReport, { type: "endpoint_over" }> | null {
    for (const report of this.reports) {
      if (report.type === "endpoint_over" && report.endpoint === of.facts.endpoint) return report;
    }
    return null;
  }

  #enter(side: FastwaySide, take: (arrival: Arrival) => void): Party {
    const stream = new MemoryStream();
    const arrival: Arrival = {
      side,
      socket: stream,
      stream,
      remote: "192.0.2.7:1",
      address: "192.0.2.7",
      transport: "tcp",
      is_over: false,
      allow() {},
      refuse: (status, detail) =>
        void this.reports.push({ type: "refused", side, status, detail, remote: "192.0.2.7:1" }),
      shed: (limit) =>
        void this.reports.push({ type: "shed", side, limit, count: 1, remote: "192.0.2.7:1" }),
      handOver() {},
    };
    take(arrival);
    const told = this.reports.at(-1);
    if (told?.type !== "endpoint") throw new Error(`not taken: ${JSON.stringify(told)}`);
    return new Party(this, stream, told.facts);
  }
}

/** Somebody who takes part. */
export class Party {
  readonly stream: MemoryStream;
  readonly facts: EndpointFacts;
  readonly #desk: Desk;

  constructor(desk: Desk, stream: MemoryStream, facts: EndpointFacts) {
    this.#desk = desk;
    this.stream = stream;
    this.facts = facts;
  }

  get id(): number {
    return this.facts.id;
  }

  /** Sends, and everything that follows from it happens. */
  send(...frames: Uint8Array[]): void {
    this.stream.feed(...frames);
    this.#desk.run();
  }

  /** What it was sent since the last time, in words. */
  hears(): string[] {
    return wordsOf(this.stream.take());
  }

  counters() {
    const { counters } = this.#desk.context;
    const at = (1 + this.facts.row) * 8;
    const [bytes_in, bytes_out, messages_in, messages_out, virtual, queue_messages, queue_bytes] =
      counters.subarray(at, at + 7);
    return {
      bytes_in,
      bytes_out,
      messages_in,
      messages_out,
      virtual,
      queue_messages,
      queue_bytes,
    };
  }
}

/** Whole frames in words: `data 7 hello`, `accept 1 2`. Throws where a frame is cut. */
export function wordsOf(bytes: Buffer): string[] {
  const words: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 4 + bytes.readUInt32LE(at);
    if (end > bytes.length) throw new Error(`${end - bytes.length} bytes of a frame are missing`);
    words.push(wordOf(bytes.subarray(at + 4, end)));
    at = end;
  }
  return words;
}

function wordOf(frame: Buffer): string {
  const id = frame.readUInt32LE();
  if (id !== 0) return `data ${id} ${frame.subarray(4)}`;
  const name = ["dial", "accept", "connect", "refuse", "close", "ping"][frame[4]];
  const args = [];
  for (let at = 5; at < frame.length; at += 4) args.push(frame.readUInt32LE(at));
  return [name, ...args].join(" ");
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** A frame by its ConnID and body. */
export function data(id: number, body: Uint8Array | string = ""): Buffer {
  const bytes = Buffer.from(body as string);
  return Buffer.concat([u32(4 + bytes.length), u32(id), bytes]);
}

/** A command with whatever arguments. */
export function command(type: number, ...args: number[]): Buffer {
  return data(0, Buffer.concat([Buffer.of(type), ...args.map(u32)]));
}

export const dial = (id: number) => command(0, id);
export const close = (id: number) => command(4, id);
export const ping = () => command(5);
