/** fastway on the control side: who is let in, who is ended and why, and what the log says of it. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EndpointsAnswer, GatewayAnswer } from "../../../../src/admin/answers.ts";
import type { Config } from "../../../../src/config/schema.ts";
import { FastwayListenError } from "../../../../src/data/fastway/plane.ts";
import { patience_ms } from "../../../harness/deadline.ts";
import { inSeconds, makeKey, signToken } from "../../../harness/key-set.ts";
import { freshToken, hashOf, type TokenEntry, TokenFile } from "../../../harness/token-file.ts";
import { configOf, endGatewaysAfterEach, startGateway } from "./fixture.ts";

setDefaultTimeout(2 * patience_ms);
endGatewaysAfterEach();

async function withTokens(
  entries: TokenEntry[],
  run: (auth: Partial<Config["auth"]>, file: TokenFile) => Promise<void>,
): Promise<void> {
  const file = new TokenFile(entries);
  try {
    await run({ mode: "tokens", tokens_file: file.path }, file);
  } finally {
    file.remove();
  }
}

function entry(token: string, more: TokenEntry = {}): TokenEntry {
  return { name: "ann", role: "client", id: "ann-1", token_hash: hashOf(token), ...more };
}

test("whoever comes and goes is in the log with what it has carried", async () => {
  const { plane, log, linesOf } = await startGateway();
  expect(await log.status("serving")).toMatchObject({
    fastway_client_port: 8880,
    fastway_server_port: 8881,
  });
  const server = plane.come("server", 7, { transport: "snet" });
  expect(linesOf("fastway_server")).toMatchObject([{
    protocol: "fastway",
    role: "server",
    id: "7",
    endpoint: server,
    transport: "snet",
    principal: "fastway-server",
  }]);
  plane.come("client", 1);
  expect(linesOf("fastway_client")).toMatchObject([{ id: "1", principal: "fastway-client" }]);
  plane.carry(server, { bytes_in: 100, bytes_out: 50, messages_in: 2, messages_out: 1 });
  plane.over(server, "protocol_error", "a Length of 3");
  expect(linesOf("fastway_over")).toMatchObject([{
    level: "warn",
    reason: "protocol_error",
    detail: "a Length of 3",
    id: "7",
    messages_in: 2,
    messages_out: 1,
    bytes_in: 100,
    bytes_out: 50,
  }]);
});

test("a crowd that comes within one second is told together, and none of it goes unsaid", async () => {
  const { gateway, plane, log } = await startGateway();
  for (let id = 1; id <= 1000; id++) plane.come("client", id);
  await gateway.abort();
  for (const status of ["fastway_client", "fastway_over"]) {
    const lines = log.lines.items.filter((line) => line.status === status);
    // 200 each second one by one, and a few that stand for the others.
    expect(lines.length).toBeLessThan(1000);
    expect(lines.reduce((sum, { count }) => sum + Number(count ?? 1), 0)).toBe(1000);
  }
});

test("a session of snet that is lost and comes back is told of both times", async () => {
  const { plane, linesOf, ask } = await startGateway();
  const client = plane.come("client", 1, { transport: "snet" });
  plane.lose(client);
  expect((await ask("/api/v1/gateway")).body).toMatchObject({ fastway: { away: 1, clients: 1 } });
  plane.restore(client, "192.0.2.77:5", "192.0.2.77");
  expect(linesOf("fastway_away")).toHaveLength(1);
  expect(linesOf("fastway_back")).toMatchObject([{ remote: "192.0.2.77:5" }]);
  expect((await ask("/api/v1/gateway")).body).toMatchObject({ fastway: { away: 0 } });
});

test("whoever comes back from another address has its bans and limits from then on", async () => {
  const { plane, linesOf, gateway } = await startGateway({
    quotas: { registrations_per_address: 1 },
  });
  const phone = plane.come("client", 1, { transport: "snet", address: "192.0.2.1" });
  plane.lose(phone);
  plane.restore(phone, "198.51.100.1:5", "198.51.100.1");
  // The first address is free again, and the second is not.
  const second = plane.come("client", 2, { address: "192.0.2.1" });
  const third = plane.come("client", 3, { address: "198.51.100.1" });
  expect(plane.ended).toEqual([[third, "registrations_per_address"]]);
  plane.lose(second);
  plane.restore(second, "198.51.100.1:6", "198.51.100.1");
  expect(plane.ended.at(-1)).toEqual([second, "registrations_per_address"]);
  await Promise.resolve();
  expect(linesOf("fastway_over")).toHaveLength(2);
  expect(gateway.snapshot().state).toBe("Running");
});

test("a verdict that takes its time finds the client that waits for it, or nobody", async () => {
  const key = makeKey("k");
  const folder = mkdtempSync(join(tmpdir(), "relayx-fastway-"));
  const path = join(folder, "keys.pem");
  writeFileSync(path, key.public_key.export({ type: "spki", format: "pem" }));
  try {
    const { plane, log, linesOf } = await startGateway({
      auth: { mode: "jwt", jwt_key_file: path, jwt_algorithms: ["ES256"] },
    });
    const claims = { sub: "ann", role: "client", exp: inSeconds(600) };
    const token = signToken(key, claims);
    const left = plane.show(token);
    plane.over(left, "gone");
    const waits = plane.show(token);
    expect(plane.admitted).toEqual([]);
    const came = await log.status("fastway_client");
    expect(came).toMatchObject({ endpoint: waits, principal: "ann" });
    expect(plane.admitted).toEqual([waits]);
    expect(linesOf("fastway_refused")).toMatchObject([{ reason: "gone", role: "client" }]);
    const late = plane.show(signToken(key, { ...claims, exp: inSeconds(-600) }));
    await log.lines.find(({ status, reason }) =>
      status === "fastway_refused" && reason === "expired"
    );
    expect(plane.ended).toEqual([[late, "expired"]]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a token of a client lets it in, a wrong one does not, and both are told", async () => {
  const token = freshToken();
  await withTokens([entry(token)], async (auth) => {
    const { plane, linesOf } = await startGateway({ auth });
    // Ids are what peers choose elsewhere: here they get a number, and the token names no other.
    const good = plane.show(token);
    expect(plane.admitted).toEqual([good]);
    expect(linesOf("fastway_client")).toMatchObject([{ endpoint: good, principal: "ann" }]);
    const bad = plane.show(freshToken());
    expect(plane.ended).toEqual([[bad, "unknown_token"]]);
    await Promise.resolve();
    expect(linesOf("fastway_refused")).toMatchObject([{ reason: "unknown_token", role: "client" }]);
    expect(linesOf("fastway_over")).toEqual([]);
    expect(JSON.stringify(linesOf("fastway_refused"))).not.toContain(token);
  });
});

test("a server's token, one that names its peers, and one that is banned let nobody in", async () => {
  const [server, picky, banned] = [freshToken(), freshToken(), freshToken()];
  const entries = [
    entry(server, { name: "a-server", role: "server" }),
    entry(picky, { name: "picky", peers: ["be-*"] }),
    entry(banned, { name: "banned" }),
  ];
  await withTokens(entries, async (auth) => {
    const { plane, ask } = await startGateway({ auth });
    const order = { method: "POST", headers: { "content-type": "application/json" } };
    await ask("/api/v1/bans", { ...order, body: JSON.stringify({ subject: "id:banned" }) });
    const shown = [server, picky, banned].map((token) => plane.show(token));
    expect(plane.ended).toEqual([
      [shown[0], "wrong_role"],
      [shown[1], "peers_named"],
      [shown[2], "banned"],
    ]);
    expect(plane.admitted).toEqual([]);
  });
});

test("a reload that takes a token back, or names its peers, ends who came with it and no other", async () => {
  const [gone, picky, stays] = [freshToken(), freshToken(), freshToken()];
  const all = [
    entry(gone, { name: "gone" }),
    entry(picky, { name: "picky" }),
    entry(stays, { name: "stays", id: "somebody-else" }),
  ];
  await withTokens(all, async (auth, file) => {
    const { plane, gateway, config } = await startGateway({ auth }, {
      load: () => ({ ...config, fastway: { ...config.fastway!, ServerAuthKey: "another" } }),
    });
    const [first, second] = [gone, picky, stays].map((token) => plane.show(token));
    plane.come("server", 1);
    plane.come("client", 9);
    file.write([entry(picky, { name: "picky", peers: ["x"] }), all[2]]);
    await gateway.reload("the test");
    expect(plane.ended).toEqual([[first, "revoked"], [second, "revoked"]]);
    expect(plane.applied.map(({ fastway }) => fastway?.ServerAuthKey)).toEqual(["another"]);
  });
});

test("bans of a server's id and of an address end them, and a client's number is no id", async () => {
  const { plane, ask, linesOf } = await startGateway();
  const order = { method: "POST", headers: { "content-type": "application/json" } };
  const ban = (subject: string) =>
    ask("/api/v1/bans", { ...order, body: JSON.stringify({ subject }) });
  const server = plane.come("server", 7);
  plane.come("client", 7);
  const far = plane.come("client", 8, { address: "198.51.100.1" });
  await ban("id:7");
  expect(plane.ended).toEqual([[server, "banned"]]);
  await ban("address:198.51.100.0/24");
  expect(plane.ended).toEqual([[server, "banned"], [far, "banned"]]);
  await plane.bans.find((networks) => networks.includes("198.51.100.0/24"));
  // It comes again, as old servers do at once.
  const again = plane.come("server", 7);
  expect(plane.ended.at(-1)).toEqual([again, "banned"]);
  await Promise.resolve();
  expect(linesOf("fastway_over").at(-1)).toMatchObject({ reason: "banned", endpoint: again });
  expect(linesOf("fastway_server")).toHaveLength(1);
});

test("wrong proofs count as failures of their address, until it is banned", async () => {
  const { plane, log } = await startGateway({ bans: { failures_max: 3 } });
  for (const status of ["handshake_error", "snet_error", "token_missing"] as const) {
    plane.refuse("server", status);
  }
  await plane.bans.find((networks) => networks.includes("192.0.2.9"));
  expect(await log.status("banned")).toMatchObject({ subject: "address:192.0.2.9" });
  for (let time = 0; time < 3; time++) {
    plane.refuse("client", "draining", "192.0.2.10:1");
    plane.refuse("client", "proxy_error", "192.0.2.10:1");
    // As everybody behind one address does after a restart.
    plane.refuse("client", "snet_unknown", "192.0.2.10:1");
  }
  expect(log.statuses().filter((status) => status === "banned")).toHaveLength(1);
});

test("more than a principal or an address may have is ended with the limit's name", async () => {
  const { plane, linesOf } = await startGateway({
    quotas: { registrations_per_principal: 2, registrations_per_address: 3 },
  });
  // Whoever shares the key is one principal; clients without tokens are strangers to each other.
  const servers = [1, 2, 3].map((id) => plane.come("server", id, { address: `192.0.2.${id}` }));
  expect(plane.ended).toEqual([[servers[2], "registrations_per_principal"]]);
  const clients = [1, 2, 3, 4].map((id) => plane.come("client", id, { address: "203.0.113.1" }));
  expect(plane.ended.slice(1)).toEqual([[clients[3], "registrations_per_address"]]);
  expect(linesOf("limit_reached")).toMatchObject([
    { limit: "registrations_per_principal", allowed: 2, account: "principal:fastway-server" },
    { limit: "registrations_per_address", allowed: 3, account: "address:203.0.113.1" },
  ]);
  // What has left counts no longer.
  plane.over(clients[0], "gone");
  plane.come("client", 5, { address: "203.0.113.1" });
  expect(plane.ended).toHaveLength(2);
});

test("whoever has used up the day is ended, and may not come back today", async () => {
  const { plane, log, linesOf } = await startGateway({
    quotas: { bytes_per_day_per_address: 1000 },
  });
  const spender = plane.come("client", 1, { address: "192.0.2.50" });
  plane.come("client", 2, { address: "192.0.2.51" });
  plane.carry(spender, { bytes_in: 400, bytes_out: 600 });
  expect(await log.status("limit_reached")).toMatchObject({
    limit: "bytes_per_day_per_address",
    account: "address:192.0.2.50",
  });
  expect(plane.ended).toEqual([[spender, "bytes_per_day_per_address"]]);
  const again = plane.come("client", 3, { address: "192.0.2.50" });
  expect(plane.ended.at(-1)).toEqual([again, "bytes_per_day_per_address"]);
  await Promise.resolve();
  expect(linesOf("fastway_over")).toHaveLength(2);
});

test("the last bytes of an endpoint count for its day as well", async () => {
  const { plane } = await startGateway({ quotas: { bytes_per_day_per_address: 1000 } });
  const client = plane.come("client", 1);
  plane.carry(client, { bytes_in: 1000 });
  plane.over(client, "gone");
  const again = plane.come("client", 2);
  expect(plane.ended).toEqual([[again, "bytes_per_day_per_address"]]);
});

test("endpoints are listed page by page, with their rates, and can be kicked", async () => {
  const { plane, ask, linesOf } = await startGateway();
  const server = plane.come("server", 7);
  const clients = [1, 2, 3].map((id) => plane.come("client", id));
  plane.carry(server, { bytes_in: 1000, messages_in: 10, virtual: 2, queue_messages: 1 });
  const path = "/api/v1/fastway/endpoints";
  expect((await ask(`${path}?side=client&limit=2`)).body).toMatchObject({
    endpoints: [{ endpoint: clients[0], id: 1 }, { endpoint: clients[1], id: 2 }],
    next: clients[1],
    total: 3,
  });
  expect((await ask(`${path}?side=client&limit=2&after=${clients[1]}`)).body).toMatchObject({
    endpoints: [{ endpoint: clients[2] }],
    next: null,
    total: 3,
  });
  expect((await ask(`${path}?id=7`)).body).toMatchObject({ total: 1 });
  expect((await ask(`/api/v1/explain/7`)).body).toMatchObject({
    is: "server",
    sentences: [
      expect.stringContaining("The fastway server 7 connected from 192.0.2.1:"),
      expect.stringContaining("Now: the fastway server 7"),
    ],
  });
  const kick = await ask(`${path}/${server}`, { method: "DELETE" });
  expect(kick).toMatchObject({ status: 200, body: { ended: 1 } });
  expect(plane.ended).toEqual([[server, "kicked"]]);
  expect(linesOf("fastway_over")).toMatchObject([{ reason: "kicked", endpoint: server }]);
  expect((await ask(`${path}/${server}`, { method: "DELETE" })).status).toBe(404);
  expect(linesOf("admin_order")).toMatchObject([
    { order: "kick_endpoint", endpoint: server },
    { order: "kick_endpoint", code: "not_found" },
  ]);
});

test("what is carried is told as it is now, and rates once a second", async () => {
  const { plane, ask } = await startGateway();
  const client = plane.come("client", 1);
  plane.carry(client, { bytes_in: 1_000_000, messages_in: 1000 });
  // Whoever asks again within 100 ms may be told the same once more.
  const carried = async () => {
    const { body } = await ask("/api/v1/gateway");
    return (body as GatewayAnswer).fastway?.carried.client.bytes_in;
  };
  while (await carried() !== 1_000_000);
  const rate = async () => {
    const { body } = await ask("/api/v1/fastway/endpoints");
    return (body as EndpointsAnswer).endpoints[0].bps_in;
  };
  while (await rate() === 0);
  // And nothing more after it.
  while (await rate() !== 0);
});

test("a worker that dies is told of, with all who were there", async () => {
  const { plane, linesOf, ask } = await startGateway();
  plane.come("server", 1);
  plane.come("client", 1);
  plane.fail("it fell over");
  expect(linesOf("fastway_over")).toMatchObject([
    { reason: "plane_failed" },
    { reason: "plane_failed" },
  ]);
  expect(linesOf("plane_failed")).toMatchObject([{ protocol: "fastway", error: "it fell over" }]);
  expect((await ask("/api/v1/gateway")).body).toMatchObject({ fastway: { clients: 0 } });
});

test("shed connections are told with the key of the bound", async () => {
  const { plane, linesOf } = await startGateway();
  plane.shed("client", "clients_max", 3);
  plane.shed("server", "unproven_max", 1);
  plane.shed("client", "banned", 2);
  expect(linesOf("limit_reached")).toMatchObject([
    { limit: "fastway.clients_max", count: 3, role: "client" },
    { limit: "unproven_max", count: 1, role: "server" },
  ]);
  expect(linesOf("banned")).toMatchObject([{ count: 2 }]);
});

test("a drain lets nobody new in, waits for virtual connections and can be taken back", async () => {
  const { plane, ask, log } = await startGateway();
  plane.numbers.virtual = 2;
  await ask("/api/v1/drain", { method: "POST", headers: { "content-type": "application/json" } });
  expect(plane.is_serving).toBe(false);
  expect(await log.status("draining")).toMatchObject({ sessions: 2 });
  await ask("/api/v1/drain", { method: "DELETE" });
  expect(plane.is_serving).toBe(true);
  const json = { "content-type": "application/json" };
  const body = JSON.stringify({ deadline_ms: 0 });
  await ask("/api/v1/drain", { method: "POST", headers: json, body });
  await log.status("drained");
  expect(plane.numbers.virtual).toBe(0);
});

test("an orderly end lets virtual connections finish, and only then ends the endpoints", async () => {
  const { plane, gateway, log, linesOf } = await startGateway();
  plane.come("client", 1);
  plane.numbers.virtual = 1;
  const closed = gateway.close("the test");
  await log.status("stopping");
  expect([plane.is_serving, plane.closed, linesOf("fastway_over").length]).toEqual([
    false,
    false,
    0,
  ]);
  plane.numbers.virtual = 0;
  await closed;
  expect(plane.closed).toBe(true);
  expect(linesOf("fastway_over")).toMatchObject([{ reason: "released" }]);
  expect(linesOf("stopped")).toMatchObject([{ sessions_cut: 0 }]);
});

test("a port that is taken is named with its key", async () => {
  const broken = new FastwayListenError("server", "EADDRINUSE", "the address is in use");
  const start = startGateway({}, { broken, fastway: { ServerAddr: "127.0.0.1:4321" } });
  await expect(start).rejects.toMatchObject({
    code: "FASTWAY_PORT_UNAVAILABLE",
    message:
      "the port 4321 for servers of fastway cannot be opened on 127.0.0.1: the address is in " +
      "use; stop the program that has it, or set fastway.ServerAddr",
  });
});

test("a gateway whose fastway worker hangs is not ready, and the watchdog hears of it", async () => {
  const { plane, ask, gateway } = await startGateway();
  expect((await ask("/readyz")).status).toBe(200);
  plane.loop_lag_ms = [null];
  expect(await ask("/readyz")).toMatchObject({
    status: 503,
    body: { reasons: ["no worker of fastway moves"] },
  });
  expect(await gateway.beat(1)).toBe(false);
});

test("a reload without the section waits for a restart", async () => {
  const { gateway, plane } = await startGateway({}, {
    load: () => ({ ...configOf(), fastway: undefined }),
  });
  expect((await gateway.reload("the test")).needs_restart).toContain("fastway");
  expect(plane.applied).toHaveLength(1);
});
