/** Stream ids from anybody: whatever the bytes, the answer is one of the few there are. */
import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { formatStreamId, parseStreamId, type StreamIdMode } from "../../src/data/srt/stream-id.ts";
import { announcedRandom, type Random } from "../harness/random.ts";

const rounds = 20_000;

/** Pieces that the grammar is made of, so that most of the texts come close to it. */
const pieces = [
  "#!::",
  "#!:",
  "#!",
  ":",
  ",",
  "=",
  "%",
  "%2C",
  "%00",
  "%zz",
  "r=",
  "s=",
  "u=",
  "m=",
  "t=stream",
  "t=file",
  "key=",
  "secret=",
  "publish",
  "request",
  "read",
  "bidirectional",
  "__proto__",
  "constructor",
  "cam",
  "ü",
  "\u{1f3a5}",
  "\n",
  "\0",
  "\x7f",
  " ",
];

function almostStreamId(random: Random): Buffer {
  switch (random.int(0, 3)) {
    case 0:
      return random.bytes(random.int(0, 600));
    case 1:
      return Buffer.concat([
        Buffer.from(random.pick(["#!::", "publish:", "read:"])),
        random.bytes(random.int(0, 520)),
      ]);
    case 2: {
      // One that is right, with one byte that may not be.
      const bytes = Buffer.from(random.pick([
        "#!::r=live/cam,u=anna,key=s3cret%2C1,m=publish",
        "#!::s=0123456789abcdef,u=be-1,m=bidirectional",
        "publish:live/cam:anna:s3cret",
      ]));
      bytes[random.int(0, bytes.length - 1)] = random.int(0, 255);
      return bytes;
    }
    default:
      return Buffer.from(
        Array.from({ length: random.int(1, 40) }, () => random.pick(pieces)).join(""),
      );
  }
}

/** Text that may be anything but half a letter, which is none in UTF-8. */
function text(random: Random, longest: number): string {
  let made = "";
  for (let length = random.int(1, longest); length > 0; length--) {
    made += random.pick([
      () => String.fromCharCode(random.int(0x20, 0x7e)),
      () => random.pick([",", "=", "%", ":", "#", "&", "+", "/", "\\", '"']),
      () => String.fromCodePoint(random.int(0xa0, 0xd7ff)),
      () => String.fromCodePoint(random.int(0x10000, 0x10ffff)),
    ])();
  }
  return made;
}

test(`${rounds} texts of strangers are read or refused, and none throws`, () => {
  const random = announcedRandom("stream id fuzz");
  const found: Record<string, number> = {};
  for (let round = 0; round < rounds; round++) {
    const bytes = almostStreamId(random);
    const shown = bytes.toString("hex");
    const id = parseStreamId(bytes);
    found[id.type] = (found[id.type] ?? 0) + 1;
    if (id.type === "none") expect(bytes.length).toBe(0);
    else if (id.type === "session") {
      expect(id.session_id, shown).not.toBe("");
      expect(["publish", "request", "bidirectional"], shown).toContain(id.mode);
    } else if (id.type === "stream") {
      expect(id.name, shown).not.toBe("");
      expect(["publish", "request"], shown).toContain(id.mode);
      expect([typeof id.user, typeof id.key], shown).toEqual(["string", "string"]);
    } else {
      expect(["free", "invalid"], shown).toContain(id.type);
      expect(id.detail.length, shown).toBeGreaterThan(0);
      expect(id.detail.length, shown).toBeLessThan(200);
    }
  }
  console.log(`stream id fuzz: ${JSON.stringify(found)}`);
  // A fuzz that never comes near the grammar proves nothing.
  for (const type of ["stream", "session", "free", "invalid"]) {
    expect(found[type]).toBeGreaterThan(0);
  }
});

test("whatever is written is read again as what it was", () => {
  const random = announcedRandom("stream id round trip");
  for (let round = 0; round < rounds / 10; round++) {
    // Short enough for 512 bytes where each letter becomes twelve.
    const [name, user] = [text(random, 12), text(random, 12)];
    if (random.next() < 0.5) {
      const mode = random.pick(["publish", "request"] as const);
      const key = text(random, 12);
      const written = formatStreamId({ r: name, u: user, key, m: mode });
      expect(parseStreamId(Buffer.from(written)), written).toEqual({
        type: "stream",
        name,
        user,
        key,
        mode,
      });
    } else {
      const mode = random.pick<StreamIdMode>(["publish", "request", "bidirectional"]);
      const written = formatStreamId({ s: name, u: user, m: mode });
      expect(parseStreamId(Buffer.from(written)), written).toEqual({
        type: "session",
        session_id: name,
        user,
        mode,
      });
    }
  }
});
