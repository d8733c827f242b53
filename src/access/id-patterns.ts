/**
 * Which ids somebody may have or meet: texts in which `*` stands for any run of characters, none
 * included. `cam-*` is every id that begins so, `*` is every id.
 */

/** The longest pattern, and how many one list may have. */
export const PATTERN_CHARS_MAX = 256;
export const PATTERNS_MAX = 1000;

export class IdPatterns {
  /** Every id is one of them. */
  readonly all: boolean;
  readonly #exact = new Set<string>();
  /** The texts between the stars of each pattern; the first and the last may be empty. */
  readonly #starred: string[][] = [];

  constructor(patterns: readonly string[]) {
    for (const pattern of patterns) {
      if (pattern.includes("*")) this.#starred.push(pattern.split("*"));
      else this.#exact.add(pattern);
    }
    this.all = this.#starred.some((parts) => parts.every((part) => part === ""));
  }

  /** These ids and no others, a star in one of them being a star. */
  static literal(ids: readonly string[]): IdPatterns {
    const patterns = new IdPatterns([]);
    for (const id of ids) patterns.#exact.add(id);
    return patterns;
  }

  has(id: string): boolean {
    return this.all || this.#exact.has(id) || this.#starred.some((parts) => fits(id, parts));
  }
}

/** Taking each text where it first comes never misses a fit, so nothing is ever tried twice. */
function fits(id: string, parts: readonly string[]): boolean {
  const first = parts[0];
  const last = parts[parts.length - 1];
  if (id.length < first.length + last.length) return false;
  if (!id.startsWith(first) || !id.endsWith(last)) return false;
  let from = first.length;
  const end = id.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const at = id.indexOf(part, from);
    if (at < 0 || at + part.length > end) return false;
    from = at + part.length;
  }
  return true;
}
