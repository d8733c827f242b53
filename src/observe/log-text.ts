/**
 * The text format: `2026-01-31T12:00:00.000Z WARN  message status=port_blocked port=2300`, one line
 * for one event. Values with blanks or signs that could be mistaken are quoted as in JSON.
 */

/** Renders a line that was made as JSON; the newline at its end is kept. */
export function textLine(json: string): string {
  const { time, level, msg, ...fields } = JSON.parse(json) as Record<string, unknown>;
  let line = `${time} ${String(level).toUpperCase().padEnd(5)} ${harmless(String(msg ?? ""))}`;
  for (const [name, value] of Object.entries(fields)) {
    line += ` ${harmless(/^[\w.-]+$/.test(name) ? name : JSON.stringify(name))}=${shown(value)}`;
  }
  return `${line}\n`;
}

function shown(value: unknown): string {
  if (typeof value === "string" && /^[\w.:/+@%,[\]-]+$/.test(value)) return value;
  return harmless(JSON.stringify(value));
}

/** Peers choose some of the text; none of it may move a terminal's cursor, turn a line around or
 * begin a new one. */
function harmless(text: string): string {
  return text.replace(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    (character) =>
      [...Array(character.length).keys()].map((at) =>
        `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`
      ).join(""),
  );
}
