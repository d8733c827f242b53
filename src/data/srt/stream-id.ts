/**
 * The stream id: what an SRT caller says about itself in the handshake (SRTO_STREAMID, at most 512
 * bytes of UTF-8; libsrt's access-control document). Two ways to write it are understood:
 *
 *   #!::key=value,key=value…   keys of one letter are libsrt's own:
 *       s  a session that was negotiated elsewhere: here the session_id of a grant
 *       r  a resource: here the name of a stream
 *       u  who is calling: in a session the client's or the server's id
 *       m  publish, request (what is meant where nothing is said) or bidirectional
 *       t  stream; files and the rest are not served
 *       h  the host's name; everything here is on this one
 *     and beside them `key` or `secret`, the key of a stream; with `r`, `s` is taken for it as well,
 *     because other servers have taught it so; and with `s` `relayx_token`, the hello_token of the
 *     end's own grant (the document leaves keys of the form company_key to everybody). Values may be
 *     percent-encoded.
 *   publish:NAME  publish:NAME:KEY  publish:NAME:USER:KEY   and the same with `read` (or `request`)
 *
 * What cannot be read is refused with a sentence and never throws. ffi/libsrt/listen-hook.c reads the
 * name in it during the handshake, and must find the same one: what changes here changes there.
 */

/** What a caller wants. */
export type StreamIdMode = "publish" | "request" | "bidirectional";

export type StreamId =
  /** Nothing was said: a hello is expected. */
  | { type: "none" }
  | SessionStreamId
  | StreamStreamId
  /** Text in neither form, which may mean something to somebody else. */
  | { type: "free"; detail: string }
  | { type: "invalid"; detail: string };

export interface SessionStreamId {
  type: "session";
  session_id: string;
  user: string;
  mode: StreamIdMode;
  /** The proof that the grant was its own. */
  hello_token?: string;
}

export interface StreamStreamId {
  type: "stream";
  name: string;
  user: string;
  key: string;
  mode: "publish" | "request";
}

/** libsrt's own bound, and what the text may have after percent-decoding. */
export const STREAM_ID_BYTES_MAX = 512;

const STANDARD = "#!::";
const MODES: ReadonlySet<string> = new Set(["publish", "request", "bidirectional"]);
const PLAIN_MODES: Readonly<Record<string, "publish" | "request">> = {
  publish: "publish",
  read: "request",
  request: "request",
};
// A byte order mark is a letter like any other, as it is for listen-hook.c.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function parseStreamId(bytes: Uint8Array): StreamId {
  if (bytes.length === 0) return { type: "none" };
  if (bytes.length > STREAM_ID_BYTES_MAX) {
    return invalid(`it has ${bytes.length} bytes; ${STREAM_ID_BYTES_MAX} are allowed`);
  }
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return invalid("it is not UTF-8");
  }
  // deno-lint-ignore no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(text)) return invalid("it has a control character in it");
  // Programs that do not decode their URL pass the id on as it stands there.
  if (/^%23/i.test(text)) text = percentDecoded(text) ?? text;
  if (text.startsWith(STANDARD)) return parseStandard(text.slice(STANDARD.length));
  if (text.startsWith("#!")) return invalid('after "#!" only ":" and a list of key=value is known');
  return parsePlain(text);
}

function parseStandard(content: string): StreamId {
  const values = new Map<string, string>();
  for (const pair of content.split(",")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    if (equals <= 0) return invalid(`"${cut(pair)}" is no key=value`);
    const key = pair.slice(0, equals);
    if (values.has(key)) return invalid(`the key "${cut(key)}" is there twice`);
    const value = percentDecoded(pair.slice(equals + 1));
    if (value === null) return invalid(`the value of "${cut(key)}" is not percent-encoded UTF-8`);
    values.set(key, value);
  }
  const fields = Object.fromEntries(values) as Record<string, string | undefined>;
  const { s = "", r = "", u = "", m = "request", t = "stream", key, secret } = fields;
  if (!MODES.has(m)) {
    return invalid(`m is "${cut(m)}"; allowed are publish, request and bidirectional`);
  }
  if (t !== "stream") return invalid(`t is "${cut(t)}"; only stream is served`);
  const mode = m as StreamIdMode;
  if (r !== "") {
    if (mode === "bidirectional") return invalid("a stream is published or requested, not both");
    return { type: "stream", name: r, user: u, key: key ?? secret ?? s, mode };
  }
  if (s !== "") {
    return { type: "session", session_id: s, user: u, mode, hello_token: fields.relayx_token };
  }
  return invalid("neither s (a session) nor r (the name of a stream) is there");
}

function parsePlain(text: string): StreamId {
  const [word, name = "", ...rest] = text.split(":");
  const mode = Object.hasOwn(PLAIN_MODES, word) ? PLAIN_MODES[word] : null;
  if (mode === null || name === "") {
    const detail = 'allowed are "#!::…", "publish:<name>" and "read:<name>"';
    return { type: "free", detail };
  }
  if (rest.length > 2) return invalid("there is more behind publish:<name>:<user>:<key>");
  const [user, key] = rest.length === 2 ? rest : ["", rest[0] ?? ""];
  return { type: "stream", name, user, key, mode };
}

/** Null where a percent sign is not followed by two digits, or the bytes are no UTF-8. */
function percentDecoded(value: string): string | null {
  try {
    return decodeURIComponent(value);
  } catch {
    return null;
  }
}

function invalid(detail: string): StreamId {
  return { type: "invalid", detail };
}

/** A value as it may stand in a sentence of the log. */
function cut(value: string): string {
  return value.length <= 32 ? value : `${value.slice(0, 32)}…`;
}

/**
 * Writes a stream's id in the form that every encoder takes, percent-encoded where it must be. Half a
 * surrogate pair, which UTF-8 has no form for, becomes U+FFFD.
 */
export function formatStreamId(
  fields: {
    r?: string;
    s?: string;
    u?: string;
    key?: string;
    relayx_token?: string;
    m: StreamIdMode;
  },
): string {
  const pairs = Object.entries(fields).filter(([, value]) => value !== undefined && value !== "");
  return STANDARD +
    pairs.map(([key, value]) => `${key}=${encodeURIComponent(value.toWellFormed())}`).join(",");
}
