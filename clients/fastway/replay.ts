/** What snet has sent and the gateway may not have, as it was sent, to be sent once more. */

export class Replay {
  readonly #bytes_max: number;
  #pieces: Uint8Array[] = [];
  /** Pieces at the front that are not needed any more, and the position where the rest begins. */
  #gone = 0;
  #from = 0;
  #to = 0;
  #acknowledged = 0;

  constructor({ bytes_max }: { bytes_max: number }) {
    this.#bytes_max = bytes_max;
  }

  /** Bytes that were sent since the session began. */
  get written_bytes(): number {
    return this.#to;
  }

  get unacknowledged_bytes(): number {
    return this.#to - this.#acknowledged;
  }

  /** From this position on everything is here. */
  get from(): number {
    return this.#from;
  }

  push(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.#to += piece.length;
  }

  /** The peer has all up to this position. */
  acknowledge(position: number): void {
    if (position <= this.#acknowledged) return;
    this.#acknowledged = Math.min(position, this.#to);
    while (this.#gone < this.#pieces.length) {
      const next = this.#from + this.#pieces[this.#gone].length;
      if (next > this.#acknowledged) break;
      this.#from = next;
      this.#pieces[this.#gone++] = new Uint8Array(0);
    }
    if (this.#gone * 2 < this.#pieces.length) return;
    this.#pieces.splice(0, this.#gone);
    this.#gone = 0;
  }

  /** Whether everything from this position on is here. */
  reaches(position: number): boolean {
    return position >= this.#from && position <= this.#to;
  }

  since(position: number): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    let at = this.#from;
    for (let i = this.#gone; i < this.#pieces.length; i++) {
      const piece = this.#pieces[i];
      if (at + piece.length > position) {
        pieces.push(at >= position ? piece : piece.subarray(position - at));
      }
      at += piece.length;
    }
    return pieces;
  }

  /** So much may be unacknowledged. */
  get bytes_max(): number {
    return this.#bytes_max;
  }
}
