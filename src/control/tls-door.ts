/**
 * The control port's TLS: the certificate as the files of the section `tls` have it, and a warning in
 * time before it ends. The handshakes themselves are `data/tls-handshakes.ts`.
 */
import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { clearInterval, setInterval } from "node:timers";
import type { Config } from "../config/schema.ts";
import { expiryWarning, readTlsFiles, tlsRules } from "../config/tls-files.ts";
import { TlsHandshakes, type TlsOutcome } from "../data/tls-handshakes.ts";
import type { Log } from "../observe/log.ts";

/** How often it is looked whether the certificate ends soon: a gateway runs for months. */
const EXPIRY_CHECK_MS = 24 * 3_600_000;

export class TlsDoor {
  readonly #log: Log;
  readonly #expiry_check_ms: number;
  readonly #handshakes = new TlsHandshakes();
  #expiry_check: ReturnType<typeof setInterval> | undefined;

  constructor(options: { log: Log; expiry_check_ms?: number }) {
    this.#log = options.log;
    this.#expiry_check_ms = options.expiry_check_ms ?? EXPIRY_CHECK_MS;
  }

  /** TLS is configured. */
  get isOpen(): boolean {
    return this.#handshakes.isOpen;
  }

  /**
   * Takes the certificate and the rules for connections from now on, in the form that the files have
   * at this moment. Throws a `TlsFilesError` when they cannot be used; nothing has changed then.
   */
  apply({ tls }: Config): void {
    const material = readTlsFiles(tls);
    this.#handshakes.apply(material === null ? null : tlsRules(tls, material));
    clearInterval(this.#expiry_check);
    if (material === null) return;
    const certificate = {
      certificate: material.subject,
      expires: new Date(material.not_after_unix_ms).toISOString(),
    };
    this.#log.info({ status: "tls_loaded", ...certificate }, "the certificate is in use");
    const check = () => {
      const warning = expiryWarning(material, Date.now());
      if (warning === null) return;
      const { days, message } = warning;
      this.#log.warn({ status: "certificate_expires", ...certificate, days }, message);
    };
    check();
    this.#expiry_check = setInterval(check, this.#expiry_check_ms);
    this.#expiry_check.unref();
  }

  close(): void {
    clearInterval(this.#expiry_check);
  }

  /** See {@link TlsHandshakes.take}. */
  take(socket: Socket, first: Buffer, onOutcome: (outcome: TlsOutcome) => void): void {
    this.#handshakes.take(socket, first, onOutcome);
  }
}
