import { expect, test } from "bun:test";
import { Admission } from "../../../src/data/admission.ts";
import { TimerWheel } from "../../../src/data/timer-wheel.ts";
import { UnprovenConnections } from "../../../src/data/unproven.ts";

interface Peer {
  address: string;
}

function setUp() {
  const wheel = new TimerWheel({ now_ms: 0 });
  const admission = new Admission({
    unproven_max: 3,
    unproven_per_address_max: 2,
    unproven_prefix: "",
  });
  const overdue: Peer[] = [];
  const unproven = new UnprovenConnections<Peer>({
    admission,
    wheel,
    settings: { hello_timeout_ms: 2_000 },
    owner: {
      helloOverdue: (peer) => {
        overdue.push(peer);
        unproven.delete(peer);
      },
    },
  });
  const enter = (address: string, now_ms: number): Peer => {
    expect(unproven.admit(address)).toBeNull();
    const peer = { address };
    unproven.add(peer, now_ms);
    return peer;
  };
  return { wheel, admission, overdue, unproven, enter };
}

test("who says nothing in time is told of once, and no longer counts", () => {
  const { wheel, admission, overdue, enter } = setUp();
  const early = enter("a", 0);
  const late = enter("a", 1_000);
  wheel.advance(1_990);
  expect(overdue).toEqual([]);
  wheel.advance(2_060);
  expect(overdue).toEqual([early]);
  expect(admission.total).toBe(1);
  wheel.advance(10_000);
  expect(overdue).toEqual([early, late]);
  expect(admission.total).toBe(0);
});

test("who has proven itself is neither counted nor overdue, however often that is said", () => {
  const { wheel, admission, overdue, unproven, enter } = setUp();
  const [one, two] = [enter("a", 0), enter("a", 0)];
  expect(unproven.admit("a")).toBe("unproven_per_address_max");
  unproven.delete(one);
  unproven.delete(one);
  expect(admission.total).toBe(1);
  expect([...unproven]).toEqual([two]);
  enter("b", 0);
  enter("a", 0);
  expect(unproven.admit("c")).toBe("unproven_max");
  // Taking them out while going over them leaves none behind.
  for (const peer of unproven) unproven.delete(peer);
  expect([[...unproven].length, admission.total]).toEqual([0, 0]);
  wheel.advance(60_000);
  expect(overdue).toEqual([]);
});

test("who turns out to come from elsewhere is counted there", () => {
  const { admission, unproven, enter } = setUp();
  const [one, two] = [enter("proxy", 0), enter("proxy", 0)];
  expect(unproven.move(one, "a")).toBeNull();
  expect(one.address).toBe("a");
  expect(unproven.move(two, "a")).toBeNull();
  const three = enter("proxy", 0);
  // Where there are enough already it is still counted where it was.
  expect(unproven.move(three, "a")).toBe("unproven_per_address_max");
  expect([three.address, admission.total]).toEqual(["proxy", 3]);
  for (const peer of [one, two, three]) unproven.delete(peer);
  expect(admission.total).toBe(0);
  for (const address of ["a", "proxy"]) {
    expect([unproven.admit(address), unproven.admit(address)]).toEqual([null, null]);
    expect(unproven.admit(address)).toBe("unproven_per_address_max");
    admission.leave(address);
    admission.leave(address);
  }
});
