import { expect, test } from "bun:test";
import type { PlaneEvent } from "../../../src/data/plane.ts";
import { ShedReports } from "../../../src/data/shed-reports.ts";
import { TimerWheel } from "../../../src/data/timer-wheel.ts";

type Shed = Extract<PlaneEvent, { type: "shed" }>;
const shed = (port: number, limit: Shed["limit"], remote = "10.0.0.1:9"): Shed => ({
  type: "shed",
  port,
  limit,
  count: 1,
  remote,
});

test("are told at most once a second for each port and bound, and lose none", () => {
  const wheel = new TimerWheel({ now_ms: 0 });
  const told: { at_ms: number; event: Shed }[] = [];
  let now_ms = 0;
  const reports = new ShedReports({
    wheel,
    report: (event) => told.push({ at_ms: now_ms, event: { ...event } }),
    place: ({ port }) => port,
  });
  let shed_in_all = 0;
  for (; now_ms < 5_000; now_ms += 10) {
    reports.add(shed(2300, "unproven_max"), now_ms);
    if (now_ms % 20 === 0) reports.add(shed(2300, "descriptors"), now_ms);
    if (now_ms % 50 === 0) reports.add(shed(2301, "unproven_max"), now_ms);
    shed_in_all += 1 + Number(now_ms % 20 === 0) + Number(now_ms % 50 === 0);
    wheel.advance(now_ms);
  }
  for (; now_ms < 7_000; now_ms += 10) wheel.advance(now_ms);
  expect(told.reduce((sum, { event }) => sum + event.count, 0)).toBe(shed_in_all);
  for (const key of ["2300 unproven_max", "2300 descriptors", "2301 unproven_max"]) {
    const times = told.filter(({ event }) => `${event.port} ${event.limit}` === key)
      .map(({ at_ms }) => at_ms);
    expect(times.length).toBeGreaterThan(3);
    for (let i = 1; i < times.length; i++) {
      expect(times[i] - times[i - 1]).toBeGreaterThanOrEqual(1_000);
    }
  }
  expect(wheel.nextDelay(now_ms)).toBe(-1);
});

test("leave the event that was given as it was, and name the first who was shed", () => {
  const wheel = new TimerWheel({ now_ms: 0 });
  const told: Shed[] = [];
  const reports = new ShedReports({
    wheel,
    report: (event) => told.push(event),
    place: ({ port }) => port,
  });
  const first = shed(1, "unproven_max", "10.0.0.1:1");
  reports.add(first, 0);
  reports.add(shed(1, "unproven_max", "10.0.0.2:2"), 500);
  wheel.advance(1_100);
  expect(told).toEqual([{ ...first, count: 2 }]);
  expect(first.count).toBe(1);
});
