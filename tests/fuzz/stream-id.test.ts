/** Stream ids from anybody: whatever the bytes, the answer is one of the few there are. */
import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { formatStreamId, parseStreamId, type StreamIdMode } from "../../src/data/srt/stream-id.ts";
import { announcedRandom, type Random } from "../harness/random.ts";
import { almostStreamId } from "./stream-ids.ts";

const rounds = 20_000;

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

test("half a letter, which is none in UTF-8, is written as what stands for such", () => {
  const written = formatStreamId({ r: "cam", u: "a\ud800b", m: "publish" });
  expect(parseStreamId(Buffer.from(written))).toMatchObject({ name: "cam", user: "a\ufffdb" });
});
