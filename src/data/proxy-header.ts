/**
 * The PROXY protocol's header (haproxy.org, proxy-protocol.txt): what a proxy says, before the first
 * byte of its client, about where that client comes from. Two versions are on the wire.
 *
 * Version 1 is one line of at most 107 bytes, its CR LF included:
 *
 *     PROXY TCP4 192.0.2.7 198.51.100.1 56324 2300\r\n
 *     PROXY TCP6 2001:db8::7 2001:db8::1 56324 2300\r\n
 *     PROXY UNKNOWN anything or nothing\r\n
 *
 * Version 2 is binary, numbers big-endian:
 *
 *     0   12 bytes  0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A
 *     12  u8        version 2 in the high four bits; 0 LOCAL or 1 PROXY in the low ones
 *     13  u8        family in the high four bits: 0 unknown, 1 IPv4, 2 IPv6, 3 UNIX;
 *                   transport in the low ones: 0 unknown, 1 stream, 2 datagram
 *     14  u16       the bytes that follow
 *     16  addresses: source, destination, source port, destination port; 12 bytes for IPv4, 36 for
 *         IPv6, 216 for UNIX
 *         then any number of { u8 type, u16 length, value }; of these only the checksum counts:
 *         type 3, four bytes, CRC-32C of the whole header with the four bytes taken as zero
 *
 * A header is only ever read from a proxy that the configuration trusts. For anybody else it is a
 * wrong hello: an address that its bearer may choose proves nothing.
 */
import { isIPv4, isIPv6 } from "node:net";
import { normalizeNetwork } from "../config/address-set.ts";

/** The longest line of version 1, its CR LF included; the protocol's own bound. */
const LINE_BYTES_MAX = 107;
/**
 * The longest header of version 2. The protocol has room for 65,551 bytes and says that one fits
 * into the smallest segment of TCP, 536 bytes; this leaves room for long names in certificates.
 */
export const PROXY_HEADER_BYTES_MAX = 2048;

const latin1 = new TextDecoder("latin1");
const V1_START = new TextEncoder().encode("PROXY ");
const V2_START = Uint8Array.of(13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10);
/** What stands before the addresses. */
const V2_FIXED_BYTES = 16;
const LOCAL = 0x20;
const PROXY = 0x21;
const TCP_OVER_IPV4 = 0x11;
const TCP_OVER_IPV6 = 0x21;
const ADDRESS_BYTES: Readonly<Record<number, number>> = {
  [TCP_OVER_IPV4]: 12,
  [TCP_OVER_IPV6]: 36,
};
const CHECKSUM_TYPE = 3;
const CHECKSUM_BYTES = 4;

/** Where the client is. */
export interface ProxySource {
  /** An IPv4 or IPv6 address, as {@link normalizeNetwork} writes it. */
  host: string;
  port: number;
}

export type ProxyHeader =
  /** The bytes are something else, whatever follows. */
  | { type: "none" }
  /** The bytes may become a header, and are not yet one. */
  | { type: "more" }
  /** It began as a header, and is none. */
  | { type: "invalid"; detail: string }
  /**
   * The first `bytes` bytes are a header. Without a source the connection is the proxy's own (a
   * health check), or it does not know its client's address.
   */
  | { type: "header"; bytes: number; source: ProxySource | null };

/**
 * Reads the header that a connection may begin with, from all that has come so far; it is asked again
 * when more has come. At most {@link PROXY_HEADER_BYTES_MAX} bytes are needed for an answer other
 * than "more". It never throws, whatever the bytes.
 */
export function readProxyHeader(bytes: Uint8Array): ProxyHeader {
  if (startsLike(bytes, V1_START)) return readLine(bytes);
  if (startsLike(bytes, V2_START)) return readBinary(bytes);
  return { type: "none" };
}

/** Whether these first bytes, however few, can still become this start. */
function startsLike(bytes: Uint8Array, start: Uint8Array): boolean {
  const length = Math.min(bytes.length, start.length);
  for (let i = 0; i < length; i++) if (bytes[i] !== start[i]) return false;
  return true;
}

function readLine(bytes: Uint8Array): ProxyHeader {
  const text = latin1.decode(bytes.subarray(0, LINE_BYTES_MAX));
  const end = text.indexOf("\r\n");
  if (end < 0) {
    if (text.length < LINE_BYTES_MAX) return { type: "more" };
    return invalid(`a PROXY line of more than ${LINE_BYTES_MAX} bytes`);
  }
  const [, protocol, ...fields] = text.slice(0, end).split(" ");
  if (protocol === "UNKNOWN") return { type: "header", bytes: end + 2, source: null };
  if (protocol !== "TCP4" && protocol !== "TCP6") {
    return invalid("a PROXY line for something other than TCP4, TCP6 or UNKNOWN");
  }
  const [host, target, port, target_port] = fields;
  const is_address = protocol === "TCP4" ? isIPv4 : isIPv6;
  const right = fields.length === 4 && isBareAddress(host) && isBareAddress(target) &&
    is_address(host) && is_address(target) && isPort(port) && isPort(target_port);
  if (!right) return invalid(`a PROXY ${protocol} line without two addresses and two ports`);
  return header(end + 2, host, Number(port));
}

function readBinary(bytes: Uint8Array): ProxyHeader {
  if (bytes.length < V2_FIXED_BYTES) return { type: "more" };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [command, protocol] = [view.getUint8(12), view.getUint8(13)];
  const whole_bytes = V2_FIXED_BYTES + view.getUint16(14);
  // Both are known before the rest is there, and nobody needs to wait for a header that is wrong.
  if (command !== LOCAL && command !== PROXY) {
    return invalid("a PROXY header of an unknown version or command");
  }
  if (whole_bytes > PROXY_HEADER_BYTES_MAX) {
    return invalid(`a PROXY header of ${whole_bytes} bytes; ${PROXY_HEADER_BYTES_MAX} are allowed`);
  }
  if (bytes.length < whole_bytes) return { type: "more" };
  const whole = bytes.subarray(0, whole_bytes);
  if (command === LOCAL) return { type: "header", bytes: whole_bytes, source: null };
  if (protocol >> 4 > 3 || (protocol & 15) > 2) {
    return invalid("a PROXY header of an unknown family or transport");
  }
  const address_bytes = ADDRESS_BYTES[protocol];
  // Datagrams and UNIX sockets have no address that a TCP connection could come from.
  if (address_bytes === undefined) return { type: "header", bytes: whole_bytes, source: null };
  const extensions_at = V2_FIXED_BYTES + address_bytes;
  if (whole_bytes < extensions_at) return invalid("a PROXY header too short for its addresses");
  const mistake = mistakeInExtensions(whole, extensions_at);
  if (mistake !== null) return invalid(mistake);
  if (protocol === TCP_OVER_IPV4) {
    const host = whole.subarray(16, 20).join(".");
    return header(whole_bytes, host, view.getUint16(24));
  }
  const words = Array.from({ length: 8 }, (_, i) => view.getUint16(16 + 2 * i).toString(16));
  return header(whole_bytes, words.join(":"), view.getUint16(48));
}

/** Walks over what stands behind the addresses; null where all is well. */
function mistakeInExtensions(whole: Uint8Array, from: number): string | null {
  const view = new DataView(whole.buffer, whole.byteOffset, whole.byteLength);
  for (let at = from; at < whole.length;) {
    const value_at = at + 3;
    if (value_at > whole.length) return "a PROXY header that ends within an extension";
    const length = view.getUint16(at + 1);
    if (value_at + length > whole.length) return "a PROXY header that ends within an extension";
    if (view.getUint8(at) === CHECKSUM_TYPE) {
      if (length !== CHECKSUM_BYTES) return "a PROXY header with a checksum that is not 4 bytes";
      const zeroed = Uint8Array.from(whole);
      zeroed.fill(0, value_at, value_at + CHECKSUM_BYTES);
      if (view.getUint32(value_at) !== crc32c(zeroed)) {
        return "a PROXY header whose checksum is wrong";
      }
    }
    at = value_at + length;
  }
  return null;
}

/** CRC-32C (Castagnoli), bit by bit: a header has 2 KiB at most, and few have a checksum. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc >>> 1 ^ (crc & 1 ? 0x82f6_3b78 : 0);
  }
  return ~crc >>> 0;
}

/** No zone and no network: `isIPv6` alone takes `fe80::1%eth0`. */
function isBareAddress(text: string): boolean {
  return /^[\da-fA-F:.]+$/.test(text);
}

function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

function header(bytes: number, address: string, port: number): ProxyHeader {
  return { type: "header", bytes, source: { host: normalizeNetwork(address)!, port } };
}

function invalid(detail: string): ProxyHeader {
  return { type: "invalid", detail };
}
