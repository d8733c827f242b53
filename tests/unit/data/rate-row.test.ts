import { expect, test } from "bun:test";
import { Worker } from "node:worker_threads";
import {
  BYTES_PER_S_MIN,
  GRAIN_BYTES,
  newRateMemory,
  RateRow,
  RateTerms,
} from "../../../src/data/rate-row.ts";
import { announcedRandom } from "../../harness/random.ts";
import { within } from "../../harness/deadline.ts";

const random = announcedRandom("rate-row");

/** A row with a bound, and so many workers that take from it. */
function setUp({ bytes_per_s, workers = 1, now_ms = 0, row = 3 }: {
  bytes_per_s: number;
  workers?: number;
  now_ms?: number;
  row?: number;
}) {
  const memory = newRateMemory({ keys: 8, workers: 65 });
  const terms = new RateTerms(memory, row);
  terms.set(bytes_per_s, now_ms);
  const takers = Array.from(
    { length: workers },
    (_, worker) => new RateRow({ memory, row, worker }),
  );
  return { memory, terms, takers, taker: takers[0] };
}

/** 200 ms of the rate, and no less than an ordinary pipe. */
const burstOf = (bytes_per_s: number) => Math.max(bytes_per_s / 5, 65_536);

for (
  const { name, start_ms } of [
    { name: "from the start of the clock", start_ms: 0 },
    { name: "over the sign bit of 32", start_ms: 2 ** 31 - 20_000 },
    { name: "over 2^32 ms", start_ms: 2 ** 32 - 20_000 },
    { name: "years after", start_ms: 9 * 2 ** 32 - 20_000 },
  ]
) {
  test(`what goes through is the rate and a burst, whoever takes: ${name}`, () => {
    for (let round = 0; round < 60; round++) {
      const bytes_per_s = Math.floor(10 ** (3.1 + 6 * random.next()));
      const workers = 1 + Math.floor(4 * random.next());
      const { takers } = setUp({ bytes_per_s, workers, now_ms: start_ms });
      const greedy = random.next() < 0.5;
      // The model: a bucket in exact arithmetic, which starts full.
      const burst = burstOf(bytes_per_s);
      let level = burst, now_ms = start_ms, through = 0;
      // The clock and the burst are whole milliseconds, and each worker keeps less than one.
      const slack = (workers + 2) * bytes_per_s / 1000 + workers + 1;
      while (now_ms < start_ms + 40_000) {
        const step_ms = random.next() < 0.02 ? 3000 * random.next() : 60 * random.next();
        now_ms += step_ms;
        level = Math.min(burst, level + step_ms * bytes_per_s / 1000);
        for (const taker of takers) {
          const wanted = greedy ? 1e12 : Math.ceil(random.next() * burst / 2);
          const taken = taker.take(wanted, now_ms);
          expect(taken).toBeLessThanOrEqual(wanted);
          const unused = random.next() < 0.3 ? Math.floor(taken * random.next()) : 0;
          taker.giveBack(unused);
          level -= taken - unused;
          through += taken - unused;
          // Never more than there is.
          expect(level).toBeGreaterThanOrEqual(-slack);
        }
      }
      const most = burst + (now_ms - start_ms) * bytes_per_s / 1000;
      expect(through).toBeLessThanOrEqual(most + slack);
    }
  });
}

test("who takes all there is gets the rate exactly, in the long run", () => {
  for (const bytes_per_s of [1500, 10_007, 123_457, 12_500_000, 1_250_000_000]) {
    const start_ms = 2 ** 31 - 5000;
    const { taker } = setUp({ bytes_per_s, now_ms: start_ms });
    let through = 0;
    let now_ms = start_ms;
    for (; now_ms < start_ms + 100_000; now_ms += 17.3) through += taker.take(1e12, now_ms);
    const due = (now_ms - start_ms) * bytes_per_s / 1000;
    // Begun with a burst; at the end something less than a grain and a millisecond waits.
    const lacking = GRAIN_BYTES + 20 * bytes_per_s / 1000;
    expect(through).toBeGreaterThan(due - lacking);
    expect(through).toBeLessThanOrEqual(due + burstOf(bytes_per_s) + bytes_per_s / 1000);
  }
});

test("a row that nobody took from for weeks is full and no debt, whatever its time says by then", () => {
  const { taker } = setUp({ bytes_per_s: 1_000_000 });
  for (const days of [1, 10, 24, 25, 40, 49, 60, 75, 100]) {
    const now_ms = days * 24 * 3_600_000;
    expect(taker.take(1e12, now_ms)).toBeGreaterThanOrEqual(200_000);
    expect(taker.take(1e12, now_ms)).toBe(0);
  }
});

test("less than a grain is not given, and it says when there will be one", () => {
  const { taker } = setUp({ bytes_per_s: 10_000 });
  expect(taker.take(1e12, 0)).toBeGreaterThanOrEqual(65_536);
  expect(taker.take(1e12, 0)).toBe(0);
  const wait_ms = taker.untilAvailable(GRAIN_BYTES, 0);
  expect(wait_ms).toBeGreaterThan(390);
  expect(wait_ms).toBeLessThanOrEqual(410);
  expect(taker.take(1e12, wait_ms - 5)).toBe(0);
  expect(taker.take(1e12, wait_ms)).toBeGreaterThanOrEqual(GRAIN_BYTES);
  // Whoever wants less than one gets it when it is there.
  expect(taker.take(10, wait_ms + 10)).toBe(10);
});

test("what was used and not taken is paid for before anything else", () => {
  for (const now_ms of [0, 5_000_000]) {
    const { takers: [taker, other] } = setUp({ bytes_per_s: 1_000_000, workers: 2 });
    // A burst of 200 kB and 900 kB more.
    expect(taker.take(200_000, now_ms)).toBe(200_000);
    taker.owe(900_000, now_ms);
    for (const one of [taker, other]) {
      expect(one.available(now_ms)).toBeLessThanOrEqual(-899_000);
      expect(one.take(1e12, now_ms + 850)).toBe(0);
    }
    expect(other.take(1e12, now_ms + 1000)).toBeGreaterThan(99_000);
  }
});

test("a new rate holds at once and begins with its burst; none lets everything through", () => {
  const { taker, terms } = setUp({ bytes_per_s: 2000 });
  taker.take(1e12, 0);
  expect(taker.take(1e12, 10)).toBe(0);
  terms.set(1_000_000_000, 10);
  expect(taker.take(1e12, 10)).toBeGreaterThanOrEqual(200_000_000);
  terms.set(0, 20);
  expect(taker.take(1e12, 20)).toBe(1e12);
  taker.giveBack(5);
  terms.set(1, 30);
  expect(taker.bytes_per_s).toBe(BYTES_PER_S_MIN);
  // The same rate once more is no new burst.
  taker.take(1e12, 30);
  terms.set(1, 31);
  expect(taker.take(1e12, 31)).toBe(0);
});

test("who waits is counted per worker, and a worker that died is forgotten", () => {
  const { takers, terms } = setUp({ bytes_per_s: 1000, workers: 3 });
  takers[0].setWaiting(2);
  takers[2].setWaiting(5);
  expect(takers[1].waiting(3)).toBe(7);
  terms.forgetWorker(2);
  expect(takers[1].waiting(3)).toBe(2);
  terms.clear();
  expect(takers[1].waiting(3)).toBe(0);
});

test("threads that take at the same instant get one burst together", async () => {
  const threads = 3;
  const { memory } = setUp({ bytes_per_s: BYTES_PER_S_MIN, row: 0 });
  const arrived = new Int32Array(new SharedArrayBuffer(4));
  const url = new URL("rate-row-taker.ts", import.meta.url);
  const workers = Array.from(
    { length: threads },
    (_, worker) => new Worker(url, { workerData: { memory, worker, arrived, threads } }),
  );
  try {
    const told = workers.map((worker) =>
      new Promise<number>((resolve, reject) => {
        worker.on("message", resolve);
        worker.on("error", reject);
      })
    );
    const taken = await within("the threads", Promise.all(told));
    console.log(`taken by each thread: ${taken.join(", ")}`);
    const sum = taken.reduce((all, one) => all + one, 0);
    // Each keeps what is left of a millisecond to itself.
    expect(sum).toBeLessThanOrEqual(65_536);
    expect(sum).toBeGreaterThan(65_536 - 4 * threads);
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
});
