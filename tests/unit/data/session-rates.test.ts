/** Sessions that wait for a byte rate: who is served, in which order, and how much. */
import { describe, expect, test } from "bun:test";
import { RateBook, RateBookFull } from "../../../src/data/rate-book.ts";
import { RateGate, RateGates } from "../../../src/data/rate-gate.ts";
import { GRAIN_BYTES, RateRow } from "../../../src/data/rate-row.ts";
import { SessionRates } from "../../../src/data/session-rates.ts";
import { TimerWheel } from "../../../src/data/timer-wheel.ts";

/** Some workers that share one book, on a clock of the test's; a worker's own clock lags behind. */
class Machine {
  now_ms = 1000;
  readonly book: RateBook;
  readonly #workers: { wheel: TimerWheel; gates: RateGates; clock_offset_ms: number }[];

  constructor({ workers = 1 } = {}) {
    const book = this.book = new RateBook({ keys_max: 16, now_ms: () => this.now_ms });
    this.#workers = Array.from({ length: workers }, () => {
      const [worker, clock_offset_ms] = [book.enlist(), 100 * book.workers];
      const wheel = new TimerWheel({ now_ms: this.now_ms - clock_offset_ms });
      const { memory } = book;
      const make = (row: number) =>
        new RateGate({
          row: new RateRow({ memory, row, worker }),
          wheel,
          workers,
          clock_offset_ms,
        });
      return { wheel, gates: new RateGates({ make }), clock_offset_ms };
    });
  }

  /** A session with so much to send, which sends whenever it may. */
  session(rates: { key: string; bytes_per_s: number }[], { wants = Infinity, worker = 0 } = {}) {
    const { gates, clock_offset_ms } = this.#workers[worker];
    const rows = this.book.take(rates);
    const session = {
      sent: 0,
      wants,
      rates: SessionRates.of(rows, { gates, owner: { allowed: () => session.pump() } })!,
      pump: () => {
        for (let left = session.wants - session.sent; left > 0;) {
          const room = session.rates.room(this.now_ms - clock_offset_ms);
          if (room === 0) break;
          const bytes = Math.min(left, room, 65_536);
          session.rates.use(bytes);
          session.sent += bytes;
          left -= bytes;
        }
        session.rates.settle(this.now_ms - clock_offset_ms, { more: false });
      },
      close: () => {
        session.rates.close(this.now_ms - clock_offset_ms);
        this.book.giveBack(rows);
      },
    };
    return session;
  }

  run(ms: number): void {
    for (const until_ms = this.now_ms + ms; this.now_ms < until_ms; this.now_ms += 5) {
      for (const { wheel, clock_offset_ms } of this.#workers) {
        wheel.advance(this.now_ms - clock_offset_ms);
      }
    }
  }
}

const rate = (bytes_per_s: number, key = "alice") => [{ key, bytes_per_s }];

test("sessions of one key get the same, in all what the key may have", () => {
  const machine = new Machine();
  const sessions = [1, 2, 3, 4].map(() => machine.session(rate(1_000_000)));
  for (const session of sessions) session.pump();
  machine.run(10_000);
  const sent = sessions.map((session) => session.sent);
  const all = sent.reduce((sum, one) => sum + one);
  expect(all).toBeGreaterThan(9_800_000);
  expect(all).toBeLessThan(10_210_000);
  // The first one has had the burst.
  expect(Math.max(...sent) - Math.min(...sent)).toBeLessThan(250_000);
});

test("sessions on several workers get the same, however many each worker has", () => {
  const machine = new Machine({ workers: 3 });
  const where = [0, 0, 0, 0, 0, 1, 2];
  const sessions = where.map((worker) => machine.session(rate(1_000_000), { worker }));
  for (const session of sessions) session.pump();
  machine.run(20_000);
  const sent = sessions.map((session) => session.sent);
  expect(sent.reduce((sum, one) => sum + one)).toBeLessThan(20_210_000);
  expect(sent.reduce((sum, one) => sum + one)).toBeGreaterThan(19_000_000);
  expect(Math.max(...sent)).toBeLessThan(1.5 * Math.min(...sent));
});

test("what one session leaves of its share is the others'", () => {
  const machine = new Machine();
  const greedy = [machine.session(rate(1_000_000)), machine.session(rate(1_000_000))];
  for (const session of greedy) session.pump();
  const modest = machine.session(rate(1_000_000), { wants: 0 });
  for (let i = 0; i < 100; i++) {
    modest.wants += 2000;
    modest.pump();
    machine.run(100);
  }
  expect(modest.sent).toBeGreaterThan(190_000);
  const all = greedy[0].sent + greedy[1].sent + modest.sent;
  expect(all).toBeGreaterThan(9_800_000);
  expect(all).toBeLessThan(10_210_000);
});

test("of several bounds the narrowest holds, and the others lose nothing by it", () => {
  const machine = new Machine();
  const both = machine.session([...rate(300_000, "narrow"), ...rate(1_000_000, "wide")]);
  const wide = machine.session(rate(1_000_000, "wide"));
  const turned = machine.session([...rate(1_000_000, "wide"), ...rate(300_000, "narrow")]);
  for (const session of [both, wide, turned]) session.pump();
  machine.run(10_000);
  const narrow = both.sent + turned.sent;
  expect(narrow).toBeLessThan(3_070_000);
  expect(narrow).toBeGreaterThan(2_700_000);
  expect(narrow + wide.sent).toBeGreaterThan(9_500_000);
  expect(narrow + wide.sent).toBeLessThan(10_210_000);
});

test("nobody keeps an allowance that he does not use", () => {
  const machine = new Machine();
  const idle = Array.from({ length: 50 }, () => machine.session(rate(1_000_000), { wants: 1 }));
  for (const session of idle) session.pump();
  machine.run(1000);
  for (const session of idle) {
    session.wants = Infinity;
    session.pump();
  }
  const sent = idle.reduce((sum, session) => sum + session.sent, 0);
  expect(sent).toBeLessThan(201_000);
});

test("a message greater than what was left is paid for afterwards", () => {
  const machine = new Machine();
  const session = machine.session(rate(1_000_000));
  expect(session.rates.room(machine.now_ms - 100)).toBeGreaterThan(0);
  session.rates.use(1_000_000);
  session.rates.settle(machine.now_ms - 100, { more: false });
  session.pump();
  expect(session.sent).toBe(0);
  expect(session.rates.waits).toBe(true);
  // A second's worth, less the burst.
  machine.run(700);
  expect(session.sent).toBe(0);
  machine.run(400);
  expect(session.sent).toBeGreaterThan(0);
});

test("a rate that is lifted lets all who wait go on", () => {
  const machine = new Machine();
  const sessions = [1, 2, 3].map(() => machine.session(rate(2000), { wants: 10_000_000 }));
  for (const session of sessions) session.pump();
  machine.book.set({ key: "alice", bytes_per_s: 0 });
  machine.run(1100);
  expect(sessions.map((session) => session.sent)).toEqual([10_000_000, 10_000_000, 10_000_000]);
});

describe("an end while it waits", () => {
  test("leaves the others in their order, and the key with its last session", () => {
    const machine = new Machine();
    const sessions = [1, 2, 3, 4].map(() => machine.session(rate(100_000)));
    for (const session of sessions) session.pump();
    expect(sessions.map(({ rates }) => rates.waits)).toEqual([true, true, true, true]);
    sessions[1].close();
    sessions[1].rates.close(0);
    sessions[3].close();
    machine.run(2000);
    expect(sessions[0].sent).toBeGreaterThan(100_000);
    expect(sessions[2].sent).toBeGreaterThan(50_000);
    expect(machine.book.size).toBe(1);
    sessions[0].close();
    sessions[2].close();
    expect(machine.book.size).toBe(0);
    machine.run(2000);
    // The next one of the key waits for nobody.
    const next = machine.session(rate(100_000), { wants: GRAIN_BYTES });
    next.pump();
    expect(next.sent).toBe(GRAIN_BYTES);
  });

  test("of a whole worker does not make the others wait for those who were there", () => {
    const machine = new Machine({ workers: 2 });
    const lost = machine.session(rate(100_000), { worker: 1 });
    lost.pump();
    expect(lost.rates.waits).toBe(true);
    machine.book.forgetWorker(1);
    machine.now_ms += 1000;
    const here = machine.session(rate(100_000), { wants: 10_000 });
    here.pump();
    expect(here.sent).toBe(10_000);
  });
});

test("a book has a row per key, each once, gives rows back and says when it is full", () => {
  const book = new RateBook({ keys_max: 2, now_ms: () => 0 });
  const twice = book.take([...rate(1000, "a"), ...rate(2000, "a")]);
  expect(twice).toHaveLength(1);
  const row = new RateRow({ memory: book.memory, row: twice[0], worker: 0 });
  expect(row.bytes_per_s).toBe(2000);
  const other = book.take(rate(0, "b"));
  expect(() => book.take([...rate(1, "a"), ...rate(1, "c")])).toThrow(RateBookFull);
  expect(book.size).toBe(2);
  expect(row.bytes_per_s).toBe(2000);
  book.set({ key: "a", bytes_per_s: 5000 });
  expect(row.bytes_per_s).toBe(5000);
  book.giveBack(other);
  const [reused] = book.take(rate(0, "c"));
  expect(reused).toBe(other[0]);
  book.giveBack(twice);
  book.giveBack([reused]);
  expect(book.size).toBe(0);
});
