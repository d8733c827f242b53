/**
 * A frame of which only a part has come. It is kept in chunks of the pool, into whose free room the
 * next read goes at once, so that each byte is copied at most once. Memory is taken for what has come
 * and at most two chunks more, whatever Length the frame announces.
 */
import type { Chunk, ChunkPool } from "./chunk-pool.ts";
import type { PieceList } from "./pieces.ts";

export class Part {
  /** Bytes of the frame that are still to come; 0: there is no frame in part. */
  missing = 0;
  readonly #pool: ChunkPool;
  #first: Chunk | null = null;
  #last: Chunk | null = null;
  #bytes = 0;

  constructor({ pool }: { pool: ChunkPool }) {
    this.#pool = pool;
  }

  /**
   * The frame of `frame_bytes` begins with these, at least its head. The first chunk has at least
   * `part_bytes` where the frame is that long. False where the pool is used up.
   */
  begin(
    bytes: Uint8Array,
    place: { from: number; to: number; frame_bytes: number; part_bytes: number },
  ): boolean {
    const { from, to, frame_bytes, part_bytes } = place;
    this.missing = frame_bytes;
    for (let at = from; at < to;) {
      if (!this.#grow(Math.max(to - at, part_bytes))) return false;
      const chunk = this.#last!;
      const part = Math.min(chunk.room, to - at);
      chunk.block.bytes.set(bytes.subarray(at, at + part), chunk.to);
      this.#took(chunk, part);
      at += part;
    }
    return true;
  }

  /** Adds room for what is missing, or for a good part of it. False where the pool is used up. */
  offer(pieces: PieceList): boolean {
    if (this.#last!.room === 0 && !this.#grow(this.#bytes)) return false;
    const chunk = this.#last!;
    pieces.add(chunk.block, chunk.to, chunk.to + Math.min(chunk.room, this.missing));
    return true;
  }

  /** A read has put so many bytes where the room was offered. */
  took(bytes: number): void {
    this.#took(this.#last!, bytes);
  }

  /** The frame's head and what follows it, as far as they are in the first chunk. */
  get first(): Chunk {
    return this.#first!;
  }

  /** Bytes that have come and are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Hands the chunks over. */
  takeChain(): Chunk {
    const chain = this.#first!;
    this.#first = null;
    this.#last = null;
    this.#bytes = 0;
    return chain;
  }

  clear(): void {
    this.#pool.giveChain(this.#first);
    this.#first = null;
    this.#last = null;
    this.#bytes = 0;
    this.missing = 0;
  }

  #took(chunk: Chunk, bytes: number): void {
    chunk.to += bytes;
    this.#bytes += bytes;
    this.missing -= bytes;
  }

  #grow(bytes: number): boolean {
    const chunk = this.#pool.take(Math.min(bytes, this.missing));
    if (chunk === null) return false;
    if (this.#last) this.#last.next = chunk;
    else this.#first = chunk;
    this.#last = chunk;
    return true;
  }
}
