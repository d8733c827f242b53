/** Headers of the PROXY protocol as a proxy would write them, and as one might get them wrong. */
import { Buffer } from "node:buffer";

export interface ProxiedEnd {
  host: string;
  port: number;
}

const SIGNATURE = Buffer.from("0d0a0d0a000d0a515549540a", "hex");
const TARGET_PORT = 2300;

/** A line of version 1. */
export function proxyLine({ host, port }: ProxiedEnd): Buffer {
  const [family, target] = host.includes(":") ? ["TCP6", "2001:db8::1"] : ["TCP4", "198.51.100.1"];
  return Buffer.from(`PROXY ${family} ${host} ${target} ${port} ${TARGET_PORT}\r\n`);
}

/** One extension of version 2. */
export function extension(type: number, value: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(type, value.length >> 8, value.length & 255), value]);
}

/** A header of version 2 from its parts; `protocol` is family and transport. */
export function binaryHeader(
  parts: { command?: number; protocol: number; content: Uint8Array },
): Buffer {
  const { command = 0x21, protocol, content } = parts;
  const length = content.length;
  return Buffer.concat([
    SIGNATURE,
    Buffer.of(command, protocol, length >> 8, length & 255),
    content,
  ]);
}

/** A header of version 2 for a TCP connection over IPv4, with whatever stands behind the addresses. */
export function ipv4Header({ host, port }: ProxiedEnd, extensions: Uint8Array[] = []): Buffer {
  const bytes = (text: string) => Buffer.from(text.split(".").map(Number));
  const addresses = Buffer.concat([bytes(host), bytes("198.51.100.1"), ports(port)]);
  return binaryHeader({ protocol: 0x11, content: Buffer.concat([addresses, ...extensions]) });
}

/** The same over IPv6; the host as 32 hexadecimal digits. */
export function ipv6Header(
  { digits, port }: { digits: string; port: number },
  extensions: Uint8Array[] = [],
): Buffer {
  const addresses = Buffer.concat([Buffer.from(digits, "hex"), Buffer.alloc(16, 1), ports(port)]);
  return binaryHeader({ protocol: 0x21, content: Buffer.concat([addresses, ...extensions]) });
}

/** With its checksum in the last extension, as the protocol says. */
export function withChecksum(write: (checksum: Buffer) => Buffer): Buffer {
  const header = write(extension(3, Buffer.alloc(4)));
  header.writeUInt32BE(crc32c(header), header.length - 4);
  return header;
}

function ports(port: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16BE(port, 0);
  bytes.writeUInt16BE(TARGET_PORT, 2);
  return bytes;
}

/** By a table, so that it has no line in common with what it is to check. */
function crc32c(bytes: Uint8Array): number {
  const table = Uint32Array.from({ length: 256 }, (_, index) => {
    for (let bit = 0; bit < 8; bit++) index = index & 1 ? index >>> 1 ^ 0x82f63b78 : index >>> 1;
    return index;
  });
  let crc = 0xffffffff;
  for (const byte of bytes) crc = table[(crc ^ byte) & 255] ^ crc >>> 8;
  return (crc ^ 0xffffffff) >>> 0;
}
