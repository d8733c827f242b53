/**
 * Pieces of memory for one gathered read or write, without an allocation: a `struct iovec` for each
 * ({ void *base; size_t len }, written as two words each, the lower one first), and the same places as
 * views, for a stream that has to look at the bytes.
 */
import { addressOf } from "../../../ffi/libc/mod.ts";

/** Linux takes at most 1024 at once (IOV_MAX); a cache's worth of them is enough. */
export const PIECES_MAX = 256;

const WORDS = 4;
const WORD = 2 ** 32;

/** Memory whose address is known; it stays where it is for as long as this is reachable. */
export class Block {
  readonly bytes: Uint8Array;
  readonly address: number;

  /**
   * Of memory that is there, or of new one: at least some KiB, for what is smaller, a runtime may keep
   * where it can be moved.
   */
  constructor(memory: number | Uint8Array) {
    this.bytes = typeof memory === "number" ? new Uint8Array(memory) : memory;
    this.address = addressOf(this.bytes);
  }
}

export interface Pieces {
  readonly count: number;
  /** Of all pieces. */
  readonly total_bytes: number;
  /** `struct iovec[]` for readv and writev. */
  readonly iovecs: Uint32Array;
  readonly bytes: readonly Uint8Array[];
  readonly from: Int32Array;
  readonly to: Int32Array;
}

const NOTHING = new Uint8Array();

export class PieceList implements Pieces {
  count = 0;
  total_bytes = 0;
  readonly iovecs = new Uint32Array(PIECES_MAX * WORDS);
  readonly bytes: Uint8Array[] = Array(PIECES_MAX).fill(NOTHING);
  readonly from = new Int32Array(PIECES_MAX);
  readonly to = new Int32Array(PIECES_MAX);

  clear(): void {
    this.count = 0;
    this.total_bytes = 0;
  }

  get is_full(): boolean {
    return this.count === PIECES_MAX;
  }

  /** The caller sees to it that there is room. */
  add(block: Block, from: number, to: number): void {
    const i = this.count++;
    const address = block.address + from;
    const word = i * WORDS;
    this.iovecs[word] = address % WORD;
    this.iovecs[word + 1] = address / WORD;
    this.iovecs[word + 2] = to - from;
    this.bytes[i] = block.bytes;
    this.from[i] = from;
    this.to[i] = to;
    this.total_bytes += to - from;
  }
}
