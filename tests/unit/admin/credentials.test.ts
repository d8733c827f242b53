import { describe, expect, test } from "bun:test";
import { Credentials } from "../../../src/admin/credentials.ts";

const TOKEN = "the-token-for-everything";
const tokens = { token: TOKEN, read_token: "" };

/** One address that comes with tokens, and a clock. */
function visitor(address: string, credentials = new Credentials({ tokens })) {
  const come = (token: string | null, now: number, reads = true) => {
    const authorization = token === null ? [] : [`Bearer ${token}`];
    const checked = credentials.check({ address, authorization, reads }, now);
    return "right" in checked ? checked.right : checked.refusal.status;
  };
  return { credentials, come };
}

describe("who tries tokens out", () => {
  test("from elsewhere is shut out after ten, and may try once a second from then on", () => {
    const { come } = visitor("192.0.2.7");
    for (let i = 0; i < 10; i++) expect(come(`wrong-${i}`, 0)).toBe(401);
    expect(come("wrong", 0)).toBe(429);
    expect(come(TOKEN, 500)).toBe(429);
    expect(come("wrong", 1001)).toBe(401);
    expect(come("wrong", 1002)).toBe(429);
    expect(come(TOKEN, 2003)).toBe("token");
    expect(come("wrong", 60_000)).toBe(401);
  });

  test("from this machine never shuts out who has the right one", () => {
    for (const address of ["127.0.0.1", "127.9.9.9", "::1"]) {
      const { come } = visitor(address);
      for (let i = 0; i < 50; i++) come(`wrong-${i}`, 0);
      expect(come("wrong", 0)).toBe(429);
      expect(come(TOKEN, 0)).toBe("token");
    }
  });

  test("harms nobody else", () => {
    const { come, credentials } = visitor("192.0.2.7");
    for (let i = 0; i < 50; i++) come(`wrong-${i}`, 0);
    expect(visitor("192.0.2.8", credentials).come(TOKEN, 0)).toBe("token");
  });

  test("is remembered for a bounded number of addresses", () => {
    const { credentials } = visitor("192.0.2.7");
    for (let i = 0; i < 12_000; i++) {
      visitor(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, credentials).come("wrong", 0);
    }
    expect(credentials.snapshot().failing_addresses).toBe(10_000);
  });
});

test("coming without a token is no attempt", () => {
  const { come, credentials } = visitor("192.0.2.7");
  for (let i = 0; i < 50; i++) expect(come(null, 0)).toBe(401);
  expect(credentials.snapshot().failing_addresses).toBe(0);
});

test("no read_token is not the empty one", () => {
  const { credentials } = visitor("127.0.0.1");
  for (const authorization of [["Bearer "], ["Bearer"], [""], ["Bearer  "]]) {
    const checked = credentials.check({ address: "127.0.0.1", authorization, reads: true }, 0);
    expect("right" in checked).toBe(false);
  }
});
