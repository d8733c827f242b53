import { describe, expect, test } from "bun:test";
import { parseOptions } from "../../bench/options.ts";

const known = { measures: ["tcp-bulk", "setup"], contenders: ["relayx", "haproxy"] };

describe("the benchmark's options", () => {
  test("none is the full size of everything", () => {
    const options = parseOptions([], known)!;
    expect(options.size.quick).toBeFalse();
    expect(options.only).toBeNull();
    expect(options.contenders).toBeNull();
    expect(options.out).toEndWith("bench/results");
  });

  test("lists, rounds and the window", () => {
    const argv = ["--quick", "--only", "setup, tcp-bulk", "--contenders=relayx", "--rounds", "3"];
    const options = parseOptions([...argv, "--window", "0.5"], known)!;
    expect(options.only).toEqual(["setup", "tcp-bulk"]);
    expect(options.contenders).toEqual(["relayx"]);
    expect(options.size).toMatchObject({ quick: true, rounds: 3, window_s: 0.5 });
  });

  test.each([
    [["--only", "tcp-bulc"], "tcp-bulk, setup"],
    [["--contenders", "nobody"], "relayx, haproxy"],
    [["--rounds", "0"], "1 to 100"],
    [["--rounds", "1.5"], "whole number"],
    [["--window", "soon"], "0.1 to 600"],
    [["--fast"], "--fast"],
  ])("%p is refused with what is allowed", (argv, words) => {
    expect(() => parseOptions(argv, known)).toThrow(words);
  });

  test("--help asks for the usage", () => {
    expect(parseOptions(["--help"], known)).toBeNull();
  });
});
