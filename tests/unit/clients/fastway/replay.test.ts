import { expect, test } from "bun:test";
import { Replay } from "../../../../clients/fastway/replay.ts";
import { announcedRandom } from "../../../harness/random.ts";

test("it has everything that was not acknowledged, from any place on", () => {
  const random = announcedRandom("a replay");
  const all: number[] = [];
  const replay = new Replay({ bytes_max: 1000 });
  let acknowledged = 0;
  for (let step = 0; step < 2000; step++) {
    const piece = new Uint8Array(random.bytes(random.int(1, 30)));
    all.push(...piece);
    replay.push(piece);
    if (random.int(0, 2) > 0) {
      acknowledged = random.int(acknowledged, all.length);
      replay.acknowledge(acknowledged);
      // Late ones say nothing new.
      replay.acknowledge(random.int(0, acknowledged));
    }
    expect([replay.written_bytes, replay.unacknowledged_bytes])
      .toEqual([all.length, all.length - acknowledged]);
    expect(replay.from).toBeLessThanOrEqual(acknowledged);
    expect(acknowledged - replay.from).toBeLessThan(30);
    const from = random.int(acknowledged, all.length);
    expect(replay.reaches(from)).toBe(true);
    expect([...Buffer.concat(replay.since(from))]).toEqual(all.slice(from));
  }
  expect(replay.reaches(all.length + 1)).toBe(false);
  expect(replay.reaches(replay.from - 1)).toBe(false);
});
