import { expect, test } from "bun:test";
import { Quiet } from "../../../../src/data/tcp/quiet.ts";
import { TimerWheel } from "../../../../src/data/timer-wheel.ts";

function setUp() {
  const wheel = new TimerWheel({ now_ms: 0 });
  const be = { be_speaks: false, be_receives: false, quiet: 0, beIsQuiet: () => void be.quiet++ };
  const quiet = new Quiet({ wheel, owner: be });
  quiet.moved(0);
  quiet.await();
  const pass = (from_ms: number, to_ms: number) => {
    for (let now_ms = from_ms; now_ms <= to_ms; now_ms += 10) wheel.advance(now_ms);
  };
  return { be, quiet, pass };
}

test("250 ms without a byte are quiet, once, and not a moment before", () => {
  const { be, quiet, pass } = setUp();
  pass(0, 200);
  quiet.moved(200);
  quiet.await();
  pass(200, 440);
  expect(be.quiet).toBe(0);
  pass(450, 500);
  expect(be.quiet).toBe(1);
  pass(500, 2_000);
  expect(be.quiet).toBe(1);
});

for (const why of ["be_speaks", "be_receives"] as const) {
  test(`a BE of which ${why} is not quiet, however long nothing moves`, () => {
    const { be, pass } = setUp();
    be[why] = true;
    pass(0, 1_000);
    expect(be.quiet).toBe(0);
    be[why] = false;
    // Counted from the last look at which it was so.
    pass(1_010, 1_200);
    expect(be.quiet).toBe(0);
    pass(1_200, 1_600);
    expect(be.quiet).toBe(1);
  });
}

test("what is cancelled never comes", () => {
  const { be, quiet, pass } = setUp();
  quiet.cancel();
  pass(0, 1_000);
  expect(be.quiet).toBe(0);
});
