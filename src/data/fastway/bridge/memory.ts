/**
 * The memory that the workers of a plane have in common, as the control side makes it: the board, the
 * directory of servers, how many endpoints there are, and two rings for each pair of workers. Rings
 * are small, because what threads share weighs on the collector of each: a worker has at most 1 MiB of
 * them coming in, as long as none is less than 16 KiB.
 */
import { EFD_CLOEXEC, EFD_NONBLOCK, type Libc } from "../../../../ffi/libc/mod.ts";
import { newBoard } from "./board.ts";
import { newHeadcount } from "./headcount.ts";
import { newRing } from "./ring.ts";
import { newSharedDirectory } from "./shared-directory.ts";

const RING_BYTES_MIN = 16 * 1024;
const RING_BYTES_MAX = 256 * 1024;
const RINGS_BYTES = 1024 * 1024;

/** The rings between a worker and one other, as the first one sees them. */
export interface RingPair {
  out: SharedArrayBuffer;
  back: SharedArrayBuffer;
  /** Which worker of its place the other one is, from 1. */
  incarnation: number;
}

/** What a worker is started with. */
export interface BridgeMemory {
  board: SharedArrayBuffer;
  eventfds: readonly number[];
  directory: SharedArrayBuffer;
  headcount: SharedArrayBuffer;
  /** Which worker of its own place it is, from 1. */
  incarnation: number;
  /** By the others' places; null at its own. */
  rings: readonly (RingPair | null)[];
}

/** Every other worker is told of the rings for one that takes a dead one's place. */
export interface Relinked {
  worker: number;
  rings: RingPair;
}

export interface CommonMemoryOptions {
  libc: Libc;
  workers: number;
  /** How many there may ever be at once. */
  clients_max: number;
  servers_max: number;
}

export class CommonMemory {
  readonly #libc: Libc;
  readonly #workers: number;
  readonly #ring_bytes: number;
  readonly #board: SharedArrayBuffer;
  readonly #directory: SharedArrayBuffer;
  readonly #headcount: SharedArrayBuffer;
  readonly #eventfds: readonly number[];
  readonly #incarnations: number[];
  /** `[from][to]`. */
  readonly #rings: (SharedArrayBuffer | null)[][];

  constructor({ libc, workers, clients_max, servers_max }: CommonMemoryOptions) {
    this.#libc = libc;
    this.#workers = workers;
    this.#ring_bytes = ringBytes(workers);
    this.#board = newBoard(workers);
    this.#directory = newSharedDirectory(servers_max);
    this.#headcount = newHeadcount({ entries: clients_max + servers_max, workers });
    this.#incarnations = Array<number>(workers).fill(1);
    this.#eventfds = Array.from({ length: workers }, () => {
      const fd = libc.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
      if (fd < 0) throw libc.failure("eventfd");
      return fd;
    });
    const all = Array.from({ length: workers }, (_, i) => i);
    this.#rings = all.map((from) =>
      all.map((to) => from === to ? null : newRing(this.#ring_bytes))
    );
  }

  /** For the worker that is about to start at a place. */
  forWorker(worker: number): BridgeMemory {
    return {
      board: this.#board,
      eventfds: this.#eventfds,
      directory: this.#directory,
      headcount: this.#headcount,
      incarnation: this.#incarnations[worker],
      rings: Array.from({ length: this.#workers }, (_, other) => this.#pair(worker, other)),
    };
  }

  /** The worker has died: makes what its successor shares with the others anew. */
  renew(worker: number): void {
    this.#incarnations[worker]++;
    for (let other = 0; other < this.#workers; other++) {
      if (other === worker) continue;
      this.#rings[worker][other] = newRing(this.#ring_bytes);
      this.#rings[other][worker] = newRing(this.#ring_bytes);
    }
  }

  /** What a worker is to be told of another. */
  relinked(worker: number, other: number): Relinked {
    return { worker: other, rings: this.#pair(worker, other)! };
  }

  /** Once no worker is there any more: they wake each other by these. */
  close(): void {
    for (const fd of this.#eventfds) this.#libc.close(fd);
  }

  #pair(worker: number, other: number): RingPair | null {
    const out = this.#rings[worker][other];
    const back = this.#rings[other][worker];
    if (out === null || back === null) return null;
    return { out, back, incarnation: this.#incarnations[other] };
  }
}

/** A power of two. */
function ringBytes(workers: number): number {
  const share = 2 ** Math.floor(Math.log2(RINGS_BYTES / Math.max(1, workers - 1)));
  return Math.min(RING_BYTES_MAX, Math.max(RING_BYTES_MIN, share));
}
