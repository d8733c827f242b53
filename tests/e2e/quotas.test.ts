/** Quotas against the built gateway: each is named in the reply and in the log, and holds. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GatewayProcess, type Settings } from "../harness/gateway-process.ts";
import { joinTcp, Meeting } from "../harness/meeting.ts";
import { freshToken, hashOf, TokenFile } from "../harness/token-file.ts";
import { V4Client } from "../harness/v4-client.ts";

setDefaultTimeout(30_000);

let gateway: GatewayProcess;
afterEach(() => gateway.kill());

const start = async (quotas: Record<string, unknown>, more: Settings = {}) => {
  gateway = await GatewayProcess.start({ settings: { quotas, ...more } });
};

async function register(role: "client" | "server", id: string, local_address?: string) {
  const client = await V4Client.connect({ port: gateway.control_port, id, local_address });
  return { client, ack: await client.tryRegister({ role, id, token: "t", max_conn: 100 }) };
}

test("registrations per address", async () => {
  await start({ registrations_per_address: 2 });
  const refused = { status: "error", code: 504 };
  const limit = "registrations_per_address";
  const first = await register("client", "a", "127.0.0.2");
  await register("server", "b", "127.0.0.2");
  const third = await register("client", "c", "127.0.0.2");
  expect(third.ack).toEqual({ ...refused, error: `504 limit reached: ${limit} is 2` });
  await third.client.closed();
  expect(await gateway.logged("limit_reached", { limit })).toMatchObject({
    account: "address:127.0.0.2",
    allowed: 2,
    id: "c",
  });
  expect((await register("client", "c", "127.0.0.3")).ack).toEqual({ status: "ok" });
  await first.client.close();
  expect((await register("client", "d", "127.0.0.2")).ack).toEqual({ status: "ok" });
});

test("registrations, sessions and pair requests of a principal, by its own entry", async () => {
  const token = freshToken();
  const server_token = freshToken();
  const file = new TokenFile([
    {
      name: "fleet",
      role: "client",
      id: "fe-*",
      token_hash: hashOf(token),
      quotas: {
        registrations: 2,
        sessions: 2,
        pair_requests_per_second: 1,
        pair_requests_burst: 4,
      },
    },
    { name: "be", role: "server", id: "be-*", token_hash: hashOf(server_token) },
  ]);
  try {
    await start({ registrations_per_principal: 100 }, {
      auth: { mode: "tokens", tokens_file: file.path },
    });
    const enter = async (role: string, id: string, secret: string) => {
      const client = await V4Client.connect({ port: gateway.control_port, id });
      const ack = await client.tryRegister({ role, id, token: secret, max_conn: 100 });
      return { client, ack };
    };
    const server = await enter("server", "be-1", server_token);
    const [a, b] = [await enter("client", "fe-1", token), await enter("client", "fe-2", token)];
    expect([server, a, b].map(({ ack }) => ack.status)).toEqual(["ok", "ok", "ok"]);
    expect((await enter("client", "fe-3", token)).ack).toMatchObject({
      code: 504,
      error: "504 limit reached: registrations_per_principal is 2",
    });

    // The sessions of both count for the one principal that both are.
    const one = await a.client.granted(a.client.ask({ need_zmq: true }));
    await b.client.granted(b.client.ask({ need_zmq: true }));
    expect(await b.client.refused(b.client.ask({ need_zmq: true }))).toMatchObject({
      code: 504,
      error: "limit reached: sessions_per_principal is 2",
    });
    await gateway.logged("limit_reached", {
      limit: "sessions_per_principal",
      account: "principal:fleet",
    });

    // A session that ends makes room for one; and that was the fourth request within the burst.
    const session = await joinTcp(gateway, one);
    session.client.abort();
    await gateway.logged("session_stop", { session_id: one.session_id });
    await a.client.granted(a.client.ask({ need_zmq: true }));
    const fifth = await b.client.refused(b.client.ask({ need_zmq: true }));
    expect(fifth).toMatchObject({
      code: 504,
      error: "limit reached: pair_requests_per_second_per_principal is 1",
    });
  } finally {
    file.remove();
  }
});

test("sessions per address count for both ends, and a full server is one without room", async () => {
  await start({ sessions_per_address: 1 });
  const port = gateway.control_port;
  const server = (id: string, local_address: string) =>
    V4Client.register({ port, role: "server", id, max_conn: 9, local_address });
  const client = (id: string, local_address: string) =>
    V4Client.register({ port, role: "client", id, local_address });
  await server("be-2", "127.0.0.2");
  const [x, y] = [await client("x", "127.0.0.4"), await client("y", "127.0.0.5")];
  expect((await x.granted(x.ask({ need_zmq: true }))).server_id).toBe("be-2");
  const waits = y.ask({ need_zmq: true });
  await gateway.logged("pair_waiting", { request_id: waits });
  await server("be-3", "127.0.0.3");
  expect((await y.granted(waits)).server_id).toBe("be-3");
});

test("the day's bytes end sessions, forbid new ones, and are known after a restart", async () => {
  const directory = join(mkdtempSync(join(tmpdir(), "relayx-state-")), "made/here");
  const settings = {
    quotas: { bytes_per_day_per_principal: "64KB" },
    state: { directory },
  };
  const limit = "bytes_per_day_per_principal";
  try {
    gateway = await GatewayProcess.start({ settings });
    const meeting = await Meeting.of(gateway, { name: "day" });
    // What a session carries in its very last moment counts as well.
    const quick = await meeting.tcpSession();
    await quick.client.write("x".repeat(40_000));
    await quick.server.reached(40_000);
    quick.client.abort();
    await gateway.logged("session_stop", { session_id: quick.grant.session_id });
    const long = await meeting.tcpSession();
    await long.server.write("y".repeat(30_000));
    await gateway.logged("session_ended", {
      session_id: long.grant.session_id,
      reason: "quota",
      by: limit,
    });
    await Promise.all([long.client.closed(), long.server.closed()]);
    const refused = { code: 504, error: `limit reached: ${limit} is 65536` };
    expect(await meeting.client.refused(meeting.client.ask({ need_zmq: true })))
      .toMatchObject(refused);
    await gateway.stop();

    const kept = JSON.parse(readFileSync(join(directory, "bytes-today.json"), "utf8"));
    expect(kept.bytes).toEqual({
      "principal:client:fe-day": 70_000,
      "principal:server:be-day": 70_000,
    });
    expect(statSync(join(directory, "bytes-today.json")).mode & 0o777).toBe(0o600);
    gateway = await GatewayProcess.start({ settings });
    const again = await Meeting.of(gateway, { name: "day" });
    expect(await again.client.refused(again.client.ask({ need_zmq: true }))).toMatchObject(refused);
    // More is allowed from now on, without anybody coming anew.
    await gateway.reload({ ...settings, quotas: { bytes_per_day_per_principal: "1MB" } });
    await again.client.granted(again.client.ask({ need_zmq: true }));
    await gateway.stop();

    // What cannot be read is set aside and stops nothing.
    writeFileSync(join(directory, "bytes-today.json"), "{");
    writeFileSync(join(directory, "bans.json"), '{"version": 2}');
    gateway = await GatewayProcess.start({ settings });
    for (const name of ["bytes-today.json", "bans.json"]) {
      await gateway.logged("state_unreadable", { path: join(directory, name) });
    }
    const third = await Meeting.of(gateway, { name: "day" });
    await third.client.granted(third.client.ask({ need_zmq: true }));
    await gateway.stop();
  } finally {
    rmSync(join(directory, "../.."), { recursive: true, force: true });
  }
});

test("a session carries no more each second than the narrowest of its limits", async () => {
  await start({ bytes_per_second_per_principal: "100KB", bytes_per_second_per_address: "50MB" });
  const meeting = await Meeting.of(gateway, { name: "slow" });
  const session = await meeting.tcpSession();
  const started = performance.now();
  void session.client.write("x".repeat(200_000));
  await session.server.reached(200_000);
  // Without the limit it takes milliseconds; with it 2 s, less what may come at once.
  expect(performance.now() - started).toBeGreaterThan(500);
});

test("a state folder that cannot be made stops the start and says so", async () => {
  const start_failed = GatewayProcess.start({
    settings: { state: { directory: "/dev/null/state" } },
  });
  const message = await start_failed.then(() => "it started", (error: Error) => error.message);
  expect(message).toContain("ended with 1");
  expect(message).toContain("state.directory /dev/null/state cannot be made");
});
