/** What only fastway has: endpoints that come, are lost, come back and go. */
import { bytes, counted, duration, from, name, type Sentences, words } from "./words.ts";

const ENDS: Readonly<Record<string, string>> = {
  gone: "it ended its connection, or the network did",
  idle: "nothing whole came from it in time (ClientIdleTimeout, ServerIdleTimeout)",
  protocol_error: "it sent what the protocol does not have",
  queue_full: "it took too little of what was sent to it " +
    "(ClientSendChanSize, ServerSendChanSize, …_queue_size_max)",
  memory_full: "the memory for what waits was used up (fastway.pool_size_max)",
  plane_failed: "the worker that carried it died",
  kicked: "an operator ended it",
  banned: "it was banned",
  revoked: "a reload took its right back",
  expired: "its token's time was over",
  internal_error: "a mistake of relayx itself",
};

const REFUSALS: Readonly<Record<string, string>> = {
  handshake_error: "it did not prove in time that it knows the servers' key",
  snet_error: "its handshake of snet, or its return to a session, was not right",
  snet_unknown: "it wanted to return to a session of snet that is over",
  proxy_error: "the proxy in front did not say where it comes from",
  token_missing: "its first frame was no token, which fastway.client_auth asks for",
  draining: "the gateway lets nobody in at the moment",
  gone: "it left before its token had been judged",
};

/** `fastway server 7`. */
function who({ role, id }: Readonly<Record<string, unknown>>): string {
  const side = role === "client" || role === "server" ? role : "peer";
  return id === undefined ? `fastway ${side}` : `fastway ${side} ${name(id)}`;
}

function times({ count }: Readonly<Record<string, unknown>>): string {
  return typeof count === "number" && count > 1
    ? ` (and ${counted(count - 1, "other")} at that time)`
    : "";
}

export const FASTWAY: Sentences = {
  fastway_client: (fields) => `The ${who(fields)} connected${from(fields.remote)}${times(fields)}.`,
  fastway_server: (fields) => `The ${who(fields)} connected${from(fields.remote)}${times(fields)}.`,
  fastway_over: (fields) => {
    const { reason, detail, bytes_in, bytes_out, lasted_ms } = fields;
    const why = ENDS[String(reason)] ?? words(reason);
    const more = detail === undefined ? "" : ` (${words(detail)})`;
    const lasted = typeof lasted_ms === "number" ? ` after ${duration(lasted_ms)}` : "";
    return `The ${who(fields)}${from(fields.remote)} is over${lasted}${
      times(fields)
    }: ${why}${more}; ` +
      `it had sent ${bytes(bytes_in)} and got ${bytes(bytes_out)}.`;
  },
  fastway_away: (fields) =>
    `The ${who(fields)}${from(fields.remote)} lost its connection${times(fields)}; its session ` +
    "waits for it to come back.",
  fastway_back: (fields) =>
    `The ${who(fields)} came back${from(fields.remote)}${times(fields)}, and its session went on.`,
  door_error: ({ door, remote, error }) =>
    `A connection to the port of ${words(door)}${from(remote)} could not be handed on: ` +
    `${words(error)}.`,
  door_failed: ({ error }) =>
    "The thread of fastway's TLS listeners died, and its connections with it, or could not be " +
    `replaced: ${words(error)}; it is started again at once.`,
  fastway_refused: (fields) => {
    const { reason, detail, remote, role, count } = fields;
    const many = typeof count === "number" && count > 1 ? ` (${counted(count, "time")})` : "";
    const why = REFUSALS[String(reason)];
    const said = detail === undefined || detail === "" ? "" : words(detail);
    const because = why === undefined
      ? said || words(reason)
      : said === ""
      ? why
      : `${why} (${said})`;
    return `A connection to the fastway port for ${role === "server" ? "servers" : "clients"}${
      from(remote)
    } was turned away${many}: ${because}.`;
  },
};
