/**
 * A granted port: the connections that have not said who they are, the two seats, and the session
 * once both are taken.
 */
import { EAGAIN, FIONREAD, type Libc, MSG_PEEK } from "../../../ffi/libc/mod.ts";
import type { CounterRow } from "../counters.ts";
import { type Hello, parseHello, startsLikeHello } from "../hello.ts";
import type { CloseReason, HelloProofs, RejectStatus, Role } from "../plane.ts";
import { PortEvents } from "../port-events.ts";
import { Seats } from "../seats.ts";
import { UnprovenConnections } from "../unproven.ts";
import { Connection, type ConnectionOwner } from "./connection.ts";
import type { TcpContext } from "./context.ts";
import type { Accepted, Acceptor } from "./listeners.ts";
import { TcpSession } from "./session.ts";

const NEWLINE = 10;
const count = new Int32Array(1);

export class TcpPort implements ConnectionOwner, Acceptor {
  readonly port: number;
  readonly session_id: string;
  readonly #context: TcpContext;
  readonly #counters: CounterRow;
  readonly #events: PortEvents;
  readonly #seats: Seats<Connection>;
  readonly #unproven: UnprovenConnections<Connection>;
  #session: TcpSession | null = null;
  #closed = false;

  constructor(options: {
    context: TcpContext;
    port: number;
    session_id: string;
    proofs?: HelloProofs;
    counters: CounterRow;
  }) {
    const { context, port, session_id, proofs } = options;
    const { wheel, admission, settings } = context;
    this.#context = context;
    this.port = port;
    this.session_id = session_id;
    this.#counters = options.counters;
    this.#events = new PortEvents({ port, session_id, tell: context.event });
    this.#seats = new Seats({ session_id, proofs });
    this.#unproven = new UnprovenConnections({
      admission,
      wheel,
      hello_timeout_ms: settings.hello_timeout_ms,
      owner: this,
    });
  }

  get session(): TcpSession | null {
    return this.#session;
  }

  helloOverdue(connection: Connection): void {
    const { hello_timeout_ms } = this.#context.settings;
    this.#reject(connection, "hello_error", `no complete hello within ${hello_timeout_ms} ms`);
  }

  /** Takes a connection that the listener has accepted. */
  accept({ fd, address, remote }: Accepted): void {
    const { libc, poller } = this.#context;
    const limit = this.#unproven.admit(address);
    if (limit) {
      libc.close(fd);
      this.#events.shed(remote, limit);
      return;
    }
    const connection = new Connection({ libc, fd, remote, address, owner: this });
    connection.watch(poller);
    this.#unproven.add(connection, this.#context.now_ms);
  }

  connectionReady(connection: Connection): void {
    // A third one may come while the session runs, and has no part in it.
    if (!connection.role) this.#readHello(connection);
    else if (this.#session) this.#session.connectionReady(connection);
    else this.#waitingReady(connection);
  }

  /** Ends the port with everything on it; a session is broken off on both sides. */
  close(reason: CloseReason, by: Role | null = null): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const connection of this.#unproven) this.#drop(connection);
    for (const role of ["client", "server"] as const) {
      const waiting = this.#seats.at(role);
      if (waiting && !this.#session) this.#closeConnection(waiting);
    }
    this.#session?.close();
    this.#context.remove(this);
    this.#events.closed(reason, by, this.#session);
  }

  /**
   * Looks at what has come without taking it, until the newline is there, then takes exactly the
   * line: what is behind it stays in the kernel for the splice.
   */
  #readHello(connection: Connection): void {
    const { libc, scratch, settings } = this.#context;
    const { hello_bytes_max } = settings;
    if (connection.broken) {
      return this.#reject(connection, "hello_error", "the connection broke before its hello");
    }
    const there = libc.recv(connection.fd, scratch, hello_bytes_max, MSG_PEEK);
    if (there < 0) {
      if (libc.errno() === EAGAIN) return;
      return this.#reject(connection, "hello_error", "the connection broke before its hello");
    }
    const bytes = scratch.subarray(0, there);
    const end = bytes.indexOf(NEWLINE);
    if (end < 0) {
      if (!startsLikeHello(bytes)) {
        this.#reject(connection, "hello_error", 'the line does not start with "V4HELLO "');
      } else if (there >= hello_bytes_max) {
        this.#reject(connection, "hello_error", `no newline within ${hello_bytes_max} bytes`);
      } else if (connection.finished) {
        this.#reject(connection, "hello_error", "the connection ended before its hello");
      }
      return;
    }
    libc.recv(connection.fd, scratch, end + 1, 0);
    const hello = parseHello(scratch.subarray(0, end));
    if (typeof hello === "string") return this.#reject(connection, "hello_error", hello);
    this.#seat(connection, hello);
  }

  #seat(connection: Connection, hello: Hello): void {
    const decision = this.#seats.take(hello, connection);
    if (decision.type === "reject") {
      return this.#reject(connection, decision.status, decision.detail);
    }
    this.#unproven.delete(connection);
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

  #reject(connection: Connection, status: RejectStatus, detail: string): void {
    this.#drop(connection);
    this.#events.rejected(connection.remote, status, detail);
  }

  #drop(connection: Connection): void {
    const { libc, scratch } = this.#context;
    this.#unproven.delete(connection);
    // A close with unread bytes would be a reset; a refusal is a silent end.
    libc.recv(connection.fd, scratch, scratch.length, 0);
    this.#closeConnection(connection);
  }

  #closeConnection(connection: Connection): void {
    this.#context.poller.forget(connection.fd);
    this.#context.libc.close(connection.fd);
  }
}

function unread(libc: Libc, fd: number): number {
  return libc.ioctl(fd, FIONREAD, count) < 0 ? 0 : count[0];
}
