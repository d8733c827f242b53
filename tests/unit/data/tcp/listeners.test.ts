import { afterAll, expect, test } from "bun:test";
import { connect } from "node:net";
import { type Libc, openLibc } from "../../../../ffi/libc/mod.ts";
import { AddressRules } from "../../../../src/data/address-rules.ts";
import type { PlaneEvent } from "../../../../src/data/plane.ts";
import type { Accepted } from "../../../../src/data/tcp/accept-loop.ts";
import { type Acceptor, TcpListeners } from "../../../../src/data/tcp/listeners.ts";
import { Poller } from "../../../../src/data/tcp/poller.ts";
import { TimerWheel } from "../../../../src/data/timer-wheel.ts";
import type { TcpWorkerSettings } from "../../../../src/data/worker-protocol.ts";
import { claimPorts } from "../../../harness/free-ports.ts";

const libc: Libc = openLibc();
const poller = new Poller({ libc });
const wheel = new TimerWheel({ now_ms: 0 });
const events: PlaneEvent[] = [];
let now_ms = 0;
const addresses = new AddressRules({ trusted_proxies: [], proxy_header: "required" });
const listeners = new TcpListeners({
  libc,
  poller,
  wheel,
  settings: { bind_address: "127.0.0.1", sndbuf_bytes: 0, rcvbuf_bytes: 0 } as TcpWorkerSettings,
  addresses,
  event: (event) => events.push(event),
  now_ms: () => now_ms,
});
const block = await claimPorts({ tcp_ports: 1, srt_ports: 1 });
const port = block.tcp.first;
afterAll(async () => {
  listeners.close();
  poller.close();
  await block.release();
});

class Port implements Acceptor {
  readonly port = port;
  readonly session: object | null;
  constructor(session: object | null = {}) {
    this.session = session;
  }
  readonly accepted: Accepted[] = [];
  accept(accepted: Accepted): void {
    this.accepted.push(accepted);
    libc.close(accepted.fd);
  }
}

function pass(ms: number): void {
  now_ms += ms;
  wheel.advance(now_ms);
}

/** Whether somebody listens, and lets the listener accept. */
function knock(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      poller.tell(poller.wait(1_000));
      resolve(true);
    });
    socket.once("error", () => resolve(false));
    socket.once("close", () => socket.destroy());
  });
}

test("a port closes with its session, and goes on for a moment in a stream of them", async () => {
  const first = new Port();
  listeners.open(first);
  expect(await knock()).toBe(true);
  expect(first.accepted.length).toBe(1);
  pass(1_000);
  listeners.rest(first);
  expect(await knock()).toBe(false);

  // Granted again within the moment: it stays, and a stranger is told of and closed.
  pass(50);
  const second = new Port();
  listeners.open(second);
  pass(10);
  listeners.rest(second);
  expect(await knock()).toBe(true);
  expect(second.accepted).toEqual([]);
  expect(events).toMatchObject([{ type: "rejected", port, status: "alloc_mismatch" }]);

  // A reservation that expires closes it all the same.
  const expired = new Port(null);
  listeners.open(expired);
  listeners.rest(expired);
  expect(await knock()).toBe(false);
  const after = new Port();
  listeners.open(after);
  listeners.rest(after);

  // The next session has the same listener, and nobody wants it any more after that.
  const third = new Port();
  listeners.open(third);
  expect(await knock()).toBe(true);
  expect(third.accepted.length).toBe(1);
  listeners.rest(third);
  pass(150);
  expect(await knock()).toBe(false);

  // After a pause it is a port like any other.
  pass(5_000);
  const fourth = new Port();
  listeners.open(fourth);
  pass(10);
  listeners.rest(fourth);
  expect(await knock()).toBe(false);
});

test("an address that is banned is closed at once, unless a trusted proxy has it", async () => {
  events.length = 0;
  const acceptor = new Port();
  listeners.open(acceptor);
  addresses.ban(["127.0.0.0/8"]);
  expect(await knock()).toBe(true);
  expect(acceptor.accepted).toEqual([]);
  expect(events).toEqual([
    {
      type: "shed",
      port,
      limit: "banned",
      count: 1,
      remote: expect.stringMatching(/^127\.0\.0\.1:/),
    },
  ]);
  // Its clients are banned one by one, once it has said who they are.
  addresses.apply({ trusted_proxies: ["127.0.0.1"], proxy_header: "required" });
  expect(await knock()).toBe(true);
  addresses.apply({ trusted_proxies: [], proxy_header: "required" });
  addresses.unban(["127.0.0.0/8"]);
  expect(await knock()).toBe(true);
  expect(acceptor.accepted.length).toBe(2);
  expect(events.length).toBe(1);
  listeners.rest(acceptor);
});
