/**
 * The kinds of value a key can have. Each is a zod schema whose error message is one phrase, what is
 * allowed, so that every report reads `found X; allowed: Y` whatever rule was broken.
 */
import { z } from "zod";
import { normalizeNetwork } from "./address-set.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { formatSize, parseSize } from "./size.ts";
import { parsePortRange } from "./port-range.ts";

/** A whole number in a closed interval; `unit` is named in the message. */
export function integer(limits: { min: number; max: number; unit?: string }) {
  const allowed = `a whole number from ${limits.min} to ${limits.max}` +
    (limits.unit === undefined ? "" : ` (${limits.unit})`);
  return z.int(allowed).min(limits.min, allowed).max(limits.max, allowed);
}

/** One of a few words. */
export function choice<const Word extends string>(words: readonly Word[]) {
  return z.enum(words, `one of ${words.join(", ")}`);
}

/** Yes or no. */
export function flag() {
  return z.boolean("true or false");
}

/** Text of 1 to 4096 characters, the longest path Linux takes. `what` says what it stands for. */
export function text(what: string) {
  const allowed = `${what}, 1 to 4096 characters`;
  return z.string(allowed).min(1, allowed).max(4096, allowed);
}

/** The path of a file, or none. */
export function optionalPath() {
  const allowed = 'the path of a file of at most 4096 characters, or "" for none';
  return z.string(allowed).max(4096, allowed);
}

/** The address of an interface, or the one that stands for all of them. */
export function address() {
  const allowed = 'an IPv4 or IPv6 address, for instance "0.0.0.0" or "::1"';
  return z.union([z.ipv4(allowed), z.ipv6(allowed)], allowed);
}

/** A list of addresses and networks, as {@link normalizeNetwork} writes them. */
export function networks(limits: { max: number }) {
  const allowed = 'an address or a network, for instance "192.0.2.7" or "2001:db8::/32"';
  const network = z.string(allowed).transform((raw, context) => {
    const normal = normalizeNetwork(raw);
    if (normal !== null) return normal;
    context.addIssue({ code: "custom", message: allowed });
    return z.NEVER;
  });
  const list = `a list of at most ${limits.max} addresses and networks, for instance ` +
    '["192.0.2.7", "10.0.0.0/8"]';
  return z.array(network, list).max(limits.max, list);
}

/** A list of names that a Host header may have, in small letters. */
export function hostNames(limits: { max: number }) {
  const allowed = 'a host name without a port, for instance "relay.example"';
  const name = z.string(allowed).regex(/^[\w.-]{1,253}$/, allowed).transform((raw) =>
    raw.toLowerCase()
  );
  const list = `a list of at most ${limits.max} host names, for instance ["relay.example"]`;
  return z.array(name, list).max(limits.max, list);
}

/** What a program says to be let in by HTTP, or none. Shorter ones could be found by trying. */
export function bearerToken() {
  const allowed = 'a token of 16 to 256 characters without blanks, or "" for none';
  return z.string(allowed)
    .refine((text) => text === "" || /^[\x21-\x7e]{16,256}$/.test(text), allowed);
}

/** A duration between two bounds in milliseconds; the output is milliseconds. */
export function duration(limits: { min: number; max: number; zero?: string }) {
  const zero = limits.zero === undefined ? "" : `, or 0 for ${limits.zero}`;
  const shortest = limits.min === 0 ? "0" : formatDuration(limits.min);
  const allowed = `a duration from ${shortest} to ${formatDuration(limits.max)}${zero}, ` +
    `for instance "1m30s" or "200ms"`;
  // YAML reads an unquoted 0 as a number; any other bare number has no unit and is refused.
  return z.union([z.string(allowed), z.literal(0, allowed)], allowed).transform((raw, context) => {
    const ms = parseDuration(String(raw));
    if (ms !== null && ms <= limits.max && (ms >= limits.min)) return ms;
    context.addIssue({ code: "custom", message: allowed });
    return z.NEVER;
  });
}

/** A size between two bounds in bytes; the output is bytes. */
export function size(limits: { min: number; max: number }) {
  const allowed = `a size from ${formatSize(limits.min)} to ${formatSize(limits.max)} ` +
    `in B, KB, MB or GB (1024-based), for instance "100MB"`;
  return z.string(allowed).transform((raw, context) => {
    const bytes = parseSize(raw);
    if (bytes !== null && bytes >= limits.min && bytes <= limits.max) return bytes;
    context.addIssue({ code: "custom", message: allowed });
    return z.NEVER;
  });
}

/** The greatest amount of bytes that a limit can name; beyond any machine's day. */
const AMOUNT_MAX = 1_000_000_000_000_000;

/** An amount of bytes that is a limit: a number of bytes, or a size in words; 0 is no limit. */
export function amount() {
  const allowed =
    'a number of bytes, or a size in B, KB, MB or GB (1024-based), for instance "10MB";' +
    " 0 is unlimited";
  return z.union([z.int(allowed), z.string(allowed)], allowed).transform((raw, context) => {
    const bytes = typeof raw === "number" ? raw : parseSize(raw);
    if (bytes !== null && bytes >= 0 && bytes <= AMOUNT_MAX) return bytes;
    context.addIssue({ code: "custom", message: allowed });
    return z.NEVER;
  });
}

/** A list of values of one kind. */
export function list<Item extends z.ZodType>(item: Item, limits: { what: string; max: number }) {
  const allowed = `a list of at most ${limits.max} ${limits.what}`;
  return z.array(item, allowed).max(limits.max, allowed);
}

/** A passphrase of SRT, or none. */
export function passphrase() {
  const allowed = 'a passphrase of 10 to 79 bytes, or "" for none';
  const bytes = (text: string) => new TextEncoder().encode(text).length;
  return z.string(allowed)
    .refine((text) => text === "" || (bytes(text) >= 10 && bytes(text) <= 79), allowed);
}

/** A range of ports, or a single one. */
export function ports() {
  const allowed = 'first-last with 1 ≤ first ≤ last ≤ 65535, for instance "2300-2320"';
  // A single port without quotes is a number to YAML.
  return z.union([z.string(allowed), z.int(allowed)], allowed).transform((raw, context) => {
    const range = parsePortRange(String(raw));
    if (range !== null) return range;
    context.addIssue({ code: "custom", message: allowed });
    return z.NEVER;
  });
}
