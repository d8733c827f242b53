/**
 * The way into the control port, up to the first byte of JSON or HTTP:
 *
 *   accept → [PROXY header] → [TLS] → visitor
 *
 * Whoever is on it has proven nothing: it is counted, in all and by its address, and has
 * `gateway.auth_timeout` from accept until it must have registered, the header and the handshake
 * included. A connection that has nothing to wait for is through at once.
 */
import type { Buffer } from "node:buffer";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { setImmediate } from "node:timers";
import { AddressSet } from "../config/address-set.ts";
import type { Config } from "../config/schema.ts";
import { Admission, type AdmissionLimit } from "../data/admission.ts";
import { type ProxySource, readProxyHeader } from "../data/proxy-header.ts";
import type { Log } from "../observe/log.ts";
import { DeadlineLine } from "../sessions/deadline-line.ts";
import type { RepeatedLines } from "../sessions/repeated-lines.ts";
import { readFirstBytes } from "./first-bytes.ts";
import { TLS_HANDSHAKE_BYTE, TlsDoor, type TlsOutcome } from "./tls-door.ts";
import { Visitor, type VisitorRefusal } from "./visitor.ts";

/** Silence after which the kernel asks whether the peer is still there. */
const KEEPALIVE_MS = 30_000;
/** Waiting connections in the kernel; a burst of peers after a restart fits in. */
const BACKLOG = 1024;

export interface DoorwayEvents {
  /** Somebody is in; `first` are bytes of its that have been read already. */
  onVisitor(visitor: Visitor, first: Buffer | null): void;
  /** A visitor that is in has not proven itself in time. */
  onOverdue(visitor: Visitor): void;
}

/** A port cannot be listened on; `key` is the one in the configuration that names it. */
export class ListenError extends Error {
  override name = "ListenError";
  readonly code = "LISTEN";
  readonly key: "gateway.tcp_port" | "tls.port";
  readonly port: number;
  constructor(key: ListenError["key"], port: number, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.key = key;
    this.port = port;
  }
}

export class Doorway {
  #config: Config;
  readonly #log: Log;
  readonly #repeated: RepeatedLines;
  readonly #isBanned: (address: string) => boolean;
  readonly #events: DoorwayEvents;
  readonly #admission: Admission;
  readonly #overdue: DeadlineLine<Visitor>;
  readonly #tls: TlsDoor;
  /** The control port, and the port for TLS only where there is one. */
  readonly #servers: Server[] = [];
  /** Those on their way in. */
  readonly #entering = new Set<Visitor>();
  #proxies: AddressSet;
  #accepting = true;

  constructor(
    options: {
      config: Config;
      log: Log;
      repeated: RepeatedLines;
      /** Whether nobody from this address may come in. */
      isBanned: (address: string) => boolean;
      events: DoorwayEvents;
    },
  ) {
    const { config, log } = options;
    this.#config = config;
    this.#log = log;
    this.#repeated = options.repeated;
    this.#isBanned = options.isBanned;
    this.#events = options.events;
    this.#admission = new Admission({ ...config.limits, unproven_prefix: "" });
    this.#overdue = new DeadlineLine({
      period_ms: config.gateway.auth_timeout,
      onDue: (visitor) => this.#onOverdue(visitor),
    });
    this.#tls = new TlsDoor({ log });
    this.#proxies = new AddressSet(config.proxy_protocol.trusted);
  }

  /**
   * Resolves with the ports once they are listened on; `tls_port` is null where TLS has none of its
   * own. Rejects with a {@link ListenError}, or a `TlsFilesError`.
   */
  async start(): Promise<{ control_port: number; tls_port: number | null }> {
    const { gateway, tls } = this.#config;
    this.#tls.apply(this.#config);
    const control_port = await this.#listen("gateway.tcp_port", gateway.tcp_port, false);
    const tls_port = tls.port === 0 ? null : await this.#listen("tls.port", tls.port, true);
    return { control_port, tls_port };
  }

  /**
   * Takes new bounds, certificates and proxies; `tls.port` and the address stay what they are. Bounds
   * hold for those on their way in as well, and their deadline moves with `gateway.auth_timeout`.
   */
  apply(config: Config): void {
    this.#config = config;
    this.#admission.apply({ ...config.limits, unproven_prefix: "" });
    this.#overdue.setPeriod(config.gateway.auth_timeout);
    this.#proxies = new AddressSet(config.proxy_protocol.trusted);
    try {
      this.#tls.apply(config);
    } catch (error) {
      this.#log.error(
        { status: "tls_error", error: error instanceof Error ? error.message : String(error) },
        "the new certificate cannot be used; the one before stays",
      );
    }
  }

  stopAccepting(): void {
    this.#accepting = false;
    for (const server of this.#servers) server.close();
  }

  /** Cuts those on their way in. Those that are in belong to whoever let them in. */
  close(): void {
    this.stopAccepting();
    for (const visitor of this.#entering) visitor.destroy();
    this.#overdue.close();
  }

  snapshot(): { unproven: number; entering: number } {
    return { unproven: this.#admission.total, entering: this.#entering.size };
  }

  /** The visitor is somebody: it is not counted any more and has no deadline. */
  prove(visitor: Visitor): void {
    this.stopClock(visitor);
    this.#uncount(visitor);
  }

  /** Another deadline than ours holds for the visitor from now on. It stays counted. */
  stopClock(visitor: Visitor): void {
    this.#overdue.delete(visitor);
  }

  #listen(key: ListenError["key"], port: number, tls_only: boolean): Promise<number> {
    // Half-open is allowed so that an HTTP peer may end its side and still get its answer.
    const server = createServer({ allowHalfOpen: true }, (s) => this.#onAccept(s, tls_only));
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      const onError = (error: Error) => reject(new ListenError(key, port, error));
      server.once("error", onError);
      server.listen({ host: this.#config.gateway.bind_address, port, backlog: BACKLOG }, () => {
        server.off("error", onError);
        server.on("error", (error) => {
          // For instance no descriptors left; the listener goes on.
          this.#log.error({ status: "control_error", error: String(error) }, "accepting failed");
        });
        resolve((server.address() as AddressInfo).port);
      });
    });
  }

  #onAccept(socket: Socket, tls_only: boolean): void {
    socket.on("error", () => {});
    // A peer that is gone before it is accepted has no address any more; others may still stand in
    // the kernel's queue when the listener is closed.
    const address = socket.remoteAddress;
    if (address === undefined || !this.#accepting) {
      socket.destroy();
      return;
    }
    const visitor = new Visitor(socket, address);
    if (this.#admit(visitor) === null) {
      this.#welcome(visitor, tls_only);
      return;
    }
    // Connections that have just ended may still be counted: their ends are in the same batch of
    // events as this one. Once that batch is through, the count is right.
    setImmediate(() => {
      if (socket.destroyed || !this.#accepting) {
        socket.destroy();
        return;
      }
      const limit = this.#admit(visitor);
      if (limit === null) this.#welcome(visitor, tls_only);
      else this.#turnAway(visitor, limit);
    });
  }

  /**
   * Where an address is judged, and the only place: first the one that the kernel has, and again the
   * one that a proxy announces. Counts the visitor, or names what forbids it.
   */
  #admit(visitor: Visitor): AdmissionLimit | "banned" | null {
    // A proxy's clients are banned one by one, once it has said who they are.
    const is_proxy = visitor.proxy === null && this.#proxies.has(visitor.address);
    if (!is_proxy && this.#isBanned(visitor.address)) return "banned";
    const limit = this.#admission.enter(visitor.address);
    if (limit === null) visitor.counted_as = visitor.address;
    return limit;
  }

  #turnAway(visitor: Visitor, limit: AdmissionLimit | "banned"): void {
    visitor.destroy();
    const remote = visitor.address;
    if (limit === "banned") {
      this.#repeated.warn(
        "banned",
        { status: "banned", remote, door: "control" },
        "control connections were closed: their addresses are banned",
      );
      return;
    }
    this.#repeated.warn(
      limit,
      { status: "limit_reached", limit, remote },
      "control connections were closed: too many have not registered",
    );
  }

  #welcome(visitor: Visitor, tls_only: boolean): void {
    const { socket } = visitor;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEPALIVE_MS);
    this.#entering.add(visitor);
    this.#overdue.add(visitor);
    socket.once("close", () => {
      this.#entering.delete(visitor);
      this.stopClock(visitor);
      this.#uncount(visitor);
    });
    const is_proxy = this.#proxies.has(visitor.address);
    if (is_proxy) visitor.awaited = "PROXY header";
    if (!is_proxy && !tls_only && !this.#tls.isOpen) {
      this.#enter(visitor, null);
      return;
    }
    readFirstBytes(
      socket,
      (bytes) => this.#look(visitor, bytes, tls_only),
      () => visitor.destroy(),
    );
  }

  /** Goes on as far as the bytes allow, and says how many it is through with; null: with all of it. */
  #look(visitor: Visitor, bytes: Buffer, tls_only: boolean): number | null {
    let header_bytes = 0;
    if (visitor.awaited === "PROXY header") {
      const header = readProxyHeader(bytes);
      if (header.type === "more") return 0;
      if (header.type === "header") {
        header_bytes = header.bytes;
        if (!this.#announce(visitor, header.source)) return null;
      } else if (header.type === "invalid" || this.#config.proxy_protocol.mode === "required") {
        const error = header.type === "invalid"
          ? header.detail
          : "no PROXY header, which proxy_protocol.mode requires of a trusted address";
        this.#refuse(visitor, "proxy_header_error", error, "a connection from a proxy is closed");
        return null;
      }
      visitor.awaited = "first byte";
    }
    const rest = bytes.subarray(header_bytes);
    if (!tls_only && !this.#tls.isOpen) this.#enter(visitor, rest);
    else if (rest.length === 0) return header_bytes;
    else this.#sort(visitor, rest, tls_only);
    return null;
  }

  /** Goes by the announced address from now on; false: it may not come in. */
  #announce(visitor: Visitor, source: ProxySource | null): boolean {
    visitor.announce(source);
    if (source === null) return true;
    this.#uncount(visitor);
    const limit = this.#admit(visitor);
    if (limit !== null) this.#turnAway(visitor, limit);
    return limit === null;
  }

  /** Tells TLS from everything else. */
  #sort(visitor: Visitor, bytes: Buffer, tls_only: boolean): void {
    if (bytes[0] === TLS_HANDSHAKE_BYTE && this.#tls.isOpen) {
      visitor.awaited = "TLS handshake";
      const tcp = visitor.socket;
      this.#tls.take(tcp, bytes, (outcome) => this.#onOutcome(visitor, tcp, outcome));
    } else if (tls_only) {
      const error = this.#tls.isOpen ? "the first byte is no TLS handshake" : "TLS is turned off";
      this.#refuse(visitor, "tls_failed", error, "no TLS on the port that is for TLS only");
    } else {
      if (this.#config.tls.required) {
        this.#distrust(visitor, { code: 502, error: "502 tls required" }, "no TLS");
      }
      this.#enter(visitor, bytes);
    }
  }

  #onOutcome(visitor: Visitor, tcp: Socket, outcome: TlsOutcome): void {
    if (outcome.type === "failed") {
      this.#refuse(visitor, "tls_failed", outcome.error, "a TLS handshake has failed");
      return;
    }
    const { socket } = outcome;
    socket.on("error", () => {});
    // Nothing on top of a connection that is gone may be left over.
    tcp.once("close", () => setImmediate(() => socket.destroy()));
    visitor.socket = socket;
    visitor.tls = true;
    if (outcome.type === "secure") visitor.certificate_name = outcome.certificate_name;
    else this.#distrust(visitor, { code: 501, error: `501 ${outcome.error}` }, outcome.detail);
    this.#enter(visitor, null);
  }

  #enter(visitor: Visitor, first: Buffer | null): void {
    this.#entering.delete(visitor);
    visitor.awaited = "register";
    this.#events.onVisitor(visitor, first === null || first.length === 0 ? null : first);
  }

  /** Lets it in to be told why it may not come in: it speaks no TLS, or its certificate is not good. */
  #distrust(visitor: Visitor, refusal: VisitorRefusal, error: string): void {
    visitor.refusal = refusal;
    this.#warn(visitor, "tls_refused", error, "a connection is refused: TLS asks for more");
  }

  /** Closes the connection without a word of ours; what TLS itself has to say about it still goes out. */
  #refuse(visitor: Visitor, status: string, error: string, message: string): void {
    this.#warn(visitor, status, error, message);
    setImmediate(() => visitor.destroy());
  }

  #warn(visitor: Visitor, status: string, error: string, message: string): void {
    const { address, remote, proxy } = visitor;
    const fields = { status, remote, ...(proxy === null ? {} : { proxy }), error };
    this.#repeated.warn(`${status} ${address}`, fields, message);
  }

  #onOverdue(visitor: Visitor): void {
    this.#log.info(
      {
        status: "register_refused",
        remote: visitor.remote,
        error: `no ${visitor.awaited} within gateway.auth_timeout`,
      },
      "a connection that did not register is closed",
    );
    if (this.#entering.has(visitor)) visitor.destroy();
    else this.#events.onOverdue(visitor);
  }

  #uncount(visitor: Visitor): void {
    if (visitor.counted_as === null) return;
    this.#admission.leave(visitor.counted_as);
    visitor.counted_as = null;
  }
}
