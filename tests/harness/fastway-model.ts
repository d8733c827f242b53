/**
 * What a gateway of fastway does with the bytes of its endpoints, as simply as it can be said: one
 * thing after another, every byte there at once, nobody slow. A random test gives the model and the
 * gateway the same bytes and compares what each peer gets, frame by frame.
 */
import { Buffer } from "node:buffer";
import type { Frame } from "./fastway-frames.ts";

/** Frames that come one after another, in an order that is the gateway's own affair. */
export type Group = Frame[];

export interface ModelOptions {
  client_conn_max?: number;
  packet_bytes_max?: number;
  /** The first client's and the first virtual connection's, of one worker. */
  first_id?: number;
  /** Each gives every so-manieth id. */
  workers?: number;
}

export interface ModelCounts {
  virtual_total: number;
  refused_unknown: number;
  refused_limit: number;
  refused_draining: number;
  /** Messages on ids that nobody has. */
  unknown_total: number;
}

export class ModelPeer {
  /** Why the gateway, or the peer itself, has ended the connection; null while it is there. */
  over: "gone" | "protocol_error" | "ended" | null = null;
  /** What it is to get and has not been compared yet. */
  expected: Group[] = [];
  readonly side: "client" | "server";
  /** A client's number, or a server's id. */
  readonly id: number;
  /** Its virtual connections, with who is at the other end. */
  readonly virtual = new Map<number, ModelPeer>();
  /** Bytes of a frame that is not whole. */
  rest: Buffer = Buffer.alloc(0);
  /** Which worker has it, from 0. */
  readonly worker: number;

  constructor(side: "client" | "server", id: number, worker: number) {
    this.side = side;
    this.id = id;
    this.worker = worker;
  }
}

export class FastwayModel {
  readonly client_conn_max: number;
  readonly packet_bytes_max: number;
  readonly counts: ModelCounts = {
    virtual_total: 0,
    refused_unknown: 0,
    refused_limit: 0,
    refused_draining: 0,
    unknown_total: 0,
  };
  /** Who has dials of an id now. */
  readonly clients = new Map<number, ModelPeer>();
  readonly servers = new Map<number, ModelPeer>();
  /** Both ends of each virtual connection. */
  readonly virtual = new Map<number, readonly [ModelPeer, ModelPeer]>();
  /** Whether dials are taken. */
  is_serving = true;
  readonly #workers: number;
  /** The last id that each worker has given. */
  readonly #client_ids: number[];
  readonly #virtual_ids: number[];

  constructor(
    { client_conn_max = 16, packet_bytes_max = 512 * 1024, first_id = 1, workers = 1 }:
      ModelOptions = {},
  ) {
    this.#workers = workers;
    this.#client_ids = Array.from({ length: workers }, (_, i) => first_id + i - workers);
    this.#virtual_ids = [...this.#client_ids];
    this.client_conn_max = client_conn_max;
    this.packet_bytes_max = packet_bytes_max;
  }

  get last_client_id(): number {
    return Math.max(...this.#client_ids);
  }

  connectClient(worker = 0): ModelPeer {
    const ids = this.#client_ids;
    do ids[worker] = (ids[worker] + this.#workers) >>> 0; while (this.clients.has(ids[worker]));
    const peer = new ModelPeer("client", ids[worker], worker);
    this.clients.set(peer.id, peer);
    return peer;
  }

  /** Whoever had the id before keeps its connection and is dialled no more. */
  connectServer(id: number, worker = 0): ModelPeer {
    const peer = new ModelPeer("server", id, worker);
    this.servers.set(id, peer);
    return peer;
  }

  /** The id that the next dial of or to a client of that worker will use up. */
  nextVirtualId(worker = 0): number {
    let id = this.#virtual_ids[worker];
    do id = (id + this.#workers) >>> 0; while (id === 0 || this.virtual.has(id));
    return id;
  }

  /** Bytes of a peer, in any pieces. */
  receive(peer: ModelPeer, bytes: Uint8Array): void {
    let rest = Buffer.concat([peer.rest, bytes]);
    while (peer.over === null && rest.length >= 4) {
      const length = rest.readUInt32LE(0);
      if (length < 4 || length > this.packet_bytes_max) return this.#end(peer, "protocol_error");
      if (rest.length < 4 + length) break;
      const body = rest.subarray(8, 4 + length);
      const conn_id = rest.readUInt32LE(4);
      rest = rest.subarray(4 + length);
      if (conn_id === 0) this.#command(peer, body);
      else this.#data(peer, conn_id, body);
    }
    peer.rest = rest;
  }

  /** The peer's connection is gone, in order or not. */
  disconnect(peer: ModelPeer): void {
    this.#end(peer, "gone");
  }

  /** The operator has ended an endpoint. */
  kick(peer: ModelPeer): void {
    this.#end(peer, "ended");
  }

  /** The operator has ended what runs. */
  closeVirtual(): void {
    const closes = new Map<ModelPeer, Group>();
    for (const [conn_id, ends] of [...this.virtual]) {
      this.#forget(conn_id);
      for (const end of ends) grouped(closes, end).push({ type: "close", conn_id });
    }
    for (const [peer, group] of closes) peer.expected.push(group);
  }

  #data(from: ModelPeer, conn_id: number, body: Buffer): void {
    if (!this.virtual.has(conn_id)) {
      this.counts.unknown_total++;
      return this.#tell(from, { type: "close", conn_id });
    }
    const to = from.virtual.get(conn_id);
    if (to === undefined) return this.#end(from, "protocol_error");
    this.#tell(to, { type: "data", conn_id, body: Buffer.from(body) });
  }

  #command(peer: ModelPeer, body: Buffer): void {
    const type = body.at(0);
    if (type === 5) return this.#tell(peer, { type: "ping" });
    if ((type !== 0 && type !== 4) || body.length < 5) return this.#end(peer, "protocol_error");
    const argument = body.readUInt32LE(1);
    if (type === 0) this.#dial(peer, argument);
    else this.#close(peer, argument);
  }

  #dial(from: ModelPeer, remote_id: number): void {
    if (!this.is_serving) {
      this.counts.refused_draining++;
      return this.#tell(from, { type: "refuse", remote_id });
    }
    const to = (from.side === "client" ? this.servers : this.clients).get(remote_id);
    if (to === undefined) {
      this.counts.refused_unknown++;
      return this.#tell(from, { type: "refuse", remote_id });
    }
    const { worker } = from.side === "client" ? from : to;
    const conn_id = this.nextVirtualId(worker);
    this.#virtual_ids[worker] = conn_id;
    const is_limited = from.side === "client" && this.client_conn_max !== 0;
    if (is_limited && from.virtual.size >= this.client_conn_max) {
      this.counts.refused_limit++;
      return this.#tell(from, { type: "refuse", remote_id });
    }
    this.counts.virtual_total++;
    this.virtual.set(conn_id, [from, to]);
    from.virtual.set(conn_id, to);
    to.virtual.set(conn_id, from);
    this.#tell(from, { type: "accept", conn_id, remote_id });
    this.#tell(to, { type: "connect", conn_id, remote_id: from.id });
  }

  #close(from: ModelPeer, conn_id: number): void {
    if (!this.virtual.has(conn_id)) return;
    const to = from.virtual.get(conn_id);
    if (to === undefined) return this.#end(from, "protocol_error");
    this.#forget(conn_id);
    this.#tell(from, { type: "close", conn_id });
    this.#tell(to, { type: "close", conn_id });
  }

  #end(peer: ModelPeer, reason: NonNullable<ModelPeer["over"]>): void {
    if (peer.over !== null) return;
    peer.over = reason;
    const directory = peer.side === "client" ? this.clients : this.servers;
    if (directory.get(peer.id) === peer) directory.delete(peer.id);
    const closes = new Map<ModelPeer, Group>();
    for (const [conn_id, other] of [...peer.virtual]) {
      this.#forget(conn_id);
      grouped(closes, other).push({ type: "close", conn_id });
    }
    for (const [other, group] of closes) other.expected.push(group);
  }

  #forget(conn_id: number): void {
    for (const end of this.virtual.get(conn_id)!) end.virtual.delete(conn_id);
    this.virtual.delete(conn_id);
  }

  #tell(peer: ModelPeer, frame: Frame): void {
    if (peer.over === null) peer.expected.push([frame]);
  }
}

function grouped(groups: Map<ModelPeer, Group>, peer: ModelPeer): Group {
  const group = groups.get(peer) ?? [];
  groups.set(peer, group);
  return group;
}

/**
 * What is wrong with the frames that a peer has got, or null. Expectations that are met are taken
 * off; with `is_all` there must be nothing left of either.
 */
export function difference(frames: Frame[], expected: Group[], is_all = true): string | null {
  let at = 0;
  while (expected.length > 0 && (is_all || at + expected[0].length <= frames.length)) {
    const group = expected[0].map(described);
    for (let i = 0; i < expected[0].length; i++) {
      const found = at < frames.length ? described(frames[at++]) : "nothing";
      const place = group.indexOf(found);
      if (place < 0) return `${found} where ${group.join(" or ")} was due`;
      group.splice(place, 1);
    }
    expected.shift();
  }
  const surplus = frames.slice(at).map(described);
  frames.splice(0, at);
  return surplus.length > 0 && is_all ? `${surplus.join(", ")} where nothing was due` : null;
}

/** A frame as text that two equal ones share. */
export function described(frame: Frame): string {
  switch (frame.type) {
    case "data":
      return `data on ${frame.conn_id}: ${frame.body.length} bytes ${frame.body.toString("hex")}`;
    case "accept":
    case "connect":
      return `${frame.type} ${frame.conn_id} of ${frame.remote_id}`;
    case "close":
      return `close ${frame.conn_id}`;
    case "ping":
      return "ping";
    default:
      return `${frame.type} ${frame.remote_id}`;
  }
}
