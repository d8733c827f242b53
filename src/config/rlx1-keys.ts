/**
 * The keys of v1's envelope signatures, PEM files: our own private one to sign with, and the peers'
 * public one to check with, with the one before it while keys are being changed. RSA keys make and
 * check RSA-PSS, keys on the curve P-256 ECDSA, both over SHA-256.
 */
import { Buffer } from "node:buffer";
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { FileProblem, readBoundedFile } from "./bounded-file.ts";
import type { LoadedConfig } from "./load.ts";
import type { ConfigProblem } from "./problem.ts";
import type { Rlx1Config } from "./rlx1-section.ts";

const FILE_BYTES_MAX = 65_536;
const RSA_BITS_MIN = 2048;

export type SignatureKind = "rsa-pss" | "ecdsa-p256";

/** A key and the name that envelopes have for it in `kid`. */
export interface SignatureKey {
  readonly id: string;
  readonly kind: SignatureKind;
  readonly key: KeyObject;
}

export interface SignatureKeys {
  /** Null: what we send is not signed. */
  readonly sign: SignatureKey | null;
  /** The current one first; empty: nothing can be checked. */
  readonly verify: readonly SignatureKey[];
}

const NO_KEYS: SignatureKeys = Object.freeze({ sign: null, verify: Object.freeze([]) });

type KeyName = "sign_key" | "verify_key" | "verify_previous_key";

/** Reads the files where `signatures` is on; throws a {@link FileProblem} with `key` set. */
export function readSignatureKeys(rlx1: Rlx1Config | undefined): SignatureKeys {
  if (rlx1 === undefined || rlx1.signatures === "off") return NO_KEYS;
  const read = (name: KeyName) => rlx1[`${name}_file`] === "" ? null : readKey(rlx1, name);
  const sign = read("sign_key");
  const verify = [read("verify_key"), read("verify_previous_key")].filter((one) => one !== null);
  return { sign, verify };
}

/** What is wrong with the files, each with the place of its key in the configuration. */
export function signatureKeyProblems(loaded: LoadedConfig): ConfigProblem[] {
  const { rlx1 } = loaded.config;
  if (rlx1 === undefined || rlx1.signatures === "off") return [];
  const problems: ConfigProblem[] = [];
  for (const name of ["sign_key", "verify_key", "verify_previous_key"] as const) {
    if (rlx1[`${name}_file`] === "") continue;
    try {
      const { key } = readKey(rlx1, name);
      if (name !== "sign_key" || rlx1.public_key === "") continue;
      const finding = mismatch(key, rlx1.public_key);
      if (finding !== null) problems.push(loaded.problem("rlx1.public_key", ...finding));
    } catch (error) {
      if (!(error instanceof FileProblem)) throw error;
      const { code, found, allowed } = error;
      const shown = `${JSON.stringify(rlx1[`${name}_file`])}, ${found}`;
      problems.push(loaded.problem(`rlx1.${name}_file`, code, shown, allowed));
    }
  }
  return problems;
}

function readKey(rlx1: Rlx1Config, name: KeyName): SignatureKey {
  const is_private = name === "sign_key";
  const pem = Buffer.from(readBoundedFile(rlx1[`${name}_file`], FILE_BYTES_MAX)).toString("latin1");
  const allowed = is_private
    ? "a private key (PEM) without a passphrase: RSA of at least 2048 bits, or on the curve P-256"
    : "a public key (PEM): RSA of at least 2048 bits, or on the curve P-256";
  // From a private key the runtime would make a public one, and whoever put it there has slipped.
  if (!is_private && /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem)) {
    throw new FileProblem("private_key", "which is a private key", allowed);
  }
  let key: KeyObject;
  try {
    key = is_private ? createPrivateKey(pem) : createPublicKey(pem);
  } catch {
    throw new FileProblem("not_a_key", "which cannot be read as one", allowed);
  }
  const kind = kindOf(key);
  if (kind === null) {
    throw new FileProblem(
      "wrong_key",
      `which is a key of another kind (${describe(key)})`,
      allowed,
    );
  }
  return { id: rlx1[`${name}_id`], kind, key };
}

function kindOf({ asymmetricKeyType, asymmetricKeyDetails: details }: KeyObject) {
  if (asymmetricKeyType === "rsa" || asymmetricKeyType === "rsa-pss") {
    return (details?.modulusLength ?? 0) >= RSA_BITS_MIN ? "rsa-pss" : null;
  }
  if (asymmetricKeyType !== "ec") return null;
  return /^(?:prime256v1|P-256)$/.test(details?.namedCurve ?? "") ? "ecdsa-p256" : null;
}

function describe({ asymmetricKeyType, asymmetricKeyDetails: details }: KeyObject): string {
  const more = details?.modulusLength ?? details?.namedCurve;
  return `${asymmetricKeyType ?? "unknown"}${more === undefined ? "" : ` ${more}`}`;
}

/** Peers that check with the public key that is announced must be able to. */
function mismatch(
  key: KeyObject,
  pem: string,
): [code: string, found: string, allowed: string] | null {
  const allowed = "the public half of rlx1.sign_key_file, or nothing";
  try {
    if (createPublicKey(pem).equals(createPublicKey(key))) return null;
  } catch {
    return ["not_a_key", "a text that is no public key", allowed];
  }
  return ["key_mismatch", "the public half of another key", allowed];
}
