/** The ring between two workers: every record comes out once, whole and in its turn. */
import { expect, test } from "bun:test";
import { Worker } from "node:worker_threads";
import {
  newRing,
  payloadBytesMax,
  RECORD_HEAD_BYTES,
  RingReader,
  RingWriter,
} from "../../../../../src/data/fastway/bridge/ring.ts";
import { announcedRandom } from "../../../../harness/random.ts";

const BYTES = 4096;

function write(writer: RingWriter, type: number, payload: Uint8Array): boolean {
  const at = writer.reserve(type, payload.length);
  if (at >= 0) writer.bytes.set(payload, at);
  return at >= 0;
}

function take(reader: RingReader): { type: number; payload: number[] } | null {
  if (!reader.next()) return null;
  const { type, at, length } = reader;
  return { type, payload: [...reader.bytes.subarray(at, at + length)] };
}

test("nobody sees a record before it is published", () => {
  const memory = newRing(BYTES);
  const writer = new RingWriter(memory);
  const reader = new RingReader(memory);
  expect(write(writer, 7, Uint8Array.of(1, 2, 3))).toBe(true);
  expect(reader.waits).toBe(false);
  expect(writer.publish()).toBe(true);
  expect(writer.publish()).toBe(false);
  expect(reader.waits).toBe(true);
  expect(take(reader)).toEqual({ type: 7, payload: [1, 2, 3] });
  expect(take(reader)).toBeNull();
});

test("the room says exactly what can be written, at every place of the ring", () => {
  const random = announcedRandom("room of the ring");
  const memory = newRing(1024);
  const writer = new RingWriter(memory);
  const reader = new RingReader(memory);
  expect(writer.room()).toBe(payloadBytesMax(memory));
  for (let i = 0; i < 5000; i++) {
    const room = writer.room();
    expect(room).toBeLessThanOrEqual(payloadBytesMax(memory));
    if (room < payloadBytesMax(memory)) expect(writer.reserve(1, room + 1)).toBe(-1);
    if (room >= 0) expect(writer.reserve(1, random.int(0, room))).toBeGreaterThanOrEqual(0);
    writer.publish();
    for (let taken = random.int(0, 3); taken > 0 && reader.waits; taken--) reader.next();
    reader.release();
  }
});

test("records of every size come out as they went in, the counters' wrap at 2^32 included", () => {
  const random = announcedRandom("sizes of records");
  for (const start of [0, 2 ** 32 - 8, 2 ** 32 - 4096, 2 ** 31 - 1024]) {
    const memory = newRing(BYTES);
    const header = new Int32Array(memory, 0, 48);
    header[0] = header[16] = start | 0;
    const writer = new RingWriter(memory);
    const reader = new RingReader(memory);
    const expected: { type: number; payload: number[] }[] = [];
    const takeOne = () => {
      const next = expected.shift();
      if (next) expect(take(reader)).toEqual(next);
    };
    for (let i = 0; i < 3000; i++) {
      const payload = random.bytes(random.int(0, random.pick([9, 100, payloadBytesMax(memory)])));
      const type = random.int(1, 9);
      while (!write(writer, type, payload)) {
        expect(expected.length).toBeGreaterThan(0);
        writer.publish();
        expect(reader.waits).toBe(true);
        takeOne();
        reader.release();
      }
      expected.push({ type, payload: [...payload] });
    }
    writer.publish();
    while (reader.waits) takeOne();
    expect(expected).toEqual([]);
  }
});

test("the largest record fits into an empty ring wherever its ends stand; a larger one never", () => {
  const memory = newRing(1024);
  const writer = new RingWriter(memory);
  const reader = new RingReader(memory);
  const most = payloadBytesMax(memory);
  for (let i = 0; i < 300; i++) {
    expect(writer.reserve(1, most)).toBeGreaterThanOrEqual(0);
    writer.publish();
    expect(reader.waits && reader.next()).toBe(true);
    expect(reader.length).toBe(most);
    reader.release();
    // Moves the ends on by another step of eight bytes.
    expect(writer.reserve(1, 8 * (i % 5))).toBeGreaterThanOrEqual(0);
    writer.publish();
    expect(reader.waits && reader.next()).toBe(true);
    reader.release();
  }
  expect(most).toBe(1024 / 2 - RECORD_HEAD_BYTES);
});

test("a writer that wants room is told of it, and not told where there was some already", () => {
  const memory = newRing(1024);
  const writer = new RingWriter(memory);
  const reader = new RingReader(memory);
  while (write(writer, 1, new Uint8Array(100)));
  writer.publish();
  expect(writer.wantRoom()).toBe(false);
  expect(reader.waits && reader.next()).toBe(true);
  expect(reader.release()).toBe(true);
  expect(reader.next()).toBe(true);
  expect(reader.release()).toBe(false);
  expect(writer.wantRoom()).toBe(true);
});

test("a ring that is no power of two is refused", () => {
  for (const bytes of [0, 512, 3000, 2 ** 31]) expect(() => newRing(bytes)).toThrow(RangeError);
});

test("two threads: 100,000 records of random sizes, none lost, changed or swapped", async () => {
  const random = announcedRandom("ring of two threads");
  const memory = newRing(8192);
  const url = new URL("ring-writer.ts", import.meta.url);
  const records = 100_000;
  const worker = new Worker(url, { workerData: { memory, records, seed: random.seed } });
  const failed = new Promise<never>((_, reject) => worker.on("error", reject));
  const reader = new RingReader(memory);
  const read = async () => {
    for (let seen = 0; seen < records;) {
      if (!reader.waits) {
        await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      while (reader.next()) {
        const { type, at, length, bytes } = reader;
        const size = random.int(0, random.pick([16, 200, 2000]));
        const first = random.int(0, 255);
        if (type !== seen % 100 + 1 || length !== size) {
          throw new Error(`record ${seen}: type ${type}, ${length} bytes instead of ${size}`);
        }
        for (let i = 0; i < length; i++) {
          if (bytes[at + i] !== ((first + i) & 0xff)) throw new Error(`record ${seen}, byte ${i}`);
        }
        seen++;
      }
      reader.release();
    }
  };
  await Promise.race([read(), failed]);
  await worker.terminate();
}, 30_000);
