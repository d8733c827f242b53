/** The bad network of the benchmark and the tests: it does what it says, and the same again. */
import { describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { ImpairedDirection, type Impairment } from "../harness/impairment.ts";
import { announcedRandom } from "../harness/random.ts";

const good: Impairment = { loss: 0, delay_ms: 0, jitter_ms: 0, duplicates: 0 };
const { seed } = announcedRandom("impairment");

interface Bounds {
  packets_max?: number;
  bytes_max?: number;
}

/** Offers a numbered packet each millisecond and says which came out, when, and in which order. */
function carry(packets: number, impairment: Partial<Impairment>, bounds: Bounds = {}) {
  const direction = new ImpairedDirection<string>({
    impairment: { ...good, ...impairment },
    seed,
    ...bounds,
  });
  const came: { number: number; took_ms: number }[] = [];
  const deliver = (now_ms: number) =>
    direction.deliver(now_ms, (bytes, length, to) => {
      expect([length, to]).toEqual([4, "there"]);
      const number = Buffer.from(bytes).readUInt32BE(0);
      came.push({ number, took_ms: now_ms - number });
    });
  const packet = Buffer.alloc(4);
  for (let number = 0; number < packets; number++) {
    packet.writeUInt32BE(number, 0);
    direction.offer(packet, packet.length, "there", number);
    deliver(number);
  }
  for (let now_ms = packets; direction.next_ms !== Infinity; now_ms++) deliver(now_ms);
  return { came, numbers: came.map(({ number }) => number), counts: direction.counts, direction };
}

describe("an impaired direction", () => {
  test("without faults carries everything in order, after its delay", () => {
    const { came, numbers, counts } = carry(500, { delay_ms: 30 });
    expect(numbers).toEqual(Array.from({ length: 500 }, (_, number) => number));
    expect(new Set(came.map(({ took_ms }) => took_ms))).toEqual(new Set([30]));
    expect(counts).toEqual({
      forwarded: 500,
      forwarded_bytes: 2000,
      lost: 0,
      reordered: 0,
      duplicated: 0,
      overflowed: 0,
    });
  });

  test("loses about the share it is told, and the same packets again with the same seed", () => {
    const { numbers, counts } = carry(20_000, { loss: 0.05, delay_ms: 10 });
    expect(counts.lost + counts.forwarded).toBe(20_000);
    // Six standard deviations to either side.
    expect(Math.abs(counts.lost - 1000)).toBeLessThan(6 * Math.sqrt(20_000 * 0.05 * 0.95));
    expect(counts.reordered).toBe(0);
    // Delay, jitter and doubles take nothing from the chance of the losses.
    const other = carry(20_000, { loss: 0.05, jitter_ms: 7, duplicates: 0.3 });
    expect([...new Set(other.numbers)].sort((a, b) => a - b)).toEqual(numbers);
  });

  test("with jitter lets packets overtake each other, and counts those behind", () => {
    const { came, numbers, counts } = carry(2000, { delay_ms: 5, jitter_ms: 20 });
    expect([...numbers].sort((a, b) => a - b)).toEqual([...numbers.keys()]);
    let highest = -1;
    let behind = 0;
    for (const number of numbers) {
      if (number < highest) behind++;
      highest = Math.max(highest, number);
    }
    expect(behind).toBeGreaterThan(0);
    expect(counts.reordered).toBe(behind);
    for (const { took_ms } of came) {
      expect(took_ms).toBeGreaterThanOrEqual(5);
      expect(took_ms).toBeLessThanOrEqual(26);
    }
  });

  test("doubles packets and does not call the second one reordered", () => {
    const { numbers, counts } = carry(1000, { delay_ms: 3, duplicates: 0.2 });
    expect(counts.duplicated).toBeGreaterThan(0);
    expect(numbers.length).toBe(1000 + counts.duplicated);
    expect(new Set(numbers).size).toBe(1000);
    expect(counts.reordered).toBe(0);
  });

  test("holds no more packets and bytes than it may, and counts the rest", () => {
    const few = carry(100, { delay_ms: 1000 }, { packets_max: 10 });
    expect(few.numbers).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(few.counts.overflowed).toBe(90);
    const small = carry(100, { delay_ms: 1000 }, { bytes_max: 30 });
    expect(small.numbers).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(small.counts.overflowed).toBe(93);
    // What has gone on makes room.
    expect(carry(100, { delay_ms: 5 }, { packets_max: 10 }).counts.overflowed).toBe(0);
  });

  test("loses everything in an outage and nothing behind it", () => {
    const { direction } = carry(10, {});
    const packet = Buffer.alloc(4);
    direction.outage = true;
    for (let at = 0; at < 5; at++) expect(direction.offer(packet, 4, "there", 20)).toBe("lost");
    direction.outage = false;
    expect(direction.offer(packet, 4, "there", 20)).toBe("held");
    expect(direction.counts.lost).toBe(5);
  });
});
