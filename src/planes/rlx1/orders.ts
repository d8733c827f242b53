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
import { type RegistrationRow, registrationRow, sessionRow } from "./rows.ts";

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

  /** Ends one session; false where there is none. */
  end(session_id: string, order: { reason: string; by: string }): boolean {
    const session = this.#parts.sessions.find(session_id);
    if (session === undefined) return false;
    this.#end(session, order);
    return true;
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
    for (const { session_id } of theirs) this.end(session_id, { reason: "kicked", by });
    for (const { connection } of meant) this.#parts.host.end(connection, "kicked by an operator");
    return meant.length + theirs.length;
  }

  registrationRows(): RegistrationRow[] {
    return [...this.#parts.hub.peers()].map((peer) =>
      registrationRow(peer, this.#parts.table.all())
    );
  }

  sessionRows() {
    return [...this.#parts.sessions.all()]
      .map((session) => sessionRow(session, this.#parts.sessions.bytesOf(session)));
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
      sessions: this.#parts.table.busy,
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
