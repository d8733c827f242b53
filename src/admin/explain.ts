/**
 * What has become of a session, a peer or a trace, in sentences: first what has happened to it, oldest first
 * and each with its time, then how it is now. Everything comes from recorded events and from what is
 * there at this moment; nothing is guessed.
 */
import { BOTTLENECK_WORDS } from "../data/bottleneck.ts";
import type { RecordedEvent } from "../observe/event.ts";
import type { Journal } from "../observe/journal.ts";
import type {
  EndpointRow,
  ExplainAnswer,
  RegistrationRow,
  SessionPortRow,
  SessionRow,
} from "./answers.ts";
import { sentenceOf } from "./sentences/all.ts";
import {
  bytes,
  counted,
  duration,
  inBrackets,
  moment,
  name,
  peer,
  place,
  rate,
} from "./sentences/words.ts";
import type { AdminSource } from "./source.ts";

/** The newest events of a subject that are told. */
const EVENTS_MAX = 200;
/** Of a peer's sessions, so many are told one by one. */
const SESSIONS_MAX = 20;
/** Of fastway's endpoints with an id. A number may be a client's and a server's. */
const ENDPOINTS_MAX = 20;

const ENDS_OF_WAITING: ReadonlySet<string> = new Set([
  "pair_granted",
  "pair_refused",
  "limit_reached",
]);

interface Sources {
  source: AdminSource;
  journal: Journal;
}

export function explain(subject: string, sources: Sources, now_unix_ms: number): ExplainAnswer {
  const { source, journal } = sources;
  const row = source.session(subject);
  const of_session = journal.read({ session_id: subject, limit: EVENTS_MAX }).events;
  if (row !== null || of_session.length > 0) {
    const events = withItsWait(of_session, journal);
    return {
      subject,
      is: "session",
      sentences: [...past(events), ...sessionNow(row, of_session, now_unix_ms)],
      events: events as ExplainAnswer["events"],
    };
  }
  const events = journal.read({ id: subject, limit: EVENTS_MAX }).events;
  const registered = source.registrations().filter(({ id }) => id === subject);
  const endpoints = endpointsOf(subject, source);
  const is = roleOf(
    subject,
    [...registered, ...endpoints.map(({ side }) => ({ role: side }))],
    events,
  );
  if (is === "unknown" && events.length > 0) return trace(subject, events, source, now_unix_ms);
  const sessions = source.sessions().filter(({ client_id, server_id }) =>
    is === "client" ? client_id === subject : is === "server" && server_id === subject
  );
  const banned = bansNow(subject, source);
  const known = is === "unknown"
    ? banned.length === 0 ? [nothingKnown(subject, journal, now_unix_ms)] : []
    : [
      ...endpoints.map((one) => endpointNow(one, now_unix_ms)),
      ...(endpoints.length > 0 && registered.length === 0
        ? []
        : peerNow(subject, registered, sessions, now_unix_ms)),
      ...waitingNow(subject, events, now_unix_ms),
    ];
  const sentences = [...known, ...banned];
  return {
    subject,
    is,
    sentences: [...past(events), ...sentences],
    events: events as ExplainAnswer["events"],
  };
}

/** What a trace runs through: a request and the session that it has come to. */
function trace(
  subject: string,
  events: readonly RecordedEvent[],
  source: AdminSource,
  now_unix_ms: number,
): ExplainAnswer {
  const sessions = new Set(
    events.flatMap(({ fields: { session_id } }) =>
      typeof session_id === "string" ? [session_id] : []
    ),
  );
  const now = [...sessions].slice(-SESSIONS_MAX).flatMap((session_id) => {
    const of_session = events.filter(({ fields }) => fields.session_id === session_id);
    return sessionNow(source.session(session_id), of_session, now_unix_ms);
  });
  return {
    subject,
    is: sessions.size > 0 ? "session" : "unknown",
    sentences: [...past(events), ...now],
    events: events as ExplainAnswer["events"],
  };
}

function past(events: readonly RecordedEvent[]): string[] {
  const waiting = new Map<string, number>();
  return events.map((event) => {
    const { status, fields, time_unix_ms } = event;
    const request = JSON.stringify([fields.client_id, fields.request_id]);
    if (status === "pair_waiting") waiting.set(request, time_unix_ms);
    const since = status === "pair_waiting" ? undefined : waiting.get(request);
    const ends_wait = status === "pair_granted" || status === "pair_refused";
    const waited = ends_wait && since !== undefined
      ? ` It had waited for ${duration(time_unix_ms - since)}.`
      : "";
    return `${moment(time_unix_ms)}: ${sentenceOf(event)}${waited}`;
  });
}

/** A request that waits has no session yet: its waiting is found by the grant that ended it. */
function withItsWait(events: readonly RecordedEvent[], journal: Journal): RecordedEvent[] {
  const grant = events.find(({ status }) => status === "pair_granted");
  if (grant === undefined) return [...events];
  const { client_id, request_id } = grant.fields;
  const asked = { id: String(client_id), status: "pair_waiting", limit: EVENTS_MAX };
  const wait = journal.read(asked).events.findLast(({ seq, fields }) =>
    seq < grant.seq && fields.request_id === request_id
  );
  return wait === undefined ? [...events] : [wait, ...events];
}

function sessionNow(
  row: SessionRow | null,
  events: readonly RecordedEvent[],
  now_unix_ms: number,
): string[] {
  if (row === null) return [ended(events)];
  const age = duration(now_unix_ms - row.since_unix_ms);
  const { client_id, server_id, ports } = row;
  return [
    `Now: the session of the client ${name(client_id)} and the server ${
      name(server_id)
    } has been ` +
    `there for ${age}, with ${counted(ports.length, "port")}.`,
    ...ports.map((port) => `Now: ${portNow({ ...port, protocol: row.protocol }, now_unix_ms)}.`),
  ];
}

function ended(events: readonly RecordedEvent[]): string {
  const grant = events.find(({ status }) => status === "pair_granted");
  const last = events.at(-1);
  if (grant === undefined || last === undefined) return "Now: the session is over.";
  return `Now: the session is over; it was there for ${
    duration(last.time_unix_ms - grant.time_unix_ms)
  }.`;
}

function portNow(
  port: SessionPortRow & Pick<SessionRow, "protocol">,
  now_unix_ms: number,
): string {
  const where = place(port);
  if (port.phase === "opening") return `${where} is being opened`;
  if (port.phase === "reserved") {
    return port.waiting === null
      ? `${where} is reserved, and neither end has connected to it`
      : `at ${where} the ${port.waiting} is connected and waits for the ${
        port.waiting === "client" ? "server" : "client"
      }`;
  }
  const age = port.paired_unix_ms === null
    ? ""
    : ` for ${duration(now_unix_ms - port.paired_unix_ms)}`;
  const line = port.rtt_ms > 0
    ? `; round trip ${port.rtt_ms} ms, ${port.loss_pct} % lost, ${port.retrans_pct} % sent again`
    : "";
  return `${where} has carried both ends${age}: ${bytes(port.bytes_up)} up and ` +
    `${bytes(port.bytes_down)} down so far, ${rate(port.bps_up)} up and ` +
    `${rate(port.bps_down)} down at the moment${line}${heldBack(port)}`;
}

/** Planes that do not look for what holds a stream back say nothing of it. */
function heldBack({ bottleneck_up, bottleneck_down }: SessionPortRow): string {
  if (bottleneck_up === "unknown" && bottleneck_down === "unknown") return "";
  return `; upwards ${heldBackBy(bottleneck_up)}, downwards ${heldBackBy(bottleneck_down)}`;
}

function heldBackBy(word: string): string {
  return BOTTLENECK_WORDS[word as keyof typeof BOTTLENECK_WORDS] ?? word;
}

/** Those of fastway with this number. */
function endpointsOf(subject: string, source: AdminSource): EndpointRow[] {
  if (!/^\d{1,10}$/.test(subject)) return [];
  const page = source.endpoints({ id: Number(subject), after: -1, limit: ENDPOINTS_MAX });
  return page?.endpoints ?? [];
}

function endpointNow(row: EndpointRow, now_unix_ms: number): string {
  const { side, id, endpoint, remote, virtual, queue_messages } = row;
  const there = row.is_away
    ? "has lost its connection, and its session waits for it to come back"
    : `has been connected for ${duration(now_unix_ms - row.since_unix_ms)}, from ${name(remote)}`;
  return `Now: the fastway ${side} ${id} (endpoint ${endpoint}) ${there}; it has ${
    counted(virtual, "virtual connection")
  }, has sent ${bytes(row.bytes_in)} and got ${bytes(row.bytes_out)}, and ${
    counted(queue_messages, "message waits", "messages wait")
  } for it.`;
}

function roleOf(
  subject: string,
  registered: readonly Pick<RegistrationRow, "role">[],
  events: readonly RecordedEvent[],
): "client" | "server" | "unknown" {
  if (registered.length > 0) return registered[0].role;
  for (const { fields } of events.toReversed()) {
    if (fields.id === subject && (fields.role === "client" || fields.role === "server")) {
      return fields.role;
    }
    if (fields.client_id === subject) return "client";
    if (fields.server_id === subject) return "server";
  }
  return "unknown";
}

function peerNow(
  subject: string,
  registered: readonly RegistrationRow[],
  sessions: readonly SessionRow[],
  now_unix_ms: number,
): string[] {
  const sentences = registered.map((row) =>
    `Now: the ${peer({ role: row.role, id: row.id })} has been registered for ${
      duration(now_unix_ms - row.since_unix_ms)
    }, from ${name(row.remote)}${
      row.role === "server"
        ? `, and ${row.ports_in_use} of its ${row.max_conn} ports are in use`
        : ""
    }.`
  );
  if (registered.length === 0) sentences.push(`Now: ${name(subject)} is not registered.`);
  const told = sessions.slice(0, SESSIONS_MAX).map(({ session_id }) => session_id);
  const more = sessions.length - told.length;
  if (told.length > 0) {
    sentences.push(
      `Now: it has ${counted(sessions.length, "session")}: ${told.join(", ")}${
        more > 0 ? ` and ${more} more` : ""
      }.`,
    );
  }
  return sentences;
}

/** Bans of this id, or of this address or network, by whose name anybody may ask as well. */
function bansNow(subject: string, source: AdminSource): string[] {
  const meant = [subject, `id:${subject}`, `address:${subject}`];
  return source.bans().filter((ban) => meant.includes(ban.subject)).map((ban) => {
    const until = ban.until_unix_ms === null ? "relayx unban" : moment(ban.until_unix_ms);
    return `Now: ${name(ban.subject)} is banned until ${until}${inBrackets(ban.reason)}.`;
  });
}

/** Requests that have begun to wait and have had no answer yet. */
function waitingNow(
  subject: string,
  events: readonly RecordedEvent[],
  now_unix_ms: number,
): string[] {
  const waiting = new Map<unknown, number>();
  for (const { status, fields, time_unix_ms } of events) {
    if (fields.client_id !== subject) continue;
    if (status === "pair_waiting") waiting.set(fields.request_id, time_unix_ms);
    else if (ENDS_OF_WAITING.has(status)) waiting.delete(fields.request_id);
  }
  return [...waiting].map(([request_id, since]) =>
    `Now: its request ${name(request_id)} has been waiting for ${duration(now_unix_ms - since)}.`
  );
}

function nothingKnown(subject: string, journal: Journal, now_unix_ms: number): string {
  const { events, oldest_unix_ms } = journal.snapshot();
  const reach = oldest_unix_ms === null
    ? "no event has been recorded yet"
    : `the oldest of the ${events} events that are kept is ${
      duration(now_unix_ms - oldest_unix_ms)
    } old (admin.events_max, admin.events_size_max)`;
  return `Nothing is known of ${
    name(subject)
  }: it is neither a session nor registered, and no event ` +
    `names it; ${reach}.`;
}
