/**
 * A ring of records in shared memory, from one worker to one other. One thread writes and one reads;
 * each owns one of the two ends, and what it stores there by Atomics tells the other how far it may go.
 *
 *   64 bytes   tail: bytes ever written, mod 2^32
 *   64 bytes   head: bytes ever taken; reacted: see `bridge.ts`
 *   64 bytes   wanted: 1 while the writer waits for room
 *   then a power of two of bytes of records, each at a multiple of 8:
 *   u32 bytes of the payload | u32 type | payload
 *
 * A record is never split: where one does not fit before the end of the memory, a record of type SKIP
 * fills the rest. So none may be larger than half of the ring. Numbers are in the machine's own order.
 */
import { Block } from "../pieces.ts";

const TAIL = 0;
const HEAD = 16;
const REACTED = 17;
const WANTED = 32;
const HEADER_BYTES = 192;
/** Of a record, before its payload. */
export const RECORD_HEAD_BYTES = 8;
const SKIP = 0;

export function newRing(bytes: number): SharedArrayBuffer {
  if (bytes < 1024 || bytes > 2 ** 30 || (bytes & (bytes - 1)) !== 0) {
    throw new RangeError(
      `Cannot make a ring of ${bytes} bytes: a power of two from 1024 on is needed`,
    );
  }
  return new SharedArrayBuffer(HEADER_BYTES + bytes);
}

/** The largest payload of one record. */
export function payloadBytesMax(memory: SharedArrayBuffer): number {
  return (memory.byteLength - HEADER_BYTES) / 2 - RECORD_HEAD_BYTES;
}

/** What both ends see. */
class RingMemory {
  /** Of the records; payloads are at {@link RingReader.at} and where `reserve` says. */
  readonly bytes: Uint8Array;
  /** The same memory in words. */
  readonly words: Uint32Array;
  protected readonly header: Int32Array;
  protected readonly size: number;
  protected readonly mask: number;

  constructor(memory: SharedArrayBuffer) {
    this.header = new Int32Array(memory, 0, HEADER_BYTES / 4);
    this.size = memory.byteLength - HEADER_BYTES;
    this.mask = this.size - 1;
    this.bytes = new Uint8Array(memory, HEADER_BYTES, this.size);
    this.words = new Uint32Array(memory, HEADER_BYTES, this.size / 4);
  }
}

export class RingWriter extends RingMemory {
  readonly payload_bytes_max: number;
  #tail: number;
  #published: number;
  /** As it was seen last; it may have moved on since. */
  #head: number;

  constructor(memory: SharedArrayBuffer) {
    super(memory);
    this.payload_bytes_max = payloadBytesMax(memory);
    this.#tail = this.#published = Atomics.load(this.header, TAIL) >>> 0;
    this.#head = Atomics.load(this.header, HEAD) >>> 0;
  }

  /** How many bytes the largest payload has for which there is room now; negative: there is none. */
  room(): number {
    const known = this.#roomBefore(this.#head);
    if (known >= this.payload_bytes_max) return known;
    this.#head = Atomics.load(this.header, HEAD) >>> 0;
    return this.#roomBefore(this.#head);
  }

  /**
   * Begins a record: where its payload is to be written, which has to be done at once, or −1 where
   * there is no room. Nobody sees it before {@link publish}.
   */
  reserve(type: number, bytes: number): number {
    const whole = wholeBytes(bytes);
    const used = (this.#tail - this.#head) >>> 0;
    if (!this.#fits(whole, this.size - used)) {
      this.#head = Atomics.load(this.header, HEAD) >>> 0;
      if (!this.#fits(whole, this.size - ((this.#tail - this.#head) >>> 0))) return -1;
    }
    const to_end = this.size - (this.#tail & this.mask);
    if (whole > to_end) {
      this.#writeHead(SKIP, to_end - RECORD_HEAD_BYTES);
      this.#tail = (this.#tail + to_end) >>> 0;
    }
    this.#writeHead(type, bytes);
    const at = (this.#tail & this.mask) + RECORD_HEAD_BYTES;
    this.#tail = (this.#tail + whole) >>> 0;
    return at;
  }

  /** Shows the reader what has been written; true where there is something new. */
  publish(): boolean {
    if (this.#published === this.#tail) return false;
    this.#published = this.#tail;
    Atomics.store(this.header, TAIL, this.#tail | 0);
    return true;
  }

  /** Has the reader wake the writer when it has taken something. True where it already has. */
  wantRoom(): boolean {
    Atomics.store(this.header, WANTED, 1);
    const head = Atomics.load(this.header, HEAD) >>> 0;
    if (head === this.#head) return false;
    this.#head = head;
    return true;
  }

  /** How many provoking records the reader has reacted to; see `bridge.ts`. */
  get reacted(): number {
    return Atomics.load(this.header, REACTED) >>> 0;
  }

  #fits(whole: number, free: number): boolean {
    const to_end = this.size - (this.#tail & this.mask);
    return whole <= to_end ? whole <= free : to_end + whole <= free;
  }

  #roomBefore(head: number): number {
    const free = this.size - ((this.#tail - head) >>> 0);
    const to_end = this.size - (this.#tail & this.mask);
    const whole = Math.max(Math.min(free, to_end), free - to_end);
    return Math.min(whole - RECORD_HEAD_BYTES, this.payload_bytes_max);
  }

  #writeHead(type: number, bytes: number): void {
    const word = (this.#tail & this.mask) >>> 2;
    this.words[word] = bytes;
    this.words[word + 1] = type;
  }
}

export class RingReader extends RingMemory {
  /** Of the present record. */
  type = SKIP;
  /** Where its payload begins in `bytes`, and how long it is. */
  at = 0;
  length = 0;
  #head: number;
  /** As it was seen last. */
  #tail: number;

  constructor(memory: SharedArrayBuffer) {
    super(memory);
    this.#head = Atomics.load(this.header, HEAD) >>> 0;
    this.#tail = this.#head;
  }

  /** Something is there that has not been taken. */
  get waits(): boolean {
    if (this.#head !== this.#tail) return true;
    this.#tail = Atomics.load(this.header, TAIL) >>> 0;
    return this.#head !== this.#tail;
  }

  /**
   * Goes on to the next record of those that {@link waits} has seen; false where there is none. The
   * one before may be overwritten as soon as {@link release} is called.
   */
  next(): boolean {
    while (this.#head !== this.#tail) {
      const from = this.#head & this.mask;
      const word = from >>> 2;
      this.length = this.words[word];
      this.type = this.words[word + 1];
      this.at = from + RECORD_HEAD_BYTES;
      this.#head = (this.#head + wholeBytes(this.length)) >>> 0;
      if (this.type !== SKIP) return true;
    }
    return false;
  }

  /** Gives back the room of everything taken; true where the writer waits for it. */
  release(): boolean {
    const head = this.#head | 0;
    if (Atomics.load(this.header, HEAD) !== head) Atomics.store(this.header, HEAD, head);
    return Atomics.load(this.header, WANTED) === 1 &&
      Atomics.exchange(this.header, WANTED, 0) === 1;
  }

  tellReacted(count: number): void {
    Atomics.store(this.header, REACTED, count | 0);
  }
}

/** A ring's records as a block from which frames are sent where they are. */
export class RingBlock extends Block {
  readonly view: DataView;
  /** The gateway's own commands go by the worker's other batch. */
  commands_to = 0;

  constructor({ bytes }: { bytes: Uint8Array }) {
    super(bytes);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}

function wholeBytes(bytes: number): number {
  return (RECORD_HEAD_BYTES + bytes + 7) & ~7;
}
