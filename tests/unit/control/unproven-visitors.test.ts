/** Who may be there without having proven anything: by which address they are counted and judged. */
import { expect, test } from "bun:test";
import { Socket } from "node:net";
import { UnprovenVisitors } from "../../../src/control/unproven-visitors.ts";
import { Visitor } from "../../../src/control/visitor.ts";
import { RepeatedLines } from "../../../src/observe/repeated-lines.ts";
import { RecordingLog } from "../sessions/recording-log.ts";
import { configOf } from "./gateway-fixture.ts";

const PROXY = "192.0.2.1";

function rig(limits = { unproven_max: 6, unproven_per_address_max: 2 }, auth_timeout = 60_000) {
  const log = new RecordingLog();
  const overdue: Visitor[] = [];
  const banned = new Set<string>();
  const unproven = new UnprovenVisitors({
    config: configOf({ limits, gateway: { auth_timeout } }),
    log,
    repeated: new RepeatedLines({ log }),
    isBanned: (address) => banned.has(address),
    onOverdue: (visitor) => overdue.push(visitor),
  });
  let port = 1000;
  const visitor = (address: string, awaited: Visitor["awaited"] = "first byte") => {
    const socket = new Socket();
    const number = port++;
    Object.defineProperty(socket, "remotePort", { get: () => number });
    const one = new Visitor({ socket, address });
    one.awaited = awaited;
    return one;
  };
  return { log, overdue, banned, unproven, visitor };
}

test("visitors are counted by their address until they are somebody or gone", () => {
  const { unproven, visitor } = rig();
  const [a, b] = [visitor("192.0.2.7"), visitor("192.0.2.7")];
  expect([unproven.admit(a), unproven.admit(b)]).toEqual([null, null]);
  expect(unproven.admit(visitor("192.0.2.7"))).toBe("unproven_per_address_max");
  expect(unproven.admit(visitor("192.0.2.8"))).toBeNull();
  unproven.delete(a);
  unproven.delete(a);
  expect(unproven.size).toBe(2);
  expect(unproven.admit(visitor("192.0.2.7"))).toBeNull();
});

test("whoever is judged again is counted once", () => {
  const { unproven, visitor } = rig();
  const one = visitor("192.0.2.7");
  for (let i = 0; i < 5; i++) expect(unproven.admit(one)).toBeNull();
  expect(unproven.size).toBe(1);
});

test("a proxy's connections count for themselves, then for whom it announces", () => {
  const { unproven, visitor } = rig();
  const through = Array.from({ length: 6 }, () => visitor(PROXY, "PROXY header"));
  for (const one of through) expect(unproven.admit(one)).toBeNull();
  expect(unproven.admit(visitor(PROXY, "PROXY header"))).toBe("unproven_max");
  const judged = through.map((one, at) => {
    one.announce({ host: at < 3 ? "192.0.2.7" : "192.0.2.8", port: at });
    one.awaited = "first byte";
    return unproven.admit(one);
  });
  const over = "unproven_per_address_max";
  expect(judged).toEqual([null, null, over, null, null, over]);
  expect(unproven.size).toBe(4);
});

test("a ban is for whom the proxy announces, or for itself if it announces nobody", () => {
  const { unproven, visitor, banned, log } = rig();
  banned.add("192.0.2.7").add(PROXY);
  expect(unproven.admit(visitor("192.0.2.7"))).toBe("banned");
  const decided = (source: string | null) => {
    const one = visitor(PROXY, "PROXY header");
    expect(unproven.admit(one)).toBeNull();
    one.announce(source === null ? null : { host: source, port: 1 });
    one.awaited = "first byte";
    return [one, unproven.admit(one)] as const;
  };
  expect(decided("192.0.2.8")[1]).toBeNull();
  expect(decided(null)[1]).toBe("banned");
  const [late, verdict] = decided("192.0.2.7");
  expect(verdict).toBe("banned");
  unproven.turnAway(late, "banned");
  expect(late.socket.destroyed).toBe(true);
  expect(log.lines.items).toMatchObject([{ status: "banned", remote: "192.0.2.7" }]);
  expect(unproven.size).toBe(1);
});

test("whoever is overdue is told of with what it owes, unless its clock was stopped", async () => {
  const { unproven, visitor, overdue, log } = rig(undefined, 20);
  const [slow, stopped] = [visitor("192.0.2.7", "TLS handshake"), visitor("192.0.2.8")];
  for (const one of [stopped, slow]) {
    unproven.admit(one);
    unproven.startClock(one);
  }
  unproven.stopClock(stopped);
  const line = await log.status("register_refused");
  expect(line.error).toBe("no TLS handshake within gateway.auth_timeout");
  expect(overdue).toEqual([slow]);
  // It is there until it is gone.
  expect(unproven.size).toBe(2);
  unproven.close();
});
