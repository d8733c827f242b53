/**
 * One session's place on the SRT plane: the two seats, and the session once both are taken. It has a
 * listener of its own, or its ends come through a shared port.
 */
import { SRT_EPOLL_ERR, SRT_EPOLL_IN } from "../../../ffi/libsrt/mod.ts";
import type { AdmissionLimit } from "../admission.ts";
import type { CounterRow } from "../counters.ts";
import type { Hello } from "../hello.ts";
import type { CloseReason, RejectStatus, Role, SrtWishes } from "../plane.ts";
import type { OpenOrder } from "../worker-protocol.ts";
import { PortEvents } from "../port-events.ts";
import { Seats } from "../seats.ts";
import type { SrtConnection, SrtConnectionOwner } from "./connection.ts";
import type { SrtContext } from "./context.ts";
import { type Claim, type EntranceOwner, SrtEntrance } from "./entrance.ts";
import { Farewell } from "./farewell.ts";
import type { Accepted, Acceptor } from "./listeners.ts";
import { type EncryptionRule, ruleOfPort } from "./passphrases.ts";
import { SrtSession } from "./session.ts";
import type { SessionStreamId } from "./stream-id.ts";

export class SrtPort implements SrtConnectionOwner, EntranceOwner, Acceptor {
  readonly port: number;
  readonly session_id: string;
  readonly wishes: SrtWishes;
  readonly passphrase: string;
  readonly #order: OpenOrder;
  readonly #context: SrtContext;
  readonly #counters: CounterRow;
  readonly #events: PortEvents;
  readonly #farewells: Set<Farewell>;
  readonly #seats: Seats<SrtConnection>;
  readonly #entrance: SrtEntrance;
  #session: SrtSession | null = null;
  #closed = false;

  constructor(options: {
    context: SrtContext;
    order: OpenOrder;
    counters: CounterRow;
    /** Where a connection's last moments are kept; they outlive the port's session. */
    farewells: Set<Farewell>;
  }) {
    const { context, order } = options;
    const { port, session_id, srt, proofs } = order;
    this.#order = order;
    this.#context = context;
    this.port = port;
    this.session_id = session_id;
    this.wishes = srt ?? {};
    // As long as the port is granted, whatever the configuration says meanwhile.
    this.passphrase = this.wishes.passphrase ?? context.settings.passphrase;
    this.#counters = options.counters;
    this.#farewells = options.farewells;
    this.#events = new PortEvents({ port, session_id, tell: context.event });
    this.#seats = new Seats({ session_id, proofs });
    this.#entrance = new SrtEntrance({ context, owner: this, free_text: "hello" });
  }

  get session(): SrtSession | null {
    return this.#session;
  }

  /** A bound holds the session back: that nothing passes is not its ends' silence. */
  get held(): boolean {
    return this.#session?.held ?? false;
  }

  /** Takes a connection that the port's own listener has accepted. */
  accept(accepted: Accepted): void {
    this.#entrance.accept(accepted);
  }

  /** Its own listener has one passphrase for whoever comes. */
  ruleFor(): EncryptionRule {
    return ruleOfPort(this.passphrase);
  }

  claimed(connection: SrtConnection, claim: Claim): void {
    if (claim.type === "hello") return this.seat(connection, claim.hello);
    if (claim.type === "session") return this.seatByStreamId(connection, claim);
    const detail = "streams are on the shared port, this is a session's";
    this.turnAway(connection, "streamid_error", detail);
  }

  refused(remote: string, status: RejectStatus, detail: string): void {
    this.#events.rejected(remote, status, detail);
  }

  /** Closes a connection that wanted to this session, and says why. */
  turnAway(connection: SrtConnection, status: RejectStatus, detail: string): void {
    this.#events.turnAway(connection, status, detail);
  }

  /** Ends the connections that have said nothing and come from where nobody may come from now. */
  dropBanned(): void {
    this.#entrance.dropBanned();
  }

  shed(remote: string, limit: AdmissionLimit | "banned"): void {
    this.#events.shed(remote, limit);
  }

  /**
   * Seats a caller that named the session in its stream id. Its `u` says which end it is; where that
   * says nothing its proof does, and where there is none, whoever publishes is the client and whoever
   * requests the server, if that is free.
   */
  seatByStreamId(connection: SrtConnection, claim: SessionStreamId): void {
    const { session_id, user, mode, hello_token } = claim;
    const { client_id, server_id } = this.#order;
    let role: Role;
    if (user !== "" && client_id !== server_id) {
      if (user !== client_id && user !== server_id) {
        const detail = "u is neither the client nor the server of the session";
        return this.turnAway(connection, "alloc_mismatch", detail);
      }
      role = user === client_id ? "client" : "server";
    } else {
      const wanted = mode === "request" ? "server" : "client";
      role = this.#seats.provenRole(hello_token) ??
        (this.#seats.at(wanted) ? other(wanted) : wanted);
    }
    this.seat(connection, { role, session_id, id: user === "" ? role : user, hello_token });
  }

  seat(connection: SrtConnection, hello: Hello): void {
    const decision = this.#seats.take(hello, connection);
    if (decision.type === "reject") {
      return this.turnAway(connection, decision.status, decision.detail);
    }
    connection.owner = this;
    connection.role = hello.role;
    connection.id = hello.id;
    if (decision.type === "wait") {
      // What it sends meanwhile waits in libsrt, bounded by the receive buffer.
      connection.want(SRT_EPOLL_IN, false);
      this.#events.waiting(connection);
      return;
    }
    this.#events.paired(connection);
    const [client, server] = hello.role === "client"
      ? [connection, decision.with]
      : [decision.with, connection];
    this.#session = new SrtSession({
      context: this.#context,
      port: this,
      counters: this.#counters,
      rate_rows: this.#order.rate_rows,
      client,
      server,
    });
    this.#session.start();
  }

  connectionReady(connection: SrtConnection, events: number): void {
    if (this.#session) this.#session.connectionReady(connection, events);
    else if (events & SRT_EPOLL_ERR) this.#waitingGone(connection);
  }

  /** One end has left: the other gets what is on its way to it, then the session is over. */
  endSession(left: SrtConnection): void {
    const { libsrt, wheel } = this.#context;
    const { client, server } = this.#session!;
    const stays = left === client ? server : client;
    const farewell = new Farewell({
      libsrt,
      wheel,
      connection: stays,
      latency_ms: stays.sendLatency(),
      is_file: this.wishes.transtype === "file",
      done: () => this.#farewells.delete(farewell),
    });
    this.#farewells.add(farewell);
    farewell.start(this.#context.now_ms);
    left.close();
    this.#close("finished", left.role);
  }

  /** Ends the port with everything on it, at once. */
  close(reason: CloseReason): void {
    if (this.#closed) return;
    for (const role of ["client", "server"] as const) this.#seats.at(role)?.close();
    this.#close(reason, null);
  }

  #close(reason: CloseReason, by: Role | null): void {
    this.#closed = true;
    this.#session?.end();
    this.#entrance.close();
    this.#context.remove(this, () => this.#events.closed(reason, by, this.#session));
  }

  #waitingGone(connection: SrtConnection): void {
    this.#seats.leave(connection.role!);
    connection.close();
    this.#events.waitingGone(connection);
  }
}

function other(role: Role): Role {
  return role === "client" ? "server" : "client";
}
