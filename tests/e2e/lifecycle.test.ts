import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { ByteStream } from "../harness/byte-stream.ts";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { joinAs, joinTcp, Meeting } from "../harness/meeting.ts";
import { TcpEnd } from "../harness/tcp-end.ts";
import { V4Client } from "../harness/v4-client.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(30_000);

const MiB = 1024 * 1024;

describe("a reservation", () => {
  let gateway: GatewayProcess;

  beforeAll(async () => {
    gateway = await GatewayProcess.start({
      tcp_ports: 4,
      settings: { gateway: { auth_timeout: "700ms" } },
    });
  });
  afterAll(() => gateway.stop());

  test("expires when nobody comes, on both planes, and the ports are idle again", async () => {
    const meeting = await Meeting.of(gateway, { name: "nobody", max_conn: 2 });
    const started = performance.now();
    const { session_id, zmq_port } = await meeting.session("both");
    await gateway.logged("reservation_expired", { session_id });
    expect(performance.now() - started).toBeGreaterThan(600);
    await gateway.allPortsIdle();
    // The capacity is back too: both ports can be had again.
    const again = await meeting.session("both");
    expect(again.session_id).not.toBe(session_id);
    const late = new TcpEnd({ port: zmq_port! });
    await late.connected();
    late.writeCarelessly(
      `V4HELLO ${JSON.stringify({ role: "client", session_id, id: "late" })}\n`,
    );
    await late.turnedAway();
    await gateway.logged("alloc_mismatch", { port: zmq_port });
    await meeting.close();
    await gateway.allPortsIdle();
  });

  test("an expired port does not exist for whoever comes late", async () => {
    const meeting = await Meeting.of(gateway, { name: "late" });
    const grant = await meeting.session("zmq");
    await gateway.logged("reservation_expired", { session_id: grant.session_id });
    await gateway.allPortsIdle();
    const late = new TcpEnd({ port: grant.zmq_port! });
    await expect(late.connected()).rejects.toThrow();
    await meeting.close();
  });

  test("does not expire while one side is connected and waits", async () => {
    const meeting = await Meeting.of(gateway, { name: "waits" });
    const grant = await meeting.session("zmq");
    const server = await joinAs(grant, "server");
    await gateway.logged("server_pending", { session_id: grant.session_id });
    // Two reservations that nobody uses, one after the other, are the clock.
    for (let turn = 0; turn < 2; turn++) {
      const { session_id } = await meeting.session("zmq");
      await gateway.logged("reservation_expired", { session_id });
    }
    const client = await joinAs(grant, "client");
    await client.write("better late");
    expect((await server.head(11)).toString()).toBe("better late");
    expect(gateway.linesOf("reservation_expired", { session_id: grant.session_id })).toEqual([]);
    client.abort();
    await server.closed();
    await meeting.close();
  });

  test("expires at once when the waiting side leaves after the deadline", async () => {
    const meeting = await Meeting.of(gateway, { name: "gives-up" });
    const grant = await meeting.session("zmq");
    const server = await joinAs(grant, "server");
    const { session_id } = await meeting.session("zmq");
    await gateway.logged("reservation_expired", { session_id });
    server.abort();
    await gateway.logged("reservation_expired", { session_id: grant.session_id });
    await gateway.allPortsIdle();
    await meeting.close();
  });

  test("outlives the control connections of both sides, and so does the session", async () => {
    const meeting = await Meeting.of(gateway, { name: "gone" });
    const grant = await meeting.session("zmq");
    await meeting.close();
    const session = await joinTcp(gateway, grant);
    await session.client.write("still here");
    expect((await session.server.head(10)).toString()).toBe("still here");
    session.client.halfClose();
    session.server.halfClose();
    await gateway.logged("session_stop", { session_id: grant.session_id });
    await gateway.allPortsIdle();
  });
});

describe("session_idle_timeout", () => {
  test("ends a session only when both sides are silent", async () => {
    const gateway = await GatewayProcess.start({
      settings: { gateway: { session_idle_timeout: "1s" } },
    });
    try {
      const meeting = await Meeting.of(gateway, { name: "idle" });
      const oneWay = await meeting.tcpSession();
      const traffic = setInterval(() => oneWay.client.writeCarelessly("frame"), 100);
      try {
        // Two silent sessions, one after the other: more than two timeouts pass meanwhile.
        for (let turn = 0; turn < 2; turn++) {
          const started = performance.now();
          const silent = await meeting.tcpSession();
          const { session_id } = silent.grant;
          await gateway.logged("heartbeat_timeout", { session_id });
          expect(performance.now() - started).toBeGreaterThan(900);
          await Promise.all([silent.client.turnedAway(), silent.server.turnedAway()]);
          expect(gateway.linesOf("heartbeat_timeout").length).toBe(turn + 1);
        }
      } finally {
        clearInterval(traffic);
      }
      await oneWay.server.write("the other way works");
      expect((await oneWay.client.head(19)).toString()).toBe("the other way works");
      // Now this one is silent as well.
      await gateway.logged("heartbeat_timeout", { session_id: oneWay.grant.session_id });
      await gateway.allPortsIdle();
    } finally {
      await gateway.stop();
    }
  }, 30_000);
});

describe("stopping", () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`${signal} lets sessions finish, takes nobody new, and exits 0`, async () => {
      const gateway = await GatewayProcess.start({
        settings: { gateway: { shutdown_timeout: "30s" } },
      });
      try {
        const meeting = await Meeting.of(gateway, { name: "drain" });
        const session = await meeting.tcpSession();
        gateway.signal(signal);
        await gateway.logged("stopping");
        await expect(V4Client.connect({ port: gateway.control_port })).rejects.toThrow();
        const total_bytes = 16 * MiB;
        const sent = await session.client.pour(new ByteStream({ total_bytes }));
        session.client.halfClose();
        expect(await session.server.ended()).toBe(sent);
        await session.server.write("thank you");
        session.server.halfClose();
        await session.client.ended();
        expect(session.client.text()).toBe("thank you");
        expect(await gateway.exited()).toEqual({ code: 0, signal: null });
        expect(gateway.linesOf("stopped").length).toBe(1);
        expect(gateway.stray).toEqual([]);
      } finally {
        await gateway.kill();
      }
    });
  }

  test("gives up on sessions after shutdown_timeout, and exits 0 all the same", async () => {
    const gateway = await GatewayProcess.start({
      settings: { gateway: { shutdown_timeout: "600ms" } },
    });
    try {
      const meeting = await Meeting.of(gateway, { name: "endless" });
      const session = await meeting.tcpSession();
      const waiting = meeting.client.ask({ server_id: "nobody", need_zmq: true });
      await meeting.client.settled();
      const started = performance.now();
      gateway.signal("SIGTERM");
      expect(await meeting.client.refused(waiting)).toMatchObject({ code: 504 });
      await Promise.all([session.client.turnedAway(), session.server.turnedAway()]);
      expect(await gateway.exited()).toEqual({ code: 0, signal: null });
      const took = performance.now() - started;
      expect(took).toBeGreaterThan(500);
      expect(took).toBeLessThan(5_000);
    } finally {
      await gateway.kill();
    }
  });

  test("without sessions is done at once", async () => {
    const gateway = await GatewayProcess.start({
      settings: { gateway: { shutdown_timeout: "30s" } },
    });
    try {
      const meeting = await Meeting.of(gateway, { name: "quiet" });
      await meeting.session("both");
      const started = performance.now();
      gateway.signal("SIGTERM");
      expect(await gateway.exited()).toEqual({ code: 0, signal: null });
      expect(performance.now() - started).toBeLessThan(5_000);
      await Promise.all([meeting.client.closed(), meeting.server.closed()]);
    } finally {
      await gateway.kill();
    }
  });

  test("a second signal does not wait", async () => {
    const gateway = await GatewayProcess.start({
      settings: { gateway: { shutdown_timeout: "60s" } },
    });
    try {
      const meeting = await Meeting.of(gateway, { name: "hurry" });
      await meeting.tcpSession();
      gateway.signal("SIGTERM");
      await gateway.logged("stopping");
      const asked = performance.now();
      gateway.signal("SIGTERM");
      await gateway.exited();
      expect(performance.now() - asked).toBeLessThan(2_000);
    } finally {
      await gateway.kill();
    }
  });
});
