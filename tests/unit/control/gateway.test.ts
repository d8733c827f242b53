import { describe, expect, test } from "bun:test";
import { type AddressInfo, createServer } from "node:net";
import { Gateway } from "../../../src/gateway.ts";
import { GatewayStartError } from "../../../src/gateway/start-order.ts";
import { FakePlane } from "../sessions/fake-plane.ts";
import { ZMQ_FIRST } from "../sessions/fixture.ts";
import { RecordingLog } from "../sessions/recording-log.ts";
import { configOf, endGatewaysAfterEach, startGateway } from "./gateway-fixture.ts";

endGatewaysAfterEach();

describe("broadcasts", () => {
  test("come in order and with their shapes, also with nothing to say", async () => {
    const g = await startGateway();
    const client = await g.client("c");
    const state = await client.next("port_state");
    expect(state.payload.zmq).toEqual({
      total: 21,
      idle: 21,
      reserved: 0,
      occupied: 0,
      blocked: 0,
    });
    expect((await client.next("status")).payload).toEqual([]);
    expect((await client.next("telemetry")).payload).toEqual([]);
    await g.server("s", 3);
    const status = await client.messages.find((message) =>
      message.type === "status" && message.payload.length > 0
    );
    expect(status.payload).toEqual([{
      server_id: "s",
      occupied_ports: [],
      remaining_ports: 3,
      cpu_percent: expect.any(Number),
      mem_mb: expect.any(Number),
    }]);
    expect(status.payload[0].mem_mb).toBeGreaterThan(1);
    const types = client.messages.items.map((message) => message.type);
    expect(types[types.indexOf("status") + 1]).toBe("port_state");
  }, 10_000);
});

describe("start", () => {
  test("says where it serves", async () => {
    const g = await startGateway();
    expect(await g.log.status("serving")).toMatchObject({
      control_port: g.port,
      zmq_ports: "2300-2320",
      srt_ports: "2350-2380",
    });
  });

  test("fails clearly when the control port is taken, and leaves no plane running", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    const planes: FakePlane[] = [];
    const make = (kind: "zmq" | "srt") => () => {
      const plane = new FakePlane({ kind, listener: () => {} });
      planes.push(plane);
      return plane;
    };
    const gateway = new Gateway({
      config: configOf({ gateway: { tcp_port: port } }),
      log: new RecordingLog(),
      version: "0",
      planes: { zmq: make("zmq"), srt: make("srt") },
    });
    const error = await gateway.start().catch((error) => error);
    expect(error).toBeInstanceOf(GatewayStartError);
    expect(error.code).toBe("CONTROL_PORT_UNAVAILABLE");
    expect(error.message).toContain(`the control port ${port} cannot be opened on 127.0.0.1`);
    expect(planes.map((plane) => plane.closed)).toEqual([true, true]);
    other.close();
  });

  test("fails clearly when a plane cannot start", async () => {
    const make = (kind: "zmq" | "srt") => () => {
      const plane = new FakePlane({ kind, listener: () => {} });
      if (kind === "srt") plane.start = () => Promise.reject(new Error("no libsrt was found"));
      return plane;
    };
    const gateway = new Gateway({
      config: configOf(),
      log: new RecordingLog(),
      version: "0",
      planes: { zmq: make("zmq"), srt: make("srt") },
    });
    const error = await gateway.start().catch((error) => error);
    expect(error.code).toBe("SRT_PLANE_UNAVAILABLE");
    expect(error.message).toContain("no libsrt was found");
  });
});

describe("close", () => {
  test("refuses new peers, answers who waits, lets sessions finish and status be read", async () => {
    const g = await startGateway();
    await g.server("s", 1);
    const client = await g.client("c");
    client.send("pair_request", { request_id: "runs", need_zmq: true });
    await client.grant("runs");
    g.planes.zmq.pair(ZMQ_FIRST);
    client.send("pair_request", { request_id: "waits", need_zmq: true });
    await g.log.status("pair_waiting");
    // A kept-alive HTTP connection from before.
    const http = await g.connect();
    http.socket.removeAllListeners("data");
    let text = "";
    const responses = (count: number) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (text.split("HTTP/1.1 200").length > count && text.endsWith("}}}")) {
            http.socket.off("data", look);
            resolve();
          }
        };
        http.socket.on("data", look);
      });
    http.socket.on("data", (chunk) => text += chunk);
    const first = responses(1);
    http.socket.write("GET /status HTTP/1.1\r\nhost: x\r\n\r\n");
    await first;

    const closed = g.gateway.close("test");
    expect(await g.log.status("stopping")).toMatchObject({ reason: "test", sessions: 1 });
    const refusal = await client.next("pair_error");
    expect(refusal.payload).toMatchObject({ request_id: "waits", code: 504 });
    const second = responses(2);
    http.socket.write("GET /status HTTP/1.1\r\nhost: x\r\n\r\n");
    await second;
    expect(text).toContain('"status":"Stopping"');
    await expect(g.connect()).rejects.toThrow();
    await client.next("telemetry");
    g.planes.zmq.end(ZMQ_FIRST, "finished");
    await closed;
    await client.closed;
    expect(await g.log.status("stopped")).toMatchObject({ sessions_cut: 0 });
    expect(g.gateway.snapshot().state).toBe("Stopped");
  });

  test("takes back reservations at once and cuts what still runs after shutdown_timeout", async () => {
    const g = await startGateway({ gateway: { shutdown_timeout: 30 } });
    await g.server("s", 2);
    const client = await g.client("c");
    client.send("pair_request", { request_id: "r", need_zmq: true, need_srt: true });
    await client.grant("r");
    g.planes.zmq.pair(ZMQ_FIRST);
    await g.gateway.close("test");
    const stops = g.log.lines.items.filter((line) => line.status === "session_stop");
    expect(stops).toMatchObject([{ kind: "zmq", reason: "released" }]);
    expect(await g.log.status("stopped")).toMatchObject({ sessions_cut: 1 });
    expect(g.planes.zmq.closed).toBe(true);
  });

  test("called twice is one close", async () => {
    const g = await startGateway();
    const first = g.gateway.close("a");
    expect(g.gateway.close("b")).toBe(first);
    await first;
    expect(g.log.statuses().filter((status) => status === "stopping")).toHaveLength(1);
  });
});
