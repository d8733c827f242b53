/**
 * The way into an endpoint: reads, finds the frames where they lie, and hands runs of them to the
 * batch. A frame that is not whole yet waits in chunks; of a head that is not whole, its few bytes.
 */
import {
  HEAD_BYTES,
  LENGTH_BYTES,
  LENGTH_MIN,
  readU32,
} from "../../../clients/fastway/wire/frames.ts";
import type { Batch } from "./batch.ts";
import type { EndpointCounterRow } from "./counters.ts";
import type { ChunkPool } from "./chunk-pool.ts";
import type { Outlet } from "./outlet.ts";
import { Part } from "./part.ts";
import type { PieceList } from "./pieces.ts";
import { READ_AT, READ_BYTES } from "./receive-area.ts";
import { type Stream, STREAM_OVER } from "./stream.ts";
import type { Dialler, Switchboard } from "./switchboard.ts";

/** What one read has come to. */
export const READ_NOTHING = 0;
/** All that there was. */
export const READ_ALL = 1;
/** As much as goes in at once: there may be more. */
export const READ_FULL = 2;

export interface InletOptions {
  endpoint: Dialler;
  stream: Stream;
  switchboard: Switchboard;
  batch: Batch;
  pool: ChunkPool;
  pieces: PieceList;
  counters: EndpointCounterRow;
  /** Read anew each time. */
  limits: { readonly packet_bytes_max: number };
  part: { readonly part_bytes: number };
}

export class Inlet {
  /** A whole frame has come since this was last set to false. */
  has_frame = false;
  readonly #options: InletOptions;
  readonly #part: Part;
  /** The beginning of a head, at most seven bytes. */
  readonly #head = new Uint8Array(HEAD_BYTES);
  #head_bytes = 0;
  /** The endpoint has broken the protocol: nothing more is looked at. */
  #is_over = false;

  constructor(options: InletOptions) {
    this.#options = options;
    this.#part = new Part({ pool: options.pool });
  }

  /** Reads once. What it puts into the batch must be flushed before the next read of the worker. */
  receive(): number {
    const { stream, pieces, batch, endpoint } = this.#options;
    const part = this.#part;
    pieces.clear();
    if (part.missing > 0 && !part.offer(pieces)) {
      this.#fall("memory_full", "no memory for a frame that has come in part");
      return READ_NOTHING;
    }
    const offered = pieces.total_bytes;
    // What comes behind the offered room is the next frame, unless the room is not all of this one.
    if (offered === part.missing) pieces.add(batch.area, READ_AT, READ_AT + READ_BYTES);
    const asked = pieces.total_bytes;
    let bytes = stream.read(pieces);
    if (bytes < 0) {
      if (bytes === STREAM_OVER) endpoint.fall("gone", "");
      return READ_NOTHING;
    }
    const outcome = bytes < asked ? READ_ALL : READ_FULL;
    if (offered > 0) {
      const took = Math.min(bytes, offered);
      part.took(took);
      bytes -= took;
      if (part.missing === 0) this.#wholePart();
    }
    if (bytes > 0 && !this.#is_over) this.#take(bytes);
    return outcome;
  }

  /** Bytes of a frame that is not whole. */
  get held_bytes(): number {
    return this.#part.bytes;
  }

  /** Gives its memory back, and looks at nothing more. */
  close(): void {
    this.#is_over = true;
    this.#part.clear();
  }

  #take(bytes: number): void {
    const { area } = this.#options.batch;
    const to = READ_AT + bytes;
    let from = READ_AT;
    if (this.#head_bytes > 0) {
      from -= this.#head_bytes;
      for (let i = 0; i < this.#head_bytes; i++) area.bytes[from + i] = this.#head[i];
      this.#head_bytes = 0;
    }
    const rest = this.#parse(from, to);
    if (rest < to && !this.#is_over) this.#keep(rest, to);
  }

  /** Sends the whole frames of this place on; answers where the first one begins that is not whole. */
  #parse(from: number, to: number): number {
    const { batch, switchboard, endpoint, limits } = this.#options;
    const { view } = batch.area;
    const { packet_bytes_max } = limits;
    let at = from;
    let frames = 0;
    // The run: frames behind one another for one outlet, and the id of the last of them.
    let run_from = from;
    let run_frames = 0;
    let run_id = 0;
    let outlet: Outlet | null = null;
    while (to - at >= HEAD_BYTES) {
      const length = view.getUint32(at, true);
      const id = view.getUint32(at + LENGTH_BYTES, true);
      if (length > packet_bytes_max || length <= LENGTH_MIN && (length < LENGTH_MIN || id === 0)) {
        this.#refuse(length);
        break;
      }
      const next = at + LENGTH_BYTES + length;
      if (next > to) break;
      frames++;
      if (id !== run_id || outlet === null) {
        const target = id === 0 ? null : switchboard.target(id, endpoint);
        if (target !== outlet) {
          if (run_frames > 0) batch.add(outlet!, run_from, at, run_frames);
          run_from = at;
          run_frames = 0;
          outlet = target;
        }
        run_id = id;
        if (target === null) {
          if (id === 0) switchboard.command(endpoint, batch.area.bytes, at, next - at);
          at = next;
          if (endpoint.is_over) {
            this.#is_over = true;
            break;
          }
          continue;
        }
      }
      run_frames++;
      at = next;
    }
    if (run_frames > 0) batch.add(outlet!, run_from, at, run_frames);
    if (frames > 0) this.#count(at - from, frames);
    return at;
  }

  /** The frame in chunks is whole. */
  #wholePart(): void {
    const { batch, pool, switchboard, endpoint } = this.#options;
    const { block, from } = this.#part.first;
    const chain = this.#part.takeChain();
    const frame_bytes = LENGTH_BYTES + readU32(block.bytes, from);
    const id = readU32(block.bytes, from + LENGTH_BYTES);
    this.#count(frame_bytes, 1);
    const outlet = id === 0 ? null : switchboard.target(id, endpoint);
    if (outlet !== null) return batch.addChain(outlet, chain);
    // A command's arguments are in its first chunk, for no chunk is less than 64 bytes.
    if (id === 0) switchboard.command(endpoint, block.bytes, from, frame_bytes);
    pool.giveChain(chain);
    if (endpoint.is_over) this.#is_over = true;
  }

  /** Keeps the beginning of a frame. */
  #keep(from: number, to: number): void {
    const { batch, limits, part } = this.#options;
    const { bytes, view } = batch.area;
    const there = to - from;
    if (there >= LENGTH_BYTES) {
      const length = view.getUint32(from, true);
      // A head need not be whole to be wrong.
      if (length > limits.packet_bytes_max || length < LENGTH_MIN) return this.#refuse(length);
    }
    if (there < HEAD_BYTES) {
      for (let i = 0; i < there; i++) this.#head[i] = bytes[from + i];
      this.#head_bytes = there;
      return;
    }
    const frame_bytes = LENGTH_BYTES + view.getUint32(from, true);
    const place = { from, to, frame_bytes, part_bytes: part.part_bytes };
    if (this.#part.begin(bytes, place)) return;
    this.#fall("memory_full", "no memory for a frame that has come in part");
  }

  #count(bytes: number, frames: number): void {
    this.has_frame = true;
    this.#options.counters.received(bytes, frames);
  }

  #refuse(length: number): void {
    const { packet_bytes_max } = this.#options.limits;
    const detail = length > packet_bytes_max
      ? `a frame of Length ${length}; fastway.MaxPacket allows ${packet_bytes_max}`
      : `a frame of Length ${length}, which is too short for ${
        length < LENGTH_MIN ? "any frame" : "a command"
      }`;
    this.#fall("protocol_error", detail);
  }

  #fall(reason: "protocol_error" | "memory_full", detail: string): void {
    this.#is_over = true;
    this.#options.endpoint.fall(reason, detail);
  }
}
