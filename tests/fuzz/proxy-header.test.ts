/** Headers of the PROXY protocol from anybody: whatever the bytes, the answer is one of four. */
import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { isIP } from "node:net";
import {
  PROXY_HEADER_BYTES_MAX,
  type ProxyHeader,
  readProxyHeader,
} from "../../src/data/proxy-header.ts";
import {
  binaryHeader,
  extension,
  ipv4Header,
  ipv6Header,
  proxyLine,
  withChecksum,
} from "../harness/proxy-header.ts";
import { announcedRandom, type Random } from "../harness/random.ts";

const rounds = 20_000;

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

function rightHeader(random: Random): Buffer {
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

function almostHeader(random: Random): Buffer {
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

test(`${rounds} beginnings of strangers are read or refused, and none throws`, () => {
  const random = announcedRandom("proxy header fuzz");
  const found: Record<string, number> = {};
  for (let round = 0; round < rounds; round++) {
    const bytes = almostHeader(random);
    const shown = bytes.toString("hex");
    const answer = readProxyHeader(bytes);
    found[answer.type] = (found[answer.type] ?? 0) + 1;
    if (answer.type === "header") {
      expect(answer.bytes, shown).toBeGreaterThan(0);
      expect(answer.bytes, shown).toBeLessThanOrEqual(bytes.length);
      const { source } = answer;
      if (source) {
        expect(isIP(source.host), shown).toBeGreaterThan(0);
        expect(source.port >= 0 && source.port <= 65_535, shown).toBe(true);
      }
    } else if (answer.type === "more") {
      expect(bytes.length, shown).toBeLessThan(PROXY_HEADER_BYTES_MAX);
    } else if (answer.type === "invalid") {
      expect(answer.detail.length, shown).toBeLessThan(200);
    }
  }
  console.log(`proxy header fuzz: ${JSON.stringify(found)}`);
  // A fuzz that never comes near a header proves nothing.
  for (const type of ["header", "more", "invalid", "none"]) expect(found[type]).toBeGreaterThan(0);
});

test("a header is the same however it is split, and nothing before its end is one", () => {
  const random = announcedRandom("proxy header splits");
  for (let round = 0; round < 400; round++) {
    const header = rightHeader(random);
    const stream = Buffer.concat([header, random.bytes(random.int(0, 20))]);
    const whole = readProxyHeader(stream);
    const shown = header.toString("hex");
    expect(whole, shown).toMatchObject({ type: "header", bytes: header.length });
    for (let length = 0; length < header.length; length++) {
      const answer: ProxyHeader = readProxyHeader(stream.subarray(0, length));
      expect(answer.type, `${shown} after ${length}`).toBe("more");
    }
    expect(readProxyHeader(header)).toEqual(whole);
  }
});
