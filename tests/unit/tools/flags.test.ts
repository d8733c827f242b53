import { describe, expect, test } from "bun:test";
import {
  addressFlag,
  booleanFlag,
  durationFlag,
  FlagError,
  numberFlag,
} from "../../../src/tools/flags.ts";

describe("flags", () => {
  test("addresses", () => {
    expect(addressFlag("--addr", "10.0.0.1:5555")).toEqual({ host: "10.0.0.1", port: 5555 });
    expect(addressFlag("--addr", "gw.test:1")).toEqual({ host: "gw.test", port: 1 });
    expect(addressFlag("--addr", "[::1]:65535")).toEqual({ host: "::1", port: 65535 });
    expect(addressFlag("--addr", ":5555")).toEqual({ host: "127.0.0.1", port: 5555 });
    for (const bad of ["", "host", "host:", "host:0", "host:65536", "::1:80", "a:b:1", "h:1x"]) {
      expect(() => addressFlag("--addr", bad)).toThrow(FlagError);
    }
  });

  test("numbers name the flag, what was found and what is allowed", () => {
    const range = { min: 1, max: 10, whole: true };
    expect(numberFlag("--max", "10", range)).toBe(10);
    expect(() => numberFlag("--max", "1.5", range)).toThrow(
      '--max: found "1.5"; allowed: a whole number from 1 to 10',
    );
    for (const bad of ["", " ", "0", "11", "x", "NaN", "Infinity"]) {
      expect(() => numberFlag("--max", bad, range)).toThrow(FlagError);
    }
  });

  test("booleans in Go's way", () => {
    expect([true, "true", "T", "1"].map((value) => booleanFlag("--srt", value))).toEqual(
      [true, true, true, true],
    );
    expect([false, "false", "F", "0"].map((value) => booleanFlag("--srt", value))).toEqual(
      [false, false, false, false],
    );
    expect(() => booleanFlag("--srt", "yes")).toThrow('--srt: found "yes"; allowed: true or false');
  });

  test("durations", () => {
    expect(durationFlag("--drain", "1.5s")).toBe(1500);
    expect(() => durationFlag("--drain", "2 s")).toThrow(FlagError);
  });
});
