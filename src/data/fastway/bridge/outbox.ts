/**
 * What this worker has for one other: records go into the ring, and where that is full they wait here,
 * in order, until there is room. Nothing blocks and nothing is dropped; what waits is bounded by this:
 * endpoints whose frames need a ring that is full are not read meanwhile (see `bridge.ts`), and the
 * bytes that wait are in chunks of the worker's pool.
 */
import type { Batch } from "../batch.ts";
import type { Chunk, ChunkPool } from "../chunk-pool.ts";
import { FRAMES, KEY_BYTES } from "./records.ts";
import type { RingWriter } from "./ring.ts";

/** A record with fewer bytes of a longer run is not worth its head. */
const PART_BYTES_MIN = 256;
/** Shorter ones are copied byte by byte, without making a view of them. */
const VIEW_BYTES_MIN = 32;
/** The first chunk for what waits. */
const CHUNK_BYTES_MIN = 4096;

/** Who the frames are for. */
export interface FarKey {
  readonly side_word: number;
  readonly key_low: number;
  readonly key_high: number;
}

/** What waits: a record's words, or frames for somebody. */
interface Waiting {
  type: number;
  words: readonly number[];
  key: FarKey | null;
  first: Chunk | null;
  last: Chunk | null;
  next: Waiting | null;
}

export class Outbox {
  readonly #writer: RingWriter;
  readonly #pool: ChunkPool;
  #first: Waiting | null = null;
  #last: Waiting | null = null;

  constructor({ writer, pool }: { writer: RingWriter; pool: ChunkPool }) {
    this.#writer = writer;
    this.#pool = pool;
  }

  /** Something waits for room. */
  get is_blocked(): boolean {
    return this.#first !== null;
  }

  /**
   * Sends what a batch has for somebody, from this stretch on. False where it has to wait and the pool
   * is used up: the rest is lost.
   */
  frames(key: FarKey, batch: Batch, first: number): boolean {
    let at = first;
    if (this.#first === null) at = this.#writeTogether(key, batch, first);
    for (; at >= 0; at = batch.next[at]) {
      const chain = batch.chain[at];
      if (chain !== null) {
        this.#sendChain(key, chain);
      } else if (!this.#send(key, batch, at)) {
        for (at = batch.next[at]; at >= 0; at = batch.next[at]) {
          this.#pool.giveChain(batch.chain[at]);
        }
        return false;
      }
    }
    return true;
  }

  #send(key: FarKey, batch: Batch, stretch: number): boolean {
    const { bytes } = batch.area;
    const to = batch.to[stretch];
    let from = batch.from[stretch];
    if (this.#first === null) from = this.#write(key, bytes, { from, to });
    return from === to || this.#keep(key, bytes, { from, to });
  }

  #sendChain(key: FarKey, chain: Chunk): void {
    let chunk: Chunk | null = chain;
    if (this.#first === null) chunk = this.#writeChain(key, chain);
    if (chunk === null) return;
    let last: Chunk = chunk;
    while (last.next !== null) last = last.next;
    this.#append({ type: FRAMES, words: [], key, first: chunk, last, next: null });
  }

  record(type: number, words: readonly number[]): void {
    if (this.#first !== null || !this.tryRecord(type, words)) {
      this.#append({ type, words, key: null, first: null, last: null, next: null });
    }
  }

  /** Only where nothing has to wait. */
  tryRecord(type: number, words: readonly number[]): boolean {
    if (this.#first !== null) return false;
    const writer = this.#writer;
    const at = writer.reserve(type, words.length * 4);
    if (at < 0) return false;
    writer.words.set(words, at / 4);
    return true;
  }

  /** Moves what waits into the ring, as far as there is room. */
  drain(): void {
    for (let one = this.#first; one !== null; one = one.next) {
      if (one.key === null) {
        const at = this.#writer.reserve(one.type, one.words.length * 4);
        if (at < 0) break;
        this.#writer.words.set(one.words, at / 4);
      } else if ((one.first = this.#writeChain(one.key, one.first!)) !== null) {
        break;
      }
      this.#first = one.next;
    }
    if (this.#first === null) this.#last = null;
  }

  /** The one it is for is gone. Shows each record that waits and is not frames. */
  close(show: (type: number, words: readonly number[]) => void): void {
    for (let one = this.#first; one !== null; one = one.next) {
      this.#pool.giveChain(one.first);
      if (one.key === null) show(one.type, one.words);
    }
    this.#first = null;
    this.#last = null;
  }

  /** The stretches up to a chain in one record, where there is room for them; answers what is next. */
  #writeTogether(key: FarKey, batch: Batch, first: number): number {
    let bytes = 0;
    let end = first;
    for (; end >= 0 && batch.chain[end] === null; end = batch.next[end]) {
      bytes += batch.to[end] - batch.from[end];
    }
    if (bytes === 0 || bytes > this.#writer.room() - KEY_BYTES) return first;
    let at = this.#begin(key, bytes);
    for (let stretch = first; stretch !== end; stretch = batch.next[stretch]) {
      const place = { from: batch.from[stretch], to: batch.to[stretch] };
      copy(batch.area.bytes, place, this.#writer.bytes, at);
      at += place.to - place.from;
    }
    return end;
  }

  /** Begins a record, for which there must be room; answers where its bytes go. */
  #begin(key: FarKey, bytes: number): number {
    const { words } = this.#writer;
    const at = this.#writer.reserve(FRAMES, KEY_BYTES + bytes);
    const word = at / 4;
    words[word] = key.side_word;
    words[word + 1] = key.key_low;
    words[word + 2] = key.key_high;
    words[word + 3] = 0;
    return at + KEY_BYTES;
  }

  /** Writes as much as there is room for; answers where the rest begins. */
  #write(key: FarKey, bytes: Uint8Array, place: { from: number; to: number }): number {
    const { to } = place;
    let { from } = place;
    const writer = this.#writer;
    while (from < to) {
      const room = writer.room() - KEY_BYTES;
      const part = Math.min(room, to - from);
      if (part < to - from && part < PART_BYTES_MIN) break;
      copy(bytes, { from, to: from + part }, writer.bytes, this.#begin(key, part));
      from += part;
    }
    return from;
  }

  /** Writes and gives back the chunks for which there is room; answers the first one left. */
  #writeChain(key: FarKey, chain: Chunk): Chunk | null {
    let chunk: Chunk | null = chain;
    while (chunk !== null) {
      chunk.from = this.#write(key, chunk.block.bytes, chunk);
      if (chunk.from < chunk.to) break;
      const next: Chunk | null = chunk.next;
      this.#pool.give(chunk);
      chunk = next;
    }
    return chunk;
  }

  #keep(key: FarKey, bytes: Uint8Array, place: { from: number; to: number }): boolean {
    const { to } = place;
    let { from } = place;
    let waiting = this.#last;
    if (waiting === null || waiting.key !== key) {
      waiting = { type: FRAMES, words: [], key, first: null, last: null, next: null };
    }
    while (from < to) {
      let chunk = waiting.last;
      if (chunk === null || chunk.room === 0) {
        chunk = this.#pool.take(Math.max(to - from, CHUNK_BYTES_MIN));
        if (chunk === null) break;
        if (waiting.last) waiting.last.next = chunk;
        else waiting.first = chunk;
        waiting.last = chunk;
      }
      const part = Math.min(chunk.room, to - from);
      copy(bytes, { from, to: from + part }, chunk.block.bytes, chunk.to);
      chunk.to += part;
      from += part;
    }
    if (waiting !== this.#last && waiting.first !== null) this.#append(waiting);
    return from === to;
  }

  #append(waiting: Waiting): void {
    if (this.#last) this.#last.next = waiting;
    else this.#first = waiting;
    this.#last = waiting;
  }
}

function copy(
  from_bytes: Uint8Array,
  { from, to }: { from: number; to: number },
  to_bytes: Uint8Array,
  at: number,
): void {
  if (to - from >= VIEW_BYTES_MIN) return to_bytes.set(from_bytes.subarray(from, to), at);
  for (let i = from, k = at; i < to; i++, k++) to_bytes[k] = from_bytes[i];
}
