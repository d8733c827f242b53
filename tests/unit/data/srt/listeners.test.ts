import { expect, test } from "bun:test";
import { type Libsrt, SRTS_NONEXIST } from "../../../../ffi/libsrt/mod.ts";
import { type Accepted, type Acceptor, SrtListeners } from "../../../../src/data/srt/listeners.ts";
import { SrtPoller } from "../../../../src/data/srt/poller.ts";
import { TimerWheel } from "../../../../src/data/timer-wheel.ts";
import type { SrtWorkerSettings } from "../../../../src/data/worker-protocol.ts";

const port = 2350;
const settings = {
  bind_address: "127.0.0.1",
  latency_ms: 120,
  maxbw_bps: 0,
  ipttl: 64,
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
  readonly accepted: number[] = [];
  outcome: Error | null | "none" = "none";
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
  const strangers: string[] = [];
  const listeners = new SrtListeners({
    libsrt,
    poller,
    wheel,
    settings,
    stranger: (at, remote) => strangers.push(`${at} ${remote}`),
    exhausted: (at) => strangers.push(`${at} exhausted`),
  });
  return { fake, poller, wheel, strangers, listeners };
}

test("a listener rests after its session and is used again by the next", () => {
  const { fake, poller, wheel, strangers, listeners } = setUp();
  const [first, second] = [new Port(), new Port()];
  listeners.open(port, 0, first, first.done);
  expect(first.outcome).toBeNull();
  fake.arrive(1);
  poller.tell(poller.wait(0));
  listeners.rest(first, 1_000);
  fake.arrive(2);
  poller.tell(poller.wait(0));
  expect(first.accepted).toEqual([1]);
  expect(strangers).toEqual([`${port} 10.0.0.1:7`]);
  expect(fake.closed).toEqual([2]);

  wheel.advance(20_000);
  listeners.open(port, 20_000, second, second.done);
  // The first one's rest would have been over by now.
  wheel.advance(60_000);
  fake.arrive(3);
  poller.tell(poller.wait(0));
  expect([second.accepted, fake.listening.size]).toEqual([[3], 1]);
});

test("a port whose listener is leaving opens when it is gone", () => {
  const { fake, wheel, listeners } = setUp();
  const [first, second] = [new Port(), new Port()];
  listeners.open(port, 0, first, first.done);
  listeners.rest(first, 0);
  wheel.advance(31_000);
  expect(fake.listening.size).toBe(0);
  listeners.open(port, 31_000, second, second.done);
  wheel.advance(32_000);
  expect(second.outcome).toBe("none");
  fake.collect();
  wheel.advance(32_200);
  expect([second.outcome, fake.listening.size]).toEqual([null, 1]);
});

test("who was released while its port's listener was leaving does not take it from the next", () => {
  // Both look again each 100 ms; whose look is the first after the listener is gone is chance.
  for (let gone_ms = 31_050; gone_ms < 31_400; gone_ms += 10) {
    const { fake, poller, wheel, listeners } = setUp();
    const [first, released, current] = [new Port(), new Port(), new Port()];
    listeners.open(port, 0, first, first.done);
    listeners.rest(first, 0);
    wheel.advance(31_000);
    listeners.open(port, 31_000, released, released.done);
    listeners.rest(released, 31_020);
    listeners.open(port, 31_040, current, current.done);
    for (let now_ms = 31_050; now_ms < 32_000; now_ms += 10) {
      if (now_ms === gone_ms) fake.collect();
      wheel.advance(now_ms);
    }
    fake.arrive(9);
    poller.tell(poller.wait(0));
    expect(`gone at ${gone_ms}: ${current.accepted}`).toBe(`gone at ${gone_ms}: 9`);
    expect(released.outcome).toBe("none");
  }
});
