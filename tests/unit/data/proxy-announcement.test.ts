/** What is announced is what the reader of PROXY headers finds. */
import { expect, test } from "bun:test";
import { proxyAnnouncement } from "../../../src/data/proxy-announcement.ts";
import { readProxyHeader } from "../../../src/data/proxy-header.ts";

const target = { host: "127.0.0.1", port: 8443 };

test("IPv4, IPv6 and one of each", () => {
  const sources = [
    ["192.0.2.7", "192.0.2.7", target],
    ["2001:db8::7", "2001:db8::7", { host: "::1", port: 8443 }],
    ["2001:db8::7", "2001:db8::7", target],
    ["192.0.2.7", "192.0.2.7", { host: "fe80::1", port: 1 }],
    ["::", "::", target],
  ] as const;
  for (const [host, found, to] of sources) {
    for (const port of [0, 1, 4711, 65_535]) {
      const header = proxyAnnouncement({ host, port }, to);
      expect(readProxyHeader(header))
        .toEqual({ type: "header", bytes: header.length, source: { host: found, port } });
    }
  }
});

test("it is what the protocol's own text has", () => {
  const header = proxyAnnouncement({ host: "192.0.2.7", port: 0x1234 }, target);
  expect(Buffer.from(header).toString("hex"))
    .toBe("0d0a0d0a000d0a515549540a" + "2111000c" + "c0000207" + "7f000001" + "1234" + "20fb");
});
