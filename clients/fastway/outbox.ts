/**
 * What an endpoint sends. All frames of one turn of the event loop leave in one write: small ones are
 * gathered in one piece of memory, long messages go as pieces of their own beside it.
 *
 * A `send` that finds more than `send_bytes` waiting is taken all the same, and its promise resolves
 * when there is less. Whoever waits for its promises is therefore never refused; whoever does not is
 * refused from `send_bytes_max` on.
 */
import { clearImmediate, setImmediate } from "node:timers";
import { FastwayError } from "./errors.ts";
import type { EndpointSettings } from "./options.ts";
import type { Transport } from "./transport.ts";
import { COMMAND_BYTES_MAX, HEAD_BYTES, LENGTH_BYTES, writeCommand, writeU32 } from "./wire/mod.ts";

/** One piece of memory for small frames. */
const SLAB_BYTES = 32 * 1024;
/** From here on a message is not copied in between the small ones. */
const LONG_BYTES = 4096;
/** From here on it is not worth waiting for the end of the turn. */
const BATCH_BYTES_MAX = 256 * 1024;

/** When there was no room, for those who wait for it together. */
interface Room {
  wait: Promise<void>;
  found(): void;
  failed(error: FastwayError): void;
}

/** Where one sender stands: the room that it was told to wait for, if it still has to. */
export interface Sender {
  room: object | null;
}

export interface OutboxOptions {
  transport: Transport;
  settings: EndpointSettings;
  /** Called before each write; may add frames. */
  leaving: () => void;
}

export class Outbox {
  readonly #transport: Transport;
  readonly #leaving: () => void;
  readonly #send_bytes: number;
  readonly #send_bytes_max: number;
  /** Whole pieces of the next write; the one that is being filled is not among them. */
  #pieces: Uint8Array[] = [];
  #slab = new Uint8Array(0);
  #from = 0;
  #to = 0;
  #batch_bytes = 0;
  #leaves: ReturnType<typeof setImmediate> | null = null;
  #room: Room | null = null;
  #over: FastwayError | null = null;

  constructor({ transport, settings, leaving }: OutboxOptions) {
    this.#transport = transport;
    this.#leaving = leaving;
    this.#send_bytes = Math.min(settings.send_bytes, transport.unacknowledged_max / 2);
    this.#send_bytes_max = Math.max(settings.send_bytes_max, this.#send_bytes);
  }

  /** Bytes that have been taken and not yet given to the kernel, or with snet not yet acknowledged. */
  get waiting_bytes(): number {
    return this.#transport.waiting_bytes + this.#batch_bytes;
  }

  /** From so many bytes on that wait, senders wait too. */
  get roomy_bytes(): number {
    return this.#send_bytes;
  }

  /** How many bytes will have been sent when what is here has left. */
  get position(): number {
    return this.#transport.written_bytes + this.#batch_bytes;
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#slab.set(bytes, this.#to);
    this.#added(bytes.length);
  }

  command(type: number, first = 0, second = 0): void {
    this.#reserve(COMMAND_BYTES_MAX);
    const end = writeCommand(this.#slab, this.#to, type, first, second);
    this.#added(end - this.#to);
  }

  /** See {@link SendOptions} for `transfer`. */
  message(sender: Sender, id: number, bytes: Uint8Array, transfer: boolean): Promise<void> {
    if (this.#over) return rejected(this.#over);
    if (sender.room !== null && sender.room === this.#room) {
      if (this.waiting_bytes >= this.#send_bytes_max) return rejected(this.#full());
    }
    if (bytes.length < LONG_BYTES) this.#short(id, bytes);
    else this.#long(id, bytes, transfer);
    if (this.waiting_bytes < this.#send_bytes) return Promise.resolve();
    this.#room ??= newRoom();
    sender.room = this.#room;
    return this.#room.wait;
  }

  /** Writes now what is here. */
  flush(): void {
    if (this.#over || this.#batch_bytes === 0) return;
    this.#leaving();
    this.#stay();
    this.#closePiece();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#batch_bytes = 0;
    this.#transport.write(pieces);
    this.drained();
  }

  /** There may be room again. */
  drained(): void {
    if (!this.#room || this.waiting_bytes >= this.#send_bytes) return;
    const room = this.#room;
    this.#room = null;
    room.found();
  }

  /** Nothing more leaves. `in_order`: all that was taken has left before. */
  end(error: FastwayError, in_order: boolean): void {
    this.#stay();
    this.#over ??= error;
    if (in_order) this.#room?.found();
    else this.#room?.failed(error);
    this.#room = null;
    this.#pieces = [];
  }

  #stay(): void {
    if (this.#leaves !== null) clearImmediate(this.#leaves);
    this.#leaves = null;
  }

  #short(id: number, bytes: Uint8Array): void {
    this.#reserve(HEAD_BYTES + bytes.length);
    this.#head(this.#slab, this.#to, id, bytes.length);
    this.#slab.set(bytes, this.#to + HEAD_BYTES);
    this.#added(HEAD_BYTES + bytes.length);
  }

  #long(id: number, bytes: Uint8Array, transfer: boolean): void {
    if (transfer) {
      this.#reserve(HEAD_BYTES);
      this.#head(this.#slab, this.#to, id, bytes.length);
      this.#to += HEAD_BYTES;
      this.#closePiece();
      this.#pieces.push(bytes);
    } else {
      const piece = new Uint8Array(HEAD_BYTES + bytes.length);
      this.#head(piece, 0, id, bytes.length);
      piece.set(bytes, HEAD_BYTES);
      this.#closePiece();
      this.#pieces.push(piece);
    }
    this.#counted(HEAD_BYTES + bytes.length);
  }

  #head(target: Uint8Array, at: number, id: number, bytes: number): void {
    writeU32(target, at, HEAD_BYTES - LENGTH_BYTES + bytes);
    writeU32(target, at + LENGTH_BYTES, id);
  }

  /** Room in the slab; what has left of an earlier one is never written over. */
  #reserve(bytes: number): void {
    if (this.#slab.length - this.#to >= bytes) return;
    this.#closePiece();
    this.#slab = new Uint8Array(Math.max(SLAB_BYTES, bytes));
    this.#from = this.#to = 0;
  }

  #closePiece(): void {
    if (this.#to > this.#from) this.#pieces.push(this.#slab.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }

  #added(bytes: number): void {
    this.#to += bytes;
    this.#counted(bytes);
  }

  #counted(bytes: number): void {
    this.#batch_bytes += bytes;
    if (this.#batch_bytes >= BATCH_BYTES_MAX) this.flush();
    else this.#leaves ??= setImmediate(() => this.flush());
  }

  #full(): FastwayError {
    return new FastwayError(
      "send_buffer_full",
      `${this.waiting_bytes} bytes wait to be sent, and send_bytes_max is ` +
        `${this.#send_bytes_max}; wait for the promises of send`,
    );
  }
}

/** A rejection that ends no program which does not look at it. */
export function rejected(error: FastwayError): Promise<never> {
  const promise = Promise.reject(error);
  promise.catch(() => {});
  return promise;
}

function newRoom(): Room {
  let found!: () => void;
  let failed!: (error: FastwayError) => void;
  const wait = new Promise<void>((resolve, reject) => {
    found = resolve;
    failed = reject;
  });
  wait.catch(() => {});
  return { wait, found, failed };
}
