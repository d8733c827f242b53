/** What the operator sees of relay_X v1, and orders there. */
import type { Standing } from "../../access/standing.ts";
import type { GuestHost } from "../../control/guest.ts";
import type { PlaneKind, PlaneSnapshot, Role } from "../../data/plane.ts";
import type { StandingPlane } from "../../data/standing.ts";
import type { Log } from "../../observe/log.ts";
import type { DataSession, DataSessions } from "./data-sessions.ts";
import type { Hub } from "./hub.ts";
import type { Leases } from "./leases.ts";
import { ROLES } from "./peer.ts";
import type { PortCounts, PortTable } from "./port-table.ts";
import {
  portRow,
  type RegistrationRow,
  registrationRow,
  type SessionRow,
  sessionRow,
} from "./rows.ts";

export interface Rlx1Snapshot {
  front_ends: number;
  back_ends: number;
  leases: number;
  sessions: number;
  ports: Record<PlaneKind, PortCounts>;
}

export interface OrdersOptions {
  plane: StandingPlane;
  table: PortTable;
  leases: Leases;
  sessions: DataSessions;
  hub: Hub;
  host: GuestHost;
  log: Log;
}

export class Orders {
  readonly #parts: OrdersOptions;

  constructor(options: OrdersOptions) {
    this.#parts = options;
  }

  /** Ends all sessions with an end that this is true of. */
  endSessions(of: (end: Standing) => boolean, by: string): void {
    for (const session of [...this.#parts.sessions.all()]) {
      if (session.standings.some(of)) this.#end(session, { reason: "revoked", by });
    }
  }

  /** Ends one session, on all of its ports; false where there is none. */
  end(session_id: string, order: { reason: string; by: string }): boolean {
    const meant = this.#parts.sessions.of(session_id);
    for (const session of meant) this.#end(session, order);
    return meant.length > 0;
  }

  /**
   * Ends all registrations of a role with this id and, if asked, the sessions that name it; null where
   * there is no such registration, else how many of both have ended.
   */
  kick(role: Role, id: string, { sessions, by }: { sessions: boolean; by: string }): number | null {
    const meant = [...this.#parts.hub.peers()]
      .filter((peer) => ROLES[peer.role] === role && peer.client_id === id);
    if (meant.length === 0) return null;
    const theirs = [...this.#parts.sessions.all()]
      .filter(({ be, fe }) => sessions && id !== "" && (role === "server" ? be : fe).id === id);
    for (const session of theirs) this.#end(session, { reason: "kicked", by });
    for (const { connection } of meant) this.#parts.host.end(connection, "kicked by an operator");
    return meant.length + new Set(theirs.map(({ session_id }) => session_id)).size;
  }

  registrationRows(): RegistrationRow[] {
    return [...this.#parts.hub.peers()].map((peer) =>
      registrationRow(peer, this.#parts.table.all())
    );
  }

  /** A lease may be of a port in each range: then that is one session on two ports. */
  sessionRows(): SessionRow[] {
    const rows = new Map<string, SessionRow>();
    for (const session of this.#parts.sessions.all()) {
      const port = portRow(session, this.#parts.sessions.figuresOf(session));
      const row = rows.get(session.session_id);
      if (row === undefined) rows.set(session.session_id, sessionRow(session, port));
      else row.ports.push(port);
    }
    return [...rows.values()];
  }

  /** Since the start, sessions that run included. */
  carried(): Record<PlaneKind, { up: number; down: number }> {
    return this.#parts.sessions.carried();
  }

  planeSnapshot(): PlaneSnapshot {
    return this.#parts.plane.snapshot();
  }

  snapshot(): Rlx1Snapshot {
    return {
      front_ends: this.#parts.hub.countOf("FE"),
      back_ends: this.#parts.hub.countOf("BE"),
      leases: this.#parts.leases.size,
      sessions: this.#parts.sessions.size,
      ports: { zmq: this.#parts.table.counts("zmq"), srt: this.#parts.table.counts("srt") },
    };
  }

  #end(session: DataSession, order: { reason: string; by: string }): void {
    const { session_id } = session;
    const { port, label: kind, be, fe } = session;
    this.#parts.log.info(
      {
        status: "session_ended",
        protocol: "rlx1",
        session_id,
        kind,
        port,
        server_id: be.id,
        client_id: fe.id,
        ...order,
      },
      "a session is ended before its time",
    );
    this.#parts.plane.stopSession(port, order.reason);
  }
}
