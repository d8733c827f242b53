import { describe, expect, test } from "bun:test";
import { LineSplitter } from "../../../src/tools/v4/line-splitter.ts";

const stream = new TextEncoder().encode('{"a":"ä€😀"}\n\n{"b":2}\n{"c":');

function lines(pieces: Uint8Array[], line_bytes_max = 100): string[] {
  const splitter = new LineSplitter({ line_bytes_max });
  const found: string[] = [];
  for (const piece of pieces) splitter.push(piece, (line) => found.push(line));
  return found;
}

describe("line splitter", () => {
  test("finds the same lines for every cut, even inside a character", () => {
    for (let cut = 0; cut <= stream.length; cut++) {
      expect(lines([stream.subarray(0, cut), stream.subarray(cut)])).toEqual([
        '{"a":"ä€😀"}',
        '{"b":2}',
      ]);
    }
    expect(lines(Array.from(stream, (byte) => Uint8Array.of(byte)))).toHaveLength(2);
  });

  test("refuses a line over the bound, newline or not", () => {
    expect(() => lines([new Uint8Array(11).fill(65)], 10)).toThrow(RangeError);
    expect(() => lines([new Uint8Array(6).fill(65), new Uint8Array(6).fill(65)], 10)).toThrow(
      RangeError,
    );
    expect(lines([new TextEncoder().encode("aaaaaaaaaa\n")], 10)).toEqual(["aaaaaaaaaa"]);
  });
});
