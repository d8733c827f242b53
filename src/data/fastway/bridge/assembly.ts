/**
 * A frame that came from another worker in more than one record: it is put together in chunks of this
 * worker's pool. Only one at a time is begun on a ring, because nothing comes between its parts.
 */
import { HEAD_BYTES, LENGTH_BYTES, readU32 } from "../../../../clients/fastway/wire/frames.ts";
import type { Chunk, ChunkPool } from "../chunk-pool.ts";

export class Assembly {
  /** The first bytes of a frame are here, and its last ones are not. */
  is_begun = false;
  readonly #pool: ChunkPool;
  readonly #head = new Uint8Array(HEAD_BYTES);
  #there = 0;
  /** Of the whole frame; unknown until its head is there. */
  #frame_bytes = Infinity;
  #first: Chunk | null = null;
  #last: Chunk | null = null;
  #kept_bytes = 0;
  #is_lost = false;

  constructor({ pool }: { pool: ChunkPool }) {
    this.#pool = pool;
  }

  /** Takes what belongs to the frame; answers where it ends. */
  take(bytes: Uint8Array, from: number, to: number): number {
    this.is_begun = true;
    let at = from;
    while (at < to && this.#there < HEAD_BYTES) this.#head[this.#there++] = bytes[at++];
    if (this.#there < HEAD_BYTES) return at;
    if (this.#frame_bytes === Infinity) {
      this.#frame_bytes = LENGTH_BYTES + readU32(this.#head, 0);
      this.#keep(this.#head, 0, HEAD_BYTES);
    }
    const end = Math.min(to, at + this.#frame_bytes - this.#there);
    this.#there += end - at;
    this.#keep(bytes, at, end);
    return end;
  }

  get is_whole(): boolean {
    return this.#there === this.#frame_bytes;
  }

  get id(): number {
    return readU32(this.#head, LENGTH_BYTES);
  }

  /** The whole frame, which is the caller's from now on; null where there was no memory for it. */
  takeChain(): Chunk | null {
    const chain = this.#is_lost ? null : this.#first;
    if (!this.#is_lost) this.#first = null;
    this.clear();
    return chain;
  }

  clear(): void {
    this.#pool.giveChain(this.#first);
    this.#first = null;
    this.#last = null;
    this.#there = 0;
    this.#kept_bytes = 0;
    this.#frame_bytes = Infinity;
    this.#is_lost = false;
    this.is_begun = false;
  }

  #keep(bytes: Uint8Array, from: number, to: number): void {
    for (let at = from; at < to && !this.#is_lost;) {
      const chunk = this.#roomFor(this.#frame_bytes);
      if (chunk === null) break;
      const part = Math.min(chunk.room, to - at);
      chunk.block.bytes.set(bytes.subarray(at, at + part), chunk.to);
      chunk.to += part;
      at += part;
      this.#kept_bytes += part;
    }
  }

  /** All of a frame's memory is taken at once where a chunk is so large: its sender has it already. */
  #roomFor(bytes: number): Chunk | null {
    if (this.#last !== null && this.#last.room > 0) return this.#last;
    const chunk = this.#pool.take(bytes - this.#kept_bytes);
    if (chunk === null) {
      this.#is_lost = true;
      return null;
    }
    if (this.#last !== null) this.#last.next = chunk;
    else this.#first = chunk;
    this.#last = chunk;
    return chunk;
  }
}
