/** How the tools read their flags: each reader returns the value or throws what is allowed. */
import { readFileSync, statSync } from "node:fs";
import { parseDuration } from "../config/duration.ts";

/** A flag that cannot be used as it stands. */
export class FlagError extends Error {
  override name = "FlagError";
  readonly code = "FLAG_INVALID";
  constructor(flag: string, found: string, allowed: string) {
    super(`${flag}: found "${found}"; allowed: ${allowed}`);
  }
}

/** `host:port`, an IPv6 host in brackets, and `:port` for this machine. */
export function addressFlag(flag: string, text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65535) {
    throw new FlagError(flag, text, "host:port, for instance 127.0.0.1:5555 or [::1]:5555");
  }
  return { host: match[1] ?? (match[2] === "" ? "127.0.0.1" : match[2]), port };
}

export function numberFlag(
  flag: string,
  text: string,
  range: { min: number; max: number; whole?: boolean },
): number {
  const value = Number(text);
  const inRange = value >= range.min && value <= range.max;
  if (text.trim() === "" || !inRange || (range.whole === true && !Number.isInteger(value))) {
    const what = range.whole === true ? "a whole number" : "a number";
    throw new FlagError(flag, text, `${what} from ${range.min} to ${range.max}`);
  }
  return value;
}

/** A Go duration, as milliseconds. */
export function durationFlag(flag: string, text: string): number {
  const value = parseDuration(text);
  if (value === null) throw new FlagError(flag, text, "a duration such as 1.5s, 200ms or 1m30s");
  return value;
}

/** Go's booleans; a flag without a value is true. */
export function booleanFlag(flag: string, value: string | boolean): boolean {
  if (typeof value === "boolean") return value;
  if (["true", "t", "1"].includes(value.toLowerCase())) return true;
  if (["false", "f", "0"].includes(value.toLowerCase())) return false;
  throw new FlagError(flag, value, "true or false");
}

export function textFlag(flag: string, text: string): string {
  const value = text.trim();
  if (value === "") throw new FlagError(flag, text, "a text that is not empty");
  return value;
}

/** The greatest file of certificates or keys that is read. */
const PEM_BYTES_MAX = 1_048_576;

/** What is in a PEM file; `what` is the kind of block it must have. */
export function pemFlag(flag: string, path: string, what: "CERTIFICATE" | "PRIVATE KEY"): string {
  let text = "";
  try {
    const { size } = statSync(path);
    if (size <= PEM_BYTES_MAX) text = readFileSync(path, "latin1");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
    throw new FlagError(flag, `${path}${code}`, "a file that can be read");
  }
  // "RSA PRIVATE KEY" and "EC PRIVATE KEY" are older forms; one with a passphrase cannot be used.
  if (new RegExp(`^-----BEGIN (?:RSA |EC )?${what}-----`, "m").test(text)) return text;
  throw new FlagError(flag, path, `a PEM file with a ${what.toLowerCase()}, without a passphrase`);
}
