/** Text that somebody else has chosen, made fit for a terminal. */

/** Longer than any name or address that is meant to be read. */
const LENGTH_MAX = 64;

/** What cannot be seen is spelt out: it could move the cursor, colour the line or turn it around. */
export function printable(text: string, length_max = LENGTH_MAX): string {
  const characters = [...text];
  const cut = characters.length <= length_max
    ? text
    : `${characters.slice(0, length_max - 1).join("")}…`;
  return cut.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, escaped);
}

/** JSON that shows the same on every terminal and still parses to the same value. */
export function printableJson(value: unknown): string {
  // JSON itself spells out the controls below the blank, and the line breaks here are its own.
  return JSON.stringify(value, null, 2).replace(
    /[^\P{C}\n]|[\p{Zl}\p{Zp}]/gu,
    (character) => [...Array(character.length).keys()].map((at) => unit(character, at)).join(""),
  );
}

function escaped(character: string): string {
  return `\\u{${character.codePointAt(0)!.toString(16)}}`;
}

function unit(character: string, at: number): string {
  return `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`;
}
