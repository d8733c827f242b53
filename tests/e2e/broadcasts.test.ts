import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { Meeting } from "../harness/meeting.ts";
import { V4Client } from "../harness/v4-client.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(30_000);

describe("broadcasts", () => {
  let gateway: GatewayProcess;

  beforeAll(async () => {
    gateway = await GatewayProcess.start({ tcp_ports: 8, srt_ports: 4 });
  });
  afterAll(() => gateway.stop());

  test("come to everybody, empty lists as lists", async () => {
    const client = await V4Client.register({
      port: gateway.control_port,
      role: "client",
      id: "lonely",
    });
    const [status, state, telemetry] = await Promise.all([
      client.status(),
      client.portState(),
      client.telemetry(),
    ]);
    expect(status).toEqual([]);
    expect(telemetry).toEqual([]);
    expect(state).toEqual({
      zmq: { total: 8, idle: 8, reserved: 0, occupied: 0, blocked: 0 },
      srt: { total: 4, idle: 4, reserved: 0, occupied: 0, blocked: 0 },
    });
    await client.close();
  });

  test("telemetry comes every second, status every two with port_state behind it", async () => {
    const client = await V4Client.register({
      port: gateway.control_port,
      role: "client",
      id: "watch",
    });
    const times: Record<string, number[]> = { status: [], port_state: [], telemetry: [] };
    const order: string[] = [];
    while (times.telemetry.length < 6) {
      const { type } = await client.air.take("a broadcast", () => true);
      times[type].push(performance.now());
      order.push(type);
    }
    const gaps = (list: number[]) => list.slice(1).map((time, at) => time - list[at]);
    for (const gap of gaps(times.telemetry)) {
      expect(gap).toBeGreaterThan(700);
      expect(gap).toBeLessThan(1_400);
    }
    expect(times.status.length).toBeGreaterThanOrEqual(2);
    for (const gap of gaps(times.status)) {
      expect(gap).toBeGreaterThan(1_600);
      expect(gap).toBeLessThan(2_500);
    }
    order.forEach((type, at) => {
      if (type === "status" && at + 1 < order.length) expect(order[at + 1]).toBe("port_state");
    });
    await client.close();
  }, 20_000);

  test("a server's status and a session's telemetry are told as they are", async () => {
    const meeting = await Meeting.of(gateway, { name: "told", max_conn: 5 });
    const [idle] = await meeting.client.status((list) => list.length === 1);
    expect(Object.keys(idle).sort()).toEqual([
      "cpu_percent",
      "mem_mb",
      "occupied_ports",
      "remaining_ports",
      "server_id",
    ]);
    expect(idle).toMatchObject({ server_id: "be-told", occupied_ports: [], remaining_ports: 5 });
    expect(idle.mem_mb).toBeGreaterThan(1);
    expect(idle.cpu_percent).toBeGreaterThanOrEqual(0);

    const { client, server, port, grant } = await meeting.tcpSession();
    const [busy] = await meeting.server.status(([entry]) => entry.occupied_ports.length > 0);
    expect(busy).toMatchObject({ occupied_ports: [port], remaining_ports: 4 });
    const state = await meeting.client.portState();
    expect(state.zmq).toEqual({ total: 8, idle: 7, reserved: 0, occupied: 1, blocked: 0 });

    const [still] = await meeting.client.telemetry((list) => list.length === 1);
    expect(Object.keys(still).sort()).toEqual([
      "client_id",
      "kind",
      "loss_pct",
      "mbps_down",
      "mbps_up",
      "port",
      "quality",
      "retrans_pct",
      "rtt_ms",
      "server_id",
      "session_id",
    ]);
    expect(still).toMatchObject({
      kind: "zmq",
      port,
      session_id: grant.session_id,
      server_id: "be-told",
      client_id: "fe-told",
      mbps_up: 0,
      mbps_down: 0,
    });
    // Nothing flowed: ten points less, and less still for what the round trip costs.
    expect(still.quality).toBeCloseTo(
      90 - Math.min(50, 2 * still.loss_pct) - Math.min(30, still.rtt_ms / 10),
      1,
    );

    // 125 kB up and twice as much down within one period are 1 and 2 Mbit/s.
    const flowing = meeting.client.telemetry(([entry]) => entry?.mbps_up > 0);
    await client.write("u".repeat(125_000));
    await server.write("d".repeat(250_000));
    const first = await flowing;
    const second = await meeting.client.telemetry();
    const up = first[0].mbps_up + second[0].mbps_up;
    const down = first[0].mbps_down + second[0].mbps_down;
    expect(up).toBeGreaterThan(0.7);
    expect(up).toBeLessThan(1.3);
    expect(down).toBeGreaterThan(1.4);
    expect(down).toBeLessThan(2.6);
    expect(first[0].quality).toBeGreaterThan(still.quality);

    client.halfClose();
    server.halfClose();
    await gateway.logged("session_stop", { session_id: grant.session_id });
    await meeting.client.telemetry((list) => list.length === 0);
    await meeting.close();
  }, 30_000);

  test("a reader that stops reading is cut off and costs no memory", async () => {
    const port = gateway.control_port;
    const before = gateway.resident_bytes;
    const deaf = await V4Client.register({ port, role: "client", id: "deaf" });
    deaf.pause();
    // Every one of these is answered; nobody reads the answers.
    const request = { type: "pair_request", payload: { request_id: "r".repeat(240) } };
    const requests = JSON.stringify(request).repeat(200);
    // The kernel's buffers take some 10 MB, the gateway's own queue 4 MiB; this is far beyond both.
    for (let turn = 0; turn < 500; turn++) await deaf.write(requests);
    await gateway.statusUntil("the deaf one gone", ({ connections }) => connections === 0, 30_000);
    expect(gateway.resident_bytes - before).toBeLessThan(96 * 1024 * 1024);
    deaf.destroy();
    await (await V4Client.register({ port, role: "client", id: "hears" })).close();
  }, 90_000);
});
