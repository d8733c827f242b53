/**
 * Who is dialled under a server's id, the same for all workers at any moment: whoever came last under
 * it, on whatever worker. Because there is one table and not a copy in each worker, no message can come
 * late and bring back a server that has left, and of two that come at once one is the later for all.
 */
import { fromWords, highWord, lowWord } from "./records.ts";
import { newSharedTable, SharedTable } from "./shared-table.ts";

/** The id; its worker and the number of its endpoint in two words. */
const SHAPE = { key_words: 1, value_words: 3 };
const WORKER = 0;
const ENDPOINT_LOW = 1;
const ENDPOINT_HIGH = 2;

export function newSharedDirectory(servers: number): SharedArrayBuffer {
  return newSharedTable(servers, SHAPE);
}

export class SharedDirectory {
  /** Where the server is that {@link find} has found. */
  worker = -1;
  endpoint = -1;
  readonly #table: SharedTable;
  readonly #own: number;
  readonly #key = new Int32Array(1);

  constructor({ memory, worker }: { memory: SharedArrayBuffer; worker: number }) {
    this.#table = new SharedTable({ memory, shape: SHAPE });
    this.#own = worker;
  }

  /** A server of this worker's is dialled under the id from now on. */
  announce(id: number, endpoint: number): void {
    const table = this.#table;
    this.#key[0] = id;
    table.lock();
    try {
      const slot = table.take(this.#key);
      if (slot < 0) throw new Error("The directory of servers is full, and has a place for each");
      table.setValue(slot, WORKER, this.#own);
      table.setValue(slot, ENDPOINT_LOW, lowWord(endpoint));
      table.setValue(slot, ENDPOINT_HIGH, highWord(endpoint));
    } finally {
      table.unlock();
    }
  }

  /** Nobody is dialled under the id any more, unless somebody has come under it since. */
  withdraw(id: number, endpoint: number): void {
    const table = this.#table;
    this.#key[0] = id;
    table.lock();
    try {
      const slot = table.find(this.#key);
      if (slot >= 0 && this.#read(slot) === this.#own && this.endpoint === endpoint) {
        table.remove(slot);
      }
    } finally {
      table.unlock();
    }
  }

  /** Whether there is one; {@link worker} and {@link endpoint} say where. */
  find(id: number): boolean {
    const table = this.#table;
    this.#key[0] = id;
    table.lock();
    try {
      const slot = table.find(this.#key);
      if (slot >= 0) this.#read(slot);
      return slot >= 0;
    } finally {
      table.unlock();
    }
  }

  /** Takes out what a worker that has died in this one's place has left. */
  clear(): void {
    const table = this.#table;
    table.lock();
    try {
      table.sweep((slot) => this.#read(slot) !== this.#own);
    } finally {
      table.unlock();
    }
  }

  #read(slot: number): number {
    const table = this.#table;
    const low = table.value(slot, ENDPOINT_LOW) >>> 0;
    this.endpoint = fromWords(low, table.value(slot, ENDPOINT_HIGH));
    return this.worker = table.value(slot, WORKER);
  }
}
