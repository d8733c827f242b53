/** Headers of the PROXY protocol from anybody: whatever the bytes, the answer is one of four. */
import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { isIP } from "node:net";
import {
  PROXY_HEADER_BYTES_MAX,
  type ProxyHeader,
  readProxyHeader,
} from "../../src/data/proxy-header.ts";
import { announcedRandom } from "../harness/random.ts";
import { almostHeader, rightHeader } from "./proxy-headers.ts";

const rounds = 20_000;

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
