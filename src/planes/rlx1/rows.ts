/** Relay_X v1 as the admin side shows it, in the rows that it has for everybody. */
import type { PlaneKind, Role } from "../../data/plane.ts";
import type { DataSession, Figures } from "./data-sessions.ts";
import { type Peer, ROLES } from "./peer.ts";
import type { PortRow } from "./port-table.ts";

export interface RegistrationRow {
  role: Role;
  id: string;
  remote: string;
  since_unix_ms: number;
  max_conn: number;
  ports_in_use: number;
  principal: string;
  tls: boolean;
}

/** A back end has no bound of its own: every port may be its. Its ports are those that name it. */
export function registrationRow(peer: Peer, ports: Iterable<PortRow>): RegistrationRow {
  const { role, client_id: id, connection, since_unix_ms, standing } = peer;
  let total = 0;
  let in_use = 0;
  for (const { state, be } of ports) {
    total++;
    if (state === "busy" && id !== "" && be?.id === id) in_use++;
  }
  return {
    role: ROLES[role],
    id,
    remote: connection.remote,
    since_unix_ms,
    max_conn: role === "BE" ? total : 1,
    ports_in_use: role === "BE" ? in_use : 0,
    principal: standing.principal.name,
    tls: connection.tls,
  };
}

export type SessionPortRow = ReturnType<typeof portRow>;

export interface SessionRow {
  protocol: "rlx1";
  session_id: string;
  request_id: string;
  client_id: string;
  server_id: string;
  trace_id: string | null;
  since_unix_ms: number;
  ports: SessionPortRow[];
}

/** The first of a session's ports; the other one is added when it is paired. */
export function sessionRow(session: DataSession, port: SessionPortRow): SessionRow {
  const { session_id, request_id, trace_id, be, fe, since_unix_ms } = session;
  return {
    protocol: "rlx1",
    session_id,
    request_id,
    client_id: fe.id,
    server_id: be.id,
    trace_id: trace_id || null,
    since_unix_ms,
    ports: [port],
  };
}

/** The quality of lines is not looked at on these ports. */
export function portRow(session: DataSession, figures: Figures) {
  const { port, label, be, fe, since_unix_ms } = session;
  return {
    kind: label satisfies PlaneKind,
    port,
    phase: "occupied" as const,
    waiting: null,
    paired_unix_ms: since_unix_ms,
    client_remote: fe.remote,
    server_remote: be.remote,
    ...figures,
    rtt_ms: 0,
    loss_pct: 0,
    retrans_pct: 0,
    bottleneck_up: "unknown",
    bottleneck_down: "unknown",
  };
}
