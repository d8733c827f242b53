import { describe, expect, test } from "bun:test";
import { Deadline, TimerWheel } from "../../../src/data/timer-wheel.ts";
import { announcedRandom } from "../../harness/random.ts";

/** The wheel promises to be at most this late when it is advanced in time. */
const slot_ms = 50;

describe("the timer wheel", () => {
  test("fires once, never early, at most a slot late", () => {
    for (const start_ms of [0, 1, 49.9, 1_000_000.3]) {
      for (const after_ms of [0, 0.1, 49, 50, 51, 2_000, 12_799, 12_800, 12_801, 60_000, 90_061]) {
        const wheel = new TimerWheel({ now_ms: start_ms });
        const fired: number[] = [];
        wheel.schedule(new Deadline((now_ms) => fired.push(now_ms)), start_ms + after_ms);
        for (let now = start_ms; now < start_ms + after_ms + 200; now += 7.3) wheel.advance(now);
        expect(fired.length).toBe(1);
        expect(fired[0]).toBeGreaterThanOrEqual(start_ms + after_ms);
        expect(fired[0]).toBeLessThan(start_ms + after_ms + 2 * slot_ms + 7.3);
      }
    }
  });

  test("a deadline that is set again counts from then", () => {
    const wheel = new TimerWheel({ now_ms: 0 });
    let fired = 0;
    const deadline = new Deadline(() => fired++);
    wheel.schedule(deadline, 100);
    wheel.schedule(deadline, 1_000);
    wheel.advance(900);
    expect([fired, deadline.set]).toEqual([0, true]);
    wheel.advance(1_050);
    expect([fired, deadline.set]).toEqual([1, false]);
    expect(wheel.nextDelay(1_050)).toBe(-1);
  });

  test("one that fires may cancel its neighbour, itself, or set itself again", () => {
    const wheel = new TimerWheel({ now_ms: 0 });
    const fired: string[] = [];
    const pair: Deadline[] = [];
    // Whichever is first keeps the other from firing.
    for (const name of ["a", "b"]) {
      pair.push(
        new Deadline(() => {
          fired.push(name);
          for (const one of pair) wheel.cancel(one);
        }),
      );
      wheel.schedule(pair.at(-1)!, 100);
    }
    let again = 0;
    const repeating = new Deadline((now_ms) => {
      again++;
      wheel.schedule(repeating, now_ms);
    });
    wheel.schedule(repeating, 100);
    wheel.advance(150);
    expect([fired.length, again]).toEqual([1, 1]);
    wheel.advance(200);
    wheel.advance(250);
    expect(again).toBe(3);
    wheel.cancel(repeating);
    wheel.cancel(repeating);
    expect(wheel.nextDelay(250)).toBe(-1);
  });

  test("a pause of many rounds fires everything once", () => {
    const wheel = new TimerWheel({ now_ms: 0 });
    let fired = 0;
    for (let i = 0; i < 1_000; i++) wheel.schedule(new Deadline(() => fired++), i * 37);
    wheel.advance(3_600_000);
    expect(fired).toBe(1_000);
    wheel.advance(3_700_000);
    expect(fired).toBe(1_000);
  });

  test("thousands of random deadlines against a list that is searched", () => {
    const random = announcedRandom("timer wheel");
    let now_ms = random.next() * 100_000;
    const wheel = new TimerWheel({ now_ms });
    const model = new Map<Deadline, number>();
    let last_advance_ms = now_ms;
    let fired = 0;
    let advancing = false;
    const make = (): Deadline => {
      const deadline: Deadline = new Deadline((at_ms) => {
        const due_ms = model.get(deadline);
        if (!advancing || due_ms === undefined) throw new Error("fired although it was not set");
        if (at_ms < due_ms) throw new Error(`fired ${due_ms - at_ms} ms early`);
        model.delete(deadline);
        fired++;
        if (random.next() < 0.3) set(deadline);
        if (random.next() < 0.1) drop(random.pick(all));
      });
      return deadline;
    };
    const set = (deadline: Deadline) => {
      const after_ms = random.pick([0, 3, 49, 200, 2_000, 13_000, 60_000]) * random.next() * 2;
      model.set(deadline, now_ms + after_ms);
      wheel.schedule(deadline, now_ms + after_ms);
    };
    const drop = (deadline: Deadline) => {
      model.delete(deadline);
      wheel.cancel(deadline);
    };
    const all = Array.from({ length: 400 }, make);
    for (let step = 0; step < 20_000; step++) {
      const choice = random.next();
      if (choice < 0.4) set(random.pick(all));
      else if (choice < 0.5) drop(random.pick(all));
      else {
        const delay_ms = wheel.nextDelay(now_ms);
        const nearest_ms = Math.min(...model.values());
        if (model.size === 0) expect(delay_ms).toBe(-1);
        else {
          expect(delay_ms).toBeGreaterThanOrEqual(0);
          // Whoever sleeps so long and then advances is not later than the slot's width.
          const late_ms = now_ms + delay_ms - Math.max(nearest_ms, last_advance_ms);
          expect(late_ms).toBeLessThanOrEqual(2 * slot_ms + 1);
        }
        // Sometimes the whole sleep, sometimes woken early, sometimes far too late.
        const slept_ms = random.pick([
          Math.max(delay_ms, 0),
          random.next() * 30,
          random.next() * 20_000,
        ]);
        now_ms += slept_ms;
        advancing = true;
        wheel.advance(now_ms);
        advancing = false;
        last_advance_ms = now_ms;
        for (const [deadline, due_ms] of model) {
          expect(deadline.set).toBe(true);
          if (due_ms < now_ms - slot_ms - 0.001) {
            throw new Error(`${now_ms - due_ms} ms overdue after advancing`);
          }
        }
      }
    }
    expect(fired).toBeGreaterThan(1_000);
  });
});
