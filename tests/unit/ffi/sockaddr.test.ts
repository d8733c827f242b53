import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  addressFamily,
  decodeAddress,
  encodeAddress,
  encodeUnixAddress,
  formatAddress,
} from "../../../ffi/libc/sockaddr.ts";
import { announcedRandom } from "../../harness/random.ts";

const hex = (bytes: Uint8Array) =>
  Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

describe("socket addresses", () => {
  const layouts: [host: string, port: number, bytes: string][] = [
    ["127.0.0.1", 2300, "0200" + "08fc" + "7f000001" + "00".repeat(8)],
    ["0.0.0.0", 0, "0200" + "0000" + "00000000" + "00".repeat(8)],
    ["255.255.255.255", 65_535, "0200" + "ffff" + "ffffffff" + "00".repeat(8)],
    ["::1", 80, "0a00" + "0050" + "00000000" + "00".repeat(15) + "01" + "00000000"],
    ["::", 5555, "0a00" + "15b3" + "00000000" + "00".repeat(16) + "00000000"],
    [
      "2001:DB8:0:0:8:800:200c:417A",
      1,
      "0a00" + "0001" + "00000000" + "20010db80000000000080800200c417a" + "00000000",
    ],
    [
      "::ffff:10.1.2.3",
      2300,
      "0a00" + "08fc" + "00000000" + "00".repeat(10) + "ffff0a010203" + "00000000",
    ],
    ["fe80::", 9, "0a00" + "0009" + "00000000" + "fe80" + "00".repeat(14) + "00000000"],
  ];
  for (const [host, port, bytes] of layouts) {
    test(`${formatAddress({ host, port })} is laid out as the kernel wants it`, () => {
      expect(hex(encodeAddress(host, port))).toBe(bytes);
    });
  }

  // RFC 5952: lower case, no leading zeros, the longest run of zeros as "::", the first of equals.
  const shown: [written: string, canonical: string][] = [
    ["192.168.0.1", "192.168.0.1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["1:0:0:0:0:0:0:0", "1::"],
    ["2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["FE80::ABCD", "fe80::abcd"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::ffff:10.0.0.7", "10.0.0.7"],
    ["::ffff:0a00:0007", "10.0.0.7"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
  ];
  for (const [written, canonical] of shown) {
    test(`${written} is shown as ${canonical}`, () => {
      expect(decodeAddress(encodeAddress(written, 1234))).toEqual({ host: canonical, port: 1234 });
    });
  }

  const bad = [
    "",
    "localhost",
    "1.2.3",
    "1.2.3.4.5",
    "256.0.0.1",
    "1.2.3.-4",
    "1.2.3.4 ",
    "1..2.3",
    "0x7f.0.0.1",
    "1.2.3.4:80",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    ":1:2:3:4:5:6:7",
    "12345::",
    "g::1",
    "[::1]",
    "fe80::1%eth0",
    "::1.2.3",
    "::1.2.3.256",
    "::1.2.3.4:5",
  ];
  for (const host of bad) {
    test(`"${host}" is refused with its own text`, () => {
      expect(() => encodeAddress(host, 1)).toThrow("an IPv4 or IPv6 literal is needed");
    });
  }

  test("the family follows from the literal", () => {
    expect([addressFamily("10.0.0.1"), addressFamily("::")]).toEqual([2, 10]);
  });

  test("a view into a larger buffer is read at its own place", () => {
    const whole = new Uint8Array(64).fill(0xee);
    whole.set(encodeAddress("10.9.8.7", 4321), 5);
    expect(decodeAddress(whole.subarray(5, 33))).toEqual({ host: "10.9.8.7", port: 4321 });
  });

  test("what was written is read back", () => {
    const { seed } = announcedRandom("sockaddr");
    const ipv6 = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
      minLength: 8,
      maxLength: 8,
    }).map((words) => words.map((word) => word.toString(16)).join(":"));
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), ipv6), fc.integer({ min: 0, max: 65_535 }), (host, port) => {
        const encoded = encodeAddress(host, port);
        const decoded = decodeAddress(encoded);
        expect(decoded.port).toBe(port);
        // The kernel never tells a mapped address from the IPv4 one; every other comes back whole.
        if (!host.includes(":")) expect(decoded.host).toBe(host);
        else if (decoded.host.includes(":")) {
          expect(hex(encodeAddress(decoded.host, port))).toBe(hex(encoded));
        } else expect(hex(encoded).slice(16, 40)).toBe("00".repeat(10) + "ffff");
      }),
      { seed, numRuns: 500 },
    );
  });
});

test("a port or an address that would be read as another one is refused", () => {
  for (const port of [-1, 65_536, 1.5, NaN]) {
    expect(() => encodeAddress("127.0.0.1", port)).toThrow("Cannot use port");
  }
  expect(() => encodeAddress("010.1.1.1", 80)).toThrow('Cannot parse address "010.1.1.1"');
});

test("a Unix socket is a path with a NUL behind it, or a name with one before", () => {
  expect(hex(encodeUnixAddress("/run/n"))).toBe("0100" + "2f72756e2f6e" + "00");
  expect(hex(encodeUnixAddress("@ab"))).toBe("0100" + "00" + "6162");
  expect(encodeUnixAddress("/" + "x".repeat(106))).toHaveLength(2 + 108);
  expect(encodeUnixAddress("@" + "x".repeat(106))).toHaveLength(2 + 107);
});

test.each(["", "@", "/" + "x".repeat(107), "@" + "x".repeat(107), "/a\0b", "/" + "ü".repeat(54)])(
  "%p is the address of no Unix socket",
  (path) => expect(() => encodeUnixAddress(path)).toThrow(/^Cannot use the Unix socket/),
);
