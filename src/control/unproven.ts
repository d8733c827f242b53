/** Bounds on connections that have not registered: in all, and per remote address. */

export type UnprovenLimit = "unproven_max" | "unproven_per_address_max";

export class Unproven {
  readonly #max: number;
  readonly #per_address_max: number;
  readonly #per_address = new Map<string, number>();
  #count = 0;

  constructor(options: { unproven_max: number; unproven_per_address_max: number }) {
    this.#max = options.unproven_max;
    this.#per_address_max = options.unproven_per_address_max;
  }

  get size(): number {
    return this.#count;
  }

  /** Counts the connection, or names the bound that forbids it. */
  admit(address: string): UnprovenLimit | null {
    if (this.#count >= this.#max) return "unproven_max";
    const from_there = this.#per_address.get(address) ?? 0;
    if (from_there >= this.#per_address_max) return "unproven_per_address_max";
    this.#count++;
    this.#per_address.set(address, from_there + 1);
    return null;
  }

  /** The connection has registered or ended; to be called once for each that was admitted. */
  release(address: string): void {
    const from_there = this.#per_address.get(address) ?? 0;
    this.#count--;
    if (from_there > 1) this.#per_address.set(address, from_there - 1);
    else this.#per_address.delete(address);
  }
}
