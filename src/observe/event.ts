/** An event: a line of the log with a number, and what can be asked about events. */
import { writableText } from "./log-fields.ts";

export type EventLevel = "debug" | "info" | "warn" | "error";

/** A line of the log with a number. */
export interface RecordedEvent {
  readonly seq: number;
  readonly time_unix_ms: number;
  readonly level: EventLevel;
  /** What happened, in one word; empty where the line has none. */
  readonly status: string;
  readonly message: string;
  /** What the line has beside these, without secrets. */
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface EventQuery {
  /** Events with a greater number, oldest first. Absent: the newest ones that there are. */
  after?: number;
  /** The most events to return. */
  limit: number;
  session_id?: string;
  /** The id of a client or a server, or a trace_id. */
  id?: string;
  /** One word, or any of several. */
  status?: string | readonly string[];
  /** This level and everything more important. */
  level?: EventLevel;
}

export interface EventPage {
  events: RecordedEvent[];
  /** What to ask `after` next. */
  last_seq: number;
  /** Events of this run after `after` that are not kept any more. */
  missed: number;
}

export const EVENT_LEVELS: readonly EventLevel[] = ["debug", "info", "warn", "error"];

/** What an event costs beside its texts, and a field beside its value, bytes; measured roughly. */
const EVENT_BYTES = 250;
const FIELD_BYTES = 24;
/** Whether the event is one of those that are asked for, whatever its number. */
export function matches(event: RecordedEvent, query: EventQuery): boolean {
  const { session_id, id, status, level } = query;
  if (
    typeof status === "string" ? event.status !== status : status?.includes(event.status) === false
  ) {
    return false;
  }
  if (level !== undefined && EVENT_LEVELS.indexOf(event.level) < EVENT_LEVELS.indexOf(level)) {
    return false;
  }
  if (session_id !== undefined && event.fields.session_id !== writableText(session_id)) {
    return false;
  }
  return id === undefined || namesOf(event.fields).includes(writableText(id));
}

/** The peers that a line names, and the trace that it belongs to, each once. */
export function namesOf(fields: Readonly<Record<string, unknown>>): string[] {
  const { id, client_id, server_id, trace_id } = fields;
  const names: string[] = [];
  for (const name of [id, client_id, server_id, trace_id]) {
    if (typeof name === "string" && name !== "" && !names.includes(name)) names.push(name);
  }
  return names;
}

/** What an event costs while it is kept, bytes, roughly. */
export function bytesOf(event: RecordedEvent): number {
  let bytes = EVENT_BYTES + event.message.length;
  for (const name in event.fields) bytes += FIELD_BYTES + sizeOf(event.fields[name]);
  return bytes;
}

function sizeOf(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 8;
  return JSON.stringify(value).length;
}
