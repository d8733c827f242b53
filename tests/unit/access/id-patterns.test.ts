import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { IdPatterns } from "../../../src/access/id-patterns.ts";
import { announcedRandom } from "../../harness/random.ts";

describe("patterns of ids", () => {
  test.each([
    ["a", "a", true],
    ["a", "ab", false],
    ["", "", true],
    ["*", "", true],
    ["*", "anything", true],
    ["cam-*", "cam-", true],
    ["cam-*", "cam-7", true],
    ["cam-*", "Cam-7", false],
    ["cam-*", "xcam-7", false],
    ["*-7", "cam-7", true],
    ["*-7", "cam-77", false],
    ["a*b*c", "abc", true],
    ["a*b*c", "a--b--c", true],
    ["a*b*c", "a--c--b", false],
    // The text before and the text behind may not share characters.
    ["ab*ba", "aba", false],
    ["ab*ba", "abba", true],
    ["a*ab*b", "aab", false],
    ["a*ab*b", "aabb", true],
    ["**", "x", true],
    // Signs that mean something elsewhere mean nothing here.
    ["a.c", "abc", false],
    ["a?c", "abc", false],
    ["[ab]", "a", false],
  ])("%p takes %p: %p", (pattern, id, expected) => {
    expect(new IdPatterns([pattern]).has(id)).toBe(expected);
  });

  test("any of a list will do, and an empty list takes nobody", () => {
    const patterns = new IdPatterns(["fe-1", "cam-*"]);
    expect(["fe-1", "cam-9", "fe-2"].map((id) => patterns.has(id))).toEqual([true, true, false]);
    expect(new IdPatterns([]).has("")).toBe(false);
  });

  test("literal ids have no stars", () => {
    const ids = IdPatterns.literal(["*", "a*"]);
    expect(["*", "a*", "ab", "x"].map((id) => ids.has(id))).toEqual([true, true, false, false]);
    expect(ids.all).toBe(false);
  });

  test("they agree with a regular expression made of them", () => {
    const { seed } = announcedRandom("patterns of ids");
    const letters = fc.string({ unit: fc.constantFrom("a", "b", "*"), maxLength: 8 });
    const ids = fc.string({ unit: fc.constantFrom("a", "b", "*"), maxLength: 12 });
    fc.assert(
      fc.property(letters, ids, (pattern, id) => {
        const parts = pattern.split("*").map((part) => part.replaceAll(/[^a-z]/g, "\\$&"));
        const expected = new RegExp(`^${parts.join("[^]*")}$`).test(id);
        expect(new IdPatterns([pattern]).has(id)).toBe(expected);
      }),
      { seed, numRuns: 3000 },
    );
  });

  test("a hostile pattern and a long id cost little", () => {
    const patterns = new IdPatterns([`${"a*".repeat(127)}b`]);
    const started = performance.now();
    expect(patterns.has("a".repeat(65_536))).toBe(false);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});
