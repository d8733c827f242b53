/**
 * The "video" frame of the verification tools, big-endian, a header of 48 bytes and the payload:
 *
 * ```
 *  0  u32  magic                0x56345654, "V4VT"
 *  4  u8   version              1
 *  5  u8   type                 1 data, 2 echo, 3 ping, 4 pong
 *  6  u16  zero
 *  8  u64  seq
 * 16  i64  sent_unix_ns         when the front end sent the data frame
 * 24  i64  server_recv_unix_ns  when the back end had it complete, 0 before that
 * 32  i64  server_send_unix_ns  when the back end sent the echo, 0 before that
 * 40  u32  crc32                IEEE, of the payload; 0 for ping and pong
 * 44  u32  payload_len
 * 48       payload
 * ```
 *
 * An echo repeats the sequence number, the sending time, the checksum and the payload of its data
 * frame, so the front end measures the round trip with its own clock alone.
 */
import { crc32 } from "node:zlib";

export const FRAME_MAGIC = 0x56345654;
export const FRAME_VERSION = 1;
/** Bytes of the header, before the payload. */
export const FRAME_HEADER_BYTES = 48;

export const FRAME_TYPE = { data: 1, echo: 2, ping: 3, pong: 4 } as const;

export interface FrameHeader {
  /** One of {@link FRAME_TYPE}; a peer may send others, which a reader ignores. */
  type: number;
  seq: bigint;
  sent_unix_ns: bigint;
  server_recv_unix_ns: bigint;
  server_send_unix_ns: bigint;
  crc32: number;
  payload_len: number;
}

/** The checksum of a payload as it stands in the header. */
export function payloadCrc(payload: Uint8Array): number {
  return crc32(payload) >>> 0;
}

/** Writes the header into the first 48 bytes of `target`. */
export function writeHeader(target: Uint8Array, header: FrameHeader): void {
  const view = new DataView(target.buffer, target.byteOffset, FRAME_HEADER_BYTES);
  view.setUint32(0, FRAME_MAGIC);
  view.setUint8(4, FRAME_VERSION);
  view.setUint8(5, header.type);
  view.setUint16(6, 0);
  view.setBigUint64(8, header.seq);
  view.setBigInt64(16, header.sent_unix_ns);
  view.setBigInt64(24, header.server_recv_unix_ns);
  view.setBigInt64(32, header.server_send_unix_ns);
  view.setUint32(40, header.crc32);
  view.setUint32(44, header.payload_len);
}

/** Reads 48 bytes whose magic and version were found right; see the parser. */
export function readHeader(source: Uint8Array): FrameHeader {
  const view = new DataView(source.buffer, source.byteOffset, FRAME_HEADER_BYTES);
  return {
    type: view.getUint8(5),
    seq: view.getBigUint64(8),
    sent_unix_ns: view.getBigInt64(16),
    server_recv_unix_ns: view.getBigInt64(24),
    server_send_unix_ns: view.getBigInt64(32),
    crc32: view.getUint32(40),
    payload_len: view.getUint32(44),
  };
}

/** A whole frame in one piece of memory of its own. */
export function encodeFrame(
  header: Omit<FrameHeader, "payload_len">,
  payload: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  writeHeader(bytes, { ...header, payload_len: payload.length });
  bytes.set(payload, FRAME_HEADER_BYTES);
  return bytes;
}
