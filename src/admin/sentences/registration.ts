/** Who registers on the control port, who is refused, who leaves. */
import { counted, from, inBrackets, name, peer, place, type Sentences, words } from "./words.ts";

/** What to do about a refusal, by V4's code. */
const ADVICE: Readonly<Record<string, string>> = {
  501: "its token, its id or its role is not one that auth allows",
  502: "what it sent is not what the protocol asks for; its program has to be corrected",
  503:
    "somebody with this id is registered already; end that one (relayx kick) or choose another id",
  504: "a limit is reached, or the gateway lets nobody in at the moment",
};

/** `control port`, `port of fastway client TLS`. */
function doorway(door: unknown): string {
  return typeof door === "string" && door !== "control" ? `port of ${words(door)}` : "control port";
}

export const REGISTRATION: Sentences = {
  registered: (fields) =>
    `The ${peer(fields)} registered${from(fields.remote)}` +
    // A back end of relay_X v1 has no bound of its own.
    (fields.role === "server" && fields.max_conn !== undefined
      ? `, for up to ${counted(fields.max_conn, "port")} at once.`
      : "."),
  register_refused: (fields) => {
    const { code, error, detail, reason, remote } = fields;
    // Whoever is banned is told 501 like everybody, and nothing is wrong with its token.
    const advice = reason === "banned" ? "relayx unban takes that back" : ADVICE[String(code)];
    const why = words(detail ?? error ?? reason ?? "no reason is known");
    return `A registration of ${peer(fields)}${from(remote)} was refused${inBrackets(code)}: ` +
      `${why}${advice === undefined ? "" : `; ${advice}`}.`;
  },
  disconnected: (fields) => {
    const { kind, port, reason } = fields;
    if (port !== undefined) {
      return `The ${
        peer(fields)
      }, which was connected to the port and waited for the other end, left.`;
    }
    return `The ${peer(fields)} is no longer registered: ${
      reason === "left" ? "it ended its connection, or the network did" : words(reason ?? kind)
    }; its sessions go on.`;
  },
  control_error: (fields) =>
    fields.remote === undefined
      ? `The control port had trouble: ${words(fields.error)}.`
      : `The ${peer(fields)}${from(fields.remote)} sent what the control protocol does not have` +
        `${inBrackets(fields.error)}.`,
  tls_failed: ({ error, remote, door }) =>
    `A TLS handshake on the ${doorway(door)}${from(remote)} failed: ${words(error)}.`,
  tls_refused: ({ error, remote, door }) =>
    `A connection to the ${doorway(door)}${from(remote)} was refused, as tls asks for more: ` +
    `${words(error)}.`,
  tls_error: ({ error }) =>
    `The new certificate cannot be used and the one before stays: ${words(error)}.`,
  tls_loaded: ({ certificate, expires }) =>
    `The certificate ${words(certificate)} is in use; it expires ${words(expires)}.`,
  certificate_expires: ({ certificate, days }) =>
    `The certificate ${words(certificate)} ` +
    (Number(days) < 0 ? "has expired" : `expires in ${counted(days, "day")}`) +
    "; put a new one in its place and reload.",
  banned: (fields) => {
    const { subject, reason, remote, port, count, until } = fields;
    if (subject !== undefined) {
      return `${name(subject)} was banned${inBrackets(reason)}${
        until === null || until === undefined ? "" : ` until ${words(until)}`
      }.`;
    }
    const where = port === undefined ? "" : ` to ${place(fields)}`;
    return `${counted(count, "connection")}${where}${from(remote)} ${
      count === 1 || count === undefined ? "was" : "were"
    } closed: the address is banned; relayx unban takes that back.`;
  },
  unbanned: ({ subject, by }) => `The ban of ${name(subject)} ended, by ${words(by)}.`,
  jwks_fetched: ({ url, keys }) =>
    `The keys for tokens were fetched from ${name(url)}: ${counted(keys, "key")}.`,
  jwks_unavailable: ({ url, error }) =>
    `The keys for tokens could not be fetched from ${name(url)}: ${
      words(error)
    }; those that were ` +
    "fetched before stay in use.",
};
