/**
 * RC4, because old clients speak it. It is broken as a cipher: whoever needs secrecy uses TLS.
 */

const STATES = 256;

/** One direction's keystream, and how far it has been used. */
export class Rc4 {
  /** Words, not bytes: the engines that run this index them faster. */
  readonly #state = new Int32Array(STATES);
  #i = 0;
  #j = 0;

  constructor(key: Uint8Array) {
    const state = this.#state;
    for (let i = 0; i < STATES; i++) state[i] = i;
    for (let i = 0, j = 0; i < STATES; i++) {
      const present = state[i];
      j = (j + present + key[i % key.length]) & 255;
      state[i] = state[j];
      state[j] = present;
    }
  }

  /**
   * Encrypts or decrypts, which is the same, the bytes from `from` up to `to` into another place, which
   * may be where they are.
   */
  apply(source: Uint8Array, from: number, to: number, target: Uint8Array, at: number): void {
    const state = this.#state;
    let i = this.#i;
    let j = this.#j;
    for (let next = from; next < to; next++) {
      i = (i + 1) & 255;
      const one = state[i];
      j = (j + one) & 255;
      const other = state[j];
      state[i] = other;
      state[j] = one;
      target[at++] = source[next] ^ state[(one + other) & 255];
    }
    this.#i = i;
    this.#j = j;
  }

  applyInPlace(bytes: Uint8Array, from = 0, to = bytes.length): void {
    this.apply(bytes, from, to, bytes, from);
  }
}
