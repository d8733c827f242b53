/**
 * The files of the section `tls`, all of them PEM: the certificate with those that lead to its
 * authority, its private key, and the authorities that client certificates are checked against.
 * Whatever is wrong is found here, before anybody connects: the TLS libraries of the runtimes find
 * different mistakes at different times, and name them differently.
 */
import { Buffer } from "node:buffer";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import type { LoadedConfig } from "./load.ts";
import type { ConfigProblem } from "./problem.ts";
import type { Config } from "./schema.ts";

/** The greatest file; the authorities of a whole operating system take a quarter of it. */
const FILE_BYTES_MAX = 1_048_576;
/** A certificate that ends within so many days is warned of. */
const EXPIRY_DAYS_MIN = 14;
const DAY_MS = 24 * 3_600_000;

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** What the files hold, checked; the private key is in it. */
export interface TlsMaterial {
  certificate: string;
  key: string;
  /** Null: nobody is asked for a certificate. */
  client_ca: string | null;
  /** Whose the certificate is, for the log. */
  subject: string;
  not_after_unix_ms: number;
}

/** What a handshake goes by; texts are PEM, the private key among them. */
export interface TlsRules {
  certificate: string;
  key: string;
  /** Null: nobody is asked for a certificate. */
  client_ca: string | null;
  client_auth: Config["tls"]["client_auth"];
  min_version: Config["tls"]["min_version"];
}

/** A mistake in one of the files; `key` is the configuration's. */
export interface TlsFileFinding {
  key: "tls.cert_file" | "tls.key_file" | "tls.client_ca_file";
  code: string;
  found: string;
  allowed: string;
}

/** The files cannot be used; `findings` has at least one entry. */
export class TlsFilesError extends Error {
  override name = "TlsFilesError";
  readonly code = "TLS_FILES";
  readonly findings: readonly TlsFileFinding[];
  constructor(findings: readonly TlsFileFinding[]) {
    super(
      findings.map(({ key, found, allowed }) => `${key}: found ${found}; allowed: ${allowed}`)
        .join("\n"),
    );
    this.findings = findings;
  }
}

/**
 * Reads the files, or gives null where TLS is not configured. Throws {@link TlsFilesError} with
 * everything that is wrong. A certificate that has expired is no mistake here, because peers may be
 * told to take it; see {@link expiryWarning}.
 */
export function readTlsFiles(tls: Config["tls"]): TlsMaterial | null {
  if (tls.cert_file === "") return null;
  const findings: TlsFileFinding[] = [];
  const certificate = attempt(findings, () => readCertificates("tls.cert_file", tls.cert_file));
  const key = attempt(findings, () => readKey(tls.key_file));
  const client_ca = tls.client_auth === "off"
    ? null
    : attempt(findings, () => readCertificates("tls.client_ca_file", tls.client_ca_file));
  const [leaf] = certificate?.parsed ?? [];
  if (leaf !== undefined && key !== null && !leaf.checkPrivateKey(createPrivateKey(key))) {
    findings.push({
      key: "tls.key_file",
      code: "key_mismatch",
      found: `${quoted(tls.key_file)}, which is the key of another certificate`,
      allowed: "the private key of the first certificate in tls.cert_file",
    });
  }
  if (findings.length > 0 || certificate === null || key === null) {
    throw new TlsFilesError(findings);
  }
  return {
    certificate: certificate.pem,
    key,
    client_ca: client_ca?.pem ?? null,
    subject: leaf.subject?.replaceAll("\n", ", ") || leaf.subjectAltName || "nobody",
    not_after_unix_ms: Date.parse(leaf.validTo),
  };
}

export function tlsRules(
  { client_auth, min_version }: Config["tls"],
  { certificate, key, client_ca }: TlsMaterial,
): TlsRules {
  return { certificate, key, client_ca, client_auth, min_version };
}

/** The same mistakes, each with the place of its key in the configuration. */
export function tlsFileProblems(loaded: LoadedConfig): ConfigProblem[] {
  try {
    readTlsFiles(loaded.config.tls);
    return [];
  } catch (error) {
    if (!(error instanceof TlsFilesError)) throw error;
    return error.findings.map(({ key, code, found, allowed }) =>
      loaded.problem(key, code, found, allowed)
    );
  }
}

/** What to say of a certificate that ends soon or has ended; null where all is well. */
export function expiryWarning(
  { not_after_unix_ms }: TlsMaterial,
  now_unix_ms: number,
): { days: number; message: string } | null {
  const days = Math.floor((not_after_unix_ms - now_unix_ms) / DAY_MS);
  if (days >= EXPIRY_DAYS_MIN) return null;
  if (not_after_unix_ms <= now_unix_ms) {
    return { days, message: "the certificate has expired; peers that check it turn away" };
  }
  return { days, message: `the certificate expires in ${days} ${days === 1 ? "day" : "days"}` };
}

/** Collects a finding instead of passing it on, so that one run shows those of all files. */
function attempt<T>(findings: TlsFileFinding[], read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof TlsFilesError)) throw error;
    findings.push(...error.findings);
    return null;
  }
}

function readCertificates(
  key: "tls.cert_file" | "tls.client_ca_file",
  path: string,
): { pem: string; parsed: X509Certificate[] } {
  const blocks = readText(key, path).match(CERTIFICATE) ?? [];
  const allowed = key === "tls.cert_file"
    ? "a PEM file: the certificate first, then those that lead to its authority"
    : "a PEM file with the certificates of the authorities";
  if (blocks.length === 0) {
    fail(key, "no_certificate", `${quoted(path)}, which has no certificate in it`, allowed);
  }
  const parsed = blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch {
      return fail(
        key,
        "invalid_certificate",
        `${quoted(path)}, whose certificate ${index + 1} cannot be read`,
        allowed,
      );
    }
  });
  return { pem: `${blocks.join("\n")}\n`, parsed };
}

function readKey(path: string): string {
  const text = readText("tls.key_file", path);
  const allowed = "a PEM file with a private key that has no passphrase";
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(text)) {
    fail("tls.key_file", "key_encrypted", `${quoted(path)}, which has a passphrase`, allowed);
  }
  // Only the block itself: a file may have the certificate or the parameters of its curve as well.
  const block = /-----BEGIN ((?:RSA |EC )?PRIVATE KEY)-----[^-]+-----END \1-----/.exec(text)?.[0];
  if (block === undefined) {
    return fail("tls.key_file", "no_key", `${quoted(path)}, which has no key in it`, allowed);
  }
  try {
    createPrivateKey(block);
  } catch {
    fail("tls.key_file", "invalid_key", `${quoted(path)}, whose key cannot be read`, allowed);
  }
  return `${block}\n`;
}

function readText(key: TlsFileFinding["key"], path: string): string {
  const allowed = "the path of a readable file";
  try {
    // A pipe or a device would block for ever when opened.
    if (!statSync(path).isFile()) {
      return fail(key, "unreadable", `${quoted(path)}, which is no regular file`, allowed);
    }
    const descriptor = openSync(path, "r");
    try {
      const size = fstatSync(descriptor).size;
      if (size > FILE_BYTES_MAX) {
        return fail(
          key,
          "too_large",
          `${quoted(path)} with ${size} bytes`,
          `at most ${FILE_BYTES_MAX} bytes`,
        );
      }
      const bytes = Buffer.alloc(size);
      let length = 0;
      while (length < size) {
        const count = readSync(descriptor, bytes, length, size - length, null);
        if (count === 0) break;
        length += count;
      }
      return bytes.subarray(0, length).toString("latin1");
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (error instanceof TlsFilesError) throw error;
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
    if (code === "ENOENT" || code === "ENOTDIR") {
      return fail(key, "missing", `${quoted(path)}, which is not there`, allowed);
    }
    return fail(key, "unreadable", `${quoted(path)}, which cannot be read (${code})`, allowed);
  }
}

function fail(key: TlsFileFinding["key"], code: string, found: string, allowed: string): never {
  throw new TlsFilesError([{ key, code, found, allowed }]);
}

function quoted(path: string): string {
  return JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}…` : path);
}
