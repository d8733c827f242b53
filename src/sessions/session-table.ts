/**
 * The sessions that exist, and what their ports go through:
 *
 *   take ports from the pools → open them on their planes → granted, the reservation runs
 *     → `paired`: Occupied → `closed`: the port is idle again, and with its last port the session ends
 *     → nobody came within `gateway.auth_timeout`: released
 *
 * A reservation with one end connected and waiting is kept beyond its time and ends at once when
 * that end leaves. The planes report; this table is the only one that moves a port's state.
 */
import { randomBytes } from "node:crypto";
import type { Accounts } from "../access/accounts.ts";
import type { Config } from "../config/schema.ts";
import type { Log } from "../observe/log.ts";
import { RepeatedLines } from "../observe/repeated-lines.ts";
import {
  type ByteRate,
  type HelloProofs,
  type Plane,
  type PlaneKind,
  PortOpenError,
  type PortReport,
  type SrtWishes,
} from "../data/plane.ts";
import { DeadlineLine } from "../data/deadline-line.ts";
import { type PairRequest, type Party, type SrtRequest, traced } from "./party.ts";
import type { PortPool } from "./port-pool.ts";
import type { Registry } from "./registry.ts";
import { type EndReason, Session, type SessionPort } from "./session.ts";

/** One thing per plane. */
export type PerPlane<T> = Readonly<Record<PlaneKind, T>>;

type PortEvent<Type extends PortReport["type"]> = Extract<PortReport, { type: Type }>;

/**
 * Failures to open that say nothing about the port itself: the worker is gone, the release came
 * first, or the process lacks a resource. Blocking ports for them would block one after the other.
 */
const NOT_THE_PORTS_FAULT: ReadonlySet<string> = new Set([
  "PLANE_FAILED",
  "RELEASED",
  "EMFILE",
  "ENFILE",
  "ENOBUFS",
  "ENOMEM",
  "PASSPHRASES_FULL",
  "RATES_EXHAUSTED",
  "COUNTERS_EXHAUSTED",
]);

/**
 * The ids of all sessions together may have so many characters; `telemetry` names them every second.
 * A reservation beyond it finds no port until others have ended.
 */
export const SESSION_CHARS_IN_ALL_MAX = 16 * 1024 * 1024;

/** 64 bits, written as 16 hexadecimal characters. */
const SESSION_ID_BYTES = 8;

/** 128 bits: nobody guesses one of them within the time of a reservation, or ever. */
const PROOF_BYTES = 16;

/**
 * Whether knowing a session's id is enough to be one of its ends: always, unless its request asked
 * for proofs, or never.
 */
export type HelloProofRule = Config["auth"]["hello_proof"];

export class SessionTable {
  readonly #planes: PerPlane<Plane>;
  readonly #pools: PerPlane<PortPool>;
  readonly #registry: Registry;
  readonly #accounts: Accounts;
  readonly #log: Log;
  readonly #repeated: RepeatedLines;
  /** Called when a port and its server's room have come free. */
  readonly #onRoom: () => void;
  /** Called when a port could not be bound. */
  readonly #onBlocked: (kind: PlaneKind, error: PortOpenError) => void;
  readonly #sessions = new Map<string, Session>();
  readonly #ports: PerPlane<Map<number, SessionPort>> = { zmq: new Map(), srt: new Map() };
  /** Granted ports whose ends are not both there yet. */
  readonly #unpaired: DeadlineLine<SessionPort>;
  readonly #occupied = new Set<SessionPort>();
  #hello_proof: HelloProofRule;
  #occupied_revision = 0;
  #chars = 0;
  readonly #whenEmpty: (() => void)[] = [];
  /** Bytes of the ports that have closed. */
  readonly #carried = { zmq: { up: 0, down: 0 }, srt: { up: 0, down: 0 } };

  constructor(
    options: {
      reservation_ms: number;
      hello_proof: HelloProofRule;
      planes: PerPlane<Plane>;
      pools: PerPlane<PortPool>;
      registry: Registry;
      /** Where sessions and their bytes are counted. */
      accounts: Accounts;
      log: Log;
      onRoom: () => void;
      onBlocked: (kind: PlaneKind, error: PortOpenError) => void;
    },
  ) {
    this.#hello_proof = options.hello_proof;
    this.#planes = options.planes;
    this.#pools = options.pools;
    this.#registry = options.registry;
    this.#accounts = options.accounts;
    this.#log = options.log;
    this.#repeated = new RepeatedLines({ log: options.log });
    this.#onRoom = options.onRoom;
    this.#onBlocked = options.onBlocked;
    this.#unpaired = new DeadlineLine({
      period_ms: options.reservation_ms,
      onDue: (port) => this.#onReservationDue(port),
    });
  }

  /** The rule for sessions to come. */
  get hello_proof(): HelloProofRule {
    return this.#hello_proof;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** The ports with both ends there, oldest first. */
  get occupied(): ReadonlySet<SessionPort> {
    return this.#occupied;
  }

  /** Grows with every change of {@link occupied}, so that what is derived from it can be kept. */
  get occupiedRevision(): number {
    return this.#occupied_revision;
  }

  /**
   * Takes the lowest idle port of each pool asked for and the server's room with them. Null, with
   * nothing taken, when a pool has none.
   */
  reserve(request: PairRequest, server: Party, client: Party): Session | null {
    if (request.need_zmq && this.#pools.zmq.idle === 0) return null;
    if (request.need_srt && this.#pools.srt.idle === 0) return null;
    const session = new Session({
      id: this.#freshId(),
      request_id: request.request_id,
      trace_id: request.trace_id,
      server: server.standing,
      client: client.standing,
      srt: wishesOf(request.srt),
      // One that asked before the rule became `off` still gets what it was not refused.
      proofs: request.hello_proof || this.#hello_proof === "required" ? freshProofs() : null,
    });
    if (this.#chars + session.chars > SESSION_CHARS_IN_ALL_MAX) return null;
    this.#add(session);
    if (request.need_zmq) this.takePort(session, "zmq");
    if (request.need_srt) this.takePort(session, "srt");
    return session;
  }

  /** One more port for a session; null when the pool has none. */
  takePort(session: Session, kind: PlaneKind): SessionPort | null {
    const pool = this.#pools[kind];
    const is_special = kind === "srt" && Object.keys(session.srt).length > 0;
    const number = is_special ? pool.reserveHighest() : pool.reserve();
    if (number === null) return null;
    const port = session.addPort(kind, number, this.#planes[kind].publicPort(number));
    // It left the table with its only port when that one turned out to be taken.
    this.#add(session);
    this.#ports[kind].set(number, port);
    this.#registry.usePorts(session.server_id, 1);
    return port;
  }

  /**
   * Asks the plane for the port. Resolves to the plane's error when the port cannot be bound: it is
   * Blocked then and no longer the session's. Any other failure rejects, with the port given back.
   */
  async open(port: SessionPort): Promise<PortOpenError | null> {
    const plane = this.#planes[port.kind];
    try {
      const { id: session_id, client_id, server_id, srt, proofs } = port.session;
      const rates = ratesOf(port.session);
      await plane.open({
        port: port.port,
        session_id,
        client_id,
        server_id,
        srt,
        ...(proofs && { proofs }),
        ...(rates.length > 0 && { rates }),
      });
    } catch (error) {
      if (!(error instanceof PortOpenError) || NOT_THE_PORTS_FAULT.has(error.code)) {
        this.#vacate(port, "idle");
        throw error;
      }
      this.#vacate(port, "blocked");
      this.#onBlocked(port.kind, error);
      return error;
    }
    if (port.phase === "opening") port.phase = "reserved";
    // The plane did not know the port yet when the release was asked for.
    if (port.releasing && port.phase !== "closed") plane.release(port.port);
    return null;
  }

  /** The grant goes out: from now on the ends have the reservation's time to come. */
  startReservation(session: Session): void {
    for (const port of session.ports) {
      if (port.phase === "reserved") this.#unpaired.add(port);
    }
  }

  /** Ends every port of the session; each comes free with its plane's `closed`. */
  release(session: Session): void {
    for (const port of [...session.ports]) this.#releasePort(port);
  }

  /** Ends every reservation that has not become a session with both ends there. */
  releaseUnpaired(): void {
    for (const port of this.#allPorts()) if (port.phase !== "occupied") this.#releasePort(port);
  }

  releaseAll(): void {
    for (const port of this.#allPorts()) this.#releasePort(port);
  }

  /** Bytes relayed since the start, by what runs as well. */
  carried(): PerPlane<{ up: number; down: number }> {
    const total = { zmq: { ...this.#carried.zmq }, srt: { ...this.#carried.srt } };
    for (const { kind, port } of this.#occupied) {
      const counters = this.#planes[kind].counters(port);
      total[kind].up += counters?.bytes_up ?? 0;
      total[kind].down += counters?.bytes_down ?? 0;
    }
    return total;
  }

  /** Resolves when no session is left. */
  whenEmpty(): Promise<void> {
    if (this.#sessions.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenEmpty.push(resolve));
  }

  get(session_id: string): Session | undefined {
    return this.#sessions.get(session_id);
  }

  all(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  /** Ends a session before its time: somebody has ordered it, or a rule has. False: there is none. */
  end(session_id: string, why: { reason: EndReason; by: string }): boolean {
    const session = this.#sessions.get(session_id);
    if (session === undefined) return false;
    session.ended ??= why.reason;
    const { request_id, server_id, client_id, trace_id } = session;
    this.#log.info(
      {
        status: "session_ended",
        session_id,
        request_id,
        server_id,
        client_id,
        ...traced(trace_id),
        ...why,
      },
      "the session is ended before its time",
    );
    this.release(session);
    return true;
  }

  /** Takes a new time for reservations, those that run included, and a rule for coming sessions. */
  apply({ gateway, auth }: Pick<Config, "gateway" | "auth">): void {
    this.#unpaired.setPeriod(gateway.auth_timeout);
    this.#hello_proof = auth.hello_proof;
  }

  close(): void {
    this.#unpaired.close();
    this.#repeated.close();
  }

  onPlaneEvent(kind: PlaneKind, event: PortReport): void {
    if (event.type === "failed") {
      this.#log.error(
        { status: "plane_failed", kind, error: event.error },
        "a worker of the plane died and is replaced; its sessions have ended",
      );
      return;
    }
    if (event.type === "shed") {
      const { port, limit, count, remote } = event;
      if (limit === "banned") {
        this.#log.warn(
          { status: "banned", kind, port, count, remote },
          "connections to a data port were closed: their addresses are banned",
        );
        return;
      }
      this.#log.warn(
        { status: "limit_reached", kind, port, limit, count, remote },
        "unproven connections to a data port were closed: there are too many",
      );
      return;
    }
    if (event.type === "rejected") {
      const { status, session_id, name, remote, detail } = event;
      const ours = this.#ports[kind].get(event.port);
      const port = ours?.session.id === session_id ? ours.public_port : event.port;
      const trace = traced(ours?.session.id === session_id ? ours.session.trace_id : "");
      const line = { status, kind, port, session_id, ...trace, name, remote, detail };
      const message = "connection turned away";
      // A port that is open to everybody can be knocked at as often as anybody likes.
      const host = remote.slice(0, remote.lastIndexOf(":"));
      const kin = `${kind} ${status} ${host} ${name ?? ""}`;
      if (session_id === "") this.#repeated.warn(kin, line, message);
      else this.#log.warn(line, message);
      return;
    }
    const port = this.#ports[kind].get(event.port);
    if (port === undefined || port.session.id !== event.session_id) {
      this.#log.error(
        { kind, port: event.port, session_id: event.session_id, event: event.type },
        "the plane reported on a port that has no such session",
      );
      return;
    }
    if (event.type === "waiting") this.#onWaiting(port, event);
    else if (event.type === "waiting_gone") this.#onWaitingGone(port, event);
    else if (event.type === "paired") this.#onPaired(port, event);
    else this.#onClosed(port, event);
  }

  #onWaiting(port: SessionPort, event: PortEvent<"waiting">): void {
    port.waiting = event.role;
    port.remotes[event.role] = event.remote;
    this.#log.info(
      {
        ...where(port),
        // The word names the end that is there and pending.
        status: event.role === "server" ? "server_pending" : "client_pending",
        role: event.role,
        id: event.id,
        remote: event.remote,
      },
      "one end is connected and waits for the other",
    );
  }

  #onWaitingGone(port: SessionPort, event: PortEvent<"waiting_gone">): void {
    if (port.waiting === event.role) {
      port.waiting = null;
      port.remotes[event.role] = null;
    }
    this.#log.info(
      { ...where(port), status: "disconnected", role: event.role, remote: event.remote },
      "the waiting end left",
    );
    if (port.overdue && port.waiting === null) this.#expire(port);
  }

  #onPaired(port: SessionPort, event: PortEvent<"paired">): void {
    this.#unpaired.delete(port);
    port.waiting = null;
    port.overdue = false;
    port.phase = "occupied";
    port.paired_at = performance.now();
    port.paired_unix_ms = Date.now();
    port.remotes[event.role] = event.remote;
    this.#pools[port.kind].occupy(port.port);
    this.#occupied.add(port);
    this.#occupied_revision++;
    this.#log.info(
      { ...where(port), status: "paired", role: event.role, id: event.id, remote: event.remote },
      "both ends are there",
    );
  }

  #onClosed(port: SessionPort, event: PortEvent<"closed">): void {
    const was_occupied = port.phase === "occupied";
    const { reason, by, bytes_up, bytes_down } = event;
    // A reservation taken back was logged with its reason when that was decided.
    if (was_occupied || reason !== "released") {
      this.#log.info(
        {
          ...where(port),
          status: reason === "idle" ? "heartbeat_timeout" : "session_stop",
          reason,
          by,
          bytes_up,
          bytes_down,
        },
        "the session on the port is over",
      );
    }
    this.#carried[port.kind].up += bytes_up;
    this.#carried[port.kind].down += bytes_down;
    const { session } = port;
    this.#accounts.addBytes(session.accounts, bytes_up + bytes_down - port.counted_bytes);
    this.#vacate(port, "idle");
    this.#onRoom();
  }

  #onReservationDue(port: SessionPort): void {
    if (port.waiting !== null) port.overdue = true;
    else this.#expire(port);
  }

  #expire(port: SessionPort): void {
    if (port.releasing) return;
    this.#log.info(
      { ...where(port), status: "reservation_expired" },
      "the ends did not come in time; the reservation is taken back",
    );
    this.#releasePort(port);
  }

  #releasePort(port: SessionPort): void {
    if (port.releasing || port.phase === "closed") return;
    port.releasing = true;
    this.#unpaired.delete(port);
    if (port.phase !== "opening") this.#planes[port.kind].release(port.port);
  }

  #vacate(port: SessionPort, to: "idle" | "blocked"): void {
    if (port.phase === "closed") return;
    port.phase = "closed";
    const { session, kind, port: number } = port;
    this.#unpaired.delete(port);
    if (this.#occupied.delete(port)) this.#occupied_revision++;
    this.#ports[kind].delete(number);
    this.#registry.usePorts(session.server_id, -1);
    if (to === "idle") this.#pools[kind].free(number);
    else this.#pools[kind].block(number);
    session.dropPort(port);
    if (session.ports.length > 0) return;
    this.#sessions.delete(session.id);
    this.#chars -= session.chars;
    for (const account of session.accounts) {
      account.sessions--;
      this.#accounts.settle(account);
    }
    if (this.#sessions.size > 0) return;
    for (const resolve of this.#whenEmpty.splice(0)) resolve();
  }

  #add(session: Session): void {
    if (this.#sessions.has(session.id)) return;
    this.#sessions.set(session.id, session);
    this.#chars += session.chars;
    for (const account of session.accounts) account.sessions++;
  }

  #allPorts(): SessionPort[] {
    return [...this.#ports.zmq.values(), ...this.#ports.srt.values()];
  }

  #freshId(): string {
    for (;;) {
      const id = randomBytes(SESSION_ID_BYTES).toString("hex");
      if (!this.#sessions.has(id)) return id;
    }
  }
}

function freshProofs(): HelloProofs {
  const proof = () => randomBytes(PROOF_BYTES).toString("hex");
  return { client: proof(), server: proof() };
}

/** The bounds on what the session may carry each second, one for each it counts for. */
function ratesOf({ accounts }: Session): ByteRate[] {
  return accounts.filter(({ limits }) => limits.bytes_per_second > 0)
    .map(({ key, limits }) => ({ key, bytes_per_s: limits.bytes_per_second }));
}

/** A passphrase of 128 bits is as good as any key that libsrt derives from it. */
const PASSPHRASE_BYTES = 16;

function wishesOf({ encrypt, ...wishes }: SrtRequest): SrtWishes {
  if (!encrypt) return wishes;
  return { ...wishes, passphrase: randomBytes(PASSPHRASE_BYTES).toString("hex") };
}

function where({ session, kind, public_port: port }: SessionPort) {
  const { id: session_id, trace_id, server_id, client_id } = session;
  return { session_id, kind, port, server_id, client_id, ...traced(trace_id) };
}
