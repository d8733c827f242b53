import { describe, expect, test } from "bun:test";
import { FrameReader } from "../../../../clients/fastway/frame-reader.ts";
import { frame, frameOfLength } from "../../../harness/fastway-frames.ts";
import { announcedRandom } from "../../../harness/random.ts";

interface Read {
  id: number;
  body: string;
}

/** A reader, and what it has told. */
function reader(length_max = 1000) {
  const frames: Read[] = [];
  const bad: number[] = [];
  const owner = {
    frame: (id: number, bytes: Uint8Array, from: number, to: number) => {
      frames.push({ id, body: Buffer.from(bytes.subarray(from, to)).toString("hex") });
    },
    badLength: (length: number) => bad.push(length),
  };
  return { frames, bad, reader: new FrameReader({ owner, length_max }) };
}

const plain = (bytes: Uint8Array) => new Uint8Array(bytes);

describe("frames in any pieces", () => {
  const sent: Read[] = [
    { id: 1, body: "" },
    { id: 0xffff_ffff, body: "68656c6c6f" },
    { id: 0, body: "05" },
    { id: 7, body: "00".repeat(300) },
    { id: 8, body: "ab" },
  ];
  const bytes = plain(
    Buffer.concat(sent.map(({ id, body }) => frame(id, Buffer.from(body, "hex")))),
  );

  test("split once, at every byte", () => {
    for (let at = 0; at <= bytes.length; at++) {
      const { frames, reader: one } = reader();
      one.read(bytes.slice(0, at));
      one.read(bytes.slice(at));
      expect(frames).toEqual(sent);
    }
  });

  test("split twice, at every pair of bytes of the short ones", () => {
    const short = bytes.slice(0, 40);
    const whole = reader();
    whole.reader.read(short);
    for (let first = 0; first <= short.length; first++) {
      for (let second = first; second <= short.length; second++) {
        const { frames, reader: one } = reader();
        one.read(short.slice(0, first));
        one.read(short.slice(first, second));
        one.read(short.slice(second));
        expect(frames).toEqual(whole.frames);
      }
    }
  });

  test("byte by byte", () => {
    const { frames, reader: one } = reader();
    for (const byte of bytes) one.read(new Uint8Array([byte]));
    expect(frames).toEqual(sent);
  });

  test("random frames in random pieces", () => {
    const random = announcedRandom("frames in random pieces");
    for (let run = 0; run < 300; run++) {
      const wanted = Array.from({ length: random.int(1, 20) }, () => ({
        id: random.int(0, 0xffff_ffff),
        body: random.bytes(random.pick([0, 1, 3, 90, 900])).toString("hex"),
      }));
      const all = plain(
        Buffer.concat(wanted.map(({ id, body }) => frame(id, Buffer.from(body, "hex")))),
      );
      const { frames, reader: one } = reader();
      for (let at = 0; at < all.length;) {
        const length = random.pick([1, 2, 5, 40, 700, 5000]);
        one.read(all.slice(at, at + length));
        at += length;
      }
      expect(frames).toEqual(wanted);
    }
  });
});

describe("lengths", () => {
  test.each([0, 1, 2, 3, 1001, 0xffff_ffff])("%d is none, whole or in parts", (length) => {
    const bytes = plain(frameOfLength(length, 9, Buffer.from("more")));
    for (let at = 0; at <= bytes.length; at++) {
      const { frames, bad, reader: one } = reader();
      one.read(bytes.slice(0, at));
      one.read(bytes.slice(at));
      one.read(plain(frame(1, Buffer.from("late"))));
      expect([bad, frames]).toEqual([[length], []]);
    }
  });

  test("4 and the most are", () => {
    const { frames, bad, reader: one } = reader();
    one.read(plain(frame(1, new Uint8Array(0))));
    one.read(plain(frame(2, new Uint8Array(996))));
    expect([bad, frames.map(({ body }) => body.length / 2)]).toEqual([[], [0, 996]]);
  });

  test("a frame that is announced takes no memory before it comes, and none twice over", () => {
    const length_max = 64 * 1024 * 1024;
    const seen: number[] = [];
    const one = new FrameReader({
      owner: {
        frame: (_id, bytes, from, to) => seen.push(bytes.length, to - from),
        badLength: () => {},
      },
      length_max,
    });
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from(
      { length: 100 },
      () => new FrameReader({ owner: { frame: () => {}, badLength: () => {} }, length_max }),
    );
    for (const each of readers) each.read(plain(frameOfLength(length_max, 1, new Uint8Array(1))));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(length_max);
    const all = plain(frame(1, new Uint8Array(100_000)));
    for (let at = 0; at < all.length; at += 100) one.read(all.slice(at, at + 100));
    expect(seen[1]).toBe(100_000);
    expect(seen[0]).toBeLessThanOrEqual(2 * all.length);
  });
});
