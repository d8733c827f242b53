/**
 * Signed envelopes. What is signed is the canonical JSON (RFC 8785) of
 *
 *   {"type", "payload", "msg_id", "ts_ms", "trace_id"}
 *
 * with what an envelope leaves out as null, "", 0 and "". `sign` is the signature in base64, `kid` the
 * key's name; an RSA key makes RSA-PSS with a salt of 32 bytes, one on P-256 makes ECDSA in DER form,
 * both over SHA-256. An ECDSA signature may also come as the two numbers of 32 bytes one after another.
 * Canonical JSON knows numbers as doubles, so of one beyond 2^53 the last digits are not protected.
 */
import { Buffer } from "node:buffer";
import { constants, randomUUID, sign, verify } from "node:crypto";
import canonicalize from "canonicalize";
import type { SignatureKey, SignatureKeys } from "../../config/rlx1-keys.ts";
import { fold } from "../../control/messages.ts";
import type { Stamp } from "./messages.ts";

/** Clocks may differ by so much, and a message that was overheard is good for so long. */
const WINDOW_MS = 30_000;
const PSS_SALT_BYTES = 32;
const SIGNATURE_CHARS_MAX = 2048;
/** The length of the two numbers of a P-256 signature. */
const P1363_BYTES = 64;

export type SignatureMode = "off" | "optional" | "required";

/** What is wrong with a message's signature, for the log. */
export type SignatureFault = "unsigned" | "stale" | "unknown_key" | "wrong_signature";

export class Signatures {
  #mode: SignatureMode;
  #keys: SignatureKeys;

  constructor(options: { mode: SignatureMode; keys: SignatureKeys }) {
    this.#mode = options.mode;
    this.#keys = options.keys;
  }

  apply(options: { mode: SignatureMode; keys: SignatureKeys }): void {
    this.#mode = options.mode;
    this.#keys = options.keys;
  }

  /** Null where the message may be acted on. */
  faultOf(object: object, now_unix_ms: number): SignatureFault | null {
    if (this.#mode === "off") return null;
    const fields = fold(object, ["type", "payload", "msg_id", "ts_ms", "trace_id", "sign", "kid"]);
    const { sign: signature = "", kid = "", ts_ms = 0 } = fields;
    if (signature === "") return this.#mode === "required" ? "unsigned" : null;
    // What cannot be checked is as if it were not there, where it need not be.
    if (this.#keys.verify.length === 0) return null;
    if (typeof ts_ms !== "number" || Math.abs(now_unix_ms - ts_ms) > WINDOW_MS) return "stale";
    const keys = this.#keys.verify.filter(({ id }) => kid === "" || id === "" || id === kid);
    if (keys.length === 0) return "unknown_key";
    if (typeof signature !== "string" || signature.length > SIGNATURE_CHARS_MAX) {
      return "wrong_signature";
    }
    const body = incomingBody(fields);
    const bytes = Buffer.from(signature, "base64");
    const is_right = body !== null && keys.some((key) => isSignedBy(key, body, bytes));
    return is_right ? null : "wrong_signature";
  }

  /**
   * What the envelope of our message has beside type and payload. `payload` is JSON, without halves of
   * surrogate pairs: the readers of `messages.ts` let none through.
   */
  seal(type: string, payload: string, { trace_id, msg_id }: Stamp): Record<string, unknown> {
    const own = this.#mode === "off" ? null : this.#keys.sign;
    const named = trace_id === "" ? {} : { trace_id };
    if (own === null) return msg_id === "" ? named : { msg_id, ...named };
    const ts_ms = Date.now();
    const stamped = { msg_id: msg_id || `${randomUUID()}-${ts_ms}`, ts_ms, ...named };
    const body = canonicalBody({ type, payload: JSON.parse(payload), ...stamped });
    const kid = own.id === "" ? {} : { kid: own.id };
    return { ...stamped, sign: signWith(own, body).toString("base64"), ...kid };
  }
}

function canonicalBody(fields: Readonly<Record<string, unknown>>): Buffer {
  const { type, payload = null, msg_id = "", ts_ms = 0, trace_id = "" } = fields;
  return Buffer.from(canonicalize({ type, payload, msg_id, ts_ms, trace_id }) ?? "");
}

/**
 * Null where canonical JSON has no form for it: a number beyond the doubles, half a surrogate pair.
 * Anybody can send those, so nothing may be thrown for them.
 */
function incomingBody(fields: Readonly<Record<string, unknown>>): Buffer | null {
  try {
    return canonicalBody(fields);
  } catch {
    return null;
  }
}

function signWith({ kind, key }: SignatureKey, body: Buffer): Buffer {
  if (kind === "ecdsa-p256") return sign("sha256", body, { key, dsaEncoding: "der" });
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return sign("sha256", body, { key, padding, saltLength: PSS_SALT_BYTES });
}

function isSignedBy({ kind, key }: SignatureKey, body: Buffer, signature: Buffer): boolean {
  if (kind === "rsa-pss") {
    const padding = constants.RSA_PKCS1_PSS_PADDING;
    const saltLength = constants.RSA_PSS_SALTLEN_AUTO;
    return isRight(() => verify("sha256", body, { key, padding, saltLength }, signature));
  }
  if (isRight(() => verify("sha256", body, { key, dsaEncoding: "der" }, signature))) return true;
  return signature.length === P1363_BYTES &&
    isRight(() => verify("sha256", body, { key, dsaEncoding: "ieee-p1363" }, signature));
}

/** A signature that is no signature at all makes some runtimes throw. */
function isRight(check: () => boolean): boolean {
  try {
    return check();
  } catch {
    return false;
  }
}
