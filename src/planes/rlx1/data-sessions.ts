/**
 * What goes on on the standing ports, for the log, the metrics and the admin side: who waits, who is
 * paired with whom, and what has been carried.
 */
import { randomBytes } from "node:crypto";
import type { Standing } from "../../access/standing.ts";
import type { PlaneKind } from "../../data/plane.ts";
import type { StandingEnd, StandingEvent, StandingPlane } from "../../data/standing.ts";
import type { Log } from "../../observe/log.ts";
import { traced } from "../../sessions/party.ts";
import type { Leases } from "./leases.ts";
import type { V1Role } from "./messages.ts";
import type { PortRow, PortTable } from "./port-table.ts";

const SESSION_ID_BYTES = 12;

/** An FE and a BE on one port. */
export interface DataSession {
  /** That of the lease, where the FE has one for this port. */
  readonly session_id: string;
  readonly request_id: string;
  readonly trace_id: string;
  readonly port: number;
  readonly label: PlaneKind;
  readonly be: StandingEnd;
  readonly fe: StandingEnd;
  readonly since_unix_ms: number;
  /**
   * Those of the peers that are registered under the ids of its ends. A hello proves nothing: this is
   * good for ending a session, and not for charging anybody for it.
   */
  readonly standings: readonly Standing[];
  /** The port's totals when it began, from which its own are counted. */
  readonly before: Bytes;
}

export interface Bytes {
  up: number;
  down: number;
}

/** What a session has carried on a port, and how fast between the last two looks, bit/s. */
export interface Figures {
  bytes_up: number;
  bytes_down: number;
  bps_up: number;
  bps_down: number;
}

/** What a port had carried when it was looked at last, and the rates until then. */
interface Look {
  at_ms: number;
  bytes: Bytes;
  bps: Bytes;
}

type Over = Extract<StandingEvent, { type: "standing_over" }>;
type State = Extract<StandingEvent, { type: "standing" }>;

export class DataSessions {
  readonly #plane: StandingPlane;
  readonly #table: PortTable;
  readonly #leases: Leases;
  readonly #standingsOf: (role: V1Role, client_id: string) => Standing[];
  readonly #log: Log;
  readonly #by_port = new Map<number, DataSession>();
  readonly #looks = new Map<number, Look>();
  /** Of each port since it was opened, in sessions that are over. */
  readonly #carried_by_port = new Map<number, Bytes>();
  readonly #carried: Record<PlaneKind, Bytes> = {
    zmq: { up: 0, down: 0 },
    srt: { up: 0, down: 0 },
  };

  constructor(options: {
    plane: StandingPlane;
    table: PortTable;
    leases: Leases;
    /** Those of everybody who is registered so. */
    standingsOf: (role: V1Role, client_id: string) => Standing[];
    log: Log;
  }) {
    this.#plane = options.plane;
    this.#table = options.table;
    this.#leases = options.leases;
    this.#standingsOf = options.standingsOf;
    this.#log = options.log;
  }

  all(): Iterable<DataSession> {
    return this.#by_port.values();
  }

  /** Each port that a session runs on; a lease may be of one in each range. */
  of(session_id: string): DataSession[] {
    return [...this.#by_port.values()].filter((one) => one.session_id === session_id);
  }

  /** Sessions, however many ports each has. */
  get size(): number {
    return new Set([...this.#by_port.values()].map(({ session_id }) => session_id)).size;
  }

  /** To be called once a second: rates are those between two looks. */
  look(at_ms: number): void {
    for (const session of this.#by_port.values()) {
      const before = this.#looks.get(session.port);
      const bytes = this.#bytesOf(session);
      const elapsed_s = Math.max(1, at_ms - (before?.at_ms ?? at_ms)) / 1000;
      const bps = (way: keyof Bytes) =>
        Math.max(0, bytes[way] - (before?.bytes[way] ?? 0)) * 8 / elapsed_s;
      this.#looks.set(session.port, {
        at_ms,
        bytes,
        bps: { up: bps("up"), down: bps("down") },
      });
    }
  }

  /** To be called before the table hears of it: what was there is compared with what is. */
  onState(event: State): void {
    const row = this.#table.get(event.port);
    if (row === undefined) return;
    const { be, fe, state } = event;
    if (state === "busy" && be !== null && fe !== null) {
      if (!this.#by_port.has(row.port)) this.#begin(row, be, fe);
    } else if (state === "ready" && be !== null && row.be?.remote !== be.remote) {
      this.#log.info(
        {
          ...where(row),
          status: "server_pending",
          role: "server",
          id: be.id,
          remote: be.remote,
        },
        "a back end waits on the port",
      );
    } else if (state === "empty" && row.state === "ready" && row.be !== null) {
      const { id, remote } = row.be;
      this.#log.info(
        { ...where(row), status: "disconnected", role: "server", id, remote },
        "the back end that waited on the port has left",
      );
    }
  }

  onOver({ port, reason, by, bytes_up, bytes_down, detail }: Over): void {
    const session = this.#by_port.get(port);
    const label = session?.label ?? this.#table.get(port)?.label ?? "zmq";
    this.#by_port.delete(port);
    this.#looks.delete(port);
    this.#carried[label].up += bytes_up;
    this.#carried[label].down += bytes_down;
    const before = this.#carried_by_port.get(port) ?? { up: 0, down: 0 };
    this.#carried_by_port.set(port, { up: before.up + bytes_up, down: before.down + bytes_down });
    this.#log.info(
      {
        ...session === undefined ? { protocol: "rlx1", kind: label, port } : about(session),
        status: reason === "idle" ? "heartbeat_timeout" : "session_stop",
        reason: detail === "" ? reason : detail,
        by: by === null ? null : by === "FE" ? "client" : "server",
        bytes_up,
        bytes_down,
      },
      "the session on the port is over",
    );
    this.#leases.freePort(port, "session_over");
  }

  onClosed(port: number): void {
    this.#carried_by_port.delete(port);
    this.#leases.freePort(port, "port_gone");
  }

  figuresOf(session: DataSession): Figures {
    const bytes = this.#bytesOf(session);
    const bps = this.#looks.get(session.port)?.bps;
    return {
      bytes_up: bytes.up,
      bytes_down: bytes.down,
      bps_up: bps?.up ?? 0,
      bps_down: bps?.down ?? 0,
    };
  }

  #bytesOf(session: DataSession): Bytes {
    const now = this.#plane.counters(session.port);
    const { up, down } = session.before;
    return {
      up: Math.max(0, (now?.bytes_up ?? 0) - up),
      down: Math.max(0, (now?.bytes_down ?? 0) - down),
    };
  }

  /** Since the start, sessions that run included. */
  carried(): Record<PlaneKind, Bytes> {
    const all = { zmq: { ...this.#carried.zmq }, srt: { ...this.#carried.srt } };
    for (const session of this.#by_port.values()) {
      const { up, down } = this.#bytesOf(session);
      all[session.label].up += up;
      all[session.label].down += down;
    }
    return all;
  }

  #begin(row: PortRow, be: StandingEnd, fe: StandingEnd): void {
    const lease = this.#leases.ofPort(row.port);
    const own = lease?.owner.role === "FE" ? lease : undefined;
    const session: DataSession = {
      session_id: own?.session_id ?? randomBytes(SESSION_ID_BYTES).toString("hex"),
      request_id: own?.request_id ?? "",
      trace_id: own?.trace_id ?? "",
      port: row.port,
      label: row.label,
      be,
      fe,
      since_unix_ms: Date.now(),
      standings: [...this.#standingsOf("BE", be.id), ...this.#standingsOf("FE", fe.id)],
      before: this.#carried_by_port.get(row.port) ?? { up: 0, down: 0 },
    };
    this.#by_port.set(row.port, session);
    this.#looks.set(row.port, {
      at_ms: performance.now(),
      bytes: { up: 0, down: 0 },
      bps: { up: 0, down: 0 },
    });
    this.#log.info(
      { ...about(session), status: "paired", role: "client", id: fe.id, remote: fe.remote },
      "both ends are there",
    );
  }
}

function where({ label, port }: PortRow) {
  return { protocol: "rlx1", kind: label, port };
}

function about({ session_id, label, port, be, fe, trace_id }: DataSession) {
  return {
    protocol: "rlx1",
    session_id,
    kind: label,
    port,
    server_id: be.id,
    client_id: fe.id,
    ...traced(trace_id),
  };
}
