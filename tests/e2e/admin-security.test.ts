import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { AdminPort, everything } from "../harness/admin-port.ts";
import { turn } from "../harness/deadline.ts";
import { claimPorts } from "../harness/free-ports.ts";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { Meeting } from "../harness/meeting.ts";
import { V4Client } from "../harness/v4-client.ts";

setDefaultTimeout(60_000);

const TOKEN = "the-token-of-the-operator";
const READ_TOKEN = "the-token-for-reading-only";

function head(line: string, ...headers: string[]): string {
  const all = headers.some((one) => /^host:/i.test(one))
    ? headers
    : ["Host: localhost", ...headers];
  return `${[`${line} HTTP/1.1`, ...all, "Connection: close"].join("\r\n")}\r\n\r\n`;
}

describe("an admin port with a token", () => {
  let gateway: GatewayProcess;
  let admin: AdminPort;
  let meeting: Meeting;
  let session_id = "";

  beforeAll(async () => {
    gateway = await GatewayProcess.start({
      settings: {
        admin: {
          bind_address: "0.0.0.0",
          port: 0,
          token: TOKEN,
          read_token: READ_TOKEN,
          allowed_hosts: ["relay.example"],
          request_timeout_ms: 500,
        },
      },
    });
    admin = await AdminPort.of(gateway);
    meeting = await Meeting.of(gateway, { name: "security" });
    session_id = (await meeting.tcpSession()).grant.session_id;
  });
  afterAll(async () => {
    await meeting.close();
    await gateway.stop();
  });

  /** The session runs, nothing drains, nobody is banned. */
  async function nothingHasChanged(): Promise<void> {
    const { json } = await admin.ask("/api/v1/gateway", { token: TOKEN });
    expect(json).toMatchObject({ state: "Running", sessions: 1 });
    const { json: bans } = await admin.ask("/api/v1/bans", { token: TOKEN });
    expect(bans.bans).toEqual([]);
  }

  test("tells nothing without one, and orders nothing with the one for reading", async () => {
    for (
      const path of ["/metrics", "/openapi.json", "/api/v1/sessions", "/api/v1/events", "/api/v2"]
    ) {
      expect([path, (await admin.ask(path)).status]).toEqual([path, 401]);
      expect([path, (await admin.ask(path, { token: `${TOKEN}x` })).status]).toEqual([path, 401]);
    }
    for (const path of ["/healthz", "/readyz"]) expect((await admin.ask(path)).status).toBe(200);
    expect((await admin.ask("/api/v1/sessions", { token: READ_TOKEN })).status).toBe(200);
    const orders: [string, string][] = [
      ["DELETE", `/api/v1/sessions/${session_id}`],
      ["POST", "/api/v1/drain"],
      ["POST", "/api/v1/reload"],
    ];
    for (const [method, path] of orders) {
      expect((await admin.ask(path, { method })).status).toBe(401);
      expect((await admin.ask(path, { method, token: READ_TOKEN })).status).toBe(403);
    }
    await nothingHasChanged();
  });

  test("is not reached by a name of somebody else's, nor by a page of another site", async () => {
    const key = `Authorization: Bearer ${TOKEN}`;
    const json = "Content-Type: application/json";
    const requests: [bytes: string, status: number][] = [
      [head("GET /api/v1/sessions", key, "Host: evil.example"), 403],
      [head("GET /healthz", "Host: 127.0.0.1.evil.example"), 403],
      [head("GET /api/v1/sessions", key, "Host: relay.example"), 200],
      [head("GET /api/v1/sessions", key, "Host: localhost", "Host: evil.example"), 400],
      [head("POST /api/v1/drain", key, json, "Origin: http://evil.example"), 403],
      [head("POST /api/v1/drain", key, json, "Origin: null"), 403],
      [head("POST /api/v1/drain", key, json, "Sec-Fetch-Site: cross-site"), 403],
      [head(`DELETE /api/v1/sessions/${session_id}`, key, "Sec-Fetch-Site: same-site"), 403],
      [head("POST /api/v1/drain", key, "Content-Type: text/plain"), 415],
      [head("POST /api/v1/drain", key), 415],
    ];
    for (const [bytes, status] of requests) {
      expect([bytes, await admin.statusOf(bytes)]).toEqual([bytes, status]);
    }
    const { headers } = await admin.ask("/", { headers: { origin: "http://evil.example" } });
    expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(headers.get("content-security-policy")).not.toContain("unsafe");
    expect(headers.get("access-control-allow-origin")).toBeNull();
    await nothingHasChanged();
  });

  test("takes a path as it is, and bytes that are no request for nothing", async () => {
    const key = `Authorization: Bearer ${TOKEN}`;
    const json = "Content-Type: application/json";
    for (
      const path of [
        "//api/v1/drain",
        "/api/v1/../v1/drain",
        "/%2e%2e/api/v1/drain",
        "/api/v1/%2E%2e/v1/drain",
        "/api%2fv1%2fdrain",
        "/api\\v1\\drain",
        "/api/v1/drain%zz",
        "/api/v1/drain%00",
        "/healthz/../api/v1/drain",
        "/page/../api/v1/drain",
        "http://localhost/api/v1/drain",
        "*",
      ]
    ) {
      const status = await admin.statusOf(head(`POST ${path}`, key, json));
      expect([path, [400, 404].includes(status)]).toEqual([path, true]);
    }
    const requests: [bytes: string, status: number][] = [
      [head("PUT /api/v1/drain", key, json), 405],
      [head("TRACE /api/v1/drain", key), 405],
      [head("CONNECT evil.example:443", key), 405],
      [
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        400,
      ],
      [head("BREW /api/v1/drain", key), 400],
      ["\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", 400],
      [head("GET /healthz", `X-Long: ${"x".repeat(9000)}`), 431],
      [head("POST /api/v1/drain", key, json, "Content-Length: 70000"), 413],
      [
        `${
          head("POST /api/v1/drain", key, json, "Content-Length: 2", "Transfer-Encoding: chunked")
        }0`,
        400,
      ],
    ];
    for (const [bytes, status] of requests) {
      expect([bytes.slice(0, 80), await admin.statusOf(bytes)]).toEqual([
        bytes.slice(0, 80),
        status,
      ]);
    }
    await nothingHasChanged();
  });

  test("lets no slow request stay", async () => {
    const post =
      "POST /api/v1/drain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    const [silent, slow_head, slow_body] = await Promise.all([
      everything(await admin.open()),
      everything(await admin.open(), "GET /healthz HTTP/1.1\r\nHost: lo"),
      everything(
        await admin.open(),
        `${post}Authorization: Bearer ${TOKEN}\r\nContent-Length: 20\r\n\r\n{"deadline`,
      ),
    ]);
    expect(silent).toBe("");
    expect(slow_head).toStartWith("HTTP/1.1 408");
    expect(slow_body).toStartWith("HTTP/1.1 408");
    await nothingHasChanged();
  });

  test("holds 1,000 slow connections of one address to a bound, and serves another one", async () => {
    const before = gateway.open_descriptors;
    const slow: Socket[] = [];
    let ended = 0;
    for (let i = 0; i < 1000; i++) {
      const socket = await admin.open("127.0.0.9");
      socket.on("close", () => ended++);
      socket.resume();
      socket.write("GET /healthz HTTP/1.1\r\nX: ");
      slow.push(socket);
      if (i % 200 !== 199) continue;
      expect((await admin.ask("/healthz")).status).toBe(200);
      expect(gateway.open_descriptors).toBeLessThanOrEqual(before + 128 + 64);
    }
    const told = await gateway.logged("limit_reached", {
      limit: "admin.connections_per_address_max",
    });
    expect(told.remote).toBe("127.0.0.9");
    // Those beyond the bound were closed at once, the others when their time was over.
    while (ended < slow.length) await turn();
    await gateway.descriptorsAtMost(before + 8);
    await nothingHasChanged();
  });

  test("limits who tries tokens out, and bans nobody on this machine for it", async () => {
    const statuses = new Map<number, number>();
    for (let i = 0; i < 200; i++) {
      const token = `a-token-that-is-wrong-${i}`;
      const { status } = await admin.ask("/api/v1/sessions", { token });
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
    expect([...statuses.keys()].sort()).toEqual([401, 429]);
    expect(statuses.get(429)).toBeGreaterThan(100);
    expect((await admin.ask("/api/v1/sessions", { token: TOKEN })).status).toBe(200);
    await nothingHasChanged();
    const lines = JSON.stringify(gateway.log.items);
    for (const secret of [TOKEN, READ_TOKEN, "a-token-that-is-wrong"]) {
      expect(lines).not.toContain(secret);
    }
  });
});

describe("an admin port", () => {
  test("lets an operator of this machine in, even to take back a ban of this machine", async () => {
    const gateway = await GatewayProcess.start({ settings: { admin: { port: 0 } } });
    const admin = await AdminPort.of(gateway);
    const subject = "address:127.0.0.0/8";
    expect((await admin.ask("/api/v1/bans", { method: "POST", body: { subject } })).status).toBe(
      200,
    );
    const kept_out = await V4Client.connect({ port: gateway.control_port });
    await kept_out.closed();
    const path = `/api/v1/bans/${encodeURIComponent(subject)}`;
    expect((await admin.ask(path, { method: "DELETE" })).json).toEqual({ ended: 1 });
    await (await Meeting.of(gateway, { name: "let-in" })).close();
    await gateway.stop();
  });

  test("that others could reach without a token is no configuration", async () => {
    const settings = { admin: { bind_address: "0.0.0.0", port: 0 } };
    const gateway = new GatewayProcess(await claimPorts(), { settings });
    gateway.launch();
    expect((await gateway.exited()).code).toBe(2);
    expect(gateway.stderr).toContain("admin.bind_address");
    expect(gateway.stderr).toContain("without an admin.token");
    await gateway.kill();
  });

  test("that somebody else has does not keep the gateway from serving", async () => {
    const other = createServer();
    await new Promise<void>((done) => other.listen(0, "127.0.0.1", done));
    const { port } = other.address() as AddressInfo;
    const gateway = await GatewayProcess.start({ settings: { admin: { port } } });
    expect(await gateway.logged("admin_unavailable")).toMatchObject({
      level: "warn",
      admin_port: port,
    });
    const meeting = await Meeting.of(gateway, { name: "without" });
    const { client, server } = await meeting.tcpSession();
    client.halfClose();
    server.halfClose();
    await new Promise((done) => other.close(done));
    // It is tried again every 5 s.
    await gateway.logged("admin_serving", { admin_port: port });
    expect((await new AdminPort(port).ask("/readyz")).status).toBe(200);
    await meeting.close();
    await gateway.stop();
  });

  test("lives by new tokens and names at once, without cutting who reads", async () => {
    const admin_settings = { port: 0, token: TOKEN };
    const gateway = await GatewayProcess.start({ settings: { admin: admin_settings } });
    const admin = await AdminPort.of(gateway);
    const query = "after=9000000000000000&wait_ms=20000";
    const waiting = admin.ask(`/api/v1/events?${query}`, { token: TOKEN });
    await admin.ask("/api/v1/gateway", { token: TOKEN });
    const other = `${TOKEN}-that-is-newer`;
    const named = () => admin.statusOf(head("GET /healthz", "Host: relay.example"));
    expect(await named()).toBe(403);
    const line = await gateway.reload({
      admin: { ...admin_settings, port: 1, token: other, allowed_hosts: ["relay.example"] },
    });
    expect(line.applied).toEqual(["admin.token", "admin.allowed_hosts"]);
    expect(line.needs_restart).toEqual(["admin.port"]);
    expect((await admin.ask("/api/v1/gateway", { token: TOKEN })).status).toBe(401);
    expect((await admin.ask("/api/v1/gateway", { token: other })).status).toBe(200);
    expect(await named()).toBe(200);
    const wrong = await gateway.reload({ admin: { ...admin_settings, token: "short" } });
    expect(wrong.status).toBe("reload_refused");
    expect(JSON.stringify(wrong)).not.toContain("short");
    expect((await admin.ask("/api/v1/gateway", { token: other })).status).toBe(200);
    await gateway.stop();
    expect((await waiting).status).toBe(200);
  });

  test("that is off is not there", async () => {
    const gateway = await GatewayProcess.start({ settings: { admin: { port: "off" } } });
    const meeting = await Meeting.of(gateway, { name: "off" });
    expect(gateway.linesOf("admin_serving").concat(gateway.linesOf("admin_unavailable"))).toEqual(
      [],
    );
    await meeting.close();
    await gateway.stop();
  });
});
