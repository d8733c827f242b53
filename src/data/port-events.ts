/** The words in which a port tells of itself; the same for every plane. */
import type { CloseReason, PlaneEvent, RejectStatus, Role } from "./plane.ts";

type ShedLimit = Extract<PlaneEvent, { type: "shed" }>["limit"];

/** A connection whose hello has been taken. */
export interface ProvenEnd {
  readonly role: Role | null;
  readonly id: string;
  readonly remote: string;
}

/** What a session has carried. */
export interface Carried {
  readonly bytes_up: number;
  readonly bytes_down: number;
}

export class PortEvents {
  readonly #port: number;
  readonly #session_id: string;
  readonly #tell: (event: PlaneEvent) => void;

  constructor(options: {
    port: number;
    session_id: string;
    tell: (event: PlaneEvent) => void;
  }) {
    this.#port = options.port;
    this.#session_id = options.session_id;
    this.#tell = options.tell;
  }

  waiting(end: ProvenEnd): void {
    this.#tell({ type: "waiting", ...this.#where(), ...this.#who(end) });
  }

  waitingGone(end: ProvenEnd): void {
    const { role, remote } = this.#who(end);
    this.#tell({ type: "waiting_gone", ...this.#where(), role, remote });
  }

  /** `end` is the one that came second. */
  paired(end: ProvenEnd): void {
    this.#tell({ type: "paired", ...this.#where(), ...this.#who(end) });
  }

  /** `name` is the stream's that the peer has asked for. */
  rejected(remote: string, status: RejectStatus, detail: string, name?: string): void {
    const stream = name === undefined ? {} : { name };
    this.#tell({ type: "rejected", ...this.#where(), status, detail, remote, ...stream });
  }

  /** Closes a connection and says why. */
  turnAway(
    connection: { readonly remote: string; close(): void },
    status: RejectStatus,
    detail: string,
  ): void {
    connection.close();
    this.rejected(connection.remote, status, detail);
  }

  shed(remote: string, limit: ShedLimit): void {
    this.#tell({ type: "shed", port: this.#port, limit, count: 1, remote });
  }

  closed(reason: CloseReason, by: Role | null, carried: Carried | null): void {
    const { bytes_up, bytes_down } = carried ?? { bytes_up: 0, bytes_down: 0 };
    this.#tell({ type: "closed", ...this.#where(), reason, by, bytes_up, bytes_down });
  }

  #where(): { port: number; session_id: string } {
    return { port: this.#port, session_id: this.#session_id };
  }

  #who({ role, id, remote }: ProvenEnd): { role: Role; id: string; remote: string } {
    return { role: role!, id, remote };
  }
}

/** Somebody came to a port that listens without a session, and was closed. */
export function strangerEvent(port: number, remote: string): PlaneEvent {
  return {
    type: "rejected",
    port,
    session_id: "",
    status: "alloc_mismatch",
    detail: "no session is reserved on this port",
    remote,
  };
}

/** Somebody came from an address that is banned, and was closed. */
export function bannedEvent(port: number, remote: string): PlaneEvent {
  return { type: "shed", port, limit: "banned", count: 1, remote };
}

/** The process has no descriptor or memory left to take one more connection. */
export function exhaustedEvent(port: number): PlaneEvent {
  return { type: "shed", port, limit: "descriptors", count: 1, remote: "unknown" };
}
