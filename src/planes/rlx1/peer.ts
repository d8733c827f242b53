/** A front end or back end of v1 that has registered. */
import type { Buffer } from "node:buffer";
import type { Standing } from "../../access/standing.ts";
import type { ControlConnection } from "../../control/connection.ts";
import type { Role } from "../../data/plane.ts";
import type { V1Role } from "./messages.ts";

/** What v1's roles are to the rest of relayx. */
export const ROLES: Readonly<Record<V1Role, Role>> = { FE: "client", BE: "server" };

export class Peer {
  readonly connection: ControlConnection;
  readonly role: V1Role;
  /** What it calls itself; may be empty, and others may call themselves the same. */
  readonly client_id: string;
  readonly standing: Standing;
  readonly since_unix_ms = Date.now();
  /** A BE that has sent `port_alloc`: it hears the telemetry, and its end is what the reaper is for. */
  has_allocated = false;

  constructor(options: {
    connection: ControlConnection;
    role: V1Role;
    client_id: string;
    standing: Standing;
  }) {
    this.connection = options.connection;
    this.role = options.role;
    this.client_id = options.client_id;
    this.standing = options.standing;
  }

  send(message: Buffer): void {
    this.connection.sendEncoded(message);
  }
}

/** Who a peer is, for the log. */
export function about({ role, client_id, connection: { remote } }: Peer) {
  return { protocol: "rlx1", role: ROLES[role], id: client_id, remote };
}
