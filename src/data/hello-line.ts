/**
 * What the hellos of V4 and of RLX1 have in common: one line, a word and a JSON object.
 *
 *     WORD {"key":"value",…}\n
 *
 * The word and the space behind it are exact, keys are taken in any case, other keys are ignored, and
 * the whole line is bounded (`limits.hello_bytes_max`, newline included). Everything behind the newline
 * belongs to the peer.
 */

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** How a port's connections say who they are. */
export interface HelloForm<H> {
  readonly line: HelloLine;
  /** Reads a line without its newline; a sentence says what was found where it is no hello. */
  parse(line: Uint8Array): H | string;
}

export class HelloLine {
  readonly word: string;
  readonly #prefix: Uint8Array;

  constructor(word: string) {
    this.word = word;
    this.#prefix = new TextEncoder().encode(`${word} `);
  }

  /** Whether these first bytes, however few, can still become such a line. */
  startsLike(bytes: Uint8Array): boolean {
    const length = Math.min(bytes.length, this.#prefix.length);
    for (let i = 0; i < length; i++) if (bytes[i] !== this.#prefix[i]) return false;
    return true;
  }

  /** For a line that does not begin as it should. */
  get notOurs(): string {
    return `the line does not start with "${this.word} "`;
  }

  /**
   * What the line says, by keys in lower case. Answers with a sentence that says what was found where
   * it is no such line; it never throws, whatever the bytes.
   */
  fields(line: Uint8Array): Record<string, unknown> | string {
    if (!this.startsLike(line)) return this.notOurs;
    let value: unknown;
    try {
      value = JSON.parse(utf8.decode(line.subarray(this.#prefix.length)));
    } catch {
      return `what follows ${this.word} is not JSON`;
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      return `what follows ${this.word} is not a JSON object`;
    }
    const found: Record<string, unknown> = Object.create(null);
    for (const [key, field] of Object.entries(value)) found[key.toLowerCase()] = field;
    return found;
  }
}
