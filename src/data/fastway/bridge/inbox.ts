/**
 * What another worker has for endpoints of this one. Frames go on to them straight from the ring's
 * memory, in runs; commands among them (see `records.ts`) make and end the routes of this worker on
 * their way. A message for a virtual connection that has ended here goes no further, and the other
 * worker is told so.
 */
import {
  ACCEPT,
  CLOSE,
  CONNECT,
  HEAD_BYTES,
  LENGTH_BYTES,
  readU32,
  REFUSE,
} from "../../../../clients/fastway/wire/frames.ts";
import type { Batch } from "../batch.ts";
import type { ChunkPool } from "../chunk-pool.ts";
import type { Outlet, Route } from "../outlet.ts";
import type { FastwaySide } from "../protocol.ts";
import { Assembly } from "./assembly.ts";
import { FRAMES, fromWords, KEY_BYTES, sideOf } from "./records.ts";
import type { RingReader } from "./ring.ts";

/** The link that the ring belongs to. */
export interface InboxOwner {
  /** An endpoint of this worker's by its key; null where it is gone. */
  local(side: FastwaySide, key: number): Outlet | null;
  /** The route of an id where it leads from that endpoint to the other worker. */
  route(id: number, local: Outlet): Route | null;
  /** A virtual connection with a client of the other worker's, as that one has made it. */
  connected(id: number, client_id: number, server: Outlet): void;
  /** The same where the server is gone. */
  unconnected(id: number, client_id: number): void;
  /** The other worker's end is over. */
  closed(route: Route): void;
  /** A dial of a server of this worker's has been answered. */
  answered(server_endpoint: number, client_id: number): void;
  /** A message for a virtual connection that is no more. */
  late(id: number): void;
  /** Any record but FRAMES, at a place in words. */
  record(type: number, words: Uint32Array, at: number): void;
}

export interface InboxOptions {
  reader: RingReader;
  /** Of the ring's memory. */
  batch: Batch;
  /** The worker's own; what it has for an endpoint must not be overtaken. */
  own_batch: Batch;
  pool: ChunkPool;
  owner: InboxOwner;
}

export class Inbox {
  readonly reader: RingReader;
  readonly #batch: Batch;
  readonly #own_batch: Batch;
  readonly #pool: ChunkPool;
  readonly #owner: InboxOwner;
  readonly #assembly: Assembly;
  /** Of the present record. */
  #side: FastwaySide = "client";
  #key = -1;
  #local: Outlet | null = null;

  constructor(options: InboxOptions) {
    this.reader = options.reader;
    this.#batch = options.batch;
    this.#own_batch = options.own_batch;
    this.#pool = options.pool;
    this.#owner = options.owner;
    this.#assembly = new Assembly({ pool: options.pool });
  }

  /** Takes all records that are there now. Their room is given back by the caller's `release`. */
  receive(): void {
    const { reader } = this;
    this.#key = -1;
    while (reader.next()) {
      if (reader.type === FRAMES) {
        this.#own_batch.flush();
        this.#frames();
      } else {
        this.#batch.flush();
        this.#assembly.clear();
        this.#owner.record(reader.type, reader.words, reader.at / 4);
        // It may have ended somebody.
        this.#key = -1;
      }
    }
    this.#batch.flush();
  }

  close(): void {
    this.#assembly.clear();
  }

  #frames(): void {
    const { reader } = this;
    const { words, bytes } = reader;
    const word = reader.at / 4;
    const side = sideOf(words[word]);
    const key = fromWords(words[word + 1], words[word + 2]);
    if (key !== this.#key || side !== this.#side) {
      this.#key = key;
      this.#side = side;
      this.#local = this.#owner.local(side, key);
    }
    let at = reader.at + KEY_BYTES;
    const to = reader.at + reader.length;
    if (this.#assembly.is_begun) {
      at = this.#assembly.take(bytes, at, to);
      if (this.#assembly.is_whole) this.#assembled();
    }
    at = this.#passOn(at, to);
    if (at < to) this.#assembly.take(bytes, at, to);
  }

  /** Hands the whole frames on; answers where the first one begins that is not whole. */
  #passOn(from: number, to: number): number {
    const { view } = this.#batch.area;
    let at = from;
    let run_from = from;
    let run_frames = 0;
    let last_id = 0;
    let last_passes = false;
    while (to - at >= HEAD_BYTES) {
      const next = at + LENGTH_BYTES + view.getUint32(at, true);
      if (next > to) break;
      const id = view.getUint32(at + LENGTH_BYTES, true);
      if (id === 0) {
        last_id = 0;
        last_passes = this.#command(this.#batch.area.bytes, at);
      } else if (id !== last_id) {
        last_id = id;
        last_passes = this.#isOpen(id);
      }
      if (last_passes) {
        if (run_frames === 0) run_from = at;
        run_frames++;
      } else {
        if (id !== 0) this.#owner.late(id);
        if (run_frames > 0) this.#batch.add(this.#local!, run_from, at, run_frames);
        run_frames = 0;
      }
      at = next;
    }
    if (run_frames > 0) this.#batch.add(this.#local!, run_from, at, run_frames);
    return at;
  }

  #assembled(): void {
    const { id } = this.#assembly;
    const chain = this.#assembly.takeChain();
    const local = this.#local;
    if (chain === null) {
      if (local !== null) local.fall("memory_full", "no memory for a frame from another worker");
      return;
    }
    const passes = id === 0 ? this.#command(chain.block.bytes, chain.from) : this.#isOpen(id);
    if (passes) return this.#batch.addChain(local!, chain);
    if (id !== 0) this.#owner.late(id);
    this.#pool.giveChain(chain);
  }

  #isOpen(id: number): boolean {
    return this.#local !== null && this.#owner.route(id, this.#local) !== null;
  }

  /** True where the endpoint is to have it. */
  #command(bytes: Uint8Array, at: number): boolean {
    const owner = this.#owner;
    const local = this.#local;
    const type = bytes[at + HEAD_BYTES];
    const first = readU32(bytes, at + HEAD_BYTES + 1);
    switch (type) {
      case CLOSE: {
        const route = local === null ? null : owner.route(first, local);
        if (route !== null) owner.closed(route);
        return route !== null;
      }
      case REFUSE:
        owner.answered(this.#key, first);
        return local !== null;
      case ACCEPT:
      case CONNECT: {
        const client_id = readU32(bytes, at + HEAD_BYTES + 5);
        if (type === ACCEPT) owner.answered(this.#key, client_id);
        if (local === null) owner.unconnected(first, client_id);
        else owner.connected(first, client_id, local);
        return local !== null;
      }
      default:
        throw new Error(`Another worker has sent command ${type}`);
    }
  }
}
