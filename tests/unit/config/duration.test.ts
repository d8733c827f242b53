import { expect, test } from "bun:test";
import fc from "fast-check";
import { formatDuration, parseDuration } from "../../../src/config/duration.ts";
import { announcedRandom } from "../../harness/random.ts";

test.each([
  ["0", 0],
  ["0s", 0],
  ["1ms", 1],
  ["200ms", 200],
  ["30s", 30_000],
  ["1m30s", 90_000],
  ["1.5h", 5_400_000],
  [".5s", 500],
  ["5.s", 5000],
  ["1.1s", 1100],
  ["1h1m1s1ms", 3_661_001],
  ["1s1s", 2000],
  // Less than a millisecond is never rounded to 0, which can mean "never".
  ["1ns", 1],
  ["100us", 1],
  ["100µs", 1],
  ["100μs", 1],
  ["1500us", 2],
])("%s is %d ms", (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each([
  "",
  "1",
  "10 minutes",
  "1 s",
  "-1s",
  "+1s",
  "s",
  ".s",
  "1d",
  "1S",
  "1e3s",
  "1m 30s",
  " 1s",
  "1s ",
  "٣s",
  `${"9".repeat(60)}h`,
  `${"1s".repeat(40)}`,
])("%j is no duration", (text) => {
  expect(parseDuration(text)).toBeNull();
});

test("what is written is read again", () => {
  const { seed } = announcedRandom("durations");
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 31 - 1 }), (ms) => {
      expect(parseDuration(formatDuration(ms))).toBe(ms);
    }),
    { seed },
  );
});
