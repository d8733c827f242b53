/** The slab: classes, pages, the bound, and that nobody ever has a piece of somebody else's memory. */
import { expect, test } from "bun:test";
import { type Chunk, ChunkPool } from "../../../../src/data/fastway/chunk-pool.ts";
import { announcedRandom } from "../../../harness/random.ts";

const SETTINGS = {
  chunk_bytes_min: 64,
  chunk_bytes_max: 1000,
  factor: 4,
  page_bytes: 4096,
  pool_bytes_max: 5 * 4096,
};

const sizeOf = (chunk: Chunk | null) => chunk && chunk.end - chunk.begin;

test("a chunk is of the least class that is enough, or of the largest", () => {
  const pool = new ChunkPool(SETTINGS);
  const asked = [1, 64, 65, 256, 257, 1000, 9999];
  expect(asked.map((bytes) => sizeOf(pool.take(bytes)))).toEqual([
    64,
    64,
    256,
    256,
    1000,
    1000,
    1000,
  ]);
  expect(pool.bytes).toBe(3 * 4096);
  expect(pool.used_bytes).toBe(2 * 64 + 2 * 256 + 3 * 1000);
});

test("a page is at least as large as its chunk", () => {
  const pool = new ChunkPool({ ...SETTINGS, page_bytes: 64, chunk_bytes_max: 4096 });
  expect(sizeOf(pool.take(4096))).toBe(4096);
  expect(pool.bytes).toBe(4096);
});

test("what is given back is given out again, and a second free page goes back to the system", () => {
  const pool = new ChunkPool(SETTINGS);
  const taken = Array.from({ length: 12 }, () => pool.take(1000)!);
  expect(pool.bytes).toBe(3 * 4096);
  for (const chunk of taken) pool.give(chunk);
  expect([pool.bytes, pool.used_bytes]).toEqual([4096, 0]);
  expect(sizeOf(pool.take(1000))).toBe(1000);
  expect(pool.bytes).toBe(4096);
});

test("there is an end to it, and a page that nobody uses makes way for another class", () => {
  const pool = new ChunkPool(SETTINGS);
  const taken = Array.from({ length: 20 }, () => pool.take(1000)!);
  expect(pool.take(1000)).toBeNull();
  expect(pool.take(64)).toBeNull();
  for (const chunk of taken.slice(0, 4)) pool.give(chunk);
  expect(sizeOf(pool.take(64))).toBe(64);
  expect(pool.bytes).toBe(5 * 4096);
  expect(pool.take(1000)).toBeNull();
});

test("a bound that changes counts from the next page on", () => {
  const settings = { ...SETTINGS, pool_bytes_max: 0 };
  const pool = new ChunkPool(settings);
  expect(pool.take(64)).toBeNull();
  settings.pool_bytes_max = 4096;
  expect(sizeOf(pool.take(64))).toBe(64);
});

test("nobody has what another one has, whatever is taken and given in whatever order", () => {
  const random = announcedRandom("chunk pool");
  const pool = new ChunkPool({ ...SETTINGS, pool_bytes_max: 40 * 4096 });
  const held: { chunk: Chunk; mark: number }[] = [];
  for (let i = 0; i < 20_000; i++) {
    if (held.length > 0 && random.next() < 0.5) {
      const [{ chunk, mark }] = held.splice(random.int(0, held.length - 1), 1);
      const bytes = chunk.block.bytes.subarray(chunk.begin, chunk.end);
      expect(bytes.every((byte) => byte === mark)).toBe(true);
      pool.give(chunk);
    } else {
      const chunk = pool.take(random.int(1, 1000));
      if (chunk === null) continue;
      const mark = random.int(0, 255);
      chunk.block.bytes.fill(mark, chunk.begin, chunk.end);
      held.push({ chunk, mark });
    }
  }
  for (const { chunk } of held) pool.give(chunk);
  expect(pool.used_bytes).toBe(0);
  // One spare page of each class at most.
  expect(pool.bytes).toBeLessThanOrEqual(3 * 4096);
});
