/**
 * Framing of the control plane, incoming: JSON objects one after another, with or without white space
 * between them, cut into TCP segments anywhere. There is no length and no separator; a message ends
 * with the bracket that closes its first one.
 *
 * The scanner looks at each byte once and knows strings, escapes and depth, nothing else. It refuses
 * what is too long, too deep or cannot be JSON at the first byte that shows it, before anything is
 * decoded, and buffers only a message that is not complete. What it lets through is then decoded as
 * strict UTF-8 and parsed.
 */
import { Buffer } from "node:buffer";

/** Why a peer's bytes are not a message; nothing that follows them on the connection can be read. */
export type FrameFault = "not_json" | "not_utf8" | "too_long" | "too_deep";

export class FrameError extends Error {
  override name = "FrameError";
  readonly code: FrameFault;
  constructor(code: FrameFault, message: string) {
    super(message);
    this.code = code;
  }
}

/** What a byte outside strings can be. */
const REFUSED = 0, PLAIN = 1, OPEN = 2, SHUT = 3, QUOTE = 4;
const BACKSLASH = 0x5c, DOUBLE_QUOTE = 0x22;
/** The first allocation for an incomplete message; it doubles from there up to the bound. */
const BUFFER_BYTES_MIN = 512;

const KIND_OF_BYTE: Readonly<Uint8Array> = (() => {
  const kinds = new Uint8Array(256).fill(REFUSED);
  // Numbers, `true`, `false`, `null`, separators and white space; the parser judges their order.
  for (const char of "0123456789+-.eEtrufalsn,: \t\r\n") kinds[char.charCodeAt(0)] = PLAIN;
  for (const char of "{[") kinds[char.charCodeAt(0)] = OPEN;
  for (const char of "}]") kinds[char.charCodeAt(0)] = SHUT;
  kinds[DOUBLE_QUOTE] = QUOTE;
  return kinds;
})();

/** White space as JSON has it: space, tab, line feed, carriage return. */
export function isWhiteSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

export class MessageFramer {
  readonly #bytes_max: number;
  readonly #depth_max: number;
  /** The beginning of an incomplete message; null between messages, so an idle peer costs nothing. */
  #held: Buffer | null = null;
  #held_bytes = 0;
  #depth = 0;
  #in_string = false;
  #escaped = false;

  constructor(options: { bytes_max: number; depth_max: number }) {
    this.#bytes_max = options.bytes_max;
    this.#depth_max = options.depth_max;
  }

  /** Bytes of an incomplete message that are being kept. */
  get heldBytes(): number {
    return this.#held_bytes;
  }

  /**
   * Takes the next bytes and hands over every message they complete, in order and with its bytes,
   * which are only there for the moment, until `onMessage` returns false. Returns how many of them it is through with: those behind that message are not.
   * Throws {@link FrameError}; the connection cannot be read any further then.
   */
  push(
    chunk: Uint8Array,
    onMessage: (message: object, bytes: Uint8Array) => boolean,
  ): number {
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i];
      if (this.#depth === 0) {
        if (isWhiteSpace(byte)) continue;
        // A list is no message, but its bounds are checked like one's before that is said.
        if (KIND_OF_BYTE[byte] !== OPEN) {
          throw new FrameError("not_json", `found byte ${hex(byte)} where a message starts with {`);
        }
        start = i;
        this.#depth = 1;
        continue;
      }
      if (this.#held_bytes + (i - start) >= this.#bytes_max) {
        throw new FrameError("too_long", `message longer than ${this.#bytes_max} bytes`);
      }
      if (this.#in_string) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === DOUBLE_QUOTE) this.#in_string = false;
        else if (byte < 0x20) {
          throw new FrameError("not_json", `found control byte ${hex(byte)} inside a string`);
        }
        continue;
      }
      const kind = KIND_OF_BYTE[byte];
      if (kind === PLAIN) continue;
      if (kind === QUOTE) {
        this.#in_string = true;
      } else if (kind === OPEN) {
        if (++this.#depth > this.#depth_max) {
          throw new FrameError("too_deep", `message nested deeper than ${this.#depth_max}`);
        }
      } else if (kind === SHUT) {
        if (--this.#depth > 0) continue;
        const bytes = this.#complete(chunk.subarray(start, i + 1));
        const message = parse(bytes);
        start = i + 1;
        if (!onMessage(message, bytes)) return start;
      } else {
        throw new FrameError("not_json", `found byte ${hex(byte)} outside a string`);
      }
    }
    if (this.#depth > 0) this.#hold(chunk.subarray(start));
    return chunk.length;
  }

  /** The whole message, its last piece being `tail`. */
  #complete(tail: Uint8Array): Uint8Array {
    if (this.#held === null) return tail;
    this.#hold(tail);
    const whole = this.#held.subarray(0, this.#held_bytes);
    this.#held = null;
    this.#held_bytes = 0;
    return whole;
  }

  /** Copies: a piece is often a few bytes of a large receive buffer that must not be kept alive. */
  #hold(piece: Uint8Array): void {
    const bytes = this.#held_bytes + piece.length;
    if (this.#held === null || bytes > this.#held.length) {
      let capacity = Math.max(BUFFER_BYTES_MIN, this.#held?.length ?? 0);
      while (capacity < bytes) capacity *= 2;
      const larger = Buffer.allocUnsafeSlow(Math.min(capacity, Math.max(bytes, this.#bytes_max)));
      this.#held?.copy(larger, 0, 0, this.#held_bytes);
      this.#held = larger;
    }
    this.#held.set(piece, this.#held_bytes);
    this.#held_bytes = bytes;
  }
}

function parse(bytes: Uint8Array): object {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new FrameError("not_utf8", "message is not valid UTF-8");
  }
  let message: object;
  try {
    message = JSON.parse(text);
  } catch {
    throw new FrameError("not_json", "message is not valid JSON");
  }
  if (Array.isArray(message)) throw new FrameError("not_json", "found a list instead of an object");
  return message;
}

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}
