/**
 * How many connections may be there that have proven nothing: in all and per address. Whoever is
 * over a bound is turned away at once, and it is counted and told at most once a second.
 */

type Bound = "unproven_max" | "unproven_per_address_max";

/** The name of a bound in the configuration; a plane may have bounds of its own. */
export type AdmissionLimit = Bound | `srt_${Bound}`;

/** Read anew at every look: they may change. */
export interface AdmissionOptions {
  unproven_max: number;
  unproven_per_address_max: number;
  /** What stands before the two names in the configuration. */
  unproven_prefix: "" | "srt_";
}

export class Admission {
  #options: AdmissionOptions;
  readonly #perAddress = new Map<string, number>();
  #total = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Takes new bounds; who is in already stays. */
  apply(options: AdmissionOptions): void {
    this.#options = options;
  }

  /** Counts one more unproven connection, or names the bound that forbids it. */
  enter(address: string): AdmissionLimit | null {
    if (this.#total >= this.#options.unproven_max) return this.#name("unproven_max");
    const there = this.#perAddress.get(address) ?? 0;
    if (there >= this.#options.unproven_per_address_max) {
      return this.#name("unproven_per_address_max");
    }
    this.#total++;
    this.#perAddress.set(address, there + 1);
    return null;
  }

  /** The connection has proven itself or is gone. */
  leave(address: string): void {
    const there = this.#perAddress.get(address) ?? 0;
    this.#total--;
    if (there <= 1) this.#perAddress.delete(address);
    else this.#perAddress.set(address, there - 1);
  }

  /**
   * A connection turns out to come from elsewhere. Names the bound that forbids one more from there; it
   * is still counted where it was then.
   */
  move(from: string, to: string): AdmissionLimit | null {
    this.leave(from);
    const limit = this.enter(to);
    if (limit) this.enter(from);
    return limit;
  }

  #name(bound: Bound): AdmissionLimit {
    return `${this.#options.unproven_prefix}${bound}`;
  }

  get total(): number {
    return this.#total;
  }
}
