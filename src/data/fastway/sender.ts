/**
 * The way out of an endpoint: one gathered write per batch, straight from where the frames are; only
 * what the stream does not take at once is copied and waits.
 */
import { LENGTH_BYTES } from "../../../clients/fastway/wire/frames.ts";
import type { Batch } from "./batch.ts";
import type { Chunk, ChunkPool } from "./chunk-pool.ts";
import type { EndpointCounterRow } from "./counters.ts";
import type { PieceList } from "./pieces.ts";
import type { FastwaySideSettings } from "./protocol.ts";
import { SendQueue } from "./send-queue.ts";
import { type Stream, STREAM_OVER } from "./stream.ts";

/** What became of what was to be sent; the reasons for which an endpoint ends, or null. */
export type SendOutcome = "gone" | "queue_full" | "memory_full" | null;

export interface SenderOptions {
  stream: Stream;
  pool: ChunkPool;
  /** The worker's, for one write at a time. */
  pieces: PieceList;
  /** The bounds on what waits; read anew each time. */
  limits: Pick<FastwaySideSettings, "queue_messages_max" | "queue_bytes_max">;
  counters: EndpointCounterRow;
}

export class Sender {
  readonly queue: SendQueue;
  readonly #options: SenderOptions;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.queue = new SendQueue({ pool: options.pool });
  }

  /** Sends an outlet's stretches, from this one on. */
  send(batch: Batch, first: number): SendOutcome {
    let at = first;
    // A stream that has taken only a part tells of more room when it has refused to take any.
    let is_asked = true;
    while (at >= 0) {
      if (this.queue.bytes > 0 || !isOnePiece(batch.chain[at])) {
        const is_blocked = this.queue.bytes > 0;
        if (!this.#keep(batch, at, 0)) return this.#lose(batch, batch.next[at], "memory_full");
        at = batch.next[at];
        if (is_blocked) continue;
        const outcome = this.drain();
        if (outcome !== null) return this.#lose(batch, at, outcome);
        continue;
      }
      const end = this.#gather(batch, at);
      const { stream, pieces } = this.#options;
      const written = stream.write(pieces);
      if (written === STREAM_OVER) return this.#lose(batch, at, "gone");
      is_asked = written < 0 || written === pieces.total_bytes;
      at = this.#passOver(batch, { at, end, written: Math.max(0, written) });
      if (at === MEMORY_FULL) return "memory_full";
    }
    if (!is_asked) {
      const outcome = this.drain();
      if (outcome !== null) return outcome;
    }
    this.#tell();
    return this.#isOverfull() ? this.drain() ?? (this.#isOverfull() ? "queue_full" : null) : null;
  }

  /** Writes what waits, as far as the stream takes it. */
  drain(): SendOutcome {
    const { stream, pieces, counters } = this.#options;
    const { queue } = this;
    while (queue.bytes > 0) {
      pieces.clear();
      queue.gather(pieces);
      const written = stream.write(pieces);
      if (written === STREAM_OVER) return "gone";
      if (written < 0) break;
      counters.sent(written, queue.consume(written));
    }
    this.#tell();
    return null;
  }

  close(): void {
    this.queue.clear();
    this.#tell();
  }

  /** Up to the first stretch that is no piece, or that there is no room for. */
  #gather(batch: Batch, first: number): number {
    const { pieces } = this.#options;
    pieces.clear();
    let at = first;
    for (; at >= 0 && !pieces.is_full; at = batch.next[at]) {
      const chain = batch.chain[at];
      if (!isOnePiece(chain)) break;
      if (chain === null) pieces.add(batch.area, batch.from[at], batch.to[at]);
      else pieces.add(chain.block, chain.from, chain.to);
    }
    return at;
  }

  /** Of the stretches up to `end` so many bytes are gone; keeps the rest. Answers what is next. */
  #passOver(batch: Batch, options: { at: number; end: number; written: number }): number {
    const { counters, pool } = this.#options;
    const { end } = options;
    let { at, written } = options;
    let messages = 0;
    const bytes = written;
    for (; at !== end; at = batch.next[at]) {
      const chain = batch.chain[at];
      const size = chain === null ? batch.to[at] - batch.from[at] : chain.to - chain.from;
      if (written < size) break;
      written -= size;
      messages += batch.messages[at];
      if (chain !== null) pool.give(chain);
    }
    counters.sent(bytes, messages);
    for (; at !== end; at = batch.next[at]) {
      if (!this.#keep(batch, at, written)) return this.#loseAll(batch, batch.next[at]);
      written = 0;
    }
    return end;
  }

  /** Puts a stretch, of which the first bytes are gone, into the queue. */
  #keep(batch: Batch, at: number, gone_bytes: number): boolean {
    const { queue } = this;
    const chain = batch.chain[at];
    if (chain !== null) {
      chain.from += gone_bytes;
      queue.adopt(chain, { is_whole: gone_bytes === 0 });
      return true;
    }
    const { area } = batch;
    const to = batch.to[at];
    const from = batch.from[at] + gone_bytes;
    // Frames that are gone as a whole do not wait; of one there may be a part.
    let messages = batch.messages[at];
    let frame = batch.from[at];
    let frame_end = frame;
    while (frame < from) {
      frame_end = frame + LENGTH_BYTES + area.view.getUint32(frame, true);
      if (frame_end > from) break;
      frame = frame_end;
      messages--;
    }
    if (frame_end <= from) frame_end = from;
    const whole_gone = batch.messages[at] - messages;
    if (whole_gone > 0) this.#options.counters.sent(0, whole_gone);
    return queue.copy(area.bytes, { from, to, messages, first_left: frame_end - from });
  }

  #isOverfull(): boolean {
    const { limits } = this.#options;
    const { messages, bytes } = this.queue;
    return messages > limits.queue_messages_max || bytes > limits.queue_bytes_max;
  }

  #lose(batch: Batch, at: number, outcome: SendOutcome): SendOutcome {
    this.#loseAll(batch, at);
    return outcome;
  }

  /** The endpoint ends: nobody will have these. */
  #loseAll(batch: Batch, first: number): number {
    const { pool } = this.#options;
    for (let at = first; at >= 0; at = batch.next[at]) pool.giveChain(batch.chain[at]);
    return MEMORY_FULL;
  }

  #tell(): void {
    const { messages, bytes } = this.queue;
    this.#options.counters.queued(messages, bytes);
  }
}

/** No stretch has this number; -1 is the end of a list. */
const MEMORY_FULL = -2;

/** Whether a stretch is one piece of memory: a place in the area, or a frame in a single chunk. */
function isOnePiece(chain: Chunk | null): boolean {
  return chain === null || chain.next === null;
}
