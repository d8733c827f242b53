/** The check of bulk bytes has to find every way in which a relay can be wrong. */
import { Buffer } from "node:buffer";
import { describe, expect, test } from "bun:test";
import { BLOCK_BYTES, ContentCheck, ContentSource } from "../../bench/load/content.ts";

const STREAM_BYTES = 4 * BLOCK_BYTES + 12_345;
/** As a receiver gets them: pieces that do not care for blocks. */
const PIECE_BYTES = 150_001;

function stream(): Buffer {
  const source = new ContentSource();
  const pieces: Buffer[] = [];
  for (let at = 0; at < STREAM_BYTES;) {
    const piece = source.piece(at, Math.min(70_000, STREAM_BYTES - at));
    pieces.push(Buffer.from(piece));
    at += piece.length;
  }
  return Buffer.concat(pieces);
}

function check(bytes: Buffer): number {
  const receiver = new ContentCheck();
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    const piece = bytes.subarray(at, at + PIECE_BYTES);
    receiver.take(piece, piece.length);
  }
  return receiver.position;
}

const good = stream();

describe("bulk content", () => {
  test("a stream that came through whole is accepted, in pieces of any size", () => {
    expect(check(good)).toBe(STREAM_BYTES);
    const receiver = new ContentCheck();
    for (let at = 0; at < 5000; at++) receiver.take(good.subarray(at, at + 1), 1);
    expect(receiver.position).toBe(5000);
  });

  test("a lost piece is found, wherever it was", () => {
    for (const at of [1, 100_000, BLOCK_BYTES - 3, 2 * BLOCK_BYTES + 7]) {
      const lossy = Buffer.concat([good.subarray(0, at), good.subarray(at + 4096)]);
      expect(() => check(lossy)).toThrow("wrong bytes");
    }
  });

  test("a whole block that is lost or doubled is found by the numbers of the blocks", () => {
    const lossy = Buffer.concat([good.subarray(0, BLOCK_BYTES), good.subarray(2 * BLOCK_BYTES)]);
    expect(() => check(lossy)).toThrow("wrong bytes");
    const doubled = Buffer.concat([good.subarray(0, 2 * BLOCK_BYTES), good.subarray(BLOCK_BYTES)]);
    expect(() => check(doubled)).toThrow("wrong bytes");
  });

  test("two pieces that changed places are found", () => {
    const swapped = Buffer.concat([
      good.subarray(0, 65_536),
      good.subarray(131_072, 196_608),
      good.subarray(65_536, 131_072),
      good.subarray(196_608),
    ]);
    expect(() => check(swapped)).toThrow("wrong bytes");
  });

  test("a relay that changes one byte of each piece is found", () => {
    const changed = Buffer.from(good);
    for (let at = 77; at < changed.length; at += 10_000) changed[at] ^= 1;
    expect(() => check(changed)).toThrow("wrong bytes");
  });
});
