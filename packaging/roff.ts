/** Man pages in the macros of man(7): text is escaped here, and nowhere else. */

/** One page, line by line. */
export class ManPage {
  readonly #lines: string[] = [];

  constructor(
    { name, section, date, source, manual }: {
      name: string;
      section: number;
      date: string;
      source: string;
      manual: string;
    },
  ) {
    const [title, from, of] = [name.toUpperCase(), source, manual].map(quoted);
    this.#lines.push(`.TH ${title} ${section} ${date} ${from} ${of}`);
    // Commands and keys are copied from here: no hyphenation, no adjusted spaces.
    this.#lines.push(".nh", ".ad l");
  }

  section(title: string): this {
    return this.#push(`.SH ${quoted(title)}`);
  }

  subsection(title: string): this {
    return this.#push(`.SS ${quoted(title)}`);
  }

  paragraph(text: string): this {
    return this.#push(".PP", ...text.split("\n").map(escaped));
  }

  /** Terms and what they mean; further paragraphs keep the indentation. */
  definition(terms: string | readonly string[], paragraphs: readonly string[]): this {
    const [first, ...rest] = paragraphs;
    const [term, ...others] = [terms].flat();
    this.#push(".TP", `.B ${quoted(term)}`);
    for (const other of others) this.#push(".TQ", `.B ${quoted(other)}`);
    this.#push(...(first ?? "").split("\n").map(escaped));
    for (const text of rest) this.#push(".IP", ...text.split("\n").map(escaped));
    return this;
  }

  /** Lines as they are. */
  verbatim(text: string): this {
    return this.#push(".PP", ".nf", ".RS 0", ...text.split("\n").map(escaped), ".RE", ".fi");
  }

  toString(): string {
    return `${this.#lines.join("\n")}\n`;
  }

  #push(...lines: string[]): this {
    // What follows a heading is a paragraph anyway.
    if (lines[0] === ".PP" && /^\.S[HS] /.test(this.#lines.at(-1)!)) lines.shift();
    this.#lines.push(...lines.filter((line) => line !== ""));
    return this;
  }
}

/** A backslash is roff's own, and so is a dot or an apostrophe at the beginning of a line. */
function escaped(line: string): string {
  const text = line.trimEnd().replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("…", "...");
  if (text === "") return "\\&";
  return /^[.']/.test(text) ? `\\&${text}` : text;
}

/** One argument of a macro. */
function quoted(text: string): string {
  return `"${escaped(text).replaceAll('"', '""')}"`;
}
