/**
 * Socket addresses as the kernel lays them out:
 * `sockaddr_in`  { u16 family (host order), u16 port (network order), u8 address[4], 8 zero bytes }
 * `sockaddr_in6` { u16 family, u16 port, u32 flowinfo, u8 address[16], u32 scope }
 * `sockaddr_un`  { u16 family, char path[108] }, as long as its path
 */
import { AF_INET, AF_INET6, AF_UNIX } from "./constants.ts";

/** Room for either family. */
export const SOCKADDR_BYTES = 28;

/** Lays out an address literal for `bind` or `connect`. Throws on anything that is not one. */
export function encodeAddress(host: string, port: number): Uint8Array {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new RangeError(`Cannot use port ${port}: found no whole number from 0 to 65535`);
  }
  const ipv6 = host.includes(":");
  const bytes = new Uint8Array(ipv6 ? 28 : 16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, ipv6 ? AF_INET6 : AF_INET, true);
  view.setUint16(2, port, false);
  bytes.set(ipv6 ? parseIpv6(host) : parseIpv4(host), ipv6 ? 8 : 4);
  return bytes;
}

/** The longest path of a Unix socket, bytes; the kernel's field has one more for the final NUL. */
export const UNIX_PATH_BYTES_MAX = 107;

/**
 * Lays out the address of a Unix socket: a path, or a name without a file, which is written with an
 * `@` in front. Such a name begins with a NUL and ends where the address does.
 */
export function encodeUnixAddress(path: string): Uint8Array {
  const abstract = path.startsWith("@");
  const name = new TextEncoder().encode(abstract ? path.slice(1) : path);
  const length = name.length + (abstract ? 1 : 0);
  if (name.length === 0 || length > UNIX_PATH_BYTES_MAX || name.includes(0)) {
    throw new RangeError(
      `Cannot use the Unix socket ${JSON.stringify(path)}: found ${name.length} bytes; ` +
        `allowed are 1 to ${UNIX_PATH_BYTES_MAX}, none of them NUL`,
    );
  }
  const bytes = new Uint8Array(2 + name.length + 1);
  new DataView(bytes.buffer).setUint16(0, AF_UNIX, true);
  bytes.set(name, abstract ? 3 : 2);
  return bytes;
}

/** The family that a host literal belongs to. */
export function addressFamily(host: string): number {
  return host.includes(":") ? AF_INET6 : AF_INET;
}

/** `10.0.0.1:2300` or `[fe80::1]:2300`; an IPv4 peer of a dual-stack listener shows as IPv4. */
export function decodeAddress(bytes: Uint8Array): { host: string; port: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const port = view.getUint16(2, false);
  if (view.getUint16(0, true) === AF_INET6) {
    const words = Array.from({ length: 8 }, (_, i) => view.getUint16(8 + 2 * i, false));
    const mapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff;
    return { host: mapped ? bytes.slice(20, 24).join(".") : formatIpv6(words), port };
  }
  return { host: bytes.slice(4, 8).join("."), port };
}

export function formatAddress({ host, port }: { host: string; port: number }): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function parseIpv4(host: string): Uint8Array {
  const parts = host.split(".");
  // Leading zeros are refused: elsewhere they mean octal.
  const isByte = (part: string) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255;
  if (parts.length !== 4 || !parts.every(isByte)) {
    throw new Error(`Cannot parse address "${host}": an IPv4 or IPv6 literal is needed`);
  }
  return Uint8Array.from(parts, Number);
}

function parseIpv6(host: string): Uint8Array {
  const fail = () => new Error(`Cannot parse address "${host}": an IPv4 or IPv6 literal is needed`);
  let text = host;
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted) {
    const [a, b, c, d] = parseIpv4(dotted[2]);
    text = `${dotted[1]}${(a << 8 | b).toString(16)}:${(c << 8 | d).toString(16)}`;
  }
  const halves = text.split("::");
  if (halves.length > 2) throw fail();
  const [left, right] = halves.map((half) => half === "" ? [] : half.split(":"));
  const missing = 8 - left.length - (right?.length ?? 0);
  if (right ? missing < 1 : missing !== 0) throw fail();
  const words = [...left, ...Array<string>(right ? missing : 0).fill("0"), ...(right ?? [])];
  if (!words.every((word) => /^[0-9a-fA-F]{1,4}$/.test(word))) throw fail();
  return Uint8Array.from(words.flatMap((word) => {
    const value = parseInt(word, 16);
    return [value >> 8, value & 0xff];
  }));
}

/** RFC 5952: the longest run of two or more zero words is written `::`. */
function formatIpv6(words: number[]): string {
  let best = { start: -1, length: 1 };
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (words[i + length] === 0) length++;
    if (length > best.length) best = { start: i, length };
  }
  const hex = (part: number[]) => part.map((word) => word.toString(16)).join(":");
  if (best.start < 0) return hex(words);
  return `${hex(words.slice(0, best.start))}::${hex(words.slice(best.start + best.length))}`;
}
