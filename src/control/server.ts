/**
 * The control port: who is registered, and what registered peers ask for. Who may connect, and
 * through what, is decided in `doorway.ts`, who may register in `registrar.ts`; the messages are
 * described in `messages.ts`, the states of one connection in `connection.ts`.
 */
import type { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import type { Access } from "../access/access.ts";
import type { DismissReason, Standing } from "../access/standing.ts";
import type { Config } from "../config/schema.ts";
import type { PlaneKind, PortOpenError } from "../data/plane.ts";
import type { Log } from "../observe/log.ts";
import type { Broker } from "../sessions/broker.ts";
import { DeadlineLine } from "../data/deadline-line.ts";
import { traced } from "../sessions/party.ts";
import type { Registry } from "../sessions/registry.ts";
import { RepeatedLines } from "../observe/repeated-lines.ts";
import { type ConnectionEvents, ControlConnection } from "./connection.ts";
import { Doorway, type DoorwayEvents } from "./doorway.ts";
import type { FrameError } from "./framing.ts";
import type { Frame, Guest, GuestHost } from "./guest.ts";
import { HttpDoor, type Pages } from "./http-door.ts";
import { encode, type Envelope, readPairRequest } from "./messages.ts";
import type { Overrun, Topic } from "./outgoing.ts";
import { type Applicant, Registrar, type RegistrarEvents } from "./registrar.ts";
import type { Visitor } from "./visitor.ts";

/** After our side has ended, the peer has this long to end its own before it is cut. */
const FAREWELL_MS_MAX = 2000;
/** An HTTP peer may be silent for so long, and never longer than any peer that proves nothing. */
const HTTP_IDLE_MS_MAX = 10_000;
/** 64 bits, for a request that names none. */
const REQUEST_ID_BYTES = 8;

export class ControlServer implements ConnectionEvents, DoorwayEvents, RegistrarEvents, GuestHost {
  #config: Config;
  readonly #access: Access;
  readonly #registry: Registry;
  readonly #broker: Broker;
  readonly #log: Log;
  readonly #doorway: Doorway;
  readonly #registrar: Registrar;
  readonly #http: HttpDoor;
  readonly #repeated: RepeatedLines;
  /** Every open connection that is past the doorway, HTTP included. */
  readonly #connections = new Map<Visitor, ControlConnection>();
  readonly #registered = new Set<ControlConnection>();
  /** Other protocols, and their connections that have registered. */
  readonly #guests: Guest[] = [];
  readonly #proven_guests = new Set<ControlConnection>();
  readonly #leaving: DeadlineLine<ControlConnection>;

  constructor(
    options: {
      config: Config;
      access: Access;
      registry: Registry;
      broker: Broker;
      log: Log;
      pages: Pages;
    },
  ) {
    const { config, access, registry, broker, log } = options;
    this.#config = config;
    this.#access = access;
    this.#registry = registry;
    this.#broker = broker;
    this.#log = log;
    this.#http = new HttpDoor({
      pages: options.pages,
      idle_ms_max: Math.min(HTTP_IDLE_MS_MAX, config.gateway.auth_timeout),
    });
    this.#repeated = new RepeatedLines({ log });
    const repeated = this.#repeated;
    const isBanned = (address: string) => access.isBanned(address);
    this.#doorway = new Doorway({ config, log, repeated, isBanned, events: this });
    this.#registrar = new Registrar({
      config,
      access,
      registry,
      broker,
      log,
      repeated,
      events: this,
    });
    this.#leaving = new DeadlineLine({
      period_ms: FAREWELL_MS_MAX,
      onDue: (connection) => connection.destroy(),
    });
  }

  /** Has another protocol served as well; to be called before {@link start}. */
  invite(guest: Guest): void {
    this.#guests.push(guest);
  }

  /** Registered connections of V4. */
  get size(): number {
    return this.#registered.size;
  }

  /** Resolves with the ports once they are listened on; see {@link Doorway.start}. */
  start(): Promise<{ control_port: number; tls_port: number | null }> {
    return this.#doorway.start();
  }

  /** Takes new bounds: for new connections all of them, for open ones what is left of their time. */
  apply(config: Config): void {
    this.#config = config;
    this.#doorway.apply(config);
    this.#registrar.apply(config);
    this.#http.apply({ idle_ms_max: Math.min(HTTP_IDLE_MS_MAX, config.gateway.auth_timeout) });
  }

  /** No new connections; those that are open go on. */
  stopAccepting(): void {
    this.#doorway.stopAccepting();
  }

  /** Ends every connection after what is queued for it, and waits for it for a moment. */
  async close(): Promise<void> {
    this.#doorway.close();
    const all = [...this.#connections.values()];
    const closed = all.map((connection) =>
      new Promise((resolve) => connection.socket.once("close", resolve))
    );
    for (const connection of all) this.#leave(connection);
    await Promise.all(closed);
    this.#dispose();
  }

  /** Cuts every connection at once. */
  abort(): void {
    this.#doorway.close();
    for (const connection of this.#connections.values()) connection.destroy();
    this.#dispose();
  }

  snapshot(): { registered: number; unproven: number; open: number } {
    const { unproven, entering } = this.#doorway.snapshot();
    return {
      registered: this.#registered.size + this.#proven_guests.size,
      unproven,
      open: entering + this.#connections.size,
    };
  }

  broadcast(topic: Topic, message: Buffer, now: number): void {
    for (const connection of this.#registered) connection.broadcast(topic, message, now);
  }

  /** Tells everyone that a port could not be bound. Not a topic: each one is news of its own. */
  announceConflict(kind: PlaneKind, error: PortOpenError): void {
    const message = encode("port_conflict", { kind, port: error.port, error: error.message });
    for (const connection of this.#registered) connection.sendEncoded(message);
  }

  onVisitor(visitor: Visitor, first: Buffer | null): void {
    const connection = new ControlConnection({
      visitor,
      events: this,
      limits: this.#config.limits,
    });
    this.#connections.set(visitor, connection);
    connection.start(first);
  }

  onOverdue(visitor: Visitor): void {
    const connection = this.#connections.get(visitor);
    if (connection !== undefined) this.#leave(connection);
  }

  onHttp(connection: ControlConnection): void {
    this.#doorway.stopClock(connection.visitor);
    this.#http.take(connection.visitor);
  }

  prove(connection: ControlConnection): void {
    this.#doorway.prove(connection.visitor);
    this.#proven_guests.add(connection);
  }

  end(connection: ControlConnection, reason: string): void {
    this.#leave(connection, reason);
  }

  onMessage(connection: ControlConnection, message: Envelope, frame: Frame): void {
    if (!connection.registered && connection.guest === null) {
      const is_allowed = connection.visitor.refusal === null;
      connection.guest = this.#guests.find((one) => is_allowed && one.greets(message)) ?? null;
    }
    if (connection.guest !== null) connection.guest.onMessage(connection, message, frame);
    else if (!connection.registered) this.#registrar.take(connection, message);
    else if (message.type === "pair_request") this.#onPairRequest(connection, message);
    // Other types are ignored: later versions of the protocol may have more of them.
  }

  onBroken(connection: ControlConnection, error: FrameError): void {
    this.#log.warn(
      { status: "control_error", ...who(connection), code: error.code, error: error.message },
      "the peer's bytes are no message; its connection is closed",
    );
    const proven = connection.registered || this.#proven_guests.has(connection);
    if (!proven) this.#access.noteFailure(connection.visitor.address, "control_error");
    if (connection.guest !== null) {
      this.#leave(connection, "control_error");
      return;
    }
    // Size and depth are our bounds, which even an unregistered peer can only learn by being told.
    const ours = error.code === "too_long" || error.code === "too_deep";
    if (connection.registered || ours) {
      connection.send("error", { code: 502, error: error.message });
    }
    this.#leave(connection);
  }

  onDismissed(connection: ControlConnection, reason: string): void {
    connection.send("error", { code: 504, error: reason });
    this.#leave(connection, reason);
  }

  onOverrun(connection: ControlConnection, limit: Overrun): void {
    this.#log.warn(
      {
        status: "limit_reached",
        limit,
        ...who(connection),
        queued_bytes: connection.queuedBytes,
      },
      "the peer does not take what it is sent; its connection is cut",
    );
    connection.destroy();
    this.#leave(connection, limit);
  }

  onEnded(connection: ControlConnection): void {
    this.#leave(connection, "left");
  }

  onClosed(connection: ControlConnection): void {
    this.#connections.delete(connection.visitor);
    this.#leaving.delete(connection);
  }

  onRegistered(connection: ControlConnection, asked: Applicant, standing: Standing): void {
    const { role, id, max_conn } = asked;
    connection.standing = standing;
    connection.role = role;
    connection.id = id;
    connection.max_conn = role === "server" ? max_conn : 1;
    connection.registered = true;
    connection.since_unix_ms = Date.now();
    this.#doorway.prove(connection.visitor);
    this.#registry.add(connection);
    this.#registered.add(connection);
    connection.send("register_ack", { status: "ok" }, connection.trace_id);
    this.#log.info(
      {
        status: "registered",
        ...who(connection),
        principal: connection.principal,
        max_conn: connection.max_conn,
        ...through(connection.visitor),
      },
      "a peer has registered",
    );
    this.#broker.onOnline(connection);
  }

  onRefused(connection: ControlConnection): void {
    this.#leave(connection);
  }

  onUnauthorized(connection: ControlConnection, reason: DismissReason): void {
    connection.send("error", { code: 501, error: `501 ${reason}` });
    this.#leave(connection, reason);
  }

  isWaiting(connection: ControlConnection): boolean {
    return this.#connections.has(connection.visitor) && !this.#leaving.has(connection);
  }

  #onPairRequest(connection: ControlConnection, message: Envelope): void {
    const { trace_id } = message;
    if (connection.role !== "client") {
      connection.send("error", { code: 502, error: "only client can pair_request" }, trace_id);
      this.#repeated.warn(
        `server_asked ${connection.remote}`,
        { status: "control_error", ...who(connection) },
        "a server asked for a pairing, which only a client can",
      );
      return;
    }
    const request = readPairRequest(message.payload, trace_id);
    if (request === null) {
      connection.send("error", { code: 502, error: "invalid pair_request" }, trace_id);
      this.#repeated.warn(
        `invalid_request ${connection.remote}`,
        { status: "control_error", ...who(connection) },
        "a pair_request has a field of the wrong type",
      );
      return;
    }
    if (request.request_id === "") {
      request.request_id = randomBytes(REQUEST_ID_BYTES).toString("hex");
    }
    this.#broker.request(connection, request);
  }

  /** The id is free at once, whatever the connection still has to send. */
  #unregister(connection: ControlConnection, reason: string): void {
    this.#proven_guests.delete(connection);
    connection.guest?.onGone(connection, reason);
    if (!this.#registered.delete(connection)) return;
    this.#registry.delete(connection);
    this.#access.leave(connection.standing);
    this.#log.info({ status: "disconnected", ...who(connection), reason }, "a peer is gone");
    this.#broker.onOffline(connection);
  }

  /** Ends our side; the peer has a moment to end its own. */
  #leave(connection: ControlConnection, reason = "ended by the gateway"): void {
    this.#doorway.stopClock(connection.visitor);
    this.#unregister(connection, reason);
    if (!this.#connections.has(connection.visitor)) return;
    connection.finish();
    if (!this.#leaving.has(connection)) this.#leaving.add(connection);
  }

  #dispose(): void {
    this.#leaving.close();
    this.#http.close();
    this.#repeated.close();
  }
}

function who(connection: ControlConnection) {
  if (connection.guest !== null) return connection.guest.describe(connection);
  const { registered, role, id, remote, trace_id } = connection;
  return registered ? { role, id, remote, ...traced(trace_id) } : { remote };
}

/** What stands between the peer and its registration, as far as anything does. */
function through({ tls, certificate_name, proxy }: Visitor) {
  return {
    ...(tls ? { tls } : {}),
    ...(certificate_name === null ? {} : { certificate_name }),
    ...(proxy === null ? {} : { proxy }),
  };
}
