import { expect, test } from "bun:test";
import { writableFields } from "../../../src/observe/log-fields.ts";

test("secrets are blanked at any depth, whatever their case", () => {
  const written = JSON.stringify(writableFields({
    token: "s3cret-1",
    Passphrase: "s3cret-2",
    server_token: "s3cret-3",
    payload: { register: { authToken: { value: "s3cret-4" } }, list: [{ password: "s3cret-5" }] },
    id: "visible",
  }));
  expect(written).not.toContain("s3cret");
  expect(written).toContain("visible");
  expect(JSON.parse(written).token).toBe("[redacted]");
});

test("length, depth and number are bounded", () => {
  const round: Record<string, unknown> = {};
  round.self = round;
  const written = writableFields({
    long: "x".repeat(5000),
    round,
    list: Array.from({ length: 100 }, (_, index) => index),
    many: Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`k${index}`, index])),
  });
  expect(written.long).toBe(`${"x".repeat(4096)}… (904 more characters)`);
  expect(JSON.stringify(written.round)).toBe(
    '{"self":{"self":{"self":{"self":{"self":"[too deep]"}}}}}',
  );
  expect(written.list).toHaveLength(65);
  expect((written.list as unknown[])[64]).toBe("36 more");
  expect((written.many as Record<string, unknown>)["…"]).toBe("36 more");
});

test("values that JSON has no form for", () => {
  const error = Object.assign(new Error("broken"), { code: "EPIPE" });
  const written = writableFields({
    error,
    big: 12n,
    bytes: new Uint8Array(3),
    when: new Date(0),
    never: new Date(Number.NaN),
    run: () => 1,
    absent: undefined,
  });
  expect(written).toMatchObject({
    error: { name: "Error", code: "EPIPE", message: "broken" },
    big: "12",
    bytes: "[3 bytes]",
    when: "1970-01-01T00:00:00.000Z",
    never: null,
    run: "[function]",
  });
  expect("absent" in written).toBe(false);
  JSON.stringify(written);
});

test("the keys of every line cannot be taken", () => {
  expect(writableFields({ time: 1, level: 2, msg: 3 })).toEqual({ time_: 1, level_: 2, msg_: 3 });
});
