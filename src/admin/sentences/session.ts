/** What happens on a session's ports, and how it ends. */
import { BOTTLENECK_WORDS } from "../../data/bottleneck.ts";
import { bytes, counted, from, name, peer, place, plane, type Sentences, words } from "./words.ts";

const REASONS: Readonly<Record<string, string>> = {
  finished: "both directions had ended in order",
  aborted: "one end broke off",
  idle: "both ends had been silent for gateway.session_idle_timeout",
  released: "the gateway ended it",
  plane_failed: "the worker that carried it died",
  // The following are only said of relay_X v1; V4's sessions have a line of their own before it.
  kicked: "an operator ended it",
  drained: "the deadline of the drain came",
  revoked: "an end is banned, or its token is not good any more",
  back_end_left: "its back end was no longer registered",
};

function ending({ reason, by, bytes_up, bytes_down }: Readonly<Record<string, unknown>>): string {
  const why = REASONS[String(reason)] ?? words(reason);
  const who = by === "client" || by === "server" ? `, the ${by} first` : "";
  return `${why}${who}; ${bytes(bytes_up)} went from the client to the server and ` +
    `${bytes(bytes_down)} back`;
}

export const SESSION: Sentences = {
  client_pending: (fields) =>
    `The client ${name(fields.id)} connected to ${place(fields)}${
      from(fields.remote)
    } and waited ` +
    "for the server.",
  server_pending: (fields) =>
    `The server ${name(fields.id)} connected to ${place(fields)}${
      from(fields.remote)
    } and waited ` +
    "for the client.",
  paired: (fields) =>
    `The ${peer(fields)} connected to ${place(fields)}${
      from(fields.remote)
    }: both ends were there, ` +
    "and bytes flowed.",
  session_stop: (fields) => `The session on ${place(fields)} closed: ${ending(fields)}.`,
  heartbeat_timeout: (fields) => `The session on ${place(fields)} closed: ${ending(fields)}.`,
  session_ended: ({ reason, by }) =>
    `The session was ended before its time: ${words(reason)}, by ${words(by)}.`,
  bottleneck: ({ bottleneck, direction, kind, port, name: stream, remote, user }) => {
    const what = BOTTLENECK_WORDS[bottleneck as keyof typeof BOTTLENECK_WORDS] ?? words(bottleneck);
    const where = stream === undefined
      ? `The ${
        direction === "down" ? "server's stream to the client" : "client's stream to the server"
      }` +
        ` on ${place({ kind, port })}`
      : `The stream ${name(stream)} to the viewer ${user ? `${name(user)} ` : ""}${name(remote)}`;
    return `${where}: ${what}.`;
  },
  plane_failed: ({ kind, port, error }) =>
    port === undefined
      ? `A worker of the ${plane(kind)} plane died and was replaced (${
        words(error)
      }); the sessions ` +
        "that it carried have ended, and may be asked for again."
      : `The ${plane(kind)} plane could not open port ${words(port)}: ${words(error)}.`,
  port_blocked: (fields) =>
    `${place(fields)} could not be bound (${words(fields.error)}): another program has it. It is ` +
    "tried again every 5 s.",
  port_unblocked: (fields) => `${place(fields)} can be bound again.`,
};

function turnedAway(why: string): Sentences[string] {
  return (fields) => {
    const { detail, remote, count } = fields;
    const times = typeof count === "number" && count > 1 ? ` (${counted(count, "time")})` : "";
    return `A connection to ${place(fields)}${from(remote)} was turned away${times}: ${why}${
      detail === undefined ? "" : ` (${words(detail)})`
    }.`;
  };
}

/** Connections to data ports that were closed, by the reason. */
export const TURNED_AWAY: Sentences = {
  hello_error: turnedAway("it did not say in time and in form who it is"),
  alloc_mismatch: turnedAway("it named a session that does not have this port"),
  port_occupied: turnedAway("both ends of the session are there already"),
  server_dup: turnedAway("the session's server is connected already"),
  client_dup: turnedAway("the session's client is connected already"),
  hello_unproven: turnedAway("it did not bring the hello_token of its own grant"),
  no_server: turnedAway("it is a front end, and no back end waited there"),
  proxy_error: turnedAway("the proxy in front did not say where it comes from"),
  streamid_error: turnedAway("its stream id cannot be read, or says nothing that is served here"),
  stream_denied: turnedAway("there is no such stream, or its key is wrong"),
  stream_busy: turnedAway("somebody publishes this stream already; see takeover"),
  stream_full: turnedAway("the stream has as many viewers as viewers_max allows"),
  encryption_error: turnedAway("its passphrase is missing or wrong"),
};

const STREAM_ENDS: Readonly<Record<string, string>> = {
  left: "it ended the connection, or the network did",
  replaced: "another publisher took its place",
  bitrate: "it sent more than bitrate_max",
  slow: "it was too slow for too long",
  released: "the gateway ended it",
};

function who({ user, remote }: Readonly<Record<string, unknown>>): string {
  return `${user ? ` ${name(user)}` : ""}${from(remote)}`;
}

/** A stream with a port of its own has a name, and the shared ports have a number. */
function streamsAt({ name: stream, port }: Readonly<Record<string, unknown>>): string {
  if (stream !== undefined) return `The stream ${name(stream)}`;
  return port === undefined ? "Streams" : `The streams on SRT port ${words(port)}`;
}

/** Named streams. */
export const STREAMS: Sentences = {
  publishing: (fields) => `A publisher${who(fields)} came to the stream ${name(fields.name)}.`,
  viewing: (fields) => `A viewer${who(fields)} came to the stream ${name(fields.name)}.`,
  stream_unavailable: (fields) =>
    `${streamsAt(fields)} cannot be served (${
      words(fields.error)
    }): another program may have the ` +
    "port. It is tried again in the background.",
  stream_available: (fields) => `${streamsAt(fields)} can be served again.`,
  publish_stop: (fields) =>
    `The publisher${who(fields)} of the stream ${name(fields.name)} went: ${
      STREAM_ENDS[String(fields.reason)] ?? words(fields.reason)
    }; it had sent ${bytes(fields.bytes)}.`,
  view_stop: (fields) =>
    `The viewer${who(fields)} of the stream ${name(fields.name)} went: ${
      STREAM_ENDS[String(fields.reason)] ?? words(fields.reason)
    }; it had got ${bytes(fields.bytes)} and missed ${counted(fields.skipped, "message")}.`,
};
