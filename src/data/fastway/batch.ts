/**
 * What one turn of an endpoint sends to others, before it is sent: for each outlet a list of stretches,
 * runs of whole frames that stand one behind the other in the receive area. A frame that has come in
 * parts is a chain of chunks instead. Nothing is copied here, and nothing allocated: a flush has each
 * outlet write its stretches straight from where they are.
 */
import { COMMAND_BYTES_MAX, writeCommand } from "../../../clients/fastway/wire/frames.ts";
import type { Chunk, ChunkPool } from "./chunk-pool.ts";
import type { Outlet } from "./outlet.ts";
import { COMMANDS_AT, type ReceiveArea } from "./receive-area.ts";

/** A turn has at most 8192 frames (of eight bytes); a batch that is full is flushed in between. */
const STRETCHES_MAX = 2048;

export class Batch {
  readonly area: ReceiveArea;
  /** Of each stretch: its place in the area, the frames in it, and the next one of its outlet. */
  readonly from = new Int32Array(STRETCHES_MAX);
  readonly to = new Int32Array(STRETCHES_MAX);
  readonly messages = new Int32Array(STRETCHES_MAX);
  readonly next = new Int32Array(STRETCHES_MAX);
  /** Instead of a place in the area: one frame, which its outlet takes over. */
  readonly chain: (Chunk | null)[] = Array(STRETCHES_MAX).fill(null);
  readonly #pool: ChunkPool;
  readonly #clients: Outlet[] = [];
  readonly #servers: Outlet[] = [];
  #count = 0;

  constructor(options: { area: ReceiveArea; pool: ChunkPool }) {
    this.area = options.area;
    this.#pool = options.pool;
  }

  /** Frames of the area for the outlet. */
  add(outlet: Outlet, from: number, to: number, messages: number): void {
    const last = outlet.last_stretch;
    if (last >= 0 && this.to[last] === from && this.chain[last] === null) {
      this.to[last] = to;
      this.messages[last] += messages;
      return;
    }
    const stretch = this.#append(outlet);
    this.from[stretch] = from;
    this.to[stretch] = to;
    this.messages[stretch] = messages;
  }

  /** One frame in chunks for the outlet, which has them from now on. */
  addChain(outlet: Outlet, chain: Chunk): void {
    const stretch = this.#append(outlet);
    this.chain[stretch] = chain;
    this.from[stretch] = this.to[stretch] = 0;
    this.messages[stretch] = 1;
  }

  /** A command of the gateway's own for the outlet. */
  command(outlet: Outlet, type: number, first = 0, second = 0): void {
    const { area } = this;
    if (area.commands_to + COMMAND_BYTES_MAX > area.bytes.length) this.flush();
    const from = area.commands_to;
    const to = writeCommand(area.bytes, from, type, first, second);
    area.commands_to = to;
    this.add(outlet, from, to, 1);
  }

  /** Has everything delivered, the clients first: they hear of an accepted dial before the server. */
  flush(): void {
    if (this.#count === 0) return;
    this.#deliver(this.#clients);
    this.#deliver(this.#servers);
    this.#count = 0;
    this.area.commands_to = COMMANDS_AT;
  }

  /** Gives back what waits for an outlet that takes nothing any more. */
  discard(outlet: Outlet): void {
    for (let at = outlet.first_stretch; at >= 0; at = this.next[at]) {
      this.#pool.giveChain(this.chain[at]);
    }
  }

  #deliver(outlets: Outlet[]): void {
    for (let i = 0; i < outlets.length; i++) {
      const outlet = outlets[i];
      outlet.deliver(this);
      outlet.first_stretch = -1;
      outlet.last_stretch = -1;
    }
    outlets.length = 0;
  }

  #append(outlet: Outlet): number {
    if (this.#count === STRETCHES_MAX) this.flush();
    const stretch = this.#count++;
    this.next[stretch] = -1;
    this.chain[stretch] = null;
    if (outlet.last_stretch >= 0) {
      this.next[outlet.last_stretch] = stretch;
    } else {
      outlet.first_stretch = stretch;
      (outlet.side === "client" ? this.#clients : this.#servers).push(outlet);
    }
    outlet.last_stretch = stretch;
    return stretch;
  }
}
