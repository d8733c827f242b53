import { expect, test } from "bun:test";
import { type Libsrt, SRTS_NONEXIST } from "../../../../ffi/libsrt/mod.ts";
import { AddressRules } from "../../../../src/data/address-rules.ts";
import { type Accepted, type Acceptor, SrtListeners } from "../../../../src/data/srt/listeners.ts";
import type { PlaneEvent, SrtWishes } from "../../../../src/data/plane.ts";
import { SrtPoller } from "../../../../src/data/srt/poller.ts";
import { TimerWheel } from "../../../../src/data/timer-wheel.ts";
import type { SrtWorkerSettings } from "../../../../src/data/worker-protocol.ts";

const port = 2350;
const settings = {
  bind_address: "127.0.0.1",
  latency_ms: 120,
  maxbw_bps: 0,
  inputbw_bps: 0,
  ipttl: 64,
  passphrase: "",
} as SrtWorkerSettings;

/** A libsrt in which sockets are numbers: closing takes until `collect()`, arrivals are announced. */
class FakeLibsrt {
  readonly listening = new Set<number>();
  readonly closing = new Set<number>();
  readonly closed: number[] = [];
  #made = 100;
  #arrivals: number[] = [];
  #told: number[] = [];
  #watched = new Set<number>();

  srt_create_socket = () => ++this.#made;
  setOption = () => {};
  srt_bind = () => 0;
  srt_listen = (socket: number) => {
    this.listening.add(socket);
    return 0;
  };
  srt_close = (socket: number) => {
    this.listening.delete(socket);
    this.closing.add(socket);
    this.closed.push(socket);
    return 0;
  };
  srt_getsockstate = (socket: number) => this.closing.has(socket) ? 8 : SRTS_NONEXIST;
  srt_epoll_create = () => 1;
  srt_epoll_set = () => 0;
  srt_epoll_add_usock = (_: number, socket: number) => {
    this.#watched.add(socket);
    return 0;
  };
  srt_epoll_update_usock = () => 0;
  srt_epoll_remove_usock = (_: number, socket: number) => {
    this.#watched.delete(socket);
    return 0;
  };
  srt_epoll_uwait = (_: number, events: Int32Array) => {
    const told = this.#told.filter((socket) => this.#watched.has(socket));
    this.#told = [];
    told.forEach((socket, i) => events.set([socket, 1], 2 * i));
    return told.length;
  };
  srt_accept = (_: number, peer: Uint8Array) => {
    peer.set([2, 0, 0, 7, 10, 0, 0, 1]);
    return this.#arrivals.shift() ?? -1;
  };
  lastError = () => 6002;
  failure = (call: string) => new Error(call);

  /** libsrt's collector has come by. */
  collect(): void {
    this.closing.clear();
  }

  /** Somebody connects. */
  arrive(socket: number): void {
    this.#arrivals.push(socket);
    this.#told = [...this.listening];
  }
}

class Port implements Acceptor {
  readonly port = port;
  readonly wishes: SrtWishes;
  readonly passphrase: string;
  readonly accepted: number[] = [];
  outcome: Error | null | "none" = "none";
  constructor(wishes: SrtWishes = {}) {
    this.wishes = wishes;
    this.passphrase = wishes.passphrase ?? settings.passphrase;
  }
  accept({ socket }: Accepted): void {
    this.accepted.push(socket);
  }
  done = (failure: Error | null) => {
    this.outcome = failure;
  };
}

function setUp() {
  const fake = new FakeLibsrt();
  const libsrt = fake as unknown as Libsrt;
  const poller = new SrtPoller({ libsrt });
  const wheel = new TimerWheel({ now_ms: 0 });
  const strangers: PlaneEvent[] = [];
  const clock = { now_ms: 0 };
  const rules = { ...settings };
  const addresses = new AddressRules({ trusted_proxies: [], proxy_header: "required" });
  const listeners = new SrtListeners({
    libsrt,
    poller,
    wheel,
    settings: rules,
    addresses,
    event: (event) => strangers.push(event),
    now_ms: () => clock.now_ms,
  });
  const at = (now_ms: number) => clock.now_ms = now_ms;
  const open = (now_ms: number, who: Port) => {
    at(now_ms);
    listeners.open(who, who.done);
  };
  const leave = (now_ms: number, who: Port) => {
    at(now_ms);
    let freed = false;
    listeners.leave(who, () => freed = true);
    return () => freed;
  };
  const advance = (now_ms: number) => wheel.advance(at(now_ms));
  return { fake, poller, strangers, addresses, rules, listeners, open, leave, advance };
}

test("a listener rests after its session and is used again by the next", () => {
  const { fake, poller, strangers, open, leave, advance } = setUp();
  const [first, second] = [new Port(), new Port()];
  open(0, first);
  expect(first.outcome).toBeNull();
  fake.arrive(1);
  poller.tell(poller.wait(0));
  leave(1_000, first);
  fake.arrive(2);
  poller.tell(poller.wait(0));
  expect(first.accepted).toEqual([1]);
  expect(strangers).toMatchObject([{ type: "rejected", port, remote: "10.0.0.1:7" }]);
  expect(fake.closed).toEqual([2]);

  advance(20_000);
  open(20_000, second);
  // The first one's rest would have been over by now.
  advance(60_000);
  fake.arrive(3);
  poller.tell(poller.wait(0));
  expect([second.accepted, fake.listening.size]).toEqual([[3], 1]);
});

test("a port whose listener is leaving opens when it is gone", () => {
  const { fake, open, leave, advance } = setUp();
  const [first, second] = [new Port(), new Port()];
  open(0, first);
  leave(0, first);
  advance(31_000);
  expect(fake.listening.size).toBe(0);
  open(31_000, second);
  advance(32_000);
  expect(second.outcome).toBe("none");
  fake.collect();
  advance(32_200);
  expect([second.outcome, fake.listening.size]).toEqual([null, 1]);
});

test("who was released while its port's listener was leaving does not take it from the next", () => {
  // Both look again each 100 ms; whose look is the first after the listener is gone is chance.
  for (let gone_ms = 31_050; gone_ms < 31_400; gone_ms += 10) {
    const { fake, poller, open, leave, advance } = setUp();
    const [first, released, current] = [new Port(), new Port(), new Port()];
    open(0, first);
    leave(0, first);
    advance(31_000);
    open(31_000, released);
    leave(31_020, released);
    open(31_040, current);
    for (let now_ms = 31_050; now_ms < 32_000; now_ms += 10) {
      if (now_ms === gone_ms) fake.collect();
      advance(now_ms);
    }
    fake.arrive(9);
    poller.tell(poller.wait(0));
    expect(`gone at ${gone_ms}: ${current.accepted}`).toBe(`gone at ${gone_ms}: 9`);
    expect(released.outcome).toBe("none");
  }
});

test("a listener with wishes is never used again, and its port is free when libsrt has let go", () => {
  const { fake, listeners, open, leave, advance } = setUp();
  const [first, second] = [new Port({ passphrase: "of the first" }), new Port()];
  open(0, first);
  const freed = leave(1_000, first);
  advance(2_000);
  expect([freed(), fake.listening.size]).toEqual([false, 0]);
  fake.collect();
  advance(2_200);
  expect(freed()).toBe(true);
  open(2_300, second);
  expect([second.outcome, fake.listening.size]).toEqual([null, 1]);

  // Whoever waits when everything ends is told as well.
  const [last] = [new Port({ latency_ms: 500 })];
  leave(2_400, second);
  open(2_500, last);
  expect(last.outcome).toBe("none");
  fake.collect();
  advance(2_700);
  const over = leave(2_800, last);
  listeners.close();
  expect([last.outcome, over()]).toEqual([null, true]);
});

test("an address that is banned is closed at once, whether or not there is a session", () => {
  const { fake, poller, strangers, addresses, open, leave } = setUp();
  const port_of_session = new Port();
  const knock = (socket: number) => {
    fake.arrive(socket);
    poller.tell(poller.wait(0));
  };
  open(0, port_of_session);
  addresses.ban(["10.0.0.0/8"]);
  knock(1);
  leave(1_000, port_of_session);
  knock(2);
  const shed = { type: "shed", port, limit: "banned", count: 1, remote: "10.0.0.1:7" };
  expect(strangers).toEqual([shed, shed] as PlaneEvent[]);
  expect(fake.closed).toEqual([1, 2]);
  addresses.unban(["10.0.0.0/8"]);
  open(2_000, port_of_session);
  knock(3);
  expect(port_of_session.accepted).toEqual([3]);
});

test("with other options, listeners at rest are closed and those in use when they are left", () => {
  const { fake, rules, listeners, open, leave, advance } = setUp();
  const [rested, used, next] = [new Port(), new Port(), new Port()];
  open(0, rested);
  const [old] = fake.listening;
  leave(10, rested);
  listeners.apply();
  expect(fake.listening.size).toBe(1);
  rules.latency_ms = 500;
  listeners.apply();
  expect(fake.closed).toEqual([old]);
  fake.collect();
  open(20, used);
  expect(used.outcome).toBeNull();
  expect(listeners.isOutdated(used)).toBe(false);
  rules.maxbw_bps = 1_000_000;
  listeners.apply();
  expect(listeners.isOutdated(used)).toBe(true);
  expect(fake.listening.size).toBe(1);
  expect(leave(30, used)()).toBe(true);
  expect(fake.listening.size).toBe(0);
  open(40, next);
  expect(next.outcome).toBe("none");
  fake.collect();
  advance(200);
  expect(next.outcome).toBeNull();
});

test("a listener with a passphrase of the settings' is outdated when that changes", () => {
  const { rules, listeners, open } = setUp();
  const [plain, own] = [new Port(), new Port({ passphrase: "its own, always" })];
  open(0, plain);
  rules.passphrase = "another one";
  expect(listeners.isOutdated(plain)).toBe(true);
  listeners.drop(plain);
  expect(listeners.isOutdated(plain)).toBe(false);
  open(10, own);
  rules.passphrase = "yet another";
  expect(listeners.isOutdated(own)).toBe(false);
});

test("a port that is in use is nobody else's, and one who is dropped waits no more", () => {
  const { fake, listeners, open, advance } = setUp();
  const [first, second, third] = [new Port(), new Port(), new Port()];
  open(0, first);
  open(10, second);
  expect(second.outcome).toMatchObject({ code: "EADDRINUSE" });
  listeners.drop(second);
  expect(fake.closed).toEqual([]);
  listeners.drop(first);
  expect(fake.closed).toHaveLength(1);
  open(20, third);
  listeners.drop(third);
  fake.collect();
  advance(1000);
  expect(third.outcome).toBe("none");
  expect(fake.listening.size).toBe(0);
});
