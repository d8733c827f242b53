/** What the sentences are made of: names, places, times and amounts, each written one way. */
import type { RecordedEvent } from "../../observe/event.ts";

/** What an event has to say of itself, in one sentence without its time. */
export type Sentence = (fields: RecordedEvent["fields"]) => string;

export type Sentences = Readonly<Record<string, Sentence>>;

const NAME_LENGTH_MAX = 120;

/** What does not show itself, or turns the direction of what follows it. */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** A peer's text as a sentence shows it: in quotes where it is not plainly a name, and never long. */
export function name(value: unknown): string {
  const text = typeof value === "string" ? value : String(value ?? "unknown");
  if (/^[\w.:@/[\]+-]{1,64}$/.test(text)) return text;
  const short = text.length > NAME_LENGTH_MAX ? `${text.slice(0, NAME_LENGTH_MAX)}…` : text;
  return JSON.stringify(short).replace(
    UNSEEN,
    (sign) => `\\u{${sign.codePointAt(0)!.toString(16)}}`,
  );
}

/** Text of relayx itself, such as an error's message; it may quote a peer. */
export function words(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value ?? "unknown");
  const short = text.length > 500 ? `${text.slice(0, 500)}…` : text;
  return short.replace(/\s+/g, " ").replace(UNSEEN, "?");
}

/** ` (504)`, where there is a code. */
export function inBrackets(value: unknown): string {
  return value === undefined || value === null || value === "" ? "" : ` (${words(value)})`;
}

export function plane(kind: unknown): string {
  return kind === "zmq" ? "TCP" : kind === "srt" ? "SRT" : "data";
}

/** `TCP port 2300`; those of relay_X v1 are all TCP, and what they are called there is a label. */
export function place({ kind, port, protocol }: Readonly<Record<string, unknown>>): string {
  if (protocol === "rlx1") return `TCP port ${words(port)} (v1, ${words(kind)})`;
  return `${plane(kind)} port ${words(port)}`;
}

/** ` from 192.0.2.7:1234`, where it is known. */
export function from(remote: unknown): string {
  return typeof remote === "string" && remote !== "" ? ` from ${name(remote)}` : "";
}

/** `client fe-1`. */
export function peer({ role, id }: Readonly<Record<string, unknown>>): string {
  const who = role === "client" || role === "server" ? role : "peer";
  return id === undefined ? who : `${who} ${name(id)}`;
}

/** `1 session`, `3 sessions`. */
export function counted(value: unknown, one: string, many = `${one}s`): string {
  const count = typeof value === "number" ? value : 1;
  return `${count} ${count === 1 ? one : many}`;
}

const BYTE_UNITS = ["bytes", "KB", "MB", "GB", "TB", "PB"];

export function bytes(value: unknown): string {
  let amount = typeof value === "number" ? value : 0;
  let unit = 0;
  while (amount >= 1000 && unit < BYTE_UNITS.length - 1) {
    amount /= 1000;
    unit++;
  }
  return unit === 0 ? counted(amount, "byte") : `${amount.toFixed(1)} ${BYTE_UNITS[unit]}`;
}

export function rate(bps: number): string {
  if (bps < 1000) return `${Math.round(bps)} bit/s`;
  if (bps < 1_000_000) return `${(bps / 1000).toFixed(1)} kbit/s`;
  return `${(bps / 1_000_000).toFixed(1)} Mbit/s`;
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} minutes`;
  if (seconds < 172_800) return `${(seconds / 3600).toFixed(1)} hours`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** `2026-01-31 12:00:00.123 UTC`. */
export function moment(unix_ms: number): string {
  return `${new Date(unix_ms).toISOString().replace("T", " ").slice(0, -1)} UTC`;
}
