import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Buffer } from "node:buffer";
import http from "node:http";
import { turn, within } from "../harness/deadline.ts";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { TcpEnd } from "../harness/tcp-end.ts";
import { V4Client } from "../harness/v4-client.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(30_000);

interface HttpAnswer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
  local_port: number;
}

describe("HTTP on the control port", () => {
  let gateway: GatewayProcess;
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

  beforeAll(async () => {
    gateway = await GatewayProcess.start();
  });
  afterAll(async () => {
    agent.destroy();
    await gateway.stop();
  });

  function request(method: string, path: string, body?: string): Promise<HttpAnswer> {
    return within(
      `${method} ${path}`,
      new Promise<HttpAnswer>((resolve, reject) => {
        const outgoing = http.request({
          agent,
          host: "127.0.0.1",
          port: gateway.control_port,
          method,
          path,
        }, (incoming) => {
          const local_port = incoming.socket?.localPort ?? 0;
          const parts: Buffer[] = [];
          incoming.on("data", (part: Buffer) => parts.push(part));
          incoming.on("error", reject);
          incoming.on("end", () =>
            resolve({
              status: incoming.statusCode ?? 0,
              headers: incoming.headers,
              body: parts.join(""),
              local_port,
            }));
        });
        outgoing.on("error", reject);
        outgoing.end(body);
      }),
    );
  }

  test("GET /status tells how the gateway is", async () => {
    const before = Date.now();
    const { status, headers, body } = await request("GET", "/status");
    expect(status).toBe(200);
    expect(headers["content-type"]).toContain("application/json");
    const page = JSON.parse(body);
    expect(Object.keys(page).sort()).toEqual([
      "broadcast_unix_ms",
      "connections",
      "now_unix_ms",
      "port_state",
      "started_at_unix_ms",
      "status",
    ]);
    expect(page.status).toBe("Running");
    expect(page.connections).toBe(0);
    expect(page.now_unix_ms).toBeGreaterThanOrEqual(before - 5);
    expect(page.now_unix_ms).toBeLessThanOrEqual(Date.now() + 5);
    expect(page.started_at_unix_ms).toBeLessThanOrEqual(page.now_unix_ms);
    const idle = { total: 24, idle: 24, reserved: 0, occupied: 0, blocked: 0 };
    expect(page.port_state).toEqual({ zmq: idle, srt: idle });
  });

  test("counts who is registered", async () => {
    const port = gateway.control_port;
    const clients = await Promise.all(
      [1, 2, 3].map((n) => V4Client.register({ port, role: "client", id: `counted-${n}` })),
    );
    expect((await gateway.statusPage()).connections).toBe(3);
    await Promise.all(clients.map((client) => client.close()));
    expect((await gateway.statusPage()).connections).toBe(0);
  });

  test("another path is 404 with an empty body", async () => {
    for (const path of ["/", "/statu", "/status/", "/../status", "/metrics?x=/status"]) {
      const { status, body } = await request("GET", path);
      expect({ path, status, body }).toEqual({ path, status: 404, body: "" });
    }
  });

  test("HEAD says what GET would, without the body", async () => {
    const { status, headers, body } = await request("HEAD", "/status");
    expect(status).toBe(200);
    expect(body).toBe("");
    expect(headers["content-type"]).toContain("application/json");
  });

  test("other methods are 405 and say what is allowed", async () => {
    for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
      const { status, headers } = await request(
        method,
        "/status",
        method === "DELETE" ? undefined : "{}",
      );
      expect({ method, status }).toEqual({ method, status: 405 });
      expect(headers.allow).toContain("GET");
    }
  });

  test("one connection carries many requests", async () => {
    const end = await TcpEnd.connect({ port: gateway.control_port });
    const ask = "GET /status HTTP/1.1\r\nHost: relay\r\n\r\n";
    for (let turn = 1; turn <= 5; turn++) {
      const before = end.received_bytes;
      await end.write(ask);
      await end.reached(before + 200);
    }
    await end.write("GET /nowhere HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n");
    await end.turnedAway();
    expect(end.text().match(/HTTP\/1\.1 200 OK\r\n/g)?.length).toBe(5);
    expect(end.text()).toContain("HTTP/1.1 404");
  });

  test("a request may come in any split", async () => {
    const ask = "GET /status HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n";
    for (let cut = 1; cut < ask.length; cut += cut < 8 ? 1 : 7) {
      const end = await TcpEnd.connect({ port: gateway.control_port });
      await end.write(ask.slice(0, cut));
      await turn();
      await end.write(ask.slice(cut));
      await end.turnedAway();
      expect(end.text()).toStartWith("HTTP/1.1 200 OK\r\n");
      expect(end.text()).toEndWith("}");
    }
  });

  test("garbage after a method's first letters does not hurt", async () => {
    for (
      const bytes of [
        "GET\r\n\r\n",
        "POST / HTTP/9.9\r\n\r\n",
        "GET /status HTTP/1.1\r\n: x\r\n\r\n",
      ]
    ) {
      const end = await TcpEnd.connect({ port: gateway.control_port });
      await end.write(bytes);
      end.halfClose();
      await end.turnedAway();
    }
    expect((await gateway.statusPage()).status).toBe("Running");
  });

  test("a header without an end is cut off", async () => {
    const end = await TcpEnd.connect({ port: gateway.control_port });
    end.writeCarelessly("GET /status HTTP/1.1\r\nHost: relay\r\nX: " + "y".repeat(4_000_000));
    await end.turnedAway();
    expect((await gateway.statusPage()).status).toBe("Running");
  });
});
