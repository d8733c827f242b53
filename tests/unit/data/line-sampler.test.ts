import { expect, test } from "bun:test";
import { LineSampler } from "../../../src/data/line-sampler.ts";
import { TimerWheel } from "../../../src/data/timer-wheel.ts";

test("looks once a second at the lines that have moved, and at no others", () => {
  const wheel = new TimerWheel({ now_ms: 0 });
  const sampler = new LineSampler({ wheel });
  const counts = { busy: 0, once: 0, gone: 0 };
  const line = (name: keyof typeof counts) => ({ sample: () => void counts[name]++ });
  const [busy, once, gone] = [line("busy"), line("once"), line("gone")];
  sampler.moved(once, 0);
  sampler.moved(gone, 0);
  sampler.forget(gone);
  for (let now_ms = 0; now_ms < 10_000; now_ms += 10) {
    sampler.moved(busy, now_ms);
    wheel.advance(now_ms);
  }
  expect(counts.once).toBe(1);
  expect(counts.gone).toBe(0);
  expect(counts.busy).toBeGreaterThanOrEqual(8);
  expect(counts.busy).toBeLessThanOrEqual(10);
  wheel.advance(12_000);
  expect(wheel.nextDelay(12_000)).toBe(-1);
});
