/** What the gateway does, in the one line that `systemctl status` shows. */
import type { GatewaySnapshot } from "../gateway.ts";

export type StatusLineSource = Pick<
  GatewaySnapshot,
  "state" | "drain" | "sessions" | "waiting_requests" | "connections"
>;

export function statusLine(snapshot: StatusLineSource): string {
  const { drain, sessions, waiting_requests, connections } = snapshot;
  const state = snapshot.state === "Running" && drain !== null ? "Draining" : snapshot.state;
  return `${state}: ${counted(sessions, "session")}, ${connections.registered} registered, ` +
    `${counted(waiting_requests, "request")} waiting`;
}

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
