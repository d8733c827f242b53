/** PROXY headers as a proxy may send them, and beginnings that come close to one. */
import { Buffer } from "node:buffer";
import {
  binaryHeader,
  extension,
  ipv4Header,
  ipv6Header,
  proxyLine,
  withChecksum,
} from "../harness/proxy-header.ts";
import type { Random } from "../harness/random.ts";

/** Pieces that lines are made of, so that most of the texts come close to one. */
const pieces = [
  "PROXY ",
  "PROXY",
  "TCP4",
  "TCP6",
  "UNKNOWN",
  " ",
  "192.0.2.7",
  "2001:db8::7",
  "fe80::1%eth0",
  "::ffff:1.2.3.4",
  "65535",
  "65536",
  "0",
  "\r\n",
  "\r",
  "\n",
  "\0",
];

export function rightHeader(random: Random): Buffer {
  const end = {
    host: Array.from({ length: 4 }, () => random.int(0, 255)).join("."),
    port: random.int(0, 65_535),
  };
  const digits = random.bytes(16).toString("hex");
  const extensions = Array.from(
    { length: random.int(0, 3) },
    // Any type but that of the checksum.
    () => extension(random.pick([1, 2, 4, 5, 0x20, 0x30, 0xe0]), random.bytes(random.int(0, 40))),
  );
  return random.pick([
    () => proxyLine(end),
    () => proxyLine({ host: digits.match(/.{4}/g)!.join(":"), port: end.port }),
    () => ipv4Header(end, extensions),
    () => ipv6Header({ digits, port: end.port }, extensions),
    () => withChecksum((sum) => ipv4Header(end, [...extensions, sum])),
    () => binaryHeader({ command: 0x20, protocol: 0, content: random.bytes(random.int(0, 40)) }),
  ])();
}

export function almostHeader(random: Random): Buffer {
  switch (random.int(0, 4)) {
    case 0:
      return random.bytes(random.int(0, 300));
    case 1:
      return Buffer.from(
        "PROXY " + Array.from({ length: random.int(1, 20) }, () => random.pick(pieces)).join(""),
      );
    case 2:
      return binaryHeader({
        command: random.pick([0x20, 0x21, random.int(0, 255)]),
        protocol: random.pick([0x11, 0x21, random.int(0, 255)]),
        content: random.bytes(random.int(0, 2100)),
      });
    case 3: {
      // One that is right, with one byte that may not be.
      const bytes = rightHeader(random);
      bytes[random.int(0, bytes.length - 1)] = random.int(0, 255);
      return bytes;
    }
    default: {
      const bytes = rightHeader(random);
      return bytes.subarray(0, random.int(0, bytes.length));
    }
  }
}
