/**
 * The line both ends of a data port introduce themselves with, before anything else:
 *
 * `V4HELLO {"role":"server"|"client","session_id":"…","id":"…"[,"hello_token":"…"]}\n`
 */
import type { Role } from "../../data/plane.ts";
import type { Grant } from "./messages.ts";

export function helloLine(
  hello: { role: Role; id: string; grant: Pick<Grant, "session_id" | "hello_token"> },
): string {
  const { role, id, grant: { session_id, hello_token } } = hello;
  return `V4HELLO ${JSON.stringify({ role, session_id, id, hello_token })}\n`;
}
