/**
 * The first line of every data connection (V4):
 *
 *     V4HELLO {"role":"server"|"client","session_id":"…","id":"…"[,"hello_token":"…"]}\n
 *
 * The prefix is exact, the role is taken in any case, the first three values are non-empty strings,
 * `hello_token` is what the end's own grant had where the session asks for proofs, other keys are
 * ignored, and the whole line is bounded (`limits.hello_bytes_max`, newline included).
 * Everything behind the newline belongs to the peer.
 */
import { type HelloForm, HelloLine } from "./hello-line.ts";
import type { Role } from "./plane.ts";

export interface Hello {
  role: Role;
  session_id: string;
  /** What the peer calls itself; for the log only. */
  id: string;
  /** The proof that the grant was its own. */
  hello_token?: string;
}

const v4 = new HelloLine("V4HELLO");
/** An id goes into log lines; longer ones are cut there, never refused. */
const idCharactersMax = 128;

/**
 * Reads a hello without its newline. Answers with a sentence that says what was found where the line
 * is not one; it never throws, whatever the bytes.
 */
export function parseHello(line: Uint8Array): Hello | string {
  const found = v4.fields(line);
  if (typeof found === "string") return found;
  const { role, session_id, id, hello_token } = found;
  if (!isText(role) || !isText(session_id) || !isText(id)) {
    return "role, session_id and id must all be non-empty strings";
  }
  const lower = role.toLowerCase();
  if (lower !== "server" && lower !== "client") return 'role is neither "server" nor "client"';
  if (hello_token !== undefined && hello_token !== null && typeof hello_token !== "string") {
    return "hello_token is no string";
  }
  return {
    role: lower,
    session_id,
    id: id.slice(0, idCharactersMax),
    ...(typeof hello_token === "string" && { hello_token }),
  };
}

/** Whether these first bytes, however few, can still become a hello. */
export function startsLikeHello(bytes: Uint8Array): boolean {
  return v4.startsLike(bytes);
}

export const V4_HELLO: HelloForm<Hello> = { line: v4, parse: parseHello };

function isText(value: unknown): value is string {
  return typeof value === "string" && value.trim() !== "";
}
