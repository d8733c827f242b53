/**
 * What an snet session has sent and may have to send again: the last `capacity_bytes` of its outgoing
 * stream as they are on the wire. Bytes are copied in once, encrypted on the way where that is asked
 * for, and the kernel is fed from here.
 *
 *                 replayed from here at the earliest
 *                 ↓
 *   ── gone ──────┬── acknowledged ──┬── in the kernel ──┬── unsent ──┐
 *   0             floor                                  sent         written
 *
 * Its memory grows with what is sent, to the capacity: most sessions of a game say little.
 */
import type { Rc4 } from "../../../../clients/fastway/wire/mod.ts";
import { Block, type PieceList } from "../pieces.ts";

/** The first piece of memory; a capacity below it is all there at once. */
const FIRST_BYTES = 4096;

export class ReplayRing {
  readonly capacity_bytes: number;
  /** Bytes of the whole stream so far. */
  written = 0;
  /** Of those, what has not been given to the kernel. */
  unsent = 0;
  #block: Block;
  /** How much of the block is used as the ring; less than all only where the capacity is less. */
  #size: number;
  /** Where the next byte goes. */
  #at = 0;

  constructor(capacity_bytes: number) {
    this.capacity_bytes = capacity_bytes;
    this.#size = Math.min(capacity_bytes, FIRST_BYTES);
    this.#block = new Block(FIRST_BYTES);
  }

  /** How many bytes fit without losing any from the count `floor` on. */
  room(floor: number): number {
    return this.capacity_bytes - (this.written - floor);
  }

  /** Whether what follows the first `count` bytes of the stream is all here. */
  reaches(count: number): boolean {
    return count <= this.written && this.written - count <= this.capacity_bytes;
  }

  /** Takes bytes; the caller has seen to it that nothing is lost that is still wanted. */
  put(source: Uint8Array, from: number, to: number, cipher: Rc4 | null): void {
    if (this.written < this.capacity_bytes) this.#grow(this.written + to - from);
    this.written += to - from;
    this.unsent += to - from;
    while (from < to) {
      const end = Math.min(to, from + this.#size - this.#at);
      if (cipher) cipher.apply(source, from, end, this.#block.bytes, this.#at);
      else this.#block.bytes.set(source.subarray(from, end), this.#at);
      this.#at += end - from;
      if (this.#at === this.#size) this.#at = 0;
      from = end;
    }
  }

  /** Adds what the kernel is to be given next: one piece, or two where it wraps. */
  gather(pieces: PieceList): void {
    const from = this.#at - this.unsent;
    if (this.unsent === 0) return;
    if (from >= 0) return pieces.add(this.#block, from, this.#at);
    pieces.add(this.#block, from + this.#size, this.#size);
    if (this.#at > 0) pieces.add(this.#block, 0, this.#at);
  }

  /** The kernel has taken so many. */
  sent(bytes: number): void {
    this.unsent -= bytes;
  }

  /** What follows the first `count` bytes of the stream is to be sent again. */
  rewind(count: number): void {
    this.unsent = this.written - count;
  }

  /** Until the capacity is reached nothing has wrapped, and what is there stays where it is. */
  #grow(wanted_bytes: number): void {
    if (wanted_bytes <= this.#size || this.#size === this.capacity_bytes) return;
    let size = this.#size;
    while (size < wanted_bytes && size < this.capacity_bytes) size *= 2;
    size = Math.min(size, this.capacity_bytes);
    const grown = new Block(size);
    grown.bytes.set(this.#block.bytes.subarray(0, this.written));
    this.#block = grown;
    // What was full to its end goes on behind it.
    this.#at = this.written;
    this.#size = size;
  }
}
