import { describe, expect, test } from "bun:test";
import process from "node:process";
import { encodeFrame, FRAME_TYPE, payloadCrc } from "../../../src/tools/video/frame.ts";
import { FrameError, FrameParser } from "../../../src/tools/video/parser.ts";

const seed = (Date.now() ^ (performance.now() * 1000)) >>> 0;
console.log(`parser.test seed ${seed}`);
let state = seed || 1;
/** A small xorshift generator: the numbers only have to vary and to be repeatable. */
function random(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}

function randomBytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random(256));
}

function data(seq: number, payload: Uint8Array, crc32 = payloadCrc(payload)): Uint8Array {
  return encodeFrame({
    type: FRAME_TYPE.data,
    seq: BigInt(seq),
    sent_unix_ns: 5n,
    server_recv_unix_ns: 6n,
    server_send_unix_ns: 7n,
    crc32,
  }, payload);
}

function ping(seq: number): Uint8Array {
  return encodeFrame({
    type: FRAME_TYPE.ping,
    seq: BigInt(seq),
    sent_unix_ns: 0n,
    server_recv_unix_ns: 0n,
    server_send_unix_ns: 0n,
    crc32: 0,
  }, new Uint8Array(0));
}

function join(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

interface Seen {
  seq: number;
  intact: boolean;
  payload: string;
}

function parse(
  pieces: Uint8Array[],
  options: { payload_bytes_max?: number; resync?: boolean } = {},
): { seen: Seen[]; parser: FrameParser } {
  const parser = new FrameParser({ payload_bytes_max: 1000, ...options });
  const seen: Seen[] = [];
  for (const piece of pieces) {
    parser.push(piece, (frame) =>
      seen.push({
        seq: Number(frame.seq),
        intact: frame.intact,
        payload: Array.from(frame.payload).join(","),
      }));
  }
  return { seen, parser };
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof FrameError) return error.code;
    throw error;
  }
  return "none";
}

describe("parser", () => {
  const payloads = [randomBytes(1), randomBytes(90), new Uint8Array(0), randomBytes(47)];
  const stream = join(
    data(0, payloads[0]),
    data(1, payloads[1]),
    ping(9),
    data(2, payloads[2]),
    data(3, payloads[3]),
  );
  const whole = parse([stream]).seen;

  test("reads frames from one piece", () => {
    expect(whole.map((frame) => frame.seq)).toEqual([0, 1, 9, 2, 3]);
    expect(whole.every((frame) => frame.intact)).toBe(true);
    expect(whole[1].payload).toBe(Array.from(payloads[1]).join(","));
  });

  test("does not care where the stream is cut in two, at any byte", () => {
    for (let cut = 0; cut <= stream.length; cut++) {
      const { seen, parser } = parse([stream.subarray(0, cut), stream.subarray(cut)]);
      expect(seen).toEqual(whole);
      expect(parser.atBoundary).toBe(true);
    }
  });

  test("does not care for the size of the pieces", () => {
    for (let size = 1; size <= 60; size++) {
      const pieces: Uint8Array[] = [];
      for (let at = 0; at < stream.length; at += size) pieces.push(stream.slice(at, at + size));
      expect(parse(pieces).seen).toEqual(whole);
    }
  });

  test("reads a payload larger than its first piece of memory", () => {
    const payload = randomBytes(200_000);
    const frame = data(1, payload);
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < frame.length; at += 777) pieces.push(frame.slice(at, at + 777));
    const { seen } = parse(pieces, { payload_bytes_max: 200_000 });
    expect(seen).toHaveLength(1);
    expect(seen[0].intact).toBe(true);
  });

  test("knows that it is inside a frame", () => {
    expect(parse([stream.subarray(0, 10)]).parser.atBoundary).toBe(false);
    expect(parse([data(0, payloads[1]).subarray(0, 60)]).parser.atBoundary).toBe(false);
  });

  test("reports a wrong checksum with the frame", () => {
    const { seen } = parse([data(0, payloads[1], 1), data(1, payloads[0])]);
    expect(seen.map((frame) => frame.intact)).toEqual([false, true]);
  });

  test("passes types it does not know on to the reader", () => {
    const frame = data(4, payloads[0]);
    frame[5] = 77;
    expect(parse([frame]).seen.map((seen) => seen.seq)).toEqual([4]);
  });

  const hostile: [string, Uint8Array, string][] = [
    ["an HTTP request", new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"), "FRAME_MAGIC"],
    ["one wrong byte", Uint8Array.of(0x57), "FRAME_MAGIC"],
    ["a wrong last byte of the magic", Uint8Array.of(0x56, 0x34, 0x56, 0x55), "FRAME_MAGIC"],
    ["version 0", Uint8Array.of(0x56, 0x34, 0x56, 0x54, 0), "FRAME_VERSION"],
    ["version 2", Uint8Array.of(0x56, 0x34, 0x56, 0x54, 2), "FRAME_VERSION"],
    [
      "a payload one byte too long",
      data(0, new Uint8Array(1001)).subarray(0, 48),
      "FRAME_TOO_LONG",
    ],
    ["junk behind a good frame", join(data(0, payloads[0]), Uint8Array.of(1)), "FRAME_MAGIC"],
  ];
  for (const [name, bytes, code] of hostile) {
    test(`refuses ${name}`, () => {
      expect(codeOf(() => parse([bytes]))).toBe(code);
    });
  }

  test("does not reserve what a header merely promises", () => {
    const header = data(0, new Uint8Array(0));
    new DataView(header.buffer).setUint32(44, 512 * 1024 * 1024);
    const before = process.memoryUsage().arrayBuffers;
    const { parser } = parse([header, Uint8Array.of(1)], { payload_bytes_max: 2 ** 30 });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
    expect(parser.atBoundary).toBe(false);
  });

  test("survives random bytes with an error of its own or none", () => {
    for (let round = 0; round < 300; round++) {
      const noise = join(
        random(2) === 0 ? stream.slice(0, random(stream.length)) : new Uint8Array(0),
        randomBytes(random(300)),
      );
      const resync = random(2) === 0;
      const code = codeOf(() => parse([noise], { resync }));
      expect(["none", "FRAME_MAGIC", "FRAME_VERSION", "FRAME_TOO_LONG"]).toContain(code);
    }
  });
});

describe("parser that looks for the next frame after a loss", () => {
  const frames = Array.from({ length: 6 }, (_, seq) => data(seq, randomBytes(300)));
  const stream = join(...frames);
  const size = frames[0].length;

  test("skips to the next frame wherever the hole is", () => {
    for (let at = size; at < 2 * size; at += 7) {
      const hole = 100;
      const pieces = [stream.subarray(0, at), stream.subarray(at + hole)];
      const { seen, parser } = parse(pieces, { resync: true });
      const seqs = seen.map((frame) => frame.seq);
      // Frame 1 is damaged, and frame 2 too when the hole reaches into it.
      const reached = at + hole > 2 * size;
      expect(seqs).toEqual(reached ? [0, 3, 4, 5] : [0, 2, 3, 4, 5]);
      expect(seen.every((frame) => frame.intact)).toBe(true);
      expect(parser.snapshot().skipped_bytes).toBe(
        stream.length - hole - seqs.length * size,
      );
    }
  });

  test("does the same for every cut of the stream", () => {
    const damaged = join(stream.subarray(0, size + 60), stream.subarray(size + 160));
    const expected = parse([damaged], { resync: true }).seen;
    expect(expected.map((frame) => frame.seq)).toEqual([0, 2, 3, 4, 5]);
    for (let cut = 0; cut <= damaged.length; cut++) {
      const pieces = [damaged.subarray(0, cut), damaged.subarray(cut)];
      expect(parse(pieces, { resync: true }).seen).toEqual(expected);
    }
  });

  test("still refuses a stream that never was one of frames", () => {
    expect(codeOf(() => parse([randomBytes(40).fill(0xee)], { resync: true }))).toBe("FRAME_MAGIC");
  });

  test("gives up after a bounded search", () => {
    const megabyte = new Uint8Array(1024 * 1024);
    const pieces = [frames[0], ...Array.from({ length: 17 }, () => megabyte)];
    expect(codeOf(() => parse(pieces, { resync: true }))).toBe("FRAME_LOST");
  });
});
