/**
 * The keys that JWTs are checked with, of a file: one public key, certificate or private secret, or
 * several in a key set. A file is refused as a whole when it holds what it must not: a private key
 * (nobody who only checks signatures needs one), a public key where a shared secret is meant, or the
 * other way round.
 */
import { Buffer } from "node:buffer";
import { createHash, createPublicKey, type JsonWebKeyInput, type KeyObject } from "node:crypto";
import { z } from "zod";

/** Keys of one set. */
export const KEYS_MAX = 100;
/** The least that RFC 7518 allows for the shortest of the HMAC algorithms. */
const SECRET_BYTES_MIN = 32;

/** One key, and what is said of it in its set. */
export interface VerificationKey {
  /** Absent: it has no name, and is tried for every token. */
  kid?: string;
  /** The only algorithm that it is for; absent: whatever its kind allows. */
  alg?: string;
  /** The kind of key in RFC 7517's words, and for curves which. */
  kty: string;
  crv?: string;
  key: KeyObject | Uint8Array;
  /** Tells this key from every other, and tells nobody the key. */
  thumbprint: string;
}

/** Why a text holds no keys that can be used; a phrase of what was found and one of what is allowed. */
export class KeyFileError extends Error {
  override name = "KeyFileError";
  readonly found: string;
  readonly allowed: string;
  constructor(found: string, allowed: string) {
    super(`found ${found}; allowed: ${allowed}`);
    this.found = found;
    this.allowed = allowed;
  }
}

const ASYMMETRIC = "a public key or a certificate (PEM), or a key set (JWKS) of public keys";
const SECRET = `a secret of at least ${SECRET_BYTES_MIN} bytes, or a key set (JWKS) of such`;

const jwkShape = z.looseObject({
  kty: z.string(),
  kid: z.string().optional(),
  alg: z.string().optional(),
  use: z.string().optional(),
  key_ops: z.array(z.string()).optional(),
  k: z.string().optional(),
});
const setShape = z.object({ keys: z.array(jwkShape).max(KEYS_MAX) });

type Jwk = z.output<typeof jwkShape>;

/** Which kind of key, and for curves which, each algorithm is made with. */
const KIND_OF_ALG: Readonly<Record<string, string>> = {
  HS256: "oct",
  HS384: "oct",
  HS512: "oct",
  RS256: "RSA",
  RS384: "RSA",
  RS512: "RSA",
  PS256: "RSA",
  PS384: "RSA",
  PS512: "RSA",
  ES256: "EC P-256",
  ES384: "EC P-384",
  ES512: "EC P-521",
  EdDSA: "OKP Ed25519",
};

/**
 * The keys that a token with this header may have been signed with: those of its name, where it has
 * one and the set has such, and of its algorithm's kind. A key is never used for another algorithm
 * than it is for, whatever the token says.
 */
export function keysFor(
  keys: readonly VerificationKey[],
  { alg, kid }: { alg: string; kid?: string },
): VerificationKey[] {
  return keys.filter((key) => {
    const kind = key.crv === undefined ? key.kty : `${key.kty} ${key.crv}`;
    if (KIND_OF_ALG[alg] !== kind) return false;
    if (key.alg !== undefined && key.alg !== alg) return false;
    return kid === undefined || key.kid === undefined || key.kid === kid;
  });
}

/** Reads a key file; throws {@link KeyFileError}. `shared` is whether the algorithms are HMACs. */
export function readKeyFile(bytes: Uint8Array, options: { shared: boolean }): VerificationKey[] {
  const text = new TextDecoder().decode(bytes).trim();
  if (text.startsWith("{")) return readKeySet(text, options);
  const is_pem = text.startsWith("-----BEGIN ");
  if (options.shared) {
    if (is_pem) throw new KeyFileError("a PEM file, which is no secret", SECRET);
    return [secretKey(withoutLineEnd(bytes))];
  }
  if (!is_pem) throw new KeyFileError("neither PEM nor JSON", ASYMMETRIC);
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    throw new KeyFileError("a private key, which is not needed here", ASYMMETRIC);
  }
  try {
    return [publicKey(createPublicKey(text))];
  } catch {
    throw new KeyFileError("a PEM file that cannot be read", ASYMMETRIC);
  }
}

/** Reads a key set (RFC 7517); keys of kinds that are not known here are left out. */
export function readKeySet(text: string, options: { shared: boolean }): VerificationKey[] {
  const allowed = options.shared ? SECRET : ASYMMETRIC;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new KeyFileError("text that is no JSON", allowed);
  }
  const read = setShape.safeParse(json);
  if (!read.success) throw new KeyFileError("JSON that is no key set", allowed);
  const keys: VerificationKey[] = [];
  for (const jwk of read.data.keys) {
    if (jwk.use !== undefined && jwk.use !== "sig") continue;
    if (jwk.key_ops !== undefined && !jwk.key_ops.includes("verify")) continue;
    const key = options.shared ? sharedJwk(jwk, allowed) : publicJwk(jwk, allowed);
    if (key !== null) keys.push({ ...key, kid: jwk.kid, alg: jwk.alg });
  }
  if (keys.length === 0) throw new KeyFileError("a key set without a key to check with", allowed);
  return keys;
}

function sharedJwk({ kty, k }: Jwk, allowed: string): VerificationKey | null {
  if (kty !== "oct" || k === undefined) {
    throw new KeyFileError(`a key of the kind ${JSON.stringify(kty)} among secrets`, allowed);
  }
  return secretKey(Buffer.from(k, "base64url"));
}

function publicJwk(jwk: Jwk, allowed: string): VerificationKey | null {
  if (jwk.kty === "oct") throw new KeyFileError("a secret among public keys", allowed);
  if ("d" in jwk) throw new KeyFileError("a private key, which is not needed here", allowed);
  if (!["RSA", "EC", "OKP"].includes(jwk.kty)) return null;
  try {
    return publicKey(createPublicKey({ key: jwk as JsonWebKeyInput["key"], format: "jwk" }));
  } catch {
    // For instance a curve that is not known here; the others of the set are still good.
    return null;
  }
}

function publicKey(key: KeyObject): VerificationKey {
  const { kty = "", crv } = key.export({ format: "jwk" });
  return { key, kty, crv, thumbprint: digest(key.export({ type: "spki", format: "der" })) };
}

function secretKey(bytes: Uint8Array): VerificationKey {
  if (bytes.length < SECRET_BYTES_MIN) {
    throw new KeyFileError(`a secret of ${bytes.length} bytes`, SECRET);
  }
  return { key: new Uint8Array(bytes), kty: "oct", thumbprint: digest(bytes) };
}

/** An editor ends every file with a line feed, which nobody means to be part of the secret. */
function withoutLineEnd(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === 0x0a || bytes[end - 1] === 0x0d)) end--;
  return bytes.subarray(0, end);
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("base64url");
}
