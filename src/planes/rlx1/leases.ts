/**
 * Leases: who has asked for which ports, and until when. They keep two peers from being granted the
 * same port and nothing more: the data plane never asks for one, as old front ends connect straight
 * away to what `port_state` says.
 */
import { randomBytes } from "node:crypto";
import type { Accounts } from "../../access/accounts.ts";
import type { PlaneKind } from "../../data/plane.ts";
import type { Acquisition } from "./messages.ts";
import type { Peer } from "./peer.ts";
import type { PortTable } from "./port-table.ts";

const SESSION_ID_BYTES = 12;

/** Why a lease is over; the log's `reason`. */
export type LeaseEnd = "released" | "expired" | "session_over" | "owner_left" | "port_gone";

export interface Lease {
  readonly session_id: string;
  readonly request_id: string;
  readonly trace_id: string;
  readonly owner: Peer;
  readonly expires_at: number;
  /** The ports that are still its own. */
  readonly ports: Map<PlaneKind, number>;
}

export class Leases {
  readonly #table: PortTable;
  readonly #accounts: Accounts;
  readonly #onOver: (lease: Lease, reason: LeaseEnd) => void;
  readonly #by_id = new Map<string, Lease>();
  readonly #by_port = new Map<number, Lease>();

  constructor(options: {
    table: PortTable;
    accounts: Accounts;
    onOver: (lease: Lease, reason: LeaseEnd) => void;
  }) {
    this.#table = options.table;
    this.#accounts = options.accounts;
    this.#onOver = options.onOver;
  }

  get size(): number {
    return this.#by_id.size;
  }

  /** All that is asked for or nothing: null when a port is missing. */
  acquire(owner: Peer, asked: Acquisition, trace_id: string, now_unix_ms: number): Lease | null {
    const ports = new Map<PlaneKind, number>();
    for (const label of ["zmq", "srt"] as const) {
      if (!asked[`need_${label}`]) continue;
      const port = this.#freePort(owner, label);
      if (port === null) return null;
      ports.set(label, port);
    }
    const lease: Lease = {
      session_id: this.#freshId(),
      request_id: asked.request_id,
      trace_id,
      owner,
      expires_at: now_unix_ms + 1000 * asked.ttl_seconds,
      ports,
    };
    this.#by_id.set(lease.session_id, lease);
    for (const port of ports.values()) this.#by_port.set(port, lease);
    for (const account of owner.standing.accounts) account.sessions++;
    return lease;
  }

  get(session_id: string): Lease | undefined {
    return this.#by_id.get(session_id);
  }

  ofPort(port: number): Lease | undefined {
    return this.#by_port.get(port);
  }

  end(lease: Lease, reason: LeaseEnd): void {
    if (!this.#by_id.delete(lease.session_id)) return;
    for (const port of lease.ports.values()) this.#by_port.delete(port);
    for (const account of lease.owner.standing.accounts) {
      account.sessions--;
      this.#accounts.settle(account);
    }
    this.#onOver(lease, reason);
  }

  /** A session on the port is over, or the port is gone: it is nobody's any more. */
  freePort(port: number, reason: "session_over" | "port_gone"): void {
    const lease = this.#by_port.get(port);
    if (lease === undefined) return;
    if (lease.ports.size === 1) {
      this.end(lease, reason);
      return;
    }
    this.#by_port.delete(port);
    for (const [label, one] of lease.ports) if (one === port) lease.ports.delete(label);
  }

  endAllOf(owner: Peer): void {
    for (const lease of [...this.#by_id.values()]) {
      if (lease.owner === owner) this.end(lease, "owner_left");
    }
  }

  /** Ends those whose time is over. */
  sweep(now_unix_ms: number): void {
    for (const lease of [...this.#by_id.values()]) {
      if (lease.expires_at <= now_unix_ms) this.end(lease, "expired");
    }
  }

  /** An FE gets a port where a BE waits; a BE one where it can wait itself, if there is one. */
  #freePort(owner: Peer, label: PlaneKind): number | null {
    const states = owner.role === "FE" ? ["ready"] as const : ["empty", "ready"] as const;
    for (const state of states) {
      for (const { port } of this.#table.inState(label, state)) {
        if (!this.#by_port.has(port)) return port;
      }
    }
    return null;
  }

  #freshId(): string {
    for (;;) {
      const id = randomBytes(SESSION_ID_BYTES).toString("hex");
      if (!this.#by_id.has(id)) return id;
    }
  }
}
