/** What has been sent is there again, as far back as the ring reaches, however it was put in. */
import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { Rc4 } from "../../../../../clients/fastway/wire/mod.ts";
import { PieceList } from "../../../../../src/data/fastway/pieces.ts";
import { ReplayRing } from "../../../../../src/data/fastway/snet/replay-ring.ts";
import { announcedRandom } from "../../../../harness/random.ts";

const pieces = new PieceList();

function gathered(ring: ReplayRing): Buffer {
  pieces.clear();
  ring.gather(pieces);
  const parts: Buffer[] = [];
  for (let i = 0; i < pieces.count; i++) {
    parts.push(Buffer.from(pieces.bytes[i].subarray(pieces.from[i], pieces.to[i])));
  }
  return Buffer.concat(parts);
}

test("a ring of any capacity gives what was put in, once to the kernel and again to a return", () => {
  const random = announcedRandom("replay ring");
  for (let run = 0; run < 200; run++) {
    const capacity = random.pick([1, 7, 1000, 1024, 4095, 4096, 4097, 10_000, 20_000, 65_536]);
    const ring = new ReplayRing(capacity);
    const key = random.bytes(8);
    const cipher = random.next() < 0.5 ? new Rc4(key) : null;
    const plain = random.bytes(random.int(1, 4 * capacity));
    const wire = Buffer.from(plain);
    if (cipher) new Rc4(key).applyInPlace(wire);
    const kernel: Buffer[] = [];
    let acknowledged = 0;
    for (let at = 0; at < plain.length;) {
      const room = ring.room(acknowledged);
      const to = Math.min(plain.length, at + random.int(0, room));
      ring.put(plain, at, to, cipher);
      at = to;
      const waiting = gathered(ring);
      expect(waiting.length).toBe(ring.unsent);
      const taken = random.int(0, waiting.length);
      kernel.push(waiting.subarray(0, taken));
      ring.sent(taken);
      acknowledged = random.int(acknowledged, ring.written - ring.unsent);
      const back = Math.max(0, ring.written - capacity);
      expect(ring.reaches(back)).toBe(true);
      expect(ring.reaches(back - 1)).toBe(ring.written < capacity);
      expect(ring.reaches(ring.written + 1)).toBe(false);
      if (random.next() < 0.2) {
        // A return: all from what its peer has read is to be sent again.
        const from = random.int(back, ring.written);
        ring.rewind(from);
        expect(gathered(ring).equals(wire.subarray(from, ring.written))).toBe(true);
        kernel.splice(0, kernel.length, wire.subarray(0, from));
        acknowledged = from;
      }
    }
    kernel.push(gathered(ring));
    expect(Buffer.concat(kernel).equals(wire)).toBe(true);
  }
});
