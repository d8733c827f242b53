/**
 * Reads frames out of a byte stream that arrives in any pieces. Memory is bounded by the largest
 * payload allowed, and grows only as bytes really arrive, so a header that promises much and
 * sends nothing costs nothing.
 *
 * SRT in live mode may lose messages, and with them the place where the next frame begins. With
 * `resync` the parser looks for the next header instead of giving up, and counts what it skipped;
 * over TCP nothing can be missing, so there a wrong byte is the peer's mistake and an error.
 */
import {
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  FRAME_TYPE,
  FRAME_VERSION,
  type FrameHeader,
  payloadCrc,
  readHeader,
} from "./frame.ts";

export interface Frame extends FrameHeader {
  /** Valid until the callback returns; copy what has to live longer. */
  payload: Uint8Array;
  /** Whether the payload has the checksum its header promises. */
  intact: boolean;
}

export type FrameErrorCode = "FRAME_MAGIC" | "FRAME_VERSION" | "FRAME_TOO_LONG" | "FRAME_LOST";

/** The stream cannot be read further; the session has to be closed. */
export class FrameError extends Error {
  override name = "FrameError";
  readonly code: FrameErrorCode;
  constructor(code: FrameErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** What a stream's first bytes must be: magic and version. */
const PREFIX = Uint8Array.of(
  FRAME_MAGIC >>> 24,
  (FRAME_MAGIC >>> 16) & 0xff,
  (FRAME_MAGIC >>> 8) & 0xff,
  FRAME_MAGIC & 0xff,
  FRAME_VERSION,
);

/** The first piece of payload memory; it doubles as bytes arrive. */
const PAYLOAD_START_BYTES = 64 * 1024;

/** How many bytes a search for the next header may skip before the stream counts as lost. */
const RESYNC_BYTES_MAX = 16 * 1024 * 1024;

const EMPTY = new Uint8Array(0);

export interface FrameParserOptions {
  /** The longest payload accepted, bytes. */
  payload_bytes_max: number;
  /** Look for the next header after a loss instead of giving up. */
  resync?: boolean;
}

export class FrameParser {
  readonly #payloadMax: number;
  readonly #resync: boolean;
  readonly #head = new Uint8Array(FRAME_HEADER_BYTES);
  #headFill = 0;
  #header: FrameHeader | null = null;
  #payload = EMPTY;
  #payloadFill = 0;
  #seeking = false;
  #soughtBytes = 0;
  #rescanning = false;
  #frames = 0;
  #skippedBytes = 0;
  #corruptFrames = 0;

  constructor(options: FrameParserOptions) {
    this.#payloadMax = options.payload_bytes_max;
    this.#resync = options.resync ?? false;
  }

  /** What the stream has shown so far. */
  snapshot(): { frames: number; skipped_bytes: number; corrupt_frames: number } {
    return {
      frames: this.#frames,
      skipped_bytes: this.#skippedBytes,
      corrupt_frames: this.#corruptFrames,
    };
  }

  /** Whether the stream may end here without cutting a frame in two. */
  get atBoundary(): boolean {
    return this.#headFill === 0 && this.#header === null;
  }

  /**
   * Takes the next bytes and reports every frame they complete.
   * @throws FrameError when the stream cannot be read further.
   */
  push(chunk: Uint8Array, onFrame: (frame: Frame) => void): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#header === null) {
        if (this.#seeking && this.#headFill === 0) {
          // Most of what is skipped is skipped here, at the speed of a plain search.
          const next = chunk.indexOf(PREFIX[0], at);
          const end = next === -1 ? chunk.length : next;
          this.#skip(end - at);
          at = end;
          if (at === chunk.length) return;
        }
        const take = Math.min(FRAME_HEADER_BYTES - this.#headFill, chunk.length - at);
        this.#head.set(chunk.subarray(at, at + take), this.#headFill);
        this.#headFill += take;
        at += take;
        this.#judgeHead();
        if (this.#headFill < FRAME_HEADER_BYTES) continue;
        this.#headFill = 0;
        this.#seeking = false;
        this.#soughtBytes = 0;
        this.#header = readHeader(this.#head);
        if (this.#header.payload_len === 0) this.#complete(EMPTY, onFrame);
        continue;
      }
      const length = this.#header.payload_len;
      if (this.#payloadFill === 0 && chunk.length - at >= length) {
        const payload = chunk.subarray(at, at + length);
        at += length;
        this.#complete(payload, onFrame);
        continue;
      }
      const take = Math.min(length - this.#payloadFill, chunk.length - at);
      this.#reserve(this.#payloadFill + take, length);
      this.#payload.set(chunk.subarray(at, at + take), this.#payloadFill);
      this.#payloadFill += take;
      at += take;
      if (this.#payloadFill === length) {
        const payload = this.#payload.subarray(0, length);
        // The memory is given away before the frame is reported: a rescan of this very payload
        // may need memory of its own.
        this.#payload = EMPTY;
        this.#complete(payload, onFrame);
      }
    }
  }

  #complete(payload: Uint8Array, onFrame: (frame: Frame) => void): void {
    const header = this.#header;
    if (header === null) return;
    this.#header = null;
    this.#payloadFill = 0;
    const carriesPayload = header.type === FRAME_TYPE.data || header.type === FRAME_TYPE.echo;
    const intact = !carriesPayload || payloadCrc(payload) === header.crc32;
    if (!intact) {
      this.#corruptFrames += 1;
      if (this.#resync) {
        // Messages are missing inside this frame, so it has swallowed the start of the next ones.
        this.#skippedBytes += FRAME_HEADER_BYTES;
        this.#seeking = true;
        if (this.#rescanning) {
          this.#skippedBytes += payload.length;
          return;
        }
        this.#rescanning = true;
        try {
          this.push(payload, onFrame);
        } finally {
          this.#rescanning = false;
        }
        return;
      }
    }
    this.#frames += 1;
    onFrame({ ...header, payload, intact });
  }

  /** Judges the header as early as its bytes allow, and drops what cannot begin a frame. */
  #judgeHead(): void {
    for (;;) {
      const error = this.#headError();
      if (error === null) return;
      if (!this.#seeking) {
        // A stream that never carried a frame is not a damaged one but a wrong one.
        if (!this.#resync || this.#frames === 0) throw error;
        this.#seeking = true;
      }
      const next = this.#nextCandidate();
      this.#skip(next);
      this.#head.copyWithin(0, next, this.#headFill);
      this.#headFill -= next;
    }
  }

  #skip(bytes: number): void {
    this.#skippedBytes += bytes;
    this.#soughtBytes += bytes;
    if (this.#soughtBytes > RESYNC_BYTES_MAX) {
      throw new FrameError(
        "FRAME_LOST",
        `no frame header found in ${this.#soughtBytes} bytes after a loss; allowed: ` +
          `${RESYNC_BYTES_MAX} bytes`,
      );
    }
  }

  #headError(): FrameError | null {
    const head = this.#head;
    const fill = this.#headFill;
    for (let i = 0; i < 4 && i < fill; i++) {
      if (head[i] !== PREFIX[i]) {
        return new FrameError(
          "FRAME_MAGIC",
          `found the bytes ${hex(head.subarray(0, Math.min(fill, 4)))} where a frame begins; ` +
            `allowed: ${hex(PREFIX.subarray(0, 4))}`,
        );
      }
    }
    if (fill > 4 && head[4] !== FRAME_VERSION) {
      return new FrameError(
        "FRAME_VERSION",
        `found frame version ${head[4]}; allowed: ${FRAME_VERSION}`,
      );
    }
    if (this.#seeking && fill > 5 && (head[5] < FRAME_TYPE.data || head[5] > FRAME_TYPE.pong)) {
      return new FrameError("FRAME_MAGIC", "found the magic inside a payload");
    }
    if (fill === FRAME_HEADER_BYTES) {
      const length = readHeader(head).payload_len;
      if (length > this.#payloadMax) {
        return new FrameError(
          "FRAME_TOO_LONG",
          `found a frame with a payload of ${length} bytes; allowed: ${this.#payloadMax} bytes, ` +
            `see --max_payload_mb`,
        );
      }
    }
    return null;
  }

  /** The next place in the collected header bytes where a frame could begin, at least 1. */
  #nextCandidate(): number {
    for (let start = 1; start < this.#headFill; start++) {
      let same = 0;
      while (
        same < PREFIX.length && start + same < this.#headFill &&
        this.#head[start + same] === PREFIX[same]
      ) same++;
      if (same === PREFIX.length || start + same === this.#headFill) return start;
    }
    return this.#headFill;
  }

  #reserve(bytes: number, length: number): void {
    if (this.#payload.length >= bytes) return;
    const doubled = Math.max(PAYLOAD_START_BYTES, this.#payload.length * 2, bytes);
    const grown = new Uint8Array(Math.min(length, doubled));
    grown.set(this.#payload.subarray(0, this.#payloadFill));
    this.#payload = grown;
  }
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
