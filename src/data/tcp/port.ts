/**
 * A granted port: the connections that have not said who they are, the two seats, and the session
 * once both are taken.
 */
import { FIONREAD, type Libc } from "../../../ffi/libc/mod.ts";
import type { AdmissionLimit } from "../admission.ts";
import type { CounterRow } from "../counters.ts";
import { type Hello, V4_HELLO } from "../hello.ts";
import type { CloseReason, RejectStatus, Role } from "../plane.ts";
import { PortEvents } from "../port-events.ts";
import { Seats } from "../seats.ts";
import type { OpenOrder } from "../worker-protocol.ts";
import type { Connection } from "./connection.ts";
import type { TcpContext, WorkerPort } from "./context.ts";
import { type EntranceOwner, TcpEntrance } from "./entrance.ts";
import type { Accepted } from "./accept-loop.ts";
import { TcpSession } from "./session.ts";

const count = new Int32Array(1);

export class TcpPort implements EntranceOwner<Hello>, WorkerPort {
  readonly port: number;
  readonly session_id: string;
  readonly #context: TcpContext;
  readonly #rate_rows: readonly number[];
  readonly #counters: CounterRow;
  readonly #events: PortEvents;
  readonly #seats: Seats<Connection>;
  readonly #entrance: TcpEntrance<Hello>;
  #session: TcpSession | null = null;
  #closed = false;

  constructor(options: {
    context: TcpContext;
    order: OpenOrder;
    counters: CounterRow;
  }) {
    const { context } = options;
    const { port, session_id, proofs } = options.order;
    this.#context = context;
    this.port = port;
    this.session_id = session_id;
    this.#rate_rows = options.order.rate_rows;
    this.#counters = options.counters;
    this.#events = new PortEvents({ port, session_id, tell: context.event });
    this.#seats = new Seats({ session_id, proofs });
    this.#entrance = new TcpEntrance({ context, form: V4_HELLO, owner: this });
  }

  get session(): TcpSession | null {
    return this.#session;
  }

  /** A bound holds the session back: that nothing passes is not its ends' silence. */
  get held(): boolean {
    return this.#session?.held ?? false;
  }

  /** Takes a connection that the listener has accepted. */
  accept(accepted: Accepted): void {
    this.#entrance.accept(accepted);
  }

  dropBanned(): void {
    this.#entrance.dropBanned();
  }

  connectionReady(connection: Connection): void {
    // A third one may come while the session runs, and has no part in it.
    if (!connection.role) this.#entrance.ready(connection);
    else if (this.#session) this.#session.connectionReady(connection);
    else this.#waitingReady(connection);
  }

  refused(remote: string, status: RejectStatus, detail: string): void {
    this.#events.rejected(remote, status, detail);
  }

  shed(remote: string, limit: AdmissionLimit | "banned"): void {
    this.#events.shed(remote, limit);
  }

  /** Ends the port with everything on it; a session is broken off on both sides. */
  close(reason: CloseReason, by: Role | null = null): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#entrance.close();
    for (const role of ["client", "server"] as const) {
      const waiting = this.#seats.at(role);
      if (waiting && !this.#session) this.#closeConnection(waiting);
    }
    this.#session?.close();
    this.#context.remove(this);
    this.#events.closed(reason, by, this.#session);
  }

  /** The hello has been taken and what is behind it is the peer's. */
  claimed(connection: Connection, hello: Hello): void {
    const decision = this.#seats.take(hello, connection);
    if (decision.type === "reject") {
      connection.closeSilently(this.#context);
      return this.refused(connection.remote, decision.status, decision.detail);
    }
    connection.role = hello.role;
    connection.id = hello.id;
    if (decision.type === "wait") {
      if (decision.replaces) this.#closeConnection(decision.replaces);
      this.#events.waiting(connection);
      // Its end may have come together with the hello.
      if (connection.finished) this.#waitingReady(connection);
      return;
    }
    this.#events.paired(connection);
    const [client, server] = hello.role === "client"
      ? [connection, decision.with]
      : [decision.with, connection];
    this.#session = new TcpSession({
      context: this.#context,
      port: this,
      counters: this.#counters,
      rate_rows: this.#rate_rows,
      client,
      server,
    });
    this.#session.start();
  }

  /**
   * An end that waits for the other has something new: bytes, which stay in the kernel, or its end.
   * A FIN with nothing before it is taken for a death, because a process that was killed sends the
   * same; with bytes before it, it is a sender that has finished, and they are kept for the peer.
   */
  #waitingReady(connection: Connection): void {
    const { libc } = this.#context;
    if (!connection.broken && !connection.finished) return;
    const left = connection.broken ? 0 : unread(libc, connection.fd);
    if (left === 0) {
      this.#seats.leave(connection.role!);
      this.#closeConnection(connection);
    }
    if (connection.reportedGone) return;
    connection.reportedGone = true;
    this.#events.waitingGone(connection);
  }

  #closeConnection(connection: Connection): void {
    this.#context.poller.forget(connection.fd);
    this.#context.libc.close(connection.fd);
  }
}

function unread(libc: Libc, fd: number): number {
  return libc.ioctl(fd, FIONREAD, count) < 0 ? 0 : count[0];
}
