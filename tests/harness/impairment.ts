/**
 * What a bad network does to the packets of one direction, without the network: some are lost by a
 * seeded chance, the others come out later, perhaps in another order or twice. Whoever uses it offers
 * packets as they arrive and asks for those that are due; the clock is the caller's.
 */
import { Random } from "./random.ts";

export interface Impairment {
  /** The share of packets that are lost, 0 to 1. */
  loss: number;
  /** How long every packet takes. */
  delay_ms: number;
  /** Each packet takes up to so much longer, by chance: the packets overtake each other. */
  jitter_ms: number;
  /** The share of packets that come out twice, 0 to 1. */
  duplicates: number;
}

export interface DirectionCounts {
  /** Packets that went on. A doubled one counts twice. */
  forwarded: number;
  forwarded_bytes: number;
  /** Lost by chance or in an outage. */
  lost: number;
  /** Came out behind one that had been offered after it. */
  reordered: number;
  duplicated: number;
  /** Lost because too much was on the way. */
  overflowed: number;
}

export type Fate = "held" | "lost" | "overflowed";

/** A path of 200 ms each way holds this much at 20 Mbit/s sixteen times over: only a flood fills it. */
const PACKETS_MAX = 8192;
const BYTES_MAX = 8 << 20;
/** The largest packet that an Ethernet carries fits. */
const PACKET_BYTES = 1536;

interface Held<To> {
  due_ms: number;
  /** Ties are told apart by the order of arrival. */
  order: number;
  /** The how-manieth packet this was when it was offered. */
  number: number;
  bytes: Uint8Array;
  length: number;
  to: To;
}

export class ImpairedDirection<To> {
  impairment: Impairment;
  /** While it lasts, everything is lost. */
  outage = false;
  readonly counts: DirectionCounts = {
    forwarded: 0,
    forwarded_bytes: 0,
    lost: 0,
    reordered: 0,
    duplicated: 0,
    overflowed: 0,
  };
  readonly #random: Random;
  readonly #packets_max: number;
  readonly #bytes_max: number;
  /** A binary heap, the next one due at its root. */
  readonly #heap: Held<To>[] = [];
  /** Buffers that have been used and are free again. */
  readonly #spare: Uint8Array[] = [];
  #held_bytes = 0;
  #offered = 0;
  #orders = 0;
  #highest = -1;

  constructor({ impairment, seed, packets_max = PACKETS_MAX, bytes_max = BYTES_MAX }: {
    impairment: Impairment;
    seed: number;
    packets_max?: number;
    bytes_max?: number;
  }) {
    this.impairment = impairment;
    this.#random = new Random(seed);
    this.#packets_max = packets_max;
    this.#bytes_max = bytes_max;
  }

  /** When {@link deliver} has something to do, on the caller's clock; Infinity where nothing is held. */
  get next_ms(): number {
    return this.#heap.length === 0 ? Infinity : this.#heap[0].due_ms;
  }

  /** Takes a copy of the packet's first `length` bytes, or loses it. */
  offer(packet: Uint8Array, length: number, to: To, now_ms: number): Fate {
    const { loss, delay_ms, jitter_ms, duplicates } = this.impairment;
    // Three numbers for every packet, used or not: what becomes of the thousandth does then not depend
    // on what was switched on for those before it.
    const [lost_by, late_by, twice_by] = [
      this.#random.next(),
      this.#random.next(),
      this.#random.next(),
    ];
    const number = this.#offered++;
    if (this.outage || lost_by < loss) {
      this.counts.lost++;
      return "lost";
    }
    const due_ms = now_ms + delay_ms + late_by * jitter_ms;
    if (!this.#hold(packet, length, { due_ms, number, to })) {
      this.counts.overflowed++;
      return "overflowed";
    }
    if (twice_by < duplicates && this.#hold(packet, length, { due_ms, number, to })) {
      this.counts.duplicated++;
    }
    return "held";
  }

  /** Hands out what is due. The bytes are the receiver's only until its call returns. */
  deliver(now_ms: number, send: (bytes: Uint8Array, length: number, to: To) => void): void {
    while (this.#heap.length > 0 && this.#heap[0].due_ms <= now_ms) {
      const { bytes, length, number, to } = this.#pop();
      this.counts.forwarded++;
      this.counts.forwarded_bytes += length;
      if (number < this.#highest) this.counts.reordered++;
      else this.#highest = number;
      send(bytes, length, to);
      this.#held_bytes -= length;
      this.#spare.push(bytes);
    }
  }

  #hold(
    packet: Uint8Array,
    length: number,
    { due_ms, number, to }: { due_ms: number; number: number; to: To },
  ): boolean {
    if (this.#heap.length >= this.#packets_max) return false;
    if (this.#held_bytes + length > this.#bytes_max || length > PACKET_BYTES) return false;
    const bytes = this.#spare.pop() ?? new Uint8Array(PACKET_BYTES);
    bytes.set(packet.subarray(0, length));
    this.#held_bytes += length;
    this.#push({ due_ms, order: this.#orders++, number, bytes, length, to });
    return true;
  }

  #push(held: Held<To>): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(held);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (isBefore(heap[parent], held)) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = held;
  }

  #pop(): Held<To> {
    const heap = this.#heap;
    const root = heap[0];
    const last = heap.pop()!;
    if (heap.length === 0) return root;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1], heap[child])) child++;
      if (isBefore(last, heap[child])) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
    return root;
  }
}

/** Both directions of a path, each with a chance of its own that follows from the one seed. */
export function impairedDirections<To>(
  { seed, impairment }: { seed: number; impairment: Impairment },
): { toward: ImpairedDirection<To>; back: ImpairedDirection<To> } {
  const chance = new Random(seed);
  const direction = () =>
    new ImpairedDirection<To>({ impairment: { ...impairment }, seed: chance.int(0, 2 ** 32 - 1) });
  return { toward: direction(), back: direction() };
}

function isBefore(
  a: { due_ms: number; order: number },
  b: { due_ms: number; order: number },
): boolean {
  return a.due_ms < b.due_ms || (a.due_ms === b.due_ms && a.order < b.order);
}
