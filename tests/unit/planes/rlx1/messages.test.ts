import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  asksForV1,
  isAlloc,
  readAcquire,
  readPing,
  readPublicKey,
  readRegister,
  readRelease,
  readStamp,
} from "../../../../src/planes/rlx1/messages.ts";
import { announcedRandom } from "../../../harness/random.ts";
import { faultsOf } from "./schema.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test("the schema finds what is wrong", () => {
  expect(faultsOf({ type: "auth", payload: { status: "ok" } })).toBe("");
  expect(faultsOf({ type: "auth", payload: {} })).not.toBe("");
  expect(faultsOf({ type: "pong", payload: { c_send: 1, s_recv: 2 } })).not.toBe("");
  expect(faultsOf({ type: "port_release", payload: { session_id: "x", more: 1 } })).not.toBe("");
  expect(faultsOf({ type: "auth", payload: { status: "ok" }, more: 1 })).not.toBe("");
});

describe("register", () => {
  test("keys in any case, and others beside them", () => {
    const read = readRegister({ ROLE: "FE", Secret: "s", Client_ID: "c", version: 2 }, "m");
    expect(read).toEqual({ role: "FE", secret: "s", client_id: "c", msg_id: "m" });
    expect(readRegister({ role: "BE" })).toEqual({
      role: "BE",
      secret: "",
      client_id: "",
      msg_id: "",
    });
  });

  test("the role decides whose it is, and its case counts", () => {
    expect([{ role: "FE" }, { Role: "BE" }].map(asksForV1)).toEqual([true, true]);
    const others = [{ role: "fe" }, { role: "client" }, {}, null, "FE", ["FE"], { role: ["FE"] }];
    expect(others.map(asksForV1)).toEqual(others.map(() => false));
  });

  test("wrong types are refused", () => {
    for (const wrong of [{ secret: 5 }, { client_id: {} }, { client_id: "x".repeat(257) }]) {
      expect(readRegister({ role: "FE", ...wrong })).toBeNull();
    }
  });
});

describe("port_acquire", () => {
  test("times are put right", () => {
    const ttl = (ttl_seconds: unknown) => readAcquire({ need_zmq: true, ttl_seconds })?.ttl_seconds;
    expect([undefined, 0, -5, 1, 600, 601, 2 ** 40].map(ttl)).toEqual([
      30,
      30,
      30,
      1,
      600,
      600,
      600,
    ]);
    expect([1.5, "30", true].map(ttl)).toEqual([undefined, undefined, undefined]);
  });

  test("what is left out is not needed", () => {
    const nothing = { request_id: "", need_zmq: false, need_srt: false, ttl_seconds: 30 };
    expect(readAcquire({})).toEqual(nothing);
    expect(readAcquire({ need_zmq: 1 })).toBeNull();
    expect(readAcquire([])).toBeNull();
  });
});

test("the others", () => {
  const ranges = { zmq_start_port: 1, zmq_end_port: 2, srt_start_port: 3, srt_end_port: 4 };
  expect(isAlloc(ranges)).toBe(true);
  expect([{}, { ...ranges, zmq_end_port: 70_000 }, null].map(isAlloc)).toEqual(
    [false, false, false],
  );
  expect(readRelease({ session_id: "abc" })).toBe("abc");
  expect(readRelease({})).toBeNull();
  expect(readPublicKey({ public_key: "p", private_key: "never" })).toBe("p");
  expect(readPublicKey({ private_key: "never" })).toBeNull();
  expect(readStamp({ TRACE_ID: "t", msg_id: 5 })).toEqual({ trace_id: "t", msg_id: "" });
});

describe("c_send of a ping", () => {
  const ping = (c_send: string) =>
    readPing(bytes(`{"type":"ping","payload":{"c_send":${c_send}}}`));

  test("is read digit for digit, whatever its size", () => {
    const options = { seed: announcedRandom("c_send").seed };
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 39n - 1n }), (number) => {
        expect(ping(String(number))).toBe(String(number));
      }),
      options,
    );
    expect(ping("9007199254740993")).toBe("9007199254740993");
  });

  test("only as a whole number from 0", () => {
    const wrong = ["-1", "1.0", "1e3", '"5"', "null", "[5]", "true", `1${"0".repeat(39)}`];
    expect(wrong.map(ping)).toEqual(wrong.map(() => null));
  });

  test("in any case, beside what old clients put there, and never from elsewhere", () => {
    const text = '{"TYPE":"ping","Payload":{"s_recv":1,"C_Send":12345678901234567890,"s_send":2}}';
    expect(readPing(bytes(text))).toBe("12345678901234567890");
    expect(readPing(bytes('{"type":"ping","payload":{"deep":{"c_send":5}},"c_send":6}')))
      .toBeNull();
    expect(readPing(bytes('{"type":"ping"}'))).toBeNull();
    expect(readPing(bytes('{"payload":{"__proto__":{"c_send":5}}}'))).toBeNull();
  });
});
