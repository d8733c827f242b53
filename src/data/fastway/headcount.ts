/** How many endpoints there are, in all and per address, on each side: held to the configuration. */
import type { FastwaySide, FastwaySideSettings } from "./protocol.ts";

export type HeadcountBounds = Pick<
  FastwaySideSettings,
  "endpoints_max" | "endpoints_per_address_max"
>;

/** The keys of the configuration that bound how many may take part. */
export type HeadcountLimit = `${FastwaySide}s_max` | `${FastwaySide}s_per_address_max`;

export interface Headcount {
  /** Counts one more, or names the bound that forbids it. */
  enter(side: FastwaySide, address: string, bounds: HeadcountBounds): HeadcountLimit | null;
  leave(side: FastwaySide, address: string): void;
}

/** Of one worker alone. */
export class OwnHeadcount implements Headcount {
  readonly #totals = { client: 0, server: 0 };
  readonly #counts = { client: new Map<string, number>(), server: new Map<string, number>() };

  enter(side: FastwaySide, address: string, bounds: HeadcountBounds): HeadcountLimit | null {
    const counts = this.#counts[side];
    const there = counts.get(address) ?? 0;
    if (this.#totals[side] >= bounds.endpoints_max) return `${side}s_max`;
    if (there >= bounds.endpoints_per_address_max) return `${side}s_per_address_max`;
    this.#totals[side]++;
    counts.set(address, there + 1);
    return null;
  }

  leave(side: FastwaySide, address: string): void {
    const counts = this.#counts[side];
    const there = counts.get(address) ?? 0;
    this.#totals[side]--;
    if (there > 1) counts.set(address, there - 1);
    else counts.delete(address);
  }
}
