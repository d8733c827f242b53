/** fastway as an operator of the running gateway meets it: log, API, commands, metrics, drain, page. */
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import type { EndpointsAnswer, GatewayAnswer } from "../../src/admin/answers.ts";
import { AdminPort } from "../harness/admin-port.ts";
import { has_browser, TestBrowser } from "../harness/browser.ts";
import { check, Dashboard, rowWith } from "../harness/dashboard.ts";
import { close, data, dial, token } from "../harness/fastway-frames.ts";
import { FastwayPeer, virtualConnection } from "../harness/fastway-peer.ts";
import { FastwayService } from "../harness/fastway-service.ts";
import { SnetLine } from "../harness/snet-line.ts";
import { checkedDocument } from "../harness/openapi.ts";
import { freshToken, hashOf, TokenFile } from "../harness/token-file.ts";
import { Tool } from "../harness/tool.ts";

setDefaultTimeout(60_000);

/** A client and a server with a virtual connection between them. */
async function pairOf(service: FastwayService, server_id: number) {
  const server = await service.server(server_id);
  const client = await service.client();
  const conn_id = await virtualConnection(client, server, server_id);
  return { server, client, conn_id };
}

/** Ends in order and waits for the gateway to do the same. */
async function leave(...peers: FastwayPeer[]): Promise<void> {
  for (const peer of peers) peer.halfClose();
  await Promise.all(peers.map((peer) => peer.closed()));
}

/** Asks until it is so. */
async function until<T>(ask: () => Promise<T>, is_so: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (is_so(answer)) return answer;
  }
}

async function endpointsOf(admin: AdminPort, query = ""): Promise<EndpointsAnswer> {
  return (await admin.ask(`/api/v1/fastway/endpoints${query}`)).json;
}

async function command(...args: string[]): Promise<{ code: number; stdout: string }> {
  const tool = new Tool(args);
  return { code: await tool.exit, stdout: tool.stdout };
}

describe("a gateway that serves fastway", () => {
  let service: FastwayService;
  let admin: AdminPort;

  beforeAll(async () => {
    service = await FastwayService.start({ settings: { admin: { port: 0 } } });
    admin = await AdminPort.of(service.gateway);
  });
  afterAll(() => service?.stop());

  test("says its ports when it serves", async () => {
    expect(await service.gateway.logged("serving")).toMatchObject({
      fastway_client_port: service.client_port,
      fastway_server_port: service.server_port,
    });
  });

  test("who comes and goes is in the log, the API, the metrics and explain", async () => {
    const { server, client, conn_id } = await pairOf(service, 4001);
    const came = await service.gateway.logged("fastway_server", { id: "4001" });
    expect(came).toMatchObject({ role: "server", principal: "fastway-server", transport: "tcp" });
    await client.send(data(conn_id, "0123456789"));
    await server.next("the message");
    // What is told may be 100 ms old. A Connect and the message have 17 and 18 bytes; and the echo of
    // a ping came before.
    const row = await until(
      async () => (await endpointsOf(admin, "?side=server&id=4001")).endpoints[0],
      ({ messages_out }) => messages_out >= 3,
    );
    expect(row).toMatchObject({
      endpoint: came.endpoint,
      side: "server",
      id: 4001,
      virtual: 1,
      principal: "fastway-server",
      is_away: false,
      messages_out: 3,
      bytes_out: 9 + 17 + 18,
    });
    const gateway: GatewayAnswer = (await admin.ask("/api/v1/gateway")).json;
    expect(gateway.fastway).toMatchObject({
      ports: { client: service.client_port, server: service.server_port },
      virtual: 1,
    });
    const metrics = await admin.metrics();
    expect(metrics.faults()).toEqual([]);
    expect(metrics.value("relayx_fastway_endpoints", { side: "server" })).toBe(1);
    expect(metrics.value("relayx_fastway_virtual_connections", {})).toBe(1);
    const told = (await admin.ask("/api/v1/explain/4001")).json;
    expect(told.is).toBe("server");
    expect(told.sentences.at(-1)).toContain("it has 1 virtual connection, ");
    await leave(client, server);
    const over = await service.gateway.logged("fastway_over", { id: "4001" });
    expect(over).toMatchObject({ reason: "gone", endpoint: came.endpoint });
    expect(over.bytes_out).toBeGreaterThanOrEqual(44);
  });

  test("every answer about it is what its description says", async () => {
    const document = checkedDocument((await admin.ask("/openapi.json")).json);
    const { server, client } = await pairOf(service, 4002);
    const faults: string[] = [];
    for (
      const [method, route, path = route] of [
        ["GET", "/api/v1/gateway"],
        ["GET", "/api/v1/history"],
        ["GET", "/api/v1/fastway/endpoints"],
        ["GET", "/api/v1/fastway/endpoints", "/api/v1/fastway/endpoints?limit=1"],
        ["GET", "/api/v1/fastway/endpoints", "/api/v1/fastway/endpoints?id=4294967296"],
        ["DELETE", "/api/v1/fastway/endpoints/{endpoint}", "/api/v1/fastway/endpoints/999999999"],
      ]
    ) {
      const { status, json } = await admin.ask(path, { method });
      faults.push(...document.faults(method, route, status, json));
    }
    expect(faults).toEqual([]);
    await leave(client, server);
  });

  test("a kick ends one endpoint: its peers are told Close, and others go on", async () => {
    const { server, client, conn_id } = await pairOf(service, 4003);
    const { endpoints } = await endpointsOf(admin, "?side=client");
    const endpoint = endpoints[endpoints.length - 1].endpoint;
    const other = await service.client();
    const others_id = await virtualConnection(other, server, 4003);
    const at = ["--admin", `127.0.0.1:${admin.port}`];
    expect(await command("kick", "--endpoint", String(endpoint), ...at)).toEqual({
      code: 0,
      stdout: "1 ended\n",
    });
    expect(await server.next("the close")).toEqual({ type: "close", conn_id });
    await client.closed();
    expect(await service.gateway.logged("fastway_over", { endpoint })).toMatchObject({
      reason: "kicked",
    });
    expect((await command("kick", "--endpoint", String(endpoint), ...at)).code).toBe(1);
    await other.send(data(others_id, "still here"));
    expect((await server.take("data")).conn_id).toBe(others_id);
    await leave(other, server);
  });

  test("status and endpoints show it in a terminal", async () => {
    const { server, client } = await pairOf(service, 4004);
    const at = ["--admin", `127.0.0.1:${admin.port}`];
    const status = await command("status", ...at);
    expect(status.stdout).toContain(
      `fastway    port ${service.client_port} for clients, ${service.server_port} for servers\n`,
    );
    const { stdout } = await command("endpoints", "--side", "server", "--id", "4004", ...at);
    expect(stdout.split("\n")).toHaveLength(3);
    expect(stdout).toMatch(/\n\d+\s+server\s+4004\s+127\.0\.0\.1:\d+\s+tcp\s+fastway-server\s/);
    const json = await command("endpoints", "--json", ...at);
    expect(JSON.parse(json.stdout).endpoints.length).toBeGreaterThanOrEqual(2);
    await leave(client, server);
  });

  test("a wrong proof is refused with the reason in log and metric", async () => {
    const stranger = await FastwayPeer.unproven({ port: service.server_port });
    await stranger.challenge();
    await stranger.send(new Uint8Array(20));
    await stranger.closed();
    expect(await service.gateway.logged("fastway_refused")).toMatchObject({
      reason: "handshake_error",
      role: "server",
    });
    const metrics = await admin.metrics();
    expect(metrics.value("relayx_fastway_refused_total", { reason: "handshake_error" }))
      .toBeGreaterThanOrEqual(1);
  });

  test("a drain refuses dials and newcomers, and what runs goes on until its deadline", async () => {
    const { server, client, conn_id } = await pairOf(service, 4005);
    const at = ["--admin", `127.0.0.1:${admin.port}`];
    const patient = new Tool(["drain", "--wait", ...at]);
    let has_waited = false;
    void patient.exit.then(() => has_waited = true);
    expect(await service.gateway.logged("draining")).toMatchObject({ sessions: 1 });
    expect((await command("drain", ...at)).stdout).toBe("draining; 1 virtual connection is left\n");
    expect(has_waited).toBe(false);
    await client.send(dial(4005));
    expect(await client.next("the refused dial")).toEqual({ type: "refuse", remote_id: 4005 });
    const late = await service.client();
    await late.closed();
    await client.send(data(conn_id, "goes on"));
    expect(await server.next("a message while it drains")).toMatchObject({ type: "data", conn_id });
    await admin.ask("/api/v1/drain", { method: "POST", body: { deadline_ms: 0 } });
    expect(await client.next("the end of the drain")).toEqual({ type: "close", conn_id });
    expect(await server.next("the same")).toEqual({ type: "close", conn_id });
    await service.gateway.logged("drained");
    expect(await patient.exit).toBe(0);
    expect(patient.stdout).toBe("draining; 0 sessions are left\n");
    await admin.ask("/api/v1/drain", { method: "DELETE" });
    await client.send(dial(4005));
    await client.take("accept");
    await leave(client, server);
  });

  test("a banned address is cut off, and a banned id as well", async () => {
    const server = await service.server(4006, { local_address: "127.0.0.3" });
    const client = await service.client({ local_address: "127.0.0.4" });
    const ban = (subject: string) =>
      admin.ask("/api/v1/bans", { method: "POST", body: { subject } });
    await ban("id:4006");
    await server.closed();
    await ban("address:127.0.0.4");
    await client.closed();
    expect(await service.gateway.logged("fastway_over", { id: "4006" })).toMatchObject({
      reason: "banned",
    });
    for (const subject of ["id%3A4006", "address%3A127.0.0.4"]) {
      await admin.ask(`/api/v1/bans/${subject}`, { method: "DELETE" });
    }
  });
});

test("clients show their tokens where that is asked for, and a reload can take one back", async () => {
  const [good, gone] = [freshToken(), freshToken()];
  const entry = (name: string, token: string) => ({
    name,
    role: "client",
    id: name,
    token_hash: hashOf(token),
  });
  const file = new TokenFile([entry("ann", good), entry("bob", gone)]);
  const service = await FastwayService.start({
    settings: { auth: { mode: "tokens", tokens_file: file.path } },
    fastway: { client_auth: "token" },
  });
  try {
    const shows = async (text: string) => {
      const client = await service.client();
      await client.send(token(text));
      return client;
    };
    const [ann, bob] = await Promise.all([good, gone].map(shows));
    await Promise.all([ann.settled(), bob.settled()]);
    expect(await service.gateway.logged("fastway_client", { principal: "ann" })).toBeDefined();
    const wrong = await shows(freshToken());
    await wrong.closed();
    expect(await service.gateway.logged("fastway_refused")).toMatchObject({
      reason: "unknown_token",
    });
    file.write([entry("ann", good)]);
    service.gateway.signal("SIGHUP");
    await bob.closed();
    expect(await service.gateway.logged("fastway_over", { principal: "bob" })).toMatchObject({
      reason: "revoked",
    });
    await ann.settled();
    await leave(ann);
  } finally {
    await service.stop();
    file.remove();
  }
});

test("an orderly end lets virtual connections finish, and nobody dials meanwhile", async () => {
  const service = await FastwayService.start({
    settings: { gateway: { shutdown_timeout: "60s" } },
  });
  const { server, client, conn_id } = await pairOf(service, 1);
  service.gateway.signal("SIGTERM");
  expect(await service.gateway.logged("stopping")).toMatchObject({ sessions: 1 });
  await client.send(data(conn_id, "the last words"), dial(1));
  expect((await server.take("data")).conn_id).toBe(conn_id);
  expect((await client.take("refuse")).remote_id).toBe(1);
  await client.send(close(conn_id));
  await Promise.all([client.closed(), server.closed()]);
  expect(await service.gateway.logged("stopped")).toMatchObject({ sessions_cut: 0 });
  expect(await service.gateway.exited()).toMatchObject({ code: 0 });
  await service.gateway.kill();
});

test("a session of snet that is away is told of, comes back, and cannot once it is kicked", async () => {
  const service = await FastwayService.start({
    settings: { admin: { port: 0 } },
    fastway: { ClientSnetEnable: true },
  });
  try {
    const admin = await AdminPort.of(service.gateway);
    const line = await SnetLine.open({ port: service.client_port, encrypts: false });
    const client = new FastwayPeer(line, { name: "client over snet" });
    await client.settled();
    const { endpoint } = await service.gateway.logged("fastway_client", { transport: "snet" });
    line.cut();
    await service.gateway.takeLogged("fastway_away", { endpoint });
    expect((await endpointsOf(admin)).endpoints).toMatchObject([{ endpoint, is_away: true }]);
    expect((await admin.metrics()).value("relayx_fastway_endpoints_away", {})).toBe(1);
    await line.comeBack();
    await service.gateway.logged("fastway_back", { endpoint });
    await client.settled();
    expect((await endpointsOf(admin)).endpoints).toMatchObject([{ endpoint, is_away: false }]);
    line.cut();
    await service.gateway.takeLogged("fastway_away", { endpoint });
    await admin.ask(`/api/v1/fastway/endpoints/${endpoint}`, { method: "DELETE" });
    expect(await service.gateway.logged("fastway_over", { endpoint })).toMatchObject({
      reason: "kicked",
    });
    await expect(line.comeBack()).rejects.toThrow("the return was refused");
    expect(await service.gateway.logged("fastway_refused")).toMatchObject({
      reason: "snet_unknown",
    });
    client.destroy();
  } finally {
    await service.stop();
  }
});

describe.skipIf(!has_browser)("the page", () => {
  let browser: TestBrowser;
  let board: Dashboard;
  const ports = { client: 0, server: 0 };

  beforeAll(async () => {
    if (!has_browser) return;
    browser = await TestBrowser.start();
    board = await Dashboard.start(browser, {
      fastway: {
        ClientAddr: "127.0.0.1:0",
        ServerAddr: "127.0.0.1:0",
        ServerAuthKey: "k",
        process_folder: "",
      },
    });
    const serving = await board.gateway.logged("serving");
    ports.client = Number(serving.fastway_client_port);
    ports.server = Number(serving.fastway_server_port);
  });
  afterAll(async () => {
    await board?.close();
    await browser?.close();
  });
  afterEach(async () => {
    expect(await board?.takeFaults() ?? []).toEqual([]);
  });

  test("shows figures and endpoints, and kicks one after a confirmation", async () => {
    const server = await FastwayPeer.server({ port: ports.server, key: "k", id: 77 });
    const client = await FastwayPeer.client({ port: ports.client });
    await virtualConnection(client, server, 77);
    const { page } = await board.load();
    const row = rowWith(page, "Endpoints of fastway", "server 77");
    await row.waitFor();
    await page.locator("#fastway-figures", { hasText: "1 since the start" }).waitFor();
    expect(await page.locator("#fastway-count").innerText()).toBe("2");
    const contrasts = await check<{ faults: string[] }>(page, "contrastFaults");
    expect(contrasts.faults).toEqual([]);
    expect(await check(page, "structureFaults")).toEqual([]);
    await page.setViewportSize({ width: 360, height: 800 });
    // What is measured must have been laid out for this width.
    for (let i = 0; i < 2; i++) await page.evaluate("new Promise(requestAnimationFrame)");
    expect(await check(page, "narrowFaults")).toEqual([]);
    await page.setViewportSize({ width: 1280, height: 900 });
    const { endpoint } = await board.gateway.logged("fastway_server", { id: "77" });
    await row.getByRole("button", { name: `Kick server 77, endpoint ${endpoint}` }).click();
    const dialog = page.getByRole("alertdialog", { name: `Kick server 77, endpoint ${endpoint}?` });
    expect(await dialog.innerText()).toContain("Its 1 virtual connection ends");
    await dialog.getByRole("button", { name: "Kick server" }).click();
    await server.closed();
    await row.waitFor({ state: "detached" });
    await client.take("close");
    await leave(client);
  });
});
