/**
 * The ports of one plane and the state of each: Idle → Reserved → Occupied → Idle, and Blocked for a
 * port somebody else holds. Always the lowest idle port is given out, as V4 clients expect.
 *
 * Idle ports are bits of a map with a hint below which none is set, so that a range of thousands of
 * ports costs a handful of words to search; the counts are kept as states change.
 *
 * The range may be changed at any time. A port outside the new one that is in use stays with its
 * session and goes when that ends.
 */
import type { PlaneKind } from "../data/plane.ts";

export type PortState = "idle" | "reserved" | "occupied" | "blocked";

/** How many ports are in each state, as `port_state` shows them. */
export interface PortCounts {
  total: number;
  idle: number;
  reserved: number;
  occupied: number;
  blocked: number;
}

const STATES: readonly PortState[] = ["idle", "reserved", "occupied", "blocked"];
const IDLE = 0, RESERVED = 1, OCCUPIED = 2, BLOCKED = 3;
const WORD_BITS = 32;

export class PortPool {
  readonly kind: PlaneKind;
  #first = 1;
  #last = 0;
  #states = new Uint8Array(0);
  #idle_bits = new Uint32Array(0);
  /** No word before this one has an idle port. */
  #lowest_word = 0;
  readonly #counts = [0, 0, 0, 0];
  /** Ports in use outside the range, with their states; they are in the counts as well. */
  readonly #leaving = new Map<number, number>();

  constructor(options: { kind: PlaneKind; first: number; last: number }) {
    this.kind = options.kind;
    this.resize(options.first, options.last);
  }

  get first(): number {
    return this.#first;
  }

  get last(): number {
    return this.#last;
  }

  get idle(): number {
    return this.#counts[IDLE];
  }

  /** Whether the port is in the range, or was and is still in use. */
  has(port: number): boolean {
    return (port >= this.#first && port <= this.#last) || this.#leaving.has(port);
  }

  /** Changes the range. Ports in use keep their states; Blocked ones outside are forgotten. */
  resize(first: number, last: number): void {
    const before = new Map(this.#leaving);
    this.#states.forEach((state, index) => {
      if (state !== IDLE) before.set(this.#first + index, state);
    });
    const total = last - first + 1;
    this.#first = first;
    this.#last = last;
    this.#states = new Uint8Array(total);
    this.#idle_bits = new Uint32Array(Math.ceil(total / WORD_BITS));
    for (let i = 0; i < total; i++) this.#idle_bits[i >>> 5] |= 1 << (i & 31);
    this.#lowest_word = 0;
    this.#counts.splice(0, STATES.length, total, 0, 0, 0);
    this.#leaving.clear();
    for (const [port, state] of before) {
      if (port >= first && port <= last) {
        this.#set(port - first, state);
      } else if (state !== BLOCKED) {
        this.#leaving.set(port, state);
        this.#counts[state]++;
      }
    }
  }

  /** One letter per port of the range, then the ports that leave it: see `PortMap` in the admin API. */
  letters(): string {
    return Array.from(this.#states, (state) => STATES[state][0]).join("") +
      "l".repeat(this.#leaving.size);
  }

  /**
   * Takes the highest idle port, for a listener that is not like the others: the lowest ones have
   * just been used, and theirs may still rest there. Null when there is none.
   */
  reserveHighest(): number | null {
    if (this.#counts[IDLE] === 0) return null;
    let word = this.#idle_bits.length - 1;
    while (this.#idle_bits[word] === 0) word--;
    const index = word * WORD_BITS + (31 - Math.clz32(this.#idle_bits[word]));
    this.#set(index, RESERVED);
    return this.#first + index;
  }

  /** Takes the lowest idle port; null when there is none. */
  reserve(): number | null {
    if (this.#counts[IDLE] === 0) return null;
    let word = this.#lowest_word;
    while (this.#idle_bits[word] === 0) word++;
    this.#lowest_word = word;
    const bits = this.#idle_bits[word];
    const index = word * WORD_BITS + (31 - Math.clz32(bits & -bits));
    this.#set(index, RESERVED);
    return this.#first + index;
  }

  /** Both ends are there. */
  occupy(port: number): void {
    const found = this.state(port);
    if (found !== "reserved") {
      throw new Error(`port ${port} is ${found}; only a reserved one can be occupied`);
    }
    this.#move(port, OCCUPIED);
  }

  /** The session on the port is over, or the port has turned out to be usable again. */
  free(port: number): void {
    this.#move(port, IDLE);
  }

  /** The port cannot be bound; it stays out of use until {@link free}. */
  block(port: number): void {
    this.#move(port, BLOCKED);
  }

  state(port: number): PortState {
    return STATES[this.#leaving.get(port) ?? this.#states[this.#index(port)]];
  }

  /** Up to `count_max` blocked ports, from `from` on and round the end of the range. */
  blocked(count_max: number, from: number = this.first): number[] {
    const ports: number[] = [];
    const total = this.#states.length;
    const start = from >= this.first && from <= this.last ? from - this.first : 0;
    const wanted = Math.min(count_max, this.#counts[BLOCKED]);
    for (let step = 0; step < total && ports.length < wanted; step++) {
      const index = (start + step) % total;
      if (this.#states[index] === BLOCKED) ports.push(this.first + index);
    }
    return ports;
  }

  counts(): PortCounts {
    const [idle, reserved, occupied, blocked] = this.#counts;
    const total = this.#states.length + this.#leaving.size;
    return { total, idle, reserved, occupied, blocked };
  }

  #index(port: number): number {
    const index = port - this.first;
    if (!Number.isInteger(index) || index < 0 || index >= this.#states.length) {
      throw new RangeError(`port ${port} is not one of ${this.kind} ${this.first}-${this.last}`);
    }
    return index;
  }

  #move(port: number, to: number): void {
    const leaving = this.#leaving.get(port);
    if (leaving === undefined) return this.#set(this.#index(port), to);
    this.#counts[leaving]--;
    // Outside the range a port has no other states than those of its session.
    if (to === IDLE || to === BLOCKED) {
      this.#leaving.delete(port);
      return;
    }
    this.#leaving.set(port, to);
    this.#counts[to]++;
  }

  #set(index: number, state: number): void {
    const before = this.#states[index];
    if (before === state) return;
    this.#counts[before]--;
    this.#counts[state]++;
    this.#states[index] = state;
    const word = index >>> 5;
    if (state === IDLE) {
      this.#idle_bits[word] |= 1 << (index & 31);
      if (word < this.#lowest_word) this.#lowest_word = word;
    } else if (before === IDLE) {
      this.#idle_bits[word] &= ~(1 << (index & 31));
    }
  }
}
