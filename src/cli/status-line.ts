/** What the gateway does, in the one line that `systemctl status` shows. */
import type { GatewaySnapshot } from "../gateway.ts";

export type StatusLineSource = Pick<
  GatewaySnapshot,
  "state" | "sessions" | "waiting_requests" | "connections"
>;

export function statusLine(snapshot: StatusLineSource): string {
  const { state, sessions, waiting_requests, connections } = snapshot;
  return `${state}: ${counted(sessions, "session")}, ${connections.registered} registered, ` +
    `${counted(waiting_requests, "request")} waiting`;
}

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
