import { expect, test } from "bun:test";
import { Silence } from "../../../src/data/silence.ts";
import { TimerWheel } from "../../../src/data/timer-wheel.ts";

function setUp(timeout_ms: number) {
  const wheel = new TimerWheel({ now_ms: 0 });
  const silent_ms: number[] = [];
  let now_ms = 0;
  const silence = new Silence({
    wheel,
    timeout_ms,
    owner: { close: () => silent_ms.push(now_ms), held: false },
  });
  const until = (end_ms: number, each: (at_ms: number) => void = () => {}) => {
    for (; now_ms <= end_ms; now_ms += 10) {
      each(now_ms);
      wheel.advance(now_ms);
    }
  };
  return { wheel, silence, silent_ms, until };
}

test("is noticed once, when nothing has been heard for the whole time", () => {
  const { silence, silent_ms, until } = setUp(1_000);
  silence.start(0);
  until(5_000, (at_ms) => silence.heard(at_ms));
  expect(silent_ms).toEqual([]);
  until(9_000);
  expect(silent_ms.length).toBe(1);
  expect(silent_ms[0]).toBeGreaterThanOrEqual(6_000);
  expect(silent_ms[0]).toBeLessThanOrEqual(6_060);
});

test("is not noticed after the stop, nor ever with a time of 0", () => {
  const stopped = setUp(1_000);
  stopped.silence.start(0);
  stopped.until(900);
  stopped.silence.stop();
  const never = setUp(0);
  never.silence.start(0);
  for (const { until, silent_ms, wheel } of [stopped, never]) {
    until(100_000);
    expect(silent_ms).toEqual([]);
    expect(wheel.nextDelay(100_000)).toBe(-1);
  }
});
