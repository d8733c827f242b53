/**
 * A connection that has come back to an snet session of another worker: its descriptor, which all
 * threads of the process have in common, goes there with what has been read of it.
 *
 *   RETURN   u32 side, u32 descriptor, u32 is tls, u32 bytes of remote, u32 bytes of address,
 *            the request (33 bytes), remote, address
 *
 * Whoever takes the record has the descriptor from then on; of records that nobody will take, the
 * sender closes it.
 */
import { SNET_RETURN_BYTES } from "../../../../clients/fastway/wire/mod.ts";
import type { FastwaySide } from "../protocol.ts";
import { RETURN, sideOf, sideWord } from "./records.ts";
import type { RingReader } from "./ring.ts";

const HEAD_WORDS = 5;
const DESCRIPTOR = 1;

export interface HandedReturn {
  side: FastwaySide;
  fd: number;
  transport: "tcp" | "tls";
  remote: string;
  address: string;
  /** With its first byte. */
  request: Uint8Array;
}

export function encodeReturn(handed: HandedReturn): number[] {
  const remote = new TextEncoder().encode(handed.remote);
  const address = new TextEncoder().encode(handed.address);
  const bytes = new Uint8Array(
    Math.ceil((SNET_RETURN_BYTES + remote.length + address.length) / 4) * 4,
  );
  bytes.set(handed.request);
  bytes.set(remote, SNET_RETURN_BYTES);
  bytes.set(address, SNET_RETURN_BYTES + remote.length);
  const is_tls = Number(handed.transport === "tls");
  const head = [sideWord(handed.side), handed.fd, is_tls, remote.length, address.length];
  return [...head, ...new Uint32Array(bytes.buffer)];
}

export function decodeReturn(words: Uint32Array, at: number): HandedReturn {
  const [side, fd, is_tls, remote_bytes, address_bytes] = words.subarray(at, at + HEAD_WORDS);
  const remote_at = SNET_RETURN_BYTES;
  const address_at = remote_at + remote_bytes;
  const size = address_at + address_bytes;
  // A copy: what is decoded outlives the record, and text is not decoded from shared memory.
  const copy = words.slice(at + HEAD_WORDS, at + HEAD_WORDS + Math.ceil(size / 4));
  const bytes = new Uint8Array(copy.buffer);
  const text = new TextDecoder();
  return {
    side: sideOf(side),
    fd,
    transport: is_tls === 1 ? "tls" : "tcp",
    remote: text.decode(bytes.subarray(remote_at, address_at)),
    address: text.decode(bytes.subarray(address_at, size)),
    request: bytes.slice(0, SNET_RETURN_BYTES),
  };
}

export function descriptorOfReturn(words: ArrayLike<number>, at: number): number {
  return words[at + DESCRIPTOR];
}

/** Shows those among the records that are left in a ring, and takes all of them. */
export function eachReturn(
  reader: RingReader,
  show: (words: Uint32Array, at: number) => void,
): void {
  while (reader.waits) {
    while (reader.next()) if (reader.type === RETURN) show(reader.words, reader.at / 4);
  }
}
