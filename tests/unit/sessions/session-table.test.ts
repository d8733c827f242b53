import { expect, test } from "bun:test";
import { Fixture, type FixtureOptions, settled, SRT_FIRST, ZMQ_FIRST } from "./fixture.ts";

/** One granted session over both planes. */
async function granted(options: FixtureOptions = {}) {
  const f = new Fixture(options);
  const server = f.server("s", 9), client = f.client("c");
  f.ask(client, "r1", { need_zmq: true, need_srt: true });
  const grant = await client.grant("r1");
  return { f, server, client, grant };
}

test("a reservation nobody comes to expires, and its ports and room are free again", async () => {
  const { f, server, grant } = await granted({ reservation_ms: 20 });
  const expired = await f.log.lines.count(2, (line) => line.status === "reservation_expired");
  expect(expired.map((line) => line.port).sort()).toEqual([ZMQ_FIRST, SRT_FIRST]);
  expect(expired[0].session_id).toBe(grant.session_id);
  await f.sessions.whenEmpty();
  expect([f.pools.zmq.idle, f.pools.srt.idle, f.registry.room(server)]).toEqual([4, 4, 9]);
  f.close();
});

test("a waiting end keeps its reservation beyond the time; it ends when that end leaves", async () => {
  const { f } = await granted({ reservation_ms: 20 });
  f.planes.zmq.arrive(ZMQ_FIRST, "client");
  const pending = await f.log.status("client_pending");
  expect(pending).toMatchObject({ port: ZMQ_FIRST, kind: "zmq", remote: "192.0.2.1:1" });
  // The other plane's port of the same session expires, which shows that the time is over.
  await f.log.lines.find((line) => line.status === "reservation_expired" && line.kind === "srt");
  await settled();
  expect(f.pools.zmq.counts().reserved).toBe(1);
  f.planes.zmq.leave(ZMQ_FIRST, "client");
  expect(f.log.lines.items.at(-1)).toMatchObject({ status: "reservation_expired", kind: "zmq" });
  await f.sessions.whenEmpty();
  expect(f.pools.zmq.idle).toBe(4);
  f.close();
});

test("a waiting end that leaves in time can come again and be paired after the time", async () => {
  const { f } = await granted({ reservation_ms: 20 });
  f.planes.zmq.arrive(ZMQ_FIRST, "server");
  f.planes.zmq.leave(ZMQ_FIRST, "server");
  f.planes.zmq.arrive(ZMQ_FIRST, "server");
  await f.log.lines.find((line) => line.status === "reservation_expired" && line.kind === "srt");
  f.planes.zmq.pair(ZMQ_FIRST);
  expect(f.log.statuses()).toContain("server_pending");
  expect(f.pools.zmq.counts()).toMatchObject({ occupied: 1, reserved: 0 });
  expect(f.sessions.occupied.size).toBe(1);
  f.close();
});

test("a session is over when its last port is, and each port is free when its own is", async () => {
  const { f, server, grant } = await granted();
  f.planes.zmq.pair(ZMQ_FIRST);
  f.planes.srt.pair(SRT_FIRST);
  f.planes.zmq.end(ZMQ_FIRST, "finished", { up: 7, down: 9 });
  expect(await f.log.status("session_stop")).toMatchObject({
    session_id: grant.session_id,
    port: ZMQ_FIRST,
    reason: "finished",
    bytes_up: 7,
    bytes_down: 9,
  });
  expect([f.sessions.size, f.pools.zmq.idle, f.registry.room(server)]).toEqual([1, 4, 8]);
  f.planes.srt.end(SRT_FIRST, "idle");
  expect(await f.log.status("heartbeat_timeout")).toMatchObject({ reason: "idle", kind: "srt" });
  expect([f.sessions.size, f.pools.srt.idle, f.registry.room(server)]).toEqual([0, 4, 9]);
  f.close();
});

test("a dead worker ends its sessions with plane_failed and frees their ports", async () => {
  const { f } = await granted();
  f.planes.zmq.pair(ZMQ_FIRST);
  f.planes.zmq.die();
  expect(await f.log.status("session_stop")).toMatchObject({ reason: "plane_failed" });
  expect(await f.log.status("plane_failed")).toMatchObject({ level: "error", kind: "zmq" });
  expect(f.pools.zmq.idle).toBe(4);
  f.close();
});

test("a port still being ended is not given to anyone else", async () => {
  const { f, client } = await granted({ reservation_ms: 20, zmq_ports: 1 });
  f.planes.zmq.slow_release = true;
  await f.log.lines.find((line) => line.status === "reservation_expired" && line.kind === "zmq");
  f.ask(client, "r2");
  await settled();
  expect(f.broker.snapshot().waiting).toBe(1);
  f.planes.zmq.end(ZMQ_FIRST, "released");
  await client.grant("r2");
  f.close();
});

test("rejections and bounds of a data port are logged with their words", async () => {
  const { f, grant } = await granted();
  f.planes.zmq.reject(ZMQ_FIRST);
  expect(f.log.lines.items.at(-1)).toMatchObject({
    status: "alloc_mismatch",
    port: ZMQ_FIRST,
    session_id: grant.session_id,
  });
  f.sessions.onPlaneEvent("srt", {
    type: "shed",
    port: SRT_FIRST,
    limit: "unproven_max",
    count: 3,
    remote: "192.0.2.1:1",
  });
  expect(f.log.lines.items.at(-1)).toMatchObject({ status: "limit_reached", count: 3 });
  f.close();
});

test("who knocks at a port without a session again and again fills no log", async () => {
  const { f } = await granted();
  const knock = (remote: string) =>
    f.sessions.onPlaneEvent("srt", {
      type: "rejected",
      port: 2349,
      session_id: "",
      status: "stream_denied",
      detail: "no such stream",
      remote,
    });
  for (let i = 0; i < 100; i++) knock(`[2001:db8::1]:${1000 + i}`);
  knock("192.0.2.1:1000");
  const lines = () => f.log.lines.items.filter(({ status }) => status === "stream_denied");
  expect(lines().map(({ remote, count }) => [remote, count])).toEqual([
    ["[2001:db8::1]:1000", 1],
    ["192.0.2.1:1000", 1],
  ]);
  f.close();
  expect(lines().at(-1)).toMatchObject({ remote: "[2001:db8::1]:1099", count: 99 });
});

test("who is turned away at two streams is in the log with both", async () => {
  const { f } = await granted();
  for (const name of ["cam", "stage", "cam"]) {
    f.sessions.onPlaneEvent("srt", {
      type: "rejected",
      port: 2349,
      session_id: "",
      status: "encryption_error",
      detail: "the peer has no passphrase",
      remote: "192.0.2.1:1000",
      name,
    });
  }
  f.close();
  const lines = f.log.lines.items.filter(({ status }) => status === "encryption_error");
  expect(lines.map(({ name, count }) => [name, count])).toEqual([
    ["cam", 1],
    ["stage", 1],
    ["cam", 1],
  ]);
});

test("at shutdown reservations go and sessions with both ends stay", async () => {
  const { f } = await granted();
  f.planes.zmq.pair(ZMQ_FIRST);
  f.broker.stop();
  f.sessions.releaseUnpaired();
  await settled();
  expect([...f.planes.zmq.open_ports.keys()]).toEqual([ZMQ_FIRST]);
  expect(f.planes.srt.open_ports.size).toBe(0);
  f.sessions.releaseAll();
  await f.sessions.whenEmpty();
  expect(f.planes.zmq.open_ports.size).toBe(0);
  f.close();
});

test("sessions with long ids are bounded in all, and their end makes room", async () => {
  const f = new Fixture({ zmq_ports: 64 });
  f.server("s", 99);
  const client = f.client("x".repeat(1024 * 1024));
  for (let i = 0; i < 17; i++) f.ask(client, `r${i}`);
  await settled();
  expect(client.grants.items).toHaveLength(15);
  f.planes.zmq.end(ZMQ_FIRST, "finished");
  await client.grant("r15");
  expect(f.broker.snapshot().waiting).toBe(1);
  f.close();
});
