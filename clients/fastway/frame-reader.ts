/**
 * Cuts a stream of bytes into fastway's frames, however it comes split. Frames that are whole in one
 * read are handed on where they lie; only one that came in parts is gathered, in memory that grows
 * with what has come and never by what its Length announces.
 */
import { HEAD_BYTES, LENGTH_BYTES, LENGTH_MIN, readU32 } from "./wire/mod.ts";

export interface FrameOwner {
  /**
   * A frame's body is `bytes` from `from` to `to`. Nobody writes into `bytes` any more: parts of it may
   * be kept.
   */
  frame(id: number, bytes: Uint8Array, from: number, to: number): void;
  /** The Length is none that may be; what follows cannot be read. */
  badLength(length: number): void;
}

/** The first memory for a frame in parts, bytes. */
const PART_BYTES_MIN = 256;

export class FrameReader {
  readonly #owner: FrameOwner;
  readonly #length_max: number;
  /** A frame that has begun, with its Length; empty where none has. */
  #part = new Uint8Array(0);
  #part_bytes = 0;
  #has_ended = false;

  constructor({ owner, length_max }: { owner: FrameOwner; length_max: number }) {
    this.#owner = owner;
    this.#length_max = length_max;
  }

  /** Takes what has come; the owner is told each frame before this returns. */
  read(bytes: Uint8Array): void {
    if (this.#has_ended) return;
    let at = this.#part_bytes > 0 ? this.#complete(bytes) : 0;
    while (!this.#has_ended && bytes.length - at >= LENGTH_BYTES) {
      const length = readU32(bytes, at);
      if (!this.#isGood(length)) return;
      const end = at + LENGTH_BYTES + length;
      if (end > bytes.length) break;
      this.#owner.frame(readU32(bytes, at + LENGTH_BYTES), bytes, at + HEAD_BYTES, end);
      at = end;
    }
    if (!this.#has_ended && at < bytes.length) this.#keep(bytes, at, bytes.length);
  }

  /** Nothing more is told. */
  end(): void {
    this.#has_ended = true;
    this.#part = new Uint8Array(0);
    this.#part_bytes = 0;
  }

  /** Adds to the frame that has begun what is still missing; answers where the next one starts. */
  #complete(bytes: Uint8Array): number {
    const head = Math.min(bytes.length, Math.max(0, LENGTH_BYTES - this.#part_bytes));
    if (head > 0) this.#keep(bytes, 0, head);
    if (this.#part_bytes < LENGTH_BYTES) return head;
    const length = readU32(this.#part, 0);
    if (!this.#isGood(length)) return bytes.length;
    const missing = LENGTH_BYTES + length - this.#part_bytes;
    const end = Math.min(bytes.length, head + missing);
    this.#keep(bytes, head, end);
    if (end - head < missing) return end;
    const [part, part_bytes] = [this.#part, this.#part_bytes];
    this.#part = new Uint8Array(0);
    this.#part_bytes = 0;
    this.#owner.frame(readU32(part, LENGTH_BYTES), part, HEAD_BYTES, part_bytes);
    return end;
  }

  #keep(bytes: Uint8Array, from: number, to: number): void {
    const wanted = this.#part_bytes + to - from;
    if (wanted > this.#part.length) {
      // Twice as much each time, so that the copies together are no more than the frame.
      const larger = new Uint8Array(Math.max(PART_BYTES_MIN, wanted, 2 * this.#part.length));
      larger.set(this.#part.subarray(0, this.#part_bytes));
      this.#part = larger;
    }
    this.#part.set(bytes.subarray(from, to), this.#part_bytes);
    this.#part_bytes = wanted;
  }

  #isGood(length: number): boolean {
    if (length >= LENGTH_MIN && length <= this.#length_max) return true;
    this.end();
    this.#owner.badLength(length);
    return false;
  }
}
