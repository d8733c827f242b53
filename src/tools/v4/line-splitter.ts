/** Cuts a byte stream that arrives in any pieces into lines, within a bound. */
import { Buffer } from "node:buffer";

const NEWLINE = 0x0a;

export class LineSplitter {
  readonly #max: number;
  #parts: Uint8Array[] = [];
  #bytes = 0;

  constructor(options: { line_bytes_max: number }) {
    this.#max = options.line_bytes_max;
  }

  /** Reports each line without its newline; throws RangeError when one is longer than allowed. */
  push(chunk: Uint8Array, onLine: (line: string) => void): void {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      const piece = chunk.subarray(start, end === -1 ? chunk.length : end);
      if (this.#bytes + piece.length > this.#max) {
        throw new RangeError(
          `found a line longer than ${this.#max} bytes; allowed: ${this.#max} bytes`,
        );
      }
      if (piece.length > 0) {
        this.#parts.push(piece);
        this.#bytes += piece.length;
      }
      if (end === -1) return;
      const line = Buffer.concat(this.#parts, this.#bytes).toString("utf8");
      this.#parts = [];
      this.#bytes = 0;
      start = end + 1;
      if (line.trim() !== "") onLine(line);
    }
  }
}
