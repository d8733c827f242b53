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
import type { Socket } from "node:net";
import { setImmediate } from "node:timers";
import { AddressSet } from "../config/address-set.ts";
import type { Config } from "../config/schema.ts";
import { readFirstBytes } from "../data/first-bytes.ts";
import { readProxyHeader } from "../data/proxy-header.ts";
import { TLS_HANDSHAKE_BYTE, type TlsOutcome } from "../data/tls-handshakes.ts";
import type { Log } from "../observe/log.ts";
import type { RepeatedLines } from "../observe/repeated-lines.ts";
import { type ListenError, Listeners } from "./listeners.ts";
import { TlsDoor } from "./tls-door.ts";
import { UnprovenVisitors } from "./unproven-visitors.ts";
import { Visitor, type VisitorRefusal } from "./visitor.ts";

export interface DoorwayEvents {
  /** Somebody is in; `first` are bytes of its that have been read already. */
  onVisitor(visitor: Visitor, first: Buffer | null): void;
  /** A visitor that is in has not proven itself in time. */
  onOverdue(visitor: Visitor): void;
}

/** What went wrong on the way in, for the log. */
interface Mishap {
  status: string;
  error: string;
}

export class Doorway {
  #config: Config;
  readonly #log: Log;
  readonly #repeated: RepeatedLines;
  readonly #events: DoorwayEvents;
  readonly #listeners: Listeners;
  readonly #unproven: UnprovenVisitors;
  readonly #tls: TlsDoor;
  /** Those on their way in. */
  readonly #entering = new Set<Visitor>();
  #proxies: AddressSet;

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
    this.#events = options.events;
    this.#listeners = new Listeners({ log });
    this.#unproven = new UnprovenVisitors({
      ...options,
      onOverdue: (visitor) => {
        if (this.#entering.has(visitor)) visitor.destroy();
        else this.#events.onOverdue(visitor);
      },
    });
    this.#tls = new TlsDoor({ log });
    this.#proxies = new AddressSet(config.proxy_protocol.trusted);
  }

  /**
   * Resolves with the ports once they are listened on; `tls_port` is null where TLS has none of its
   * own. Rejects with a `ListenError`, or a `TlsFilesError`.
   */
  async start(): Promise<{ control_port: number; tls_port: number | null }> {
    const { gateway: { bind_address: host, tcp_port }, tls, rlx1 } = this.#config;
    this.#tls.apply(this.#config);
    const open = (key: ListenError["key"], port: number, tls_only: boolean) =>
      this.#listeners.open(key, { host, port }, (socket, address) => {
        this.#onAccept(new Visitor({ socket, address, tls_only }));
      });
    const control_port = await open("gateway.tcp_port", tcp_port, false);
    const tls_port = tls.port === 0 ? null : await open("tls.port", tls.port, true);
    const own = rlx1?.control_port ?? 0;
    if (own !== 0 && own !== control_port) await open("rlx1.control_port", own, false);
    return { control_port, tls_port };
  }

  /**
   * Takes new bounds, certificates and proxies; `tls.port` and the address stay what they are.
   */
  apply(config: Config): void {
    this.#config = config;
    this.#unproven.apply(config);
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
    this.#listeners.close();
  }

  /** Cuts those on their way in. Those that are in belong to whoever let them in. */
  close(): void {
    this.#listeners.close();
    for (const visitor of this.#entering) visitor.destroy();
    this.#unproven.close();
    this.#tls.close();
  }

  snapshot(): { unproven: number; entering: number } {
    return { unproven: this.#unproven.size, entering: this.#entering.size };
  }

  /** The visitor is somebody: it is not counted any more and has no deadline. */
  prove(visitor: Visitor): void {
    this.#unproven.delete(visitor);
  }

  /** Another deadline than ours holds for the visitor from now on. It stays counted. */
  stopClock(visitor: Visitor): void {
    this.#unproven.stopClock(visitor);
  }

  #onAccept(visitor: Visitor): void {
    const is_proxy = this.#proxies.has(visitor.address);
    if (is_proxy) visitor.awaited = "PROXY header";
    if (this.#unproven.admit(visitor) === null) {
      this.#welcome(visitor);
      return;
    }
    // Connections that have just ended may still be counted: their ends are in the same batch of
    // events as this one. Once that batch is through, the count is right.
    setImmediate(() => {
      if (visitor.socket.destroyed || !this.#listeners.accepting) {
        visitor.destroy();
        return;
      }
      const bound = this.#unproven.admit(visitor);
      if (bound === null) this.#welcome(visitor);
      else this.#unproven.turnAway(visitor, bound);
    });
  }

  #welcome(visitor: Visitor): void {
    const { socket } = visitor;
    this.#entering.add(visitor);
    this.#unproven.startClock(visitor);
    socket.once("close", () => {
      this.#entering.delete(visitor);
      this.#unproven.delete(visitor);
    });
    if (this.#isThrough(visitor)) this.#enter(visitor, null);
    else readFirstBytes(socket, (bytes) => this.#look(visitor, bytes), () => visitor.destroy());
  }

  /** Nothing is to be seen of its bytes before they are JSON or HTTP. */
  #isThrough({ awaited, tls_only }: Visitor): boolean {
    return awaited !== "PROXY header" && !tls_only && !this.#tls.isOpen;
  }

  /** Goes on as far as the bytes allow, and says how many it is through with; null: with all of it. */
  #look(visitor: Visitor, bytes: Buffer): number | null {
    let header_bytes = 0;
    if (visitor.awaited === "PROXY header") {
      const header = readProxyHeader(bytes);
      if (header.type === "more") return 0;
      if (header.type === "header") {
        header_bytes = header.bytes;
        visitor.announce(header.source);
      } else if (header.type === "invalid" || this.#config.proxy_protocol.mode === "required") {
        const error = header.type === "invalid"
          ? header.detail
          : "no PROXY header, which proxy_protocol.mode requires of a trusted address";
        const what = { status: "proxy_error", error };
        this.#refuse(visitor, what, "a connection from a proxy is closed");
        return null;
      }
      visitor.awaited = "first byte";
      const bound = this.#unproven.admit(visitor);
      if (bound !== null) {
        this.#unproven.turnAway(visitor, bound);
        return null;
      }
    }
    const rest = bytes.subarray(header_bytes);
    if (this.#isThrough(visitor)) this.#enter(visitor, rest);
    else if (rest.length === 0) return header_bytes;
    else this.#sort(visitor, rest);
    return null;
  }

  /** Tells TLS from everything else. */
  #sort(visitor: Visitor, bytes: Buffer): void {
    if (bytes[0] === TLS_HANDSHAKE_BYTE && this.#tls.isOpen) {
      visitor.awaited = "TLS handshake";
      const tcp = visitor.socket;
      this.#tls.take(tcp, bytes, (outcome) => this.#onOutcome(visitor, tcp, outcome));
    } else if (visitor.tls_only) {
      const error = this.#tls.isOpen ? "the first byte is no TLS handshake" : "TLS is turned off";
      const what = { status: "tls_failed", error };
      this.#refuse(visitor, what, "no TLS on the port that is for TLS only");
    } else {
      if (this.#config.tls.required) {
        this.#distrust(visitor, { code: 502, error: "502 tls required" }, "no TLS");
      }
      this.#enter(visitor, bytes);
    }
  }

  #onOutcome(visitor: Visitor, tcp: Socket, outcome: TlsOutcome): void {
    if (outcome.type === "failed") {
      const what = { status: "tls_failed", error: outcome.error };
      this.#refuse(visitor, what, "a TLS handshake has failed");
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
    const what = { status: "tls_refused", error };
    this.#warn(visitor, what, "a connection is refused: TLS asks for more");
  }

  /** Closes the connection without a word of ours; what TLS itself has to say about it still goes out. */
  #refuse(visitor: Visitor, what: Mishap, message: string): void {
    this.#warn(visitor, what, message);
    setImmediate(() => visitor.destroy());
  }

  #warn(visitor: Visitor, what: Mishap, message: string): void {
    const { address, remote, proxy } = visitor;
    const fields = { ...what, remote, ...(proxy === null ? {} : { proxy }) };
    this.#repeated.warn(`${what.status} ${address}`, fields, message);
  }
}
