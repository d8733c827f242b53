/**
 * The routes by their ids, looked up for nearly every frame: open addressing in two flat arrays, which
 * costs a few nanoseconds where a `Map` with ids beyond 2^31 costs several times as much. Ids count up,
 * so that their lowest bits are the best hash there is.
 */
import type { Route } from "./outlet.ts";

const SIZE_MIN = 64;

export class RouteTable {
  #ids = new Int32Array(SIZE_MIN);
  #routes: (Route | null)[] = Array(SIZE_MIN).fill(null);
  #mask = SIZE_MIN - 1;
  #count = 0;

  get size(): number {
    return this.#count;
  }

  get(id: number): Route | null {
    const mask = this.#mask;
    const ids = this.#ids;
    const key = id | 0;
    for (let at = id & mask;; at = at + 1 & mask) {
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
    let at = id & mask;
    for (; ids[at] !== key; at = at + 1 & mask) if (ids[at] === 0) return;
    this.#count--;
    // Those behind it that would not be found any more across the gap move up.
    let gap = at;
    for (let next = gap + 1 & mask; ids[next] !== 0; next = next + 1 & mask) {
      const home = ids[next] & mask;
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

  #put(route: Route): void {
    let at = route.id & this.#mask;
    while (this.#ids[at] !== 0) at = at + 1 & this.#mask;
    this.#ids[at] = route.id;
    this.#routes[at] = route;
  }

  #resize(size: number): void {
    const routes = this.#routes;
    this.#ids = new Int32Array(size);
    this.#routes = Array(size).fill(null);
    this.#mask = size - 1;
    for (const route of routes) if (route !== null) this.#put(route);
  }
}
