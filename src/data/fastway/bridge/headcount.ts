/**
 * The count of endpoints that all workers keep together: which worker a connection comes to is the
 * kernel's choice, and a bound that were shared out among them would turn some away too early. A table
 * has an entry for each address of each side, and one for all of the side; an entry has a number for
 * each worker, so that what a dead one had can be taken out.
 */
import { createHash } from "node:crypto";
import type { Headcount, HeadcountBounds, HeadcountLimit } from "../headcount.ts";
import type { FastwaySide } from "../protocol.ts";
import { sideWord } from "./records.ts";
import { newSharedTable, SharedTable } from "./shared-table.ts";

/** The side, and a digest of the address: 16 bytes say as much of it as it does itself. */
const KEY_WORDS = 5;
/** In the place of the side's word: all of the side. */
const ALL = 2;

const shapeFor = (workers: number) => ({ key_words: KEY_WORDS, value_words: workers });

export function newHeadcount(
  { entries, workers }: { entries: number; workers: number },
): SharedArrayBuffer {
  // And one for each side.
  return newSharedTable(entries + 2, shapeFor(workers));
}

export class SharedHeadcount implements Headcount {
  readonly #table: SharedTable;
  readonly #worker: number;
  readonly #key = new Int32Array(KEY_WORDS);

  constructor(
    options: { memory: SharedArrayBuffer; worker: number; workers: number },
  ) {
    const { memory, workers } = options;
    this.#table = new SharedTable({ memory, shape: shapeFor(workers) });
    this.#worker = options.worker;
  }

  enter(side: FastwaySide, address: string, bounds: HeadcountBounds): HeadcountLimit | null {
    const digest = digestOf(address);
    const table = this.#table;
    table.lock();
    try {
      const all = this.#sum(table.find(this.#allOf(side)));
      const there = this.#sum(table.find(this.#keyOf(side, digest)));
      if (all >= bounds.endpoints_max) return `${side}s_max`;
      if (there >= bounds.endpoints_per_address_max) return `${side}s_per_address_max`;
      // It was made for as many addresses as there may be endpoints.
      if (!this.#add(this.#keyOf(side, digest), 1)) return `${side}s_max`;
      if (!this.#add(this.#allOf(side), 1)) throw new Error("No place for the count of a side");
      return null;
    } finally {
      table.unlock();
    }
  }

  leave(side: FastwaySide, address: string): void {
    const digest = digestOf(address);
    const table = this.#table;
    table.lock();
    try {
      this.#add(this.#keyOf(side, digest), -1);
      this.#add(this.#allOf(side), -1);
    } finally {
      table.unlock();
    }
  }

  /** Takes out what a worker that has died in this one's place has left. */
  clear(): void {
    const table = this.#table;
    table.lock();
    try {
      table.sweep((slot) => {
        table.setValue(slot, this.#worker, 0);
        return this.#sum(slot) > 0;
      });
    } finally {
      table.unlock();
    }
  }

  #add(key: Int32Array, step: number): boolean {
    const table = this.#table;
    const slot = table.take(key);
    if (slot < 0) return false;
    table.setValue(slot, this.#worker, table.value(slot, this.#worker) + step);
    if (this.#sum(slot) === 0) table.remove(slot);
    return true;
  }

  #sum(slot: number): number {
    const table = this.#table;
    let sum = 0;
    for (let i = 0; slot >= 0 && i < table.value_words; i++) sum += table.value(slot, i);
    return sum;
  }

  #keyOf(side: FastwaySide, digest: Int32Array): Int32Array {
    this.#key[0] = sideWord(side);
    this.#key.set(digest, 1);
    return this.#key;
  }

  #allOf(side: FastwaySide): Int32Array {
    this.#key.fill(0);
    this.#key[0] = ALL + sideWord(side);
    return this.#key;
  }
}

function digestOf(address: string): Int32Array {
  const digest = createHash("sha256").update(address).digest();
  return Int32Array.from({ length: KEY_WORDS - 1 }, (_, i) => digest.readInt32LE(4 * i));
}
