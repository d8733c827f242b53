import { describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import {
  PROXY_HEADER_BYTES_MAX,
  type ProxyHeader,
  readProxyHeader,
} from "../../../src/data/proxy-header.ts";
import {
  binaryHeader,
  extension,
  ipv4Header,
  ipv6Header,
  proxyLine,
  withChecksum,
} from "../../harness/proxy-header.ts";

const V6_DIGITS = "20010db8000000000000000000000007";
const mapped = "00000000000000000000ffffc0000207";
const ipv4 = { host: "192.0.2.7", port: 56_324 };
const padding = extension(4, Buffer.alloc(9));

/** What every proxy may send, with what is read from it. */
const RIGHT: [name: string, header: Buffer, source: { host: string; port: number } | null][] = [
  ["v1 TCP4", proxyLine(ipv4), ipv4],
  ["v1 TCP6", proxyLine({ host: "2001:DB8::7", port: 0 }), { host: "2001:db8::7", port: 0 }],
  [
    "v1 the longest of TCP6",
    Buffer.from(`PROXY TCP6 ${"ffff:".repeat(7)}ffff ${"ffff:".repeat(7)}ffff 65535 65535\r\n`),
    { host: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", port: 65_535 },
  ],
  ["v1 a mapped address", proxyLine({ host: "::ffff:192.0.2.7", port: 56_324 }), ipv4],
  ["v1 UNKNOWN", Buffer.from("PROXY UNKNOWN\r\n"), null],
  ["v1 UNKNOWN with anything", Buffer.from("PROXY UNKNOWN what \n ever\r \0\xff\r\n"), null],
  ["v1 the longest", Buffer.from(`PROXY UNKNOWN ${"f".repeat(107 - 14 - 2)}\r\n`), null],
  ["v2 IPv4", ipv4Header(ipv4), ipv4],
  ["v2 IPv6", ipv6Header({ digits: V6_DIGITS, port: 1 }), { host: "2001:db8::7", port: 1 }],
  ["v2 a mapped address", ipv6Header({ digits: mapped, port: 56_324 }), ipv4],
  ["v2 with extensions", ipv4Header(ipv4, [padding, extension(2, Buffer.from("a.example"))]), ipv4],
  ["v2 the longest", ipv4Header(ipv4, [extension(4, Buffer.alloc(2048 - 28 - 3))]), ipv4],
  ["v2 IPv4 with a checksum", withChecksum((sum) => ipv4Header(ipv4, [padding, sum])), ipv4],
  [
    "v2 IPv6 with a checksum",
    withChecksum((sum) => ipv6Header({ digits: V6_DIGITS, port: 1 }, [sum])),
    { host: "2001:db8::7", port: 1 },
  ],
  ["v2 LOCAL", binaryHeader({ command: 0x20, protocol: 0, content: Buffer.alloc(0) }), null],
  [
    "v2 LOCAL with addresses and more",
    binaryHeader({ command: 0x20, protocol: 0x11, content: Buffer.alloc(5) }),
    null,
  ],
  ["v2 of no family", binaryHeader({ protocol: 0, content: Buffer.alloc(7) }), null],
  ["v2 UNIX", binaryHeader({ protocol: 0x31, content: Buffer.alloc(216) }), null],
  ["v2 a datagram", binaryHeader({ protocol: 0x12, content: Buffer.alloc(12) }), null],
];

const checked = withChecksum((sum) => ipv4Header(ipv4, [sum]));
const tampered = Buffer.from(checked);
tampered[16] ^= 1;

/** What no proxy may send. */
const WRONG: [name: string, bytes: Buffer, detail: string][] = [
  ["another protocol", Buffer.from("PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n"), "other than TCP4"],
  ["no protocol", Buffer.from("PROXY \r\n"), "other than TCP4"],
  ["lower case", Buffer.from("PROXY tcp4 1.1.1.1 1.1.1.1 1 1\r\n"), "other than TCP4"],
  ["too few fields", Buffer.from("PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n"), "two addresses"],
  ["too many fields", Buffer.from("PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n"), "two addresses"],
  ["two spaces", Buffer.from("PROXY TCP4  1.1.1.1 1.1.1.1 1 1\r\n"), "two addresses"],
  ["a heading zero in an address", Buffer.from("PROXY TCP4 01.1.1.1 1.1.1.1 1 1\r\n"), "two addr"],
  ["a heading zero in a port", Buffer.from("PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n"), "two addr"],
  ["a port beyond all", Buffer.from("PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n"), "two addresses"],
  ["a negative port", Buffer.from("PROXY TCP4 1.1.1.1 1.1.1.1 -1 1\r\n"), "two addresses"],
  ["IPv6 in TCP4", Buffer.from("PROXY TCP4 ::1 ::1 1 1\r\n"), "two addresses"],
  ["IPv4 in TCP6", Buffer.from("PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n"), "two addresses"],
  ["a zone", Buffer.from("PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n"), "two addresses"],
  ["a network", Buffer.from("PROXY TCP4 10.0.0.0/8 1.1.1.1 1 1\r\n"), "two addresses"],
  ["a name", Buffer.from("PROXY TCP4 localhost 1.1.1.1 1 1\r\n"), "two addresses"],
  ["a line without end", Buffer.from(`PROXY UNKNOWN ${"f".repeat(93)}`), "more than 107 bytes"],
  ["only LF", Buffer.from(`PROXY UNKNOWN\n${"f".repeat(93)}`), "more than 107 bytes"],
  ["one byte too long", Buffer.from(`PROXY UNKNOWN ${"f".repeat(92)}\r\n`), "more than 107 bytes"],
  ["version 1 as binary", binaryHeader({ command: 0x11, protocol: 0x11, content: padding }), "ver"],
  ["command 2", binaryHeader({ command: 0x22, protocol: 0x11, content: padding }), "command"],
  ["family 4", binaryHeader({ protocol: 0x41, content: padding }), "family or transport"],
  ["transport 3", binaryHeader({ protocol: 0x13, content: padding }), "family or transport"],
  ["short IPv4", binaryHeader({ protocol: 0x11, content: Buffer.alloc(11) }), "too short"],
  ["short IPv6", binaryHeader({ protocol: 0x21, content: Buffer.alloc(35) }), "too short"],
  ["half an extension", ipv4Header(ipv4, [padding.subarray(0, 5)]), "within an extension"],
  ["two bytes of one", ipv4Header(ipv4, [padding.subarray(0, 2)]), "within an extension"],
  ["another address", tampered, "checksum is wrong"],
  ["a short checksum", ipv4Header(ipv4, [extension(3, Buffer.alloc(3))]), "not 4 bytes"],
  ["too long", ipv4Header(ipv4, [extension(4, Buffer.alloc(2048))]), "2048 are allowed"],
];

/** What a reader gets that is told of each byte as it comes. */
function byteByByte(bytes: Uint8Array): { answer: ProxyHeader; after: number } {
  for (let after = 0; after <= bytes.length; after++) {
    const answer = readProxyHeader(bytes.subarray(0, after));
    if (answer.type !== "more") return { answer, after };
  }
  return { answer: { type: "more" }, after: bytes.length };
}

describe("a header", () => {
  for (const [name, header, source] of RIGHT) {
    test(`${name} is read, whole and byte by byte, and what follows is let be`, () => {
      const answer: ProxyHeader = { type: "header", bytes: header.length, source };
      expect(readProxyHeader(Buffer.concat([header, Buffer.from("V4HELLO {")]))).toEqual(answer);
      expect(byteByByte(header)).toEqual({ answer, after: header.length });
    });
  }
});

describe("what begins as a header and is none", () => {
  for (const [name, bytes, detail] of WRONG) {
    test(`${name} is refused, whole and byte by byte`, () => {
      const whole = readProxyHeader(bytes);
      expect(whole).toEqual({ type: "invalid", detail: expect.stringContaining(detail) });
      expect(byteByByte(bytes).answer).toEqual(whole);
    });
  }
});

test("what is something else is known at the first byte that differs", () => {
  for (
    const other of ["V4HELLO {}", "{", "GET / HTTP/1.1", "PRI * HTTP/2.0", "PROXYTCP4", "\x16\x03"]
  ) {
    expect(byteByByte(Buffer.from(other)).answer).toEqual({ type: "none" });
  }
  // The lines that a JSON message may stand behind are a header's first bytes too, up to the zero.
  expect(readProxyHeader(Buffer.from("\r\n\r\n"))).toEqual({ type: "more" });
  expect(readProxyHeader(Buffer.from("\r\n\r\n{"))).toEqual({ type: "none" });
  expect(readProxyHeader(new Uint8Array())).toEqual({ type: "more" });
});

test("a wrong length is refused before anything of it has come", () => {
  const start = binaryHeader({ protocol: 0x11, content: Buffer.alloc(65_535) }).subarray(0, 16);
  expect(readProxyHeader(start)).toMatchObject({ type: "invalid" });
  expect(PROXY_HEADER_BYTES_MAX).toBe(2048);
});

test("bytes that are part of a larger buffer are read as what they are", () => {
  const header = ipv6Header({ digits: V6_DIGITS, port: 7 });
  const larger = Buffer.concat([Buffer.alloc(13, 0xff), header, Buffer.alloc(5, 0xff)]);
  expect(readProxyHeader(larger.subarray(13))).toEqual({
    type: "header",
    bytes: header.length,
    source: { host: "2001:db8::7", port: 7 },
  });
});
