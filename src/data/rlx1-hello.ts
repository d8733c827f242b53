/**
 * The first line of a connection to a standing port (RLX1, relay_X v1):
 *
 *     RLX1HELLO {"role":"FE"|"BE"[,"client_id":"…"]}\n
 *
 * The prefix is exact, keys are taken in any case as the original takes them, the role's case is exact,
 * `client_id` is a string or absent, other keys are ignored, a carriage return before the newline is
 * white space to JSON, and the whole line is bounded (`limits.hello_bytes_max`, newline included).
 * Everything behind the newline belongs to the peer.
 */
import { type HelloForm, HelloLine } from "./hello-line.ts";
import type { StandingRole } from "./standing.ts";

export interface Rlx1Hello {
  role: StandingRole;
  /** Empty where there was none. Whole, because it is compared with what was registered. */
  client_id: string;
}

const rlx1 = new HelloLine("RLX1HELLO");

/**
 * Reads a hello without its newline. Answers with a sentence that says what was found where the line
 * is not one; it never throws, whatever the bytes.
 */
export function parseRlx1Hello(line: Uint8Array): Rlx1Hello | string {
  const found = rlx1.fields(line);
  if (typeof found === "string") return found;
  const { role } = found;
  if (role !== "FE" && role !== "BE") return 'role is neither "FE" nor "BE"';
  const client_id = found.client_id ?? "";
  if (typeof client_id !== "string") return "client_id is no string";
  return { role, client_id };
}

export const RLX1_HELLO: HelloForm<Rlx1Hello> = { line: rlx1, parse: parseRlx1Hello };
