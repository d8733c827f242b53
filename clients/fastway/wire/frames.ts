/**
 * fastway's frames, the same in every direction. All integers are u32, little-endian:
 *
 *   Length | ConnID | body        Length counts ConnID and body, not itself
 *
 * ConnID names a virtual connection; with ConnID 0 the body is a command, one byte of type first:
 *
 *   0 Dial     remoteID            to the gateway        Length  9
 *   1 Accept   connID, remoteID    to who has dialled            13
 *   2 Connect  connID, remoteID    to who is dialled             13
 *   3 Refuse   remoteID            to who has dialled             9
 *   4 Close    connID              both ways                      9
 *   5 Ping                         both ways                      5
 *
 * relayx adds one that old peers never send and never see:
 *
 *   128 Token  text in UTF-8       to the gateway, as the first frame of a client, where
 *                                  `fastway.client_auth` asks for it        Length 6 to 4101
 *
 * Bytes behind the arguments are ignored, except for Token, whose argument they are.
 */

/** Before every frame's body. */
export const HEAD_BYTES = 8;
/** What Length counts at least: the ConnID. */
export const LENGTH_MIN = 4;
/** Of Length itself. */
export const LENGTH_BYTES = 4;

export const DIAL = 0;
export const ACCEPT = 1;
export const CONNECT = 2;
export const REFUSE = 3;
export const CLOSE = 4;
export const PING = 5;
export const TOKEN = 128;

/** The longest command but Token, Length included: Accept and Connect. */
export const COMMAND_BYTES_MAX = 17;
/** The longest token, bytes: as long as one of the control port. */
export const TOKEN_BYTES_MAX = 4096;

/** Bytes of the arguments of each command by its type. */
export const ARGUMENT_BYTES: readonly number[] = [4, 8, 8, 4, 4, 0];

/** The u32 at a place. A plain shift makes negative numbers of those from 2^31 on. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24) >>> 0;
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

/**
 * Writes a command with none, one or two arguments at a place, for which there must be
 * {@link COMMAND_BYTES_MAX} bytes of room; answers where it ends.
 */
export function writeCommand(
  bytes: Uint8Array,
  at: number,
  type: number,
  first = 0,
  second = 0,
): number {
  const arguments_bytes = ARGUMENT_BYTES[type];
  writeU32(bytes, at, LENGTH_MIN + 1 + arguments_bytes);
  writeU32(bytes, at + 4, 0);
  bytes[at + 8] = type;
  if (arguments_bytes >= 4) writeU32(bytes, at + 9, first);
  if (arguments_bytes >= 8) writeU32(bytes, at + 13, second);
  return at + HEAD_BYTES + 1 + arguments_bytes;
}
