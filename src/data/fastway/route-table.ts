/**
 * The routes by their ids, looked up for nearly every frame: open addressing in two flat arrays, which
 * costs a few nanoseconds where a `Map` with ids beyond 2^31 costs several times as much.
 *
 * Ids count up. Their lowest bits alone would fill one unbroken stretch of places, through all of which
 * a removal, or a new id that falls among old ones, would have to look. So only groups of sixteen, which
 * share a cache line, lie side by side. The groups' numbers are multiplied by 2^32 divided by the golden
 * ratio, which puts those that follow one another evenly apart, with free places between them.
 */
import type { Route } from "./outlet.ts";

const SIZE_MIN = 64;
const GOLDEN = 0x9e3779b1 | 0;
const GROUP_BITS = 4;
const GROUP_MASK = 2 ** GROUP_BITS - 1;

export class RouteTable {
  #ids = new Int32Array(SIZE_MIN);
  #routes: (Route | null)[] = Array(SIZE_MIN).fill(null);
  #mask = SIZE_MIN - 1;
  /** What is left of 32 bits above it is a group's place. */
  #shift = groupShift(SIZE_MIN);
  #count = 0;

  get size(): number {
    return this.#count;
  }

  get(id: number): Route | null {
    const mask = this.#mask;
    const ids = this.#ids;
    const key = id | 0;
    for (let at = this.#home(key);; at = at + 1 & mask) {
      if (ids[at] === key) return this.#routes[at];
      // 0 is nobody's id, and stands where nothing is.
      if (ids[at] === 0) return null;
    }
  }

  has(id: number): boolean {
    return this.get(id) !== null;
  }

  /** The id is not 0 and not in use. */
  add(route: Route): void {
    if (2 * (this.#count + 1) > this.#ids.length) this.#resize(2 * this.#ids.length);
    this.#put(route);
    this.#count++;
  }

  delete(id: number): void {
    const mask = this.#mask;
    const ids = this.#ids;
    const key = id | 0;
    let at = this.#home(key);
    for (; ids[at] !== key; at = at + 1 & mask) if (ids[at] === 0) return;
    this.#count--;
    // Those behind it that would not be found any more across the gap move up.
    let gap = at;
    for (let next = gap + 1 & mask; ids[next] !== 0; next = next + 1 & mask) {
      const home = this.#home(ids[next]);
      if ((next - home & mask) < (next - gap & mask)) continue;
      ids[gap] = ids[next];
      this.#routes[gap] = this.#routes[next];
      gap = next;
    }
    ids[gap] = 0;
    this.#routes[gap] = null;
    const { length } = ids;
    if (length > SIZE_MIN && 8 * this.#count < length) this.#resize(length / 2);
  }

  [Symbol.iterator](): IterableIterator<Route> {
    return this.#routes.filter((route) => route !== null).values();
  }

  #home(key: number): number {
    const group = Math.imul(key >>> GROUP_BITS, GOLDEN) >>> this.#shift;
    return group << GROUP_BITS | key & GROUP_MASK;
  }

  #put(route: Route): void {
    let at = this.#home(route.id);
    while (this.#ids[at] !== 0) at = at + 1 & this.#mask;
    this.#ids[at] = route.id;
    this.#routes[at] = route;
  }

  #resize(size: number): void {
    const routes = this.#routes;
    this.#ids = new Int32Array(size);
    this.#routes = Array(size).fill(null);
    this.#mask = size - 1;
    this.#shift = groupShift(size);
    for (const route of routes) if (route !== null) this.#put(route);
  }
}

function groupShift(size: number): number {
  return Math.clz32((size >>> GROUP_BITS) - 1);
}
