/**
 * A granted SRT port: the connections that have not said who they are, the two seats, and the session
 * once both are taken. The hello is a message of its own, or the head of the first, or spread over
 * several; what is behind its newline in the same message is the peer's first message.
 */
import { SRT_EASYNCRCV, SRT_EPOLL_ERR, SRT_EPOLL_IN } from "../../../ffi/libsrt/mod.ts";
import type { CounterRow } from "../counters.ts";
import { type Hello, parseHello, startsLikeHello } from "../hello.ts";
import type { CloseReason, RejectStatus, Role } from "../plane.ts";
import { PortEvents } from "../port-events.ts";
import { Seats } from "../seats.ts";
import { UnprovenConnections } from "../unproven.ts";
import { SrtConnection, type SrtConnectionOwner } from "./connection.ts";
import type { SrtContext } from "./context.ts";
import { Farewell } from "./farewell.ts";
import type { Accepted } from "./listeners.ts";
import { SrtSession } from "./session.ts";

const NEWLINE = 10;

export class SrtPort implements SrtConnectionOwner {
  readonly port: number;
  readonly session_id: string;
  readonly #context: SrtContext;
  readonly #counters: CounterRow;
  readonly #events: PortEvents;
  readonly #farewells: Set<Farewell>;
  readonly #seats: Seats<SrtConnection>;
  readonly #unproven: UnprovenConnections<SrtConnection>;
  #session: SrtSession | null = null;
  #closed = false;

  constructor(options: {
    context: SrtContext;
    port: number;
    session_id: string;
    counters: CounterRow;
    /** Where a connection's last moments are kept; they outlive the port's session. */
    farewells: Set<Farewell>;
  }) {
    const { context, port, session_id } = options;
    const { wheel, admission, settings } = context;
    this.#context = context;
    this.port = port;
    this.session_id = session_id;
    this.#counters = options.counters;
    this.#farewells = options.farewells;
    this.#events = new PortEvents({ port, session_id, tell: context.event });
    this.#seats = new Seats({ session_id });
    this.#unproven = new UnprovenConnections({
      admission,
      wheel,
      hello_timeout_ms: settings.hello_timeout_ms,
      owner: this,
    });
  }

  get session(): SrtSession | null {
    return this.#session;
  }

  helloOverdue(connection: SrtConnection): void {
    const { hello_timeout_ms } = this.#context.settings;
    this.#reject(connection, "hello_error", `no complete hello within ${hello_timeout_ms} ms`);
  }

  /** Takes a connection that the listener has accepted. */
  accept(accepted: Accepted): void {
    const { libsrt, poller } = this.#context;
    const limit = this.#unproven.admit(accepted.address);
    if (limit) {
      libsrt.srt_close(accepted.socket);
      this.#events.shed(accepted.remote, limit);
      return;
    }
    const connection = new SrtConnection({ ...accepted, libsrt, poller, owner: this });
    this.#unproven.add(connection, this.#context.now_ms);
    if (!connection.watch()) {
      this.#reject(connection, "hello_error", "the connection ended before its hello");
    }
  }

  connectionReady(connection: SrtConnection, events: number): void {
    // A third one may come while the session runs, and has no part in it.
    if (!connection.role) this.#readHello(connection);
    else if (this.#session) this.#session.connectionReady(connection, events);
    else if (events & SRT_EPOLL_ERR) this.#waitingGone(connection);
  }

  /** One end has left: the other gets what is on its way to it, then the session is over. */
  endSession(left: SrtConnection): void {
    const { libsrt, wheel, settings } = this.#context;
    const { client, server } = this.#session!;
    const stays = left === client ? server : client;
    const farewell = new Farewell({
      libsrt,
      wheel,
      connection: stays,
      latency_ms: settings.latency_ms,
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
    for (const connection of this.#unproven) this.#drop(connection);
    this.#context.remove(this);
    this.#events.closed(reason, by, this.#session);
  }

  #readHello(connection: SrtConnection): void {
    const { libsrt, message, settings } = this.#context;
    for (;;) {
      const received = libsrt.srt_recvmsg2(connection.socket, message, message.length, null);
      if (received < 0) {
        if (libsrt.lastError() === SRT_EASYNCRCV) return;
        this.#reject(connection, "hello_error", "the connection ended before its hello");
        return;
      }
      const bytes = join(connection.helloBytes, message.subarray(0, received));
      const end = bytes.indexOf(NEWLINE);
      const lineBytes = end < 0 ? bytes.length : end + 1;
      if (!startsLikeHello(bytes)) {
        this.#reject(connection, "hello_error", 'the line does not start with "V4HELLO "');
        return;
      }
      if (lineBytes > settings.hello_bytes_max) {
        const detail = `no newline within ${settings.hello_bytes_max} bytes`;
        this.#reject(connection, "hello_error", detail);
        return;
      }
      if (end < 0) {
        connection.helloBytes = bytes.slice();
        continue;
      }
      connection.helloBytes = null;
      const hello = parseHello(bytes.subarray(0, end));
      if (typeof hello === "string") return this.#reject(connection, "hello_error", hello);
      if (end + 1 < bytes.length) connection.firstMessage = bytes.slice(end + 1);
      return this.#seat(connection, hello);
    }
  }

  #seat(connection: SrtConnection, hello: Hello): void {
    const decision = this.#seats.take(hello, connection);
    if (decision.type === "reject") {
      return this.#reject(connection, decision.status, decision.detail);
    }
    this.#unproven.delete(connection);
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
      client,
      server,
    });
    this.#session.start();
  }

  #waitingGone(connection: SrtConnection): void {
    this.#seats.leave(connection.role!);
    connection.close();
    this.#events.waitingGone(connection);
  }

  #reject(connection: SrtConnection, status: RejectStatus, detail: string): void {
    this.#drop(connection);
    this.#events.rejected(connection.remote, status, detail);
  }

  #drop(connection: SrtConnection): void {
    this.#unproven.delete(connection);
    connection.close();
  }
}

function join(head: Uint8Array | null, tail: Uint8Array): Uint8Array {
  if (!head) return tail;
  const whole = new Uint8Array(head.length + tail.length);
  whole.set(head);
  whole.set(tail, head.length);
  return whole;
}
