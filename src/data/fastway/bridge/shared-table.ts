/**
 * A hash table in shared memory: what all workers of a plane must know the same of at any moment, such
 * as who is server 7 now. Whoever looks into it or changes it has it for himself meanwhile, which are
 * some hundred nanoseconds; connections and dials need it, frames never do.
 *
 *   64 bytes   lock: 0 free, 1 taken, 2 taken and others wait; entries: how many there are
 *   then so many slots: u32 used | key words | value words
 *
 * Slots are found by linear probing from the key's hash; an entry that is removed is made good at
 * once by moving those behind it, so that the table never fills with graves.
 */

const LOCK = 0;
const ENTRIES = 1;
const HEADER_WORDS = 16;
/** Looks at a lock that is taken before the thread sleeps: its holder is nearly always running. */
const SPINS = 200;
/** A holder that does not come back for so long has died with the lock in its hands. */
const LOCK_MS_MAX = 2000;

export interface SharedTableShape {
  key_words: number;
  value_words: number;
}

/** Memory for so many entries, of which half as many slots again stay free. */
export function newSharedTable(entries: number, shape: SharedTableShape): SharedArrayBuffer {
  const slots = 2 ** Math.ceil(Math.log2(Math.max(16, entries * 1.5)));
  return new SharedArrayBuffer((HEADER_WORDS + slots * slotWords(shape)) * 4);
}

export class SharedTable {
  readonly #words: Int32Array;
  readonly #key_words: number;
  readonly #value_words: number;
  readonly #slot_words: number;
  readonly #slots: number;

  constructor({ memory, shape }: { memory: SharedArrayBuffer; shape: SharedTableShape }) {
    this.#words = new Int32Array(memory);
    this.#key_words = shape.key_words;
    this.#value_words = shape.value_words;
    this.#slot_words = slotWords(shape);
    this.#slots = (this.#words.length - HEADER_WORDS) / this.#slot_words;
  }

  /** To be followed by {@link unlock}, whatever happens. Everything below needs it. */
  lock(): void {
    const words = this.#words;
    for (let i = 0; i < SPINS; i++) {
      if (Atomics.compareExchange(words, LOCK, 0, 1) === 0) return;
    }
    while (Atomics.exchange(words, LOCK, 2) !== 0) {
      if (Atomics.wait(words, LOCK, 2, LOCK_MS_MAX) === "timed-out") {
        throw new Error(`A shared table has been locked for ${LOCK_MS_MAX} ms`);
      }
    }
  }

  unlock(): void {
    if (Atomics.exchange(this.#words, LOCK, 0) === 2) Atomics.notify(this.#words, LOCK, 1);
  }

  get entries(): number {
    return this.#words[ENTRIES];
  }

  /** The slot of a key, or −1. A slot is good until something is removed or the table unlocked. */
  find(key: Int32Array): number {
    const words = this.#words;
    for (let slot = this.#home(key, 0);; slot = (slot + 1) & (this.#slots - 1)) {
      const at = this.#at(slot);
      if (words[at] === 0) return -1;
      if (this.#hasKey(at, key)) return slot;
    }
  }

  /** The slot of a key, made with zeros for values where there is none; −1 where the table is full. */
  take(key: Int32Array): number {
    const found = this.find(key);
    if (found >= 0) return found;
    const words = this.#words;
    // One slot stays free, or a search for what is not there would never end.
    if (words[ENTRIES] >= this.#slots - 1) return -1;
    let slot = this.#home(key, 0);
    while (words[this.#at(slot)] !== 0) slot = (slot + 1) & (this.#slots - 1);
    const at = this.#at(slot);
    words[at] = 1;
    words.set(key, at + 1);
    words.fill(0, at + 1 + this.#key_words, at + this.#slot_words);
    words[ENTRIES]++;
    return slot;
  }

  value(slot: number, index: number): number {
    return this.#words[this.#at(slot) + 1 + this.#key_words + index];
  }

  setValue(slot: number, index: number, value: number): void {
    this.#words[this.#at(slot) + 1 + this.#key_words + index] = value;
  }

  remove(slot: number): void {
    const words = this.#words;
    const mask = this.#slots - 1;
    let hole = slot;
    for (let next = (hole + 1) & mask; words[this.#at(next)] !== 0; next = (next + 1) & mask) {
      // An entry may fill the hole unless its home lies behind it.
      const home = this.#home(words, this.#at(next) + 1);
      if (((next - home) & mask) < ((next - hole) & mask)) continue;
      words.copyWithin(this.#at(hole), this.#at(next), this.#at(next) + this.#slot_words);
      hole = next;
    }
    words[this.#at(hole)] = 0;
    words[ENTRIES]--;
  }

  /**
   * Shows every entry to `change`, which may change its values and answers whether the entry stays.
   * Looks at the whole table, so it is for the rare case.
   */
  sweep(change: (slot: number) => boolean): void {
    // From a free slot on, and backwards, no entry is moved to where it would be missed.
    const start = this.#freeSlot();
    for (let i = 1; i < this.#slots; i++) {
      const slot = (start - i) & (this.#slots - 1);
      if (this.#words[this.#at(slot)] !== 0 && !change(slot)) this.remove(slot);
    }
  }

  get value_words(): number {
    return this.#value_words;
  }

  #freeSlot(): number {
    let slot = 0;
    while (this.#words[this.#at(slot)] !== 0) slot++;
    return slot;
  }

  #at(slot: number): number {
    return HEADER_WORDS + slot * this.#slot_words;
  }

  #hasKey(at: number, key: Int32Array): boolean {
    for (let i = 0; i < this.#key_words; i++) {
      if (this.#words[at + 1 + i] !== key[i]) return false;
    }
    return true;
  }

  /** Where the search for a key begins; the key is `key_words` words of an array from a place on. */
  #home(words: Int32Array, from: number): number {
    let hash = 0x9e3779b9 | 0;
    for (let i = 0; i < this.#key_words; i++) {
      hash = Math.imul(hash ^ words[from + i], 0x85ebca6b);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash, 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) & (this.#slots - 1);
  }
}

function slotWords({ key_words, value_words }: SharedTableShape): number {
  return 1 + key_words + value_words;
}
