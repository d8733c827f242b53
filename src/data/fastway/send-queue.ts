/**
 * What waits for a receiver that is slower than its senders: a chain of chunks with whole frames one
 * behind the other, but for the first one, of which a part may be gone. How many frames are left is
 * found out by their Lengths, as they leave, so that nothing is kept for each.
 */
import { LENGTH_BYTES } from "../../../clients/fastway/wire/frames.ts";
import type { Chunk, ChunkPool } from "./chunk-pool.ts";
import type { PieceList } from "./pieces.ts";

/** The first chunk for a receiver that falls behind; those behind it grow with what waits. */
const CHUNK_BYTES_MIN = 4096;

export class SendQueue {
  messages = 0;
  bytes = 0;
  readonly #pool: ChunkPool;
  #first: Chunk | null = null;
  #last: Chunk | null = null;
  /** Of the first frame, where that is known already; 0: its Length is still to be read. */
  #first_left = 0;

  constructor({ pool }: { pool: ChunkPool }) {
    this.#pool = pool;
  }

  /**
   * Copies frames to the end. Of the first one only the last `first_left` bytes may be left, which is
   * for an empty queue alone; 0: it is whole. False where the pool is used up: what was taken is lost.
   */
  copy(
    bytes: Uint8Array,
    place: { from: number; to: number; messages: number; first_left: number },
  ): boolean {
    const { from, to, messages, first_left } = place;
    if (this.bytes === 0) this.#first_left = first_left;
    for (let at = from; at < to;) {
      const chunk = this.#roomFor(to - at);
      if (chunk === null) return false;
      const part = Math.min(chunk.room, to - at);
      chunk.block.bytes.set(bytes.subarray(at, at + part), chunk.to);
      chunk.to += part;
      at += part;
    }
    this.bytes += to - from;
    this.messages += messages;
    return true;
  }

  /** Takes over the chunks of one frame, of which a part may be gone where the queue is empty. */
  adopt(chain: Chunk, { is_whole }: { is_whole: boolean }): void {
    let bytes = 0;
    let last = chain;
    for (let chunk: Chunk | null = chain; chunk !== null; chunk = chunk.next) {
      bytes += chunk.to - chunk.from;
      last = chunk;
    }
    if (this.bytes === 0) this.#first_left = is_whole ? 0 : bytes;
    if (this.#last) this.#last.next = chain;
    else this.#first = chain;
    this.#last = last;
    this.bytes += bytes;
    this.messages++;
  }

  /** As much of it as the pieces have room for. */
  gather(pieces: PieceList): void {
    for (let chunk = this.#first; chunk !== null && !pieces.is_full; chunk = chunk.next) {
      pieces.add(chunk.block, chunk.from, chunk.to);
    }
  }

  /** So many bytes are gone; answers how many frames ended with them. */
  consume(bytes: number): number {
    let gone = 0;
    let left = bytes;
    while (left > 0) {
      if (this.#first_left === 0) this.#first_left = LENGTH_BYTES + this.#peekLength();
      const part = Math.min(left, this.#first_left);
      this.#drop(part);
      left -= part;
      this.#first_left -= part;
      if (this.#first_left === 0) gone++;
    }
    this.bytes -= bytes;
    this.messages -= gone;
    return gone;
  }

  clear(): void {
    this.#pool.giveChain(this.#first);
    this.#first = null;
    this.#last = null;
    this.#first_left = 0;
    this.bytes = 0;
    this.messages = 0;
  }

  #roomFor(bytes: number): Chunk | null {
    if (this.#last && this.#last.room > 0) return this.#last;
    const chunk = this.#pool.take(Math.max(bytes, this.bytes, CHUNK_BYTES_MIN));
    if (chunk === null) return null;
    if (this.#last) this.#last.next = chunk;
    else this.#first = chunk;
    this.#last = chunk;
    return chunk;
  }

  /** The Length at the front, whose four bytes may be in several chunks. */
  #peekLength(): number {
    let length = 0;
    let chunk = this.#first!;
    let at = chunk.from;
    for (let shift = 0; shift < 32; shift += 8) {
      while (at === chunk.to) {
        chunk = chunk.next!;
        at = chunk.from;
      }
      length |= chunk.block.bytes[at++] << shift;
    }
    return length >>> 0;
  }

  #drop(bytes: number): void {
    let left = bytes;
    while (left > 0) {
      const chunk = this.#first!;
      const part = Math.min(left, chunk.to - chunk.from);
      chunk.from += part;
      left -= part;
      if (chunk.from < chunk.to) return;
      this.#first = chunk.next;
      if (this.#first === null) this.#last = null;
      this.#pool.give(chunk);
    }
  }
}
