/**
 * What a server proves itself with, right after it has connected (and within 5 s):
 *
 *   gateway → server   8 random bytes, the challenge
 *   server → gateway   MD5(challenge ‖ key), 16 bytes, then the server's id, u32 little-endian
 *
 * There is no answer: whoever is wrong is closed without a word. MD5 is what the protocol has.
 */
import { createHash } from "node:crypto";

export const CHALLENGE_BYTES = 8;
export const PROOF_BYTES = 16;
/** The proof and the id. */
export const SERVER_HELLO_BYTES = 20;

export function serverProof(challenge: Uint8Array, key: Uint8Array): Uint8Array {
  return createHash("md5").update(challenge).update(key).digest();
}
