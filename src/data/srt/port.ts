/**
 * A granted SRT port: the connections that have not said who they are, the two seats, and the session
 * once both are taken. The hello is a message of its own, or the head of the first, or spread over
 * several; what is behind its newline in the same message is the peer's first message.
 */
import { SRT_EASYNCRCV, SRT_EPOLL_ERR, SRT_EPOLL_IN } from "../../../ffi/libsrt/mod.ts";
import { type Hello, parseHello, startsLikeHello } from "../hello.ts";
import type { CloseReason, RejectStatus, Role } from "../plane.ts";
import { Seats } from "../seats.ts";
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
  readonly #row: number;
  readonly #farewells: Set<Farewell>;
  readonly #seats: Seats<SrtConnection>;
  readonly #unproven = new Set<SrtConnection>();
  #session: SrtSession | null = null;
  #closed = false;

  constructor(options: {
    context: SrtContext;
    port: number;
    session_id: string;
    row: number;
    /** Where a connection's last moments are kept; they outlive the port's session. */
    farewells: Set<Farewell>;
  }) {
    this.port = options.port;
    this.session_id = options.session_id;
    this.#context = options.context;
    this.#row = options.row;
    this.#farewells = options.farewells;
    this.#seats = new Seats({ session_id: options.session_id });
  }

  get session(): SrtSession | null {
    return this.#session;
  }

  /** Takes a connection that the listener has accepted. */
  accept(accepted: Accepted): void {
    const { libsrt, poller, admission, wheel, settings } = this.#context;
    const { socket, address, remote } = accepted;
    const limit = admission.enter(address);
    if (limit) {
      libsrt.srt_close(socket);
      this.#context.event({ type: "shed", port: this.port, limit, count: 1, remote });
      return;
    }
    const connection = new SrtConnection({ ...accepted, libsrt, poller, owner: this });
    this.#unproven.add(connection);
    wheel.schedule(
      connection.helloDeadline,
      this.#context.now_ms + settings.hello_timeout_ms,
    );
    connection.watch();
  }

  connectionReady(connection: SrtConnection, events: number): void {
    // A third one may come while the session runs, and has no part in it.
    if (!connection.role) this.#readHello(connection);
    else if (this.#session) this.#session.connectionReady(connection, events);
    else if (events & SRT_EPOLL_ERR) this.#waitingGone(connection);
  }

  helloOverdue(connection: SrtConnection): void {
    const { hello_timeout_ms } = this.#context.settings;
    this.#reject(connection, "hello_error", `no complete hello within ${hello_timeout_ms} ms`);
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
    for (const connection of [...this.#unproven]) this.#drop(connection);
    this.#context.remove(this);
    this.#context.event({
      type: "closed",
      port: this.port,
      session_id: this.session_id,
      reason,
      by,
      bytes_up: this.#session?.bytes_up ?? 0,
      bytes_down: this.#session?.bytes_down ?? 0,
    });
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
    this.#prove(connection);
    connection.role = hello.role;
    connection.id = hello.id;
    const about = {
      port: this.port,
      session_id: this.session_id,
      role: hello.role,
      id: hello.id,
      remote: connection.remote,
    };
    if (decision.type === "wait") {
      // What it sends meanwhile waits in libsrt, bounded by the receive buffer.
      connection.want(SRT_EPOLL_IN, false);
      this.#context.event({ type: "waiting", ...about });
      return;
    }
    this.#context.event({ type: "paired", ...about });
    const [client, server] = hello.role === "client"
      ? [connection, decision.with]
      : [decision.with, connection];
    const context = this.#context;
    this.#session = new SrtSession({ context, port: this, row: this.#row, client, server });
    this.#session.start();
  }

  #waitingGone(connection: SrtConnection): void {
    const role = connection.role!;
    this.#seats.leave(role);
    connection.close();
    const { remote } = connection;
    const { port, session_id } = this;
    this.#context.event({ type: "waiting_gone", port, session_id, role, remote });
  }

  #reject(connection: SrtConnection, status: RejectStatus, detail: string): void {
    const { remote } = connection;
    this.#drop(connection);
    const { port, session_id } = this;
    this.#context.event({ type: "rejected", port, session_id, status, detail, remote });
  }

  /** The connection no longer counts as unproven. */
  #prove(connection: SrtConnection): void {
    const { wheel, admission } = this.#context;
    wheel.cancel(connection.helloDeadline);
    admission.leave(connection.address);
    this.#unproven.delete(connection);
  }

  #drop(connection: SrtConnection): void {
    this.#prove(connection);
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
