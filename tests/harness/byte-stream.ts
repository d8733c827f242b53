/**
 * A long stream of bytes that cannot be mistaken for any other part of itself: noise, with the
 * position written into every 64 KiB chunk, so that a lost, doubled or swapped piece changes the
 * digest even where the noise repeats.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import { Random } from "./random.ts";

export const chunk_bytes = 65_536;

export class ByteStream {
  readonly total_bytes: number;
  readonly #noise: Buffer;
  readonly #hash: Hash = createHash("sha256");
  #at = 0;

  constructor({ total_bytes, seed = 1 }: { total_bytes: number; seed?: number }) {
    this.total_bytes = total_bytes;
    this.#noise = new Random(seed).bytes(chunk_bytes);
  }

  /** The next chunk, or null at the end. */
  next(): Buffer | null {
    if (this.#at >= this.total_bytes) return null;
    const chunk = Buffer.from(
      this.#noise.subarray(0, Math.min(chunk_bytes, this.total_bytes - this.#at)),
    );
    if (chunk.length >= 8) chunk.writeDoubleBE(this.#at, 0);
    this.#at += chunk.length;
    this.#hash.update(chunk);
    return chunk;
  }

  /** The digest of every chunk handed out so far. */
  digest(): string {
    return this.#hash.copy().digest("hex");
  }
}

/** What the whole stream's digest will be, worked out without keeping it. */
export function digestOf(options: { total_bytes: number; seed?: number }): string {
  const stream = new ByteStream(options);
  while (stream.next() !== null);
  return stream.digest();
}
