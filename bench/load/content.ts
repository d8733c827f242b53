/**
 * The bytes of a bulk stream, and the check that they came through. A stream is a row of blocks of
 * 1 MiB: 8 bytes with the block's number, then noise that is the same in every block. What a byte
 * must be follows from its position, so bytes that are lost, doubled, moved or changed are found
 * wherever the stream is looked at. Each piece received is looked at on both ends and at each block's
 * number, and one piece in eight is compared whole: enough to find a relay that is wrong, at a cost
 * that does not slow the receiver.
 */
import { Buffer } from "node:buffer";
import { Random } from "../../tests/harness/random.ts";

export const BLOCK_BYTES = 1 << 20;
const STAMP_BYTES = 8;
const WHOLE_COMPARE_EACH = 8;
/** Any number does, as long as both ends have the same. */
const SEED = 20_260;

function noise(): Buffer {
  return new Random(SEED).bytes(BLOCK_BYTES);
}

/** Hands out the stream in pieces. One block of memory serves any number of streams in turn. */
export class ContentSource {
  readonly #block = noise();

  /** The bytes at a position of a stream, at most `bytes_max` and never across two blocks. */
  piece(position: number, bytes_max: number): Buffer {
    const at = position % BLOCK_BYTES;
    // The kernel copies what it takes, so the number of the next block may overwrite this one's.
    if (at < STAMP_BYTES) this.#block.writeDoubleLE(Math.floor(position / BLOCK_BYTES), 0);
    return this.#block.subarray(at, Math.min(BLOCK_BYTES, at + bytes_max));
  }
}

/** Looks at the pieces of one stream as they arrive; throws where a byte is not what it must be. */
export class ContentCheck {
  position = 0;
  readonly #noise: Buffer;
  #pieces = 0;

  /** Streams of one process share the noise of `like`. */
  constructor(like?: ContentCheck) {
    this.#noise = like ? like.#noise : noise();
  }

  take(bytes: Buffer, length: number): void {
    const whole = this.#pieces++ % WHOLE_COMPARE_EACH === 0;
    for (let from = 0; from < length;) {
      const at = (this.position + from) % BLOCK_BYTES;
      const to = Math.min(length, from + BLOCK_BYTES - at);
      this.#part({ bytes, from, to, at, whole });
      from = to;
    }
    this.position += length;
  }

  /** `from` to `to` of the piece lie in one block, from its offset `at` on. */
  #part({ bytes, from, to, at, whole }: {
    bytes: Buffer;
    from: number;
    to: number;
    at: number;
    whole: boolean;
  }): void {
    const block = Math.floor((this.position + from) / BLOCK_BYTES);
    if (at === 0 && to - from >= STAMP_BYTES && bytes.readDoubleLE(from) !== block) {
      throw this.#wrong(from);
    }
    const skipped = Math.max(0, STAMP_BYTES - at);
    const first = from + skipped;
    if (first >= to) return;
    const inside = at + skipped;
    const last = to - 1;
    if (
      bytes[first] !== this.#noise[inside] || bytes[last] !== this.#noise[inside + last - first] ||
      (whole && bytes.compare(this.#noise, inside, inside + to - first, first, to) !== 0)
    ) {
      throw this.#wrong(first);
    }
  }

  #wrong(offset: number): Error {
    return new Error(`wrong bytes at or behind byte ${this.position + offset} of the stream`);
  }
}
