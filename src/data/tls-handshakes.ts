/**
 * TLS on connections that are already there. A connection whose first byte is 0x16 (a handshake
 * record) is handed to a TLS server that never listens itself, with that byte put back; all the
 * runtimes take it from there. A `TLSSocket` of our own would do for the bytes, but some runtimes
 * then let client certificates in that nobody has checked.
 */
import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { setImmediate } from "node:timers";
import { createServer, type PeerCertificate, type Server, type TLSSocket } from "node:tls";
import type { TlsRules } from "../config/tls-files.ts";

/** The first byte of a TLS record with a handshake message. */
export const TLS_HANDSHAKE_BYTE = 0x16;

/** How a handshake has ended. */
export type TlsOutcome =
  | { type: "secure"; socket: TLSSocket; certificate_name: string | null }
  /** It is encrypted, and the client's certificate is not what it must be. */
  | { type: "distrusted"; socket: TLSSocket; error: string; detail: string }
  | { type: "failed"; error: string };

type OnOutcome = (outcome: TlsOutcome) => void;

export class TlsHandshakes {
  /** Those that are under way, by the connection they are on. */
  readonly #underway = new Map<Socket, OnOutcome>();
  /** Null: there is no TLS. Handshakes and connections of an older one live on. */
  #server: Server | null = null;

  get isOpen(): boolean {
    return this.#server !== null;
  }

  /** For connections from now on; null: none is taken any more. */
  apply(rules: TlsRules | null): void {
    this.#server = rules === null ? null : this.#createServer(rules);
  }

  /** `first` is what has been read from the connection; `onOutcome` is called once, or never if it closes. */
  take(socket: Socket, first: Buffer, onOutcome: OnOutcome): void {
    const server = this.#server;
    if (server === null) throw new Error("TLS is not configured");
    this.#underway.set(socket, onOutcome);
    socket.once("close", () => this.#underway.delete(socket));
    socket.pause();
    socket.unshift(first);
    // Deno loses bytes that arrive while a connection changes hands in the midst of a read.
    setImmediate(() => {
      if (!socket.destroyed) server.emit("connection", socket);
    });
  }

  #createServer(rules: TlsRules): Server {
    const asks = rules.client_auth !== "off";
    const server = createServer({
      cert: rules.certificate,
      key: rules.key,
      minVersion: rules.min_version === "1.3" ? "TLSv1.3" : "TLSv1.2",
      allowHalfOpen: true,
      ...(rules.client_ca === null ? {} : { ca: rules.client_ca }),
      requestCert: asks,
      // A certificate that is not good is refused by us, because only then it is known why.
      rejectUnauthorized: false,
    });
    server.on("secureConnection", (socket: TLSSocket) => {
      const onOutcome = this.#under(socket);
      if (onOutcome === null) socket.destroy();
      else onOutcome(asks ? judge(socket, rules.client_auth === "required") : secure(socket, null));
    });
    server.on("tlsClientError", (error: Error & { code?: string }, socket: TLSSocket) => {
      this.#under(socket)?.({ type: "failed", error: error.code ?? error.message });
    });
    return server;
  }

  /** Who waits for this handshake; asked once. */
  #under(socket: TLSSocket): OnOutcome | null {
    // Of a handshake that has failed nothing else tells which connection it was on.
    const { _parent: tcp } = socket as TLSSocket & { _parent?: Socket };
    const onOutcome = tcp === undefined ? undefined : this.#underway.get(tcp);
    if (tcp === undefined || onOutcome === undefined) return null;
    this.#underway.delete(tcp);
    return onOutcome;
  }
}

function secure(socket: TLSSocket, certificate_name: string | null): TlsOutcome {
  return { type: "secure", socket, certificate_name };
}

function judge(socket: TLSSocket, is_required: boolean): TlsOutcome {
  const certificate = socket.getPeerCertificate();
  const is_given: boolean = certificate?.raw instanceof Uint8Array;
  // Of a session that is resumed the certificate was checked when it began.
  const has_ended = is_given && Date.parse(certificate.valid_to) < Date.now();
  if (is_given && socket.authorized && !has_ended) {
    return secure(socket, certificateName(certificate));
  }
  if (!is_given && !is_required) return secure(socket, null);
  return {
    type: "distrusted",
    socket,
    error: is_given ? "client certificate not accepted" : "client certificate required",
    detail: is_given
      ? String(socket.authorizationError ?? "CERT_HAS_EXPIRED")
      : "no client certificate",
  };
}

/**
 * Whom a certificate names: its subject's common name, or its alternative name if that is the only
 * one and a URI or a DNS name (as in a SPIFFE identity). Of several names none is better than another,
 * and one with control characters is a trick; such a certificate names nobody.
 */
export function certificateName(
  { subject, subjectaltname }: Pick<PeerCertificate, "subject" | "subjectaltname">,
): string | null {
  const common: unknown = subject?.CN;
  if (common !== undefined) return typeof common === "string" ? plain(common) : null;
  const [, only] = /^(?:URI|DNS):([^\s,"]+)$/.exec(subjectaltname ?? "") ?? [];
  return only === undefined ? null : plain(only);
}

function plain(name: string): string | null {
  return /^[^\p{C}]{1,256}$/u.test(name) ? name : null;
}
