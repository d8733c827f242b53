/**
 * Reads exactly so many bytes of a stream that is no endpoint's yet, in as many pieces as they come,
 * and not one more: what is behind them is somebody else's.
 */
import { PieceList } from "./pieces.ts";
import { READ_AT, type ReceiveArea } from "./receive-area.ts";
import { type Stream, STREAM_OVER } from "./stream.ts";

export class ExactRead {
  readonly bytes: Uint8Array;
  #there = 0;

  constructor(size_bytes: number) {
    this.bytes = new Uint8Array(size_bytes);
  }

  get is_whole(): boolean {
    return this.#there === this.bytes.length;
  }

  /** Bytes that have come. */
  get there(): number {
    return this.#there;
  }

  /** Reads what there is; false where the stream is over before they are whole. */
  read(stream: Stream, { pieces, area }: { pieces: PieceList; area: ReceiveArea }): boolean {
    while (!this.is_whole) {
      pieces.clear();
      pieces.add(area, READ_AT, READ_AT + this.bytes.length - this.#there);
      const bytes = stream.read(pieces);
      if (bytes < 0) return bytes !== STREAM_OVER;
      this.bytes.set(area.bytes.subarray(READ_AT, READ_AT + bytes), this.#there);
      this.#there += bytes;
    }
    return true;
  }
}
