/** What becomes of a request: granted, waiting, refused, held at a limit. */
import { bytes, counted, from, inBrackets, name, place, type Sentences, words } from "./words.ts";

/** What to do about a refusal, by V4's code. */
const ADVICE: Readonly<Record<string, string>> = {
  500: "ask again; the log says what failed",
  501: "auth does not allow this client that server",
  502: "the request asks for what cannot be had; its program has to be corrected",
  504: "ask again later, or raise the limit that it names",
  505:
    "start a server with room, or give more ports (zeromq.port_range, gosrt.port_range, max_conn)",
};

/** Where a limit is set. */
function key(limit: unknown): string {
  const named = words(limit);
  return named.includes(".") ? named : `limits.${named}`;
}

export const PAIRING: Sentences = {
  pair_granted: ({ client_id, server_id, request_id, zmq_port, srt_port }) => {
    const ports = [
      zmq_port === undefined ? null : `TCP port ${words(zmq_port)}`,
      srt_port === undefined ? null : `SRT port ${words(srt_port)}`,
    ].filter((port) => port !== null).join(" and ");
    return `The client ${name(client_id)} (request ${
      name(request_id)
    }) was paired with the server ` +
      `${name(server_id)}, which had room for it, on ${ports}; both ends were told.`;
  },
  pair_waiting: ({ client_id, request_id, server_id }) => {
    const lacking = server_id === undefined || server_id === ""
      ? "no server had room, or no port was free"
      : `the server ${name(server_id)} was not there or had no room, or no port was free`;
    return `The client ${name(client_id)}'s request ${name(request_id)} began to wait: ${lacking}.`;
  },
  pair_refused: ({ client_id, request_id, code, error, reason }) => {
    const who = `The client ${name(client_id)}'s request ${name(request_id)}`;
    if (reason === "asker_left") {
      return `${who} was dropped: the client left before it was granted.`;
    }
    const advice = ADVICE[String(code)];
    return `${who} was refused${inBrackets(code)}: ${words(error ?? reason)}${
      advice === undefined ? "" : `; ${advice}`
    }.`;
  },
  limit_reached: (fields) => {
    const { limit, count, remote, client_id, id, error, port, queued_bytes } = fields;
    const who = client_id ?? id;
    const where = port === undefined ? "" : ` at ${place(fields)}`;
    const what = limit === "descriptors"
      ? "the process had no descriptor left; raise LimitNOFILE"
      : `the bound ${key(limit)} was reached`;
    const more = error !== undefined
      ? `: ${words(error)}`
      : queued_bytes !== undefined
      ? `: ${bytes(queued_bytes)} waited for a peer that did not read`
      : "";
    return `${counted(count, "time")}${where}, ${what}${
      who === undefined ? "" : ` by ${name(who)}`
    }${from(remote)}${more}.`;
  },
  reservation_expired: (fields) =>
    `Nobody came to ${
      place(fields)
    } within gateway.auth_timeout, so it was taken back; both ends ` +
    "have to connect to the port that they are granted.",
};
