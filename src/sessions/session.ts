/** A session: two parties, and one or two ports between them that live and end on their own. */
import type { Account } from "../access/account.ts";
import type { Standing } from "../access/standing.ts";
import type { HelloProofs, PlaneKind, Role, SrtWishes } from "../data/plane.ts";
import type { Grant } from "./party.ts";

/**
 * Where one port of a session stands.
 * - `opening`: taken from the pool, the plane is asked to bind it.
 * - `reserved`: open, both ends may come.
 * - `occupied`: both ends are there.
 * - `closed`: given back to the pool.
 */
export type PortPhase = "opening" | "reserved" | "occupied" | "closed";

/**
 * Why a session is ended before its time.
 * - `kicked`: an operator ended it, or the registration that it belongs to.
 * - `drained`: the drain's deadline came.
 * - `revoked`: one of its ends may not be here any more.
 * - `quota`: one of its ends has used up what it may carry.
 */
export type EndReason = "kicked" | "drained" | "revoked" | "quota";

/** One port of a session for as long as it is its own. */
export interface SessionPort {
  readonly session: Session;
  readonly kind: PlaneKind;
  /** Its number in the pool. */
  readonly port: number;
  /** What the ends connect to, which several sessions may share. */
  readonly public_port: number;
  phase: PortPhase;
  /** The end that is connected and waits for the other. */
  waiting: Role | null;
  /** The reservation's time is over and only the waiting end keeps it. */
  overdue: boolean;
  /** The plane has been asked to end it; its `closed` is on the way. */
  releasing: boolean;
  /** When both ends were there, in `performance.now()` milliseconds. */
  paired_at: number;
  /** The same by the clock on the wall, Unix milliseconds; 0 before. */
  paired_unix_ms: number;
  /** What of its bytes has been counted for those whose session it is. */
  counted_bytes: number;
  /** Where the ends that are there come from, `address:port`. */
  readonly remotes: Record<Role, string | null>;
}

export class Session {
  readonly id: string;
  readonly request_id: string;
  /** The asker's name for the whole undertaking; empty where it gave none. */
  readonly trace_id: string;
  readonly server: Standing;
  readonly client: Standing;
  /** Those that it counts for, each once. */
  readonly accounts: readonly Account[];
  readonly srt: SrtWishes;
  /** What each end's hello must prove itself by; null where the session's id is enough. */
  readonly proofs: HelloProofs | null;
  readonly since_unix_ms = Date.now();
  /** Why it was ended before its time; null while it was not. */
  ended: EndReason | null = null;
  /** The ports that are not closed. */
  readonly ports: SessionPort[] = [];

  constructor(
    options: {
      id: string;
      request_id: string;
      trace_id: string;
      server: Standing;
      client: Standing;
      srt: SrtWishes;
      proofs: HelloProofs | null;
    },
  ) {
    this.id = options.id;
    this.request_id = options.request_id;
    this.trace_id = options.trace_id;
    this.server = options.server;
    this.client = options.client;
    this.accounts = [...new Set([...options.client.accounts, ...options.server.accounts])];
    this.srt = options.srt;
    this.proofs = options.proofs;
  }

  get server_id(): string {
    return this.server.id;
  }

  get client_id(): string {
    return this.client.id;
  }

  /** The length of its ids, which is what a session may cost beyond the ordinary. */
  get chars(): number {
    const { request_id, trace_id, server_id, client_id } = this;
    return request_id.length + trace_id.length + server_id.length + client_id.length;
  }

  addPort(kind: PlaneKind, port: number, public_port: number): SessionPort {
    const added: SessionPort = {
      session: this,
      kind,
      port,
      public_port,
      phase: "opening",
      waiting: null,
      overdue: false,
      releasing: false,
      paired_at: 0,
      paired_unix_ms: 0,
      counted_bytes: 0,
      remotes: { client: null, server: null },
    };
    this.ports.push(added);
    return added;
  }

  dropPort(port: SessionPort): void {
    const index = this.ports.indexOf(port);
    if (index >= 0) this.ports.splice(index, 1);
  }

  /** What one of the parties is told; the other's proof is none of its business. */
  grant(to: Role): Grant {
    const grant: Grant = {
      request_id: this.request_id,
      session_id: this.id,
      server_id: this.server_id,
      client_id: this.client_id,
    };
    const zmq = this.ports.find((port) => port.kind === "zmq");
    const srt = this.ports.find((port) => port.kind === "srt");
    if (zmq !== undefined) grant.zmq_port = zmq.public_port;
    if (srt !== undefined) grant.srt_port = srt.public_port;
    if (srt !== undefined && this.srt.passphrase) grant.srt_passphrase = this.srt.passphrase;
    if (this.proofs !== null) grant.hello_token = this.proofs[to];
    return grant;
  }
}
