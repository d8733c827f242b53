import { expect, test } from "bun:test";
import { formatSize, parseSize } from "../../../src/config/size.ts";

test.each([
  ["0B", 0],
  ["1B", 1],
  ["1KB", 1024],
  ["1kb", 1024],
  ["100MB", 104_857_600],
  ["100 MB", 104_857_600],
  ["1.5KB", 1536],
  ["2GB", 2_147_483_648],
  ["64k", 65_536],
  ["512K", 524_288],
  ["1M", 1_048_576],
  ["1 G", 1_073_741_824],
])("%s is %d bytes", (text, bytes) => {
  expect(parseSize(text)).toBe(bytes);
});

test.each(["", "100", "MB", "-1MB", "1TB", "1MiB", "1  MB", "1,5MB", "999999999999999GB"])(
  "%j is no size",
  (text) => {
    expect(parseSize(text)).toBeNull();
  },
);

test("sizes are written in the largest unit without a fraction", () => {
  expect([0, 1, 1024, 1536, 104_857_600, 2 ** 30].map(formatSize)).toEqual([
    "0B",
    "1B",
    "1KB",
    "1536B",
    "100MB",
    "1GB",
  ]);
});
