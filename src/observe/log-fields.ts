/**
 * A line's fields made fit for the log: secrets blanked, errors readable, everything bounded. Peers
 * choose some of these values (ids, hello lines), so neither length nor depth may be theirs.
 */
import { isSecretName } from "../config/secret-name.ts";

/** The longest text of one field, UTF-16 units; a stack trace of our own is the longest expected. */
const TEXT_LENGTH_MAX = 4096;
/** The most entries of one object or list, and how deep they may be nested. */
const ENTRIES_MAX = 64;
const DEPTH_MAX = 5;

const REDACTED = "[redacted]";

/** The keys every line has; a field of that name would make two of one key in the JSON. */
const RESERVED: ReadonlySet<string> = new Set(["time", "level", "msg"]);

/** A copy of the fields that may be written. */
export function writableFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return writableEntries(fields, 0, (name) => RESERVED.has(name) ? `${name}_` : name);
}

function writableEntries(
  fields: Readonly<Record<string, unknown>>,
  depth: number,
  rename: (name: string) => string,
): Record<string, unknown> {
  const names = Object.keys(fields);
  const copy: Record<string, unknown> = {};
  for (const name of names.slice(0, ENTRIES_MAX)) {
    const value = fields[name];
    if (value === undefined) continue;
    copy[rename(name.slice(0, 64))] = isSecretName(name) ? REDACTED : writable(value, depth);
  }
  if (names.length > ENTRIES_MAX) copy["…"] = `${names.length - ENTRIES_MAX} more`;
  return copy;
}

function writable(value: unknown, depth: number): unknown {
  if (typeof value === "string") return writableText(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "function" || typeof value === "symbol") return `[${typeof value}]`;
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (depth >= DEPTH_MAX) return "[too deep]";
  if (value instanceof Error) {
    const { name, message, stack } = value;
    const code = "code" in value ? writable(value.code, depth + 1) : undefined;
    return { name, code, message: writableText(message), stack: writableText(stack ?? "") };
  }
  if (Array.isArray(value)) {
    const items = value.slice(0, ENTRIES_MAX).map((item) => writable(item, depth + 1));
    if (value.length > ENTRIES_MAX) items.push(`${value.length - ENTRIES_MAX} more`);
    return items;
  }
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  return writableEntries(value as Record<string, unknown>, depth + 1, (name) => name);
}

/** A text as it is written: what is longer than the bound is cut, and says so. */
export function writableText(text: string): string {
  if (text.length <= TEXT_LENGTH_MAX) return text;
  return `${text.slice(0, TEXT_LENGTH_MAX)}… (${text.length - TEXT_LENGTH_MAX} more characters)`;
}
