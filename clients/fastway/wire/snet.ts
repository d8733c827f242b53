/**
 * snet: a stream that outlives its connections. All integers are u64, little-endian.
 *
 * A new session:
 *   client → gateway   00 ‖ public key                                        9 bytes
 *   gateway → client   public key ‖ RC4(connID) ‖ challenge                   24
 *   client → gateway   MD5(challenge ‖ key)                                   16
 *
 * The key is the shared secret of {@link sharedSecret}, 8 bytes, the same for both directions. connIDs
 * count from 1. The keystream from the gateway begins with connID, encrypted or not; the one to the
 * gateway begins with the first byte of data. There is no answer to the proof. A public key of 0 is
 * refused, and so is a wrong proof, by closing without a word.
 *
 * A return to a session, on a new connection:
 *   client → gateway   FF ‖ connID ‖ its writeCount ‖ its readCount ‖ proof   41
 *   gateway → client   its writeCount ‖ its readCount ‖ challenge             24
 *   client → gateway   MD5(challenge ‖ key)                                   16
 *
 * The first proof is MD5(connID ‖ writeCount ‖ readCount ‖ key). The counts are bytes of data since the
 * session began, without any handshake's. An answer of 24 zero bytes is a refusal: the session is
 * unknown, the proof is wrong, or what the counts say cannot be sent again. Then both send again what
 * the other one has not read, as it was sent the first time, and go on.
 */
import { createHash } from "node:crypto";

/** The first byte of a connection. */
export const SNET_NEW = 0x00;
export const SNET_RETURN = 0xff;

export const SNET_KEY_BYTES = 8;
export const SNET_PROOF_BYTES = 16;
/** Both requests with their first byte. */
export const SNET_NEW_BYTES = 9;
export const SNET_RETURN_BYTES = 41;
/** The gateway's answer to either. */
export const SNET_ANSWER_BYTES = 24;
/** Where the challenge is in the answer; it goes to the end. */
export const SNET_CHALLENGE_AT = 16;
/** What the proof of a return is over, besides the key: three counts behind the first byte. */
const RETURN_PROVEN_BYTES = 24;

/** RC4's key and part of every proof. */
export function snetKey(secret: bigint): Uint8Array {
  const key = new Uint8Array(SNET_KEY_BYTES);
  writeU64(key, 0, secret);
  return key;
}

/** The answer to a challenge. */
export function snetProof(challenge: Uint8Array, key: Uint8Array): Uint8Array {
  return createHash("md5").update(challenge).update(key).digest();
}

export function newRequest(publicKey: bigint): Uint8Array {
  const bytes = new Uint8Array(SNET_NEW_BYTES);
  bytes[0] = SNET_NEW;
  writeU64(bytes, 1, publicKey);
  return bytes;
}

export function readNewRequest(bytes: Uint8Array): { public_key: bigint } {
  return { public_key: readU64(bytes, 1) };
}

/** The answer to a new session; connID is already as the keystream has made it. */
export interface NewAnswer {
  public_key: bigint;
  encrypted_id: Uint8Array;
  challenge: Uint8Array;
}

export function newAnswer({ public_key, encrypted_id, challenge }: NewAnswer): Uint8Array {
  const bytes = new Uint8Array(SNET_ANSWER_BYTES);
  writeU64(bytes, 0, public_key);
  bytes.set(encrypted_id, 8);
  bytes.set(challenge, SNET_CHALLENGE_AT);
  return bytes;
}

export function readNewAnswer(bytes: Uint8Array): NewAnswer {
  return {
    public_key: readU64(bytes, 0),
    encrypted_id: bytes.slice(8, SNET_CHALLENGE_AT),
    challenge: bytes.slice(SNET_CHALLENGE_AT, SNET_ANSWER_BYTES),
  };
}

/** Bytes of data since the session began, as the one who tells them has counted. */
export interface SnetCounts {
  written: bigint;
  read: bigint;
}

export interface ReturnRequest extends SnetCounts {
  id: bigint;
  proof: Uint8Array;
}

export function returnRequest(
  { id, written, read, key }: SnetCounts & { id: bigint; key: Uint8Array },
): Uint8Array {
  const bytes = new Uint8Array(SNET_RETURN_BYTES);
  bytes[0] = SNET_RETURN;
  writeU64(bytes, 1, id);
  writeU64(bytes, 9, written);
  writeU64(bytes, 17, read);
  bytes.set(snetProof(provenOfReturn(bytes), key), 1 + RETURN_PROVEN_BYTES);
  return bytes;
}

export function readReturnRequest(bytes: Uint8Array): ReturnRequest {
  return {
    id: readU64(bytes, 1),
    written: readU64(bytes, 9),
    read: readU64(bytes, 17),
    proof: bytes.slice(1 + RETURN_PROVEN_BYTES, SNET_RETURN_BYTES),
  };
}

/** The part of a return's request that its proof is over, together with the key. */
export function provenOfReturn(request: Uint8Array): Uint8Array {
  return request.subarray(1, 1 + RETURN_PROVEN_BYTES);
}

export function returnAnswer(
  { written, read, challenge }: SnetCounts & { challenge: Uint8Array },
): Uint8Array {
  const bytes = new Uint8Array(SNET_ANSWER_BYTES);
  writeU64(bytes, 0, written);
  writeU64(bytes, 8, read);
  bytes.set(challenge, SNET_CHALLENGE_AT);
  return bytes;
}

/** What no answer that accepts can be: a challenge is never all zeros. */
export function refusedAnswer(): Uint8Array {
  return new Uint8Array(SNET_ANSWER_BYTES);
}

/** Null where the gateway refuses. */
export function readReturnAnswer(
  bytes: Uint8Array,
): (SnetCounts & { challenge: Uint8Array }) | null {
  if (bytes.subarray(0, SNET_ANSWER_BYTES).every((byte) => byte === 0)) return null;
  return {
    written: readU64(bytes, 0),
    read: readU64(bytes, 8),
    challenge: bytes.slice(SNET_CHALLENGE_AT, SNET_ANSWER_BYTES),
  };
}

function readU64(bytes: Uint8Array, at: number): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(at, true);
}

function writeU64(bytes: Uint8Array, at: number, value: bigint): void {
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).setBigUint64(at, value, true);
}
