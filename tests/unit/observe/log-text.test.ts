import { expect, test } from "bun:test";
import { textLine } from "../../../src/observe/log-text.ts";

const TIME = "2026-01-31T12:00:00.000Z";

function line(fields: Record<string, unknown>): string {
  return textLine(
    `${JSON.stringify({ level: "warn", time: TIME, ...fields, msg: "a sentence" })}\n`,
  );
}

test("time, level, message, key=value", () => {
  expect(line({ status: "port_blocked", port: 2300, remote: "[::1]:5", ok: true, none: null }))
    .toBe(
      `${TIME} WARN  a sentence status=port_blocked port=2300 remote=[::1]:5 ok=true none=null\n`,
    );
});

test("values that could be mistaken are quoted", () => {
  expect(line({ id: "a b=c", empty: "", quote: '"', nested: { a: [1] } })).toBe(
    `${TIME} WARN  a sentence id="a b=c" empty="" quote="\\"" nested={"a":[1]}\n`,
  );
});

test("no peer can begin a line or move the cursor", () => {
  const hostile = line({ id: "x\n2026 INFO fake\u001b[2J\u009b2J\u2028", "k\ny": 1 });
  for (const character of ["\n", "\u001b", "\u009b", "\u2028"]) {
    expect(hostile.trimEnd()).not.toContain(character);
  }
  expect(hostile).toContain("\\u009b2J\\u2028");
});
