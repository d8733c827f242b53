import { expect, test } from "bun:test";
import { formatPortRange, parsePortRange, portCount } from "../../../src/config/port-range.ts";

test("a range has both of its ends", () => {
  const range = parsePortRange("2300-2320")!;
  expect(range).toEqual({ first: 2300, last: 2320 });
  expect(portCount(range)).toBe(21);
  expect(formatPortRange(range)).toBe("2300-2320");
});

test("a single port is a range of one", () => {
  const range = parsePortRange("2300")!;
  expect(range).toEqual({ first: 2300, last: 2300 });
  expect(portCount(range)).toBe(1);
  expect(formatPortRange(range)).toBe("2300");
  expect(parsePortRange("2300-2300")).toEqual(range);
});

test("the whole space of ports", () => {
  expect(parsePortRange("1-65535")).toEqual({ first: 1, last: 65_535 });
  expect(parsePortRange("2300 - 2320")).toEqual({ first: 2300, last: 2320 });
});

test.each(["", "-", "5-", "-5", "5-2", "0-5", "0", "1-65536", "1-2-3", "a-b", "1..5", "1.5-2"])(
  "%j is no range",
  (text) => {
    expect(parsePortRange(text)).toBeNull();
  },
);
