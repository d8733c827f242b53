/**
 * The key agreement of snet: Diffie-Hellman over 64 bits, which a listener with a laptop undoes. It is
 * what old clients speak; whoever needs secrecy uses TLS.
 */
import { randomBytes } from "node:crypto";

/** The greatest prime below 2^64. */
const MODULUS = 0xffff_ffff_ffff_ffc5n;
const BASE = 5n;

/** A number from 1 to 2^64 − 1. */
export function newPrivateKey(): bigint {
  for (;;) {
    const key = randomBytes(8).readBigUInt64LE();
    if (key !== 0n) return key;
  }
}

export function publicKeyOf(privateKey: bigint): bigint {
  return power(BASE, privateKey);
}

/** What both sides come to: ours from our private and their public key. */
export function sharedSecret(privateKey: bigint, theirPublicKey: bigint): bigint {
  return power(theirPublicKey, privateKey);
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base % MODULUS;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = result * square % MODULUS;
    square = square * square % MODULUS;
  }
  return result;
}
