/**
 * What every worker of a plane may know of every other at any moment, in shared memory: two words for
 * each, in a cache line of their own.
 *
 *   asleep   1 while it waits in the kernel, or is about to: who has something for it must wake it
 *   up       which worker of this place it is, from 1; 0 while there is none
 */
import type { Libc } from "../../../../ffi/libc/mod.ts";

const WORDS = 16;
const ASLEEP = 0;
const UP = 1;

export function newBoard(workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer(workers * WORDS * 4);
}

export interface BoardOptions {
  memory: SharedArrayBuffer;
  libc: Libc;
  /** By the workers' places; each wakes the worker that waits for it, and is open for all of the plane's life. */
  eventfds: readonly number[];
}

export class Board {
  readonly #words: Int32Array;
  readonly #libc: Libc;
  readonly #eventfds: readonly number[];
  readonly #one = new Uint8Array(new BigUint64Array([1n]).buffer);

  constructor({ memory, libc, eventfds }: BoardOptions) {
    this.#words = new Int32Array(memory);
    this.#libc = libc;
    this.#eventfds = eventfds;
  }

  /**
   * From now on the worker is woken. What came just before is to be looked for once more, before it
   * waits in earnest: whoever brought that took it for awake.
   */
  fallAsleep(worker: number): void {
    Atomics.store(this.#words, worker * WORDS + ASLEEP, 1);
  }

  stayAwake(worker: number): void {
    Atomics.store(this.#words, worker * WORDS + ASLEEP, 0);
  }

  wake(worker: number): void {
    const at = worker * WORDS + ASLEEP;
    if (Atomics.load(this.#words, at) === 0 || Atomics.exchange(this.#words, at, 0) === 0) return;
    this.#libc.write(this.#eventfds[worker], this.#one, this.#one.length);
  }

  setUp(worker: number, incarnation: number): void {
    Atomics.store(this.#words, worker * WORDS + UP, incarnation);
  }

  isUp(worker: number, incarnation: number): boolean {
    return Atomics.load(this.#words, worker * WORDS + UP) === incarnation;
  }
}
