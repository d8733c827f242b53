/**
 * One total of counters that come and go, such as those of streams that are configured anew: it only
 * ever grows, whichever of them disappear or begin again from 0.
 */
export class RisingTotal {
  readonly #last = new Map<string, number>();
  #total = 0;

  /** Takes the counters as they are now, by name, and returns the total. */
  update(counters: Iterable<readonly [name: string, value: number]>): number {
    const seen = new Set<string>();
    for (const [name, value] of counters) {
      const last = this.#last.get(name) ?? 0;
      this.#total += value >= last ? value - last : value;
      this.#last.set(name, value);
      seen.add(name);
    }
    for (const name of this.#last.keys()) if (!seen.has(name)) this.#last.delete(name);
    return this.#total;
  }
}
