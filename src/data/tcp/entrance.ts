/**
 * Where an accepted TCP connection says who it is:
 *
 *   accepted → from a trusted proxy: its PROXY header → a hello within `hello_timeout_ms` → claimed
 *
 * What has come is looked at without taking it, until it is whole, then exactly the header or the line
 * is taken: what is behind stays in the kernel for the splice.
 */
import { EAGAIN, formatAddress, MSG_PEEK } from "../../../ffi/libc/mod.ts";
import type { AdmissionLimit } from "../admission.ts";
import type { HelloForm } from "../hello-line.ts";
import type { RejectStatus } from "../plane.ts";
import type { ProxySource } from "../proxy-header.ts";
import { UnprovenConnections, type UnprovenOwner } from "../unproven.ts";
import { Connection, type ConnectionOwner } from "./connection.ts";
import type { TcpContext } from "./context.ts";
import type { Accepted } from "./accept-loop.ts";
import { takeProxyHeader } from "./proxied.ts";

const NEWLINE = 10;

/** The port that the connections have come to. */
export interface EntranceOwner<H> extends ConnectionOwner {
  claimed(connection: Connection, hello: H): void;
  refused(remote: string, status: RejectStatus, detail: string): void;
  shed(remote: string, limit: AdmissionLimit | "banned"): void;
}

export class TcpEntrance<H> implements UnprovenOwner<Connection> {
  readonly #context: TcpContext;
  readonly #owner: EntranceOwner<H>;
  readonly #form: HelloForm<H>;
  readonly #unproven: UnprovenConnections<Connection>;

  constructor(
    options: { context: TcpContext; form: HelloForm<H>; owner: EntranceOwner<H> },
  ) {
    const { context, form, owner } = options;
    const { wheel, admission, settings } = context;
    this.#context = context;
    this.#owner = owner;
    this.#form = form;
    this.#unproven = new UnprovenConnections({
      admission,
      wheel,
      settings,
      owner: this,
    });
  }

  /** Takes a connection that the listener has accepted. */
  accept({ fd, address, remote }: Accepted): void {
    const { libc, poller, addresses, now_ms } = this.#context;
    const limit = this.#unproven.admit(address);
    if (limit) {
      libc.close(fd);
      return this.#owner.shed(remote, limit);
    }
    const proxied = addresses.isTrustedProxy(address);
    const connection = new Connection({ libc, fd, remote, address, proxied, owner: this.#owner });
    connection.watch(poller);
    this.#unproven.add(connection, now_ms);
  }

  /** Something new has come from a connection that has not said who it is. */
  ready(connection: Connection): void {
    if (connection.broken) {
      return this.#refuse(connection, "hello_error", "the connection broke before its hello");
    }
    if (connection.proxied && !this.#readProxyHeader(connection)) return;
    this.#readHello(connection);
  }

  helloOverdue(connection: Connection): void {
    const { hello_timeout_ms } = this.#context.settings;
    if (connection.proxied) {
      const detail = `no complete PROXY header within ${hello_timeout_ms} ms`;
      return this.#refuse(connection, "proxy_error", detail);
    }
    this.#refuse(connection, "hello_error", `no complete hello within ${hello_timeout_ms} ms`);
  }

  /** Closes whoever has said nothing yet and comes from where nobody may come from now. */
  dropBanned(): void {
    for (const connection of this.#unproven) {
      if (!connection.proxied) this.#isBanned(connection, connection);
    }
  }

  /** Closes everybody who has said nothing yet. */
  close(): void {
    for (const connection of this.#unproven) this.#drop(connection);
  }

  /** True when the connection's hello is next, because the header is there or need not be. */
  #readProxyHeader(connection: Connection): boolean {
    const { libc, scratch, addresses } = this.#context;
    const { fd, finished: is_finished } = connection;
    const required = addresses.proxy_header === "required";
    const found = takeProxyHeader({ libc, fd, scratch, is_finished, required });
    if (found.type === "wait") return false;
    if (found.type === "refused") {
      this.#refuse(connection, "proxy_error", found.detail);
      return false;
    }
    connection.proxied = false;
    if (found.source !== null) return this.#move(connection, found.source);
    return !this.#isBanned(connection, connection);
  }

  /** The connection is that of a proxy's client; false where nobody may come from there. */
  #move(connection: Connection, { host, port }: ProxySource): boolean {
    const remote = formatAddress({ host, port });
    if (this.#isBanned(connection, { address: host, remote })) return false;
    const limit = this.#unproven.move(connection, host);
    if (limit) {
      this.#drop(connection);
      this.#owner.shed(remote, limit);
      return false;
    }
    connection.remote = remote;
    return true;
  }

  /** Closes the connection if the address is banned. */
  #isBanned(
    connection: Connection,
    { address, remote }: { address: string; remote: string },
  ): boolean {
    if (!this.#context.addresses.isBanned(address)) return false;
    this.#drop(connection);
    this.#owner.shed(remote, "banned");
    return true;
  }

  #readHello(connection: Connection): void {
    const { libc, scratch, settings } = this.#context;
    const { hello_bytes_max } = settings;
    const bytes = this.#peek(connection, hello_bytes_max);
    if (bytes === null) return;
    const end = bytes.indexOf(NEWLINE);
    if (end < 0) {
      if (!this.#form.line.startsLike(bytes)) {
        this.#refuse(connection, "hello_error", this.#form.line.notOurs);
      } else if (bytes.length >= hello_bytes_max) {
        this.#refuse(connection, "hello_error", `no newline within ${hello_bytes_max} bytes`);
      } else if (connection.finished) {
        this.#refuse(connection, "hello_error", "the connection ended before its hello");
      }
      return;
    }
    libc.recv(connection.fd, scratch, end + 1, 0);
    const hello = this.#form.parse(scratch.subarray(0, end));
    if (typeof hello === "string") return this.#refuse(connection, "hello_error", hello);
    this.#unproven.delete(connection);
    this.#owner.claimed(connection, hello);
  }

  /** What has come and is still in the kernel; null where there is nothing yet, or never will be. */
  #peek(connection: Connection, bytes_max: number): Uint8Array | null {
    const { libc, scratch } = this.#context;
    const there = libc.recv(connection.fd, scratch, bytes_max, MSG_PEEK);
    if (there >= 0) return scratch.subarray(0, there);
    if (libc.errno() !== EAGAIN) {
      this.#refuse(connection, "hello_error", "the connection broke before its hello");
    }
    return null;
  }

  #refuse(connection: Connection, status: RejectStatus, detail: string): void {
    this.#drop(connection);
    this.#owner.refused(connection.remote, status, detail);
  }

  #drop(connection: Connection): void {
    this.#unproven.delete(connection);
    connection.closeSilently(this.#context);
  }
}
