/**
 * Who is registered with v1, and who hears what. Nothing here reaches a peer of V4,
 * and nothing of V4 reaches a peer of v1: see `control/guest.ts`. What peers ask for is in
 * `requests.ts`.
 */
import type { Buffer } from "node:buffer";
import type { Access } from "../../access/access.ts";
import type { Standing } from "../../access/standing.ts";
import type { ControlConnection } from "../../control/connection.ts";
import type { Frame } from "../../control/guest.ts";
import type { Envelope } from "../../control/messages.ts";
import type { Log } from "../../observe/log.ts";
import { traced } from "../../sessions/party.ts";
import type { Lease, LeaseEnd, Leases } from "./leases.ts";
import { allocation, type Ranges, readRegister, readStamp, type V1Role } from "./messages.ts";
import { about, type Peer } from "./peer.ts";
import type { PortTable } from "./port-table.ts";
import type { Post } from "./post.ts";
import type { Reaper } from "./reaper.ts";
import type { Registrar } from "./registrar.ts";
import type { Requests } from "./requests.ts";
import type { Signatures } from "./signatures.ts";
import type { Speed } from "./speed.ts";

/** Old back ends send their keys again when they see such a line, and read the role out of it. */
const REGISTERED_LINE = "客户端注册成功";

export interface HubParts {
  access: Access;
  table: PortTable;
  leases: Leases;
  reaper: Reaper;
  registrar: Registrar;
  requests: Requests;
  signatures: Signatures;
  speed: Speed;
  post: Post;
  log: Log;
  ranges: () => Ranges;
}

export class Hub {
  readonly #parts: HubParts;
  readonly #peers = new Map<ControlConnection, Peer>();
  readonly #by_role: Readonly<Record<V1Role, Set<Peer>>> = { FE: new Set(), BE: new Set() };

  constructor(parts: HubParts) {
    this.#parts = parts;
  }

  peers(): Iterable<Peer> {
    return this.#peers.values();
  }

  peerOf(connection: ControlConnection): Peer | undefined {
    return this.#peers.get(connection);
  }

  countOf(role: V1Role): number {
    return this.#by_role[role].size;
  }

  /** What those have here that are registered in a role under this id. */
  standingsOf(role: V1Role, client_id: string): Standing[] {
    if (client_id === "") return [];
    return [...this.#by_role[role]].filter((peer) => peer.client_id === client_id)
      .map(({ standing }) => standing);
  }

  onMessage(connection: ControlConnection, message: Envelope, frame: Frame): void {
    const peer = this.#peers.get(connection);
    const fault = this.#parts.signatures.faultOf(frame.object, Date.now());
    if (peer === undefined) this.#onFirst(connection, message, frame, fault);
    else if (fault !== null) this.#parts.requests.refuseUnsigned(peer, message, frame, fault);
    else this.#parts.requests.take(peer, message, frame);
  }

  /** A peer is let in; `msg_id` is that of its register. */
  admit(peer: Peer, msg_id: string): void {
    const { post, log, ranges, table } = this.#parts;
    const { connection, role } = peer;
    this.#peers.set(connection, peer);
    this.#by_role[role].add(peer);
    const { trace_id } = connection;
    peer.send(post.write("auth", { status: "ok" }, { trace_id, msg_id }));
    if (role === "FE") peer.send(post.write("port_alloc", allocation(ranges())));
    peer.send(post.write("port_state", table.states()));
    log.info(
      {
        status: "registered",
        ...about(peer),
        ...traced(trace_id),
        principal: peer.standing.principal.name,
      },
      "a peer has registered",
    );
    // Ids are left out: whoever chooses one could write another's role into the line.
    this.#tell(this.#peers.values(), post.write("log", `${REGISTERED_LINE} role=${role}`));
  }

  onGone(connection: ControlConnection, reason: string): void {
    const peer = this.#peers.get(connection);
    if (peer === undefined) return;
    const { access, leases, reaper, speed, log } = this.#parts;
    this.#peers.delete(connection);
    this.#by_role[peer.role].delete(peer);
    leases.endAllOf(peer);
    access.leave(peer.standing);
    log.info({ status: "disconnected", ...about(peer), reason }, "a peer is gone");
    if (peer.role === "BE") reaper.onGone(peer);
    if (![...this.#by_role.BE].some((one) => one.has_allocated)) speed.close();
  }

  /** Tells everybody how the ports are; while a peer is behind, only the newest is kept for it. */
  broadcastStates(): void {
    if (this.#peers.size === 0) return;
    const message = this.#parts.post.write("port_state", this.#parts.table.states());
    const now = performance.now();
    for (const { connection } of this.#peers.values()) {
      connection.broadcast("port_state", message, now);
    }
  }

  /** Sends a message to everybody of a role. */
  tell(role: V1Role, message: Buffer): void {
    this.#tell(this.#by_role[role], message);
  }

  /** The ranges are others than before. */
  broadcastRanges(): void {
    const { post, ranges } = this.#parts;
    this.tell("FE", post.write("port_alloc", allocation(ranges())));
  }

  broadcastSpeed(current_speed: number, now: number): void {
    const message = this.#parts.post.write("telemetry", { current_speed });
    for (const { has_allocated, connection } of this.#by_role.BE) {
      if (has_allocated) connection.broadcast("telemetry", message, now);
    }
  }

  onLeaseOver(lease: Lease, reason: LeaseEnd): void {
    const { session_id, trace_id, owner } = lease;
    this.#parts.log.info(
      {
        status: "lease_over",
        ...about(owner),
        session_id,
        ...traced(trace_id),
        ...(reason === "expired" ? { code: "TTL_EXPIRED" } : {}),
        reason,
      },
      "a lease is over",
    );
  }

  #onFirst(
    connection: ControlConnection,
    { payload }: Envelope,
    { object }: Frame,
    fault: string | null,
  ): void {
    const { trace_id, msg_id } = readStamp(object);
    connection.trace_id = trace_id;
    const { registrar, access } = this.#parts;
    const asked = readRegister(payload, msg_id);
    if (fault === null) {
      registrar.register(connection, asked);
      return;
    }
    access.noteFailure(connection.visitor.address, "AUTH_FAILED");
    registrar.refuse(connection, asked, "AUTH_FAILED", `the signature: ${fault}`, fault);
  }

  /** One that is cut off because it does not read leaves the set meanwhile. */
  #tell(peers: Iterable<Peer>, message: Buffer): void {
    for (const peer of [...peers]) peer.send(message);
  }
}
