/**
 * The line both ends of a data port introduce themselves with, before anything else:
 *
 * `V4HELLO {"role":"server"|"client","session_id":"…","id":"…"}\n`
 */
import type { Role } from "../../data/plane.ts";

export function helloLine(hello: { role: Role; session_id: string; id: string }): string {
  const { role, session_id, id } = hello;
  return `V4HELLO ${JSON.stringify({ role, session_id, id })}\n`;
}
