/** Bans against the built gateway: after failures and by order, what they close, and how they end. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GatewayProcess, type Settings } from "../harness/gateway-process.ts";
import { joinTcp, Meeting } from "../harness/meeting.ts";
import { TcpEnd } from "../harness/tcp-end.ts";
import { freshToken, hashOf, TokenFile } from "../harness/token-file.ts";
import { V4Client } from "../harness/v4-client.ts";

setDefaultTimeout(30_000);

/** On this machine, and another one than everybody else's of the tests. */
const ATTACKER = "127.0.0.66";

let gateway: GatewayProcess;
let file: TokenFile | null = null;
afterEach(async () => {
  await gateway.kill();
  file?.remove();
  file = null;
});

function tokensFor(entries: { role: string; id: string }[]): { secret: string; auth: Settings } {
  const secret = freshToken();
  file = new TokenFile(entries.map(({ role, id }) => ({
    name: id,
    role,
    id,
    // One token for each entry, all derived from one secret.
    token_hash: hashOf(`${secret}-${id}`),
  })));
  return { secret, auth: { auth: { mode: "tokens", tokens_file: file.path } } };
}

async function fail(local_address: string): Promise<void> {
  const client = await V4Client.connect({ port: gateway.control_port, local_address });
  const ack = await client.tryRegister({ role: "client", id: "fe-1", token: "guess" });
  expect(ack.code).toBe(501);
  await client.closed();
}

/** The gateway hangs up on whoever comes from there, without a word; anybody else gets an answer. */
async function isKeptOut(local_address: string): Promise<boolean> {
  const end = await TcpEnd.connect({ port: gateway.control_port, local_address });
  end.writeCarelessly("GET /status HTTP/1.1\r\nhost: localhost\r\n\r\n");
  const gone = await end.reached(1).then(() => false, () => true);
  end.destroy();
  return gone;
}

/** Whether a data port closes a connection of the attacker's that has said nothing, within 200 ms. */
async function hangsUpSoon(port: number): Promise<boolean> {
  const end = await TcpEnd.connect({ port, local_address: ATTACKER });
  const gone = await end.ended(200).then(() => true, () => end.is_closed);
  end.destroy();
  return gone;
}

test("an address that fails again and again is kept out for a while, and nobody else is", async () => {
  const { secret, auth } = tokensFor([{ role: "client", id: "fe-1" }, {
    role: "server",
    id: "be",
  }]);
  gateway = await GatewayProcess.start({
    settings: { ...auth, bans: { failures_max: 5, window: "1m", duration: "2s", exempt: [] } },
  });
  const port = gateway.control_port;
  const enter = async (role: string, id: string, local_address?: string) => {
    const client = await V4Client.connect({ port, id, local_address });
    const ack = await client.tryRegister({ role, id, token: `${secret}-${id}`, max_conn: 9 });
    expect(ack).toEqual({ status: "ok" });
    return client;
  };
  // Somebody is registered from there already, and may stay.
  const server = await enter("server", "be", ATTACKER);
  const client = await enter("client", "fe-1");
  const grant = await client.granted(client.ask({ need_zmq: true }));

  for (let i = 0; i < 4; i++) await fail(ATTACKER);
  expect(gateway.linesOf("banned")).toEqual([]);
  await fail(ATTACKER);
  expect(await gateway.logged("banned", { subject: `address:${ATTACKER}` })).toMatchObject({
    by: "relayx",
    reason: "5 failures within 1m, the last one unknown_token",
  });
  expect(await isKeptOut(ATTACKER)).toBe(true);
  await gateway.logged("banned", { door: "control", remote: ATTACKER });
  // Data ports as well, a moment later.
  while (!await hangsUpSoon(grant.zmq_port!));
  await gateway.logged("banned", { kind: "zmq" });
  await server.answer("pair_grant");
  const meeting = await joinTcp(gateway, grant);
  meeting.client.destroy();

  // It is over by itself, and counts anew.
  await gateway.logged("unbanned", { subject: `address:${ATTACKER}`, by: "its time" });
  await fail(ATTACKER);
  await Promise.all([server, client].map((one) => one.close()));
});

test("wrong hellos and rubbish on the control port count as well, a mode without tokens included", async () => {
  gateway = await GatewayProcess.start({
    settings: { bans: { failures_max: 4, exempt: ["127.0.0.1"] } },
  });
  const { client, server } = await Meeting.of(gateway, { name: "open" });
  const grant = await client.granted(client.ask({ server_id: server.id, need_zmq: true }));
  for (const address of [ATTACKER, "127.0.0.1"]) {
    for (const bytes of ["rubbish\n", '{"type":"hello"}']) {
      const rude = await V4Client.connect({ port: gateway.control_port, local_address: address });
      await rude.write(bytes);
      await rude.closed();
    }
    for (let i = 0; i < 2; i++) {
      const end = await TcpEnd.connect({ port: grant.zmq_port!, local_address: address });
      await end.write("V4HELLO nonsense\n");
      await end.turnedAway();
    }
  }
  expect((await gateway.logged("banned")).subject).toBe(`address:${ATTACKER}`);
  expect(gateway.linesOf("banned", { by: "relayx" })).toHaveLength(1);
  expect(await isKeptOut("127.0.0.1")).toBe(false);
});

test("by order: an id and a network, with their registrations and sessions, over a restart", async () => {
  const directory = mkdtempSync(join(tmpdir(), "relayx-bans-"));
  const settings = { state: { directory }, admin: { port: 0 } };
  try {
    gateway = await GatewayProcess.start({ settings });
    const port = gateway.control_port;
    const admin = async (method: string, path: string, body?: unknown) => {
      const { admin_port } = await gateway.logged("admin_serving");
      const answer = await fetch(`http://127.0.0.1:${admin_port}/api/v1/bans${path}`, {
        method,
        headers: body === undefined ? {} : { "content-type": "application/json" },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const said = await answer.json() as { subject?: string; bans?: { subject: string }[] };
      return { status: answer.status, body: said };
    };
    const meeting = await Meeting.of(gateway, { name: "banned" });
    const kept = await meeting.tcpSession();
    expect(await admin("POST", "", { subject: "id:fe-banned", reason: "noise" }))
      .toMatchObject({ status: 200, body: { subject: "id:fe-banned", until_unix_ms: null } });
    expect(await meeting.client.answer("error")).toEqual({ code: 501, error: "501 banned" });
    await meeting.client.closed();
    const again = await V4Client.connect({ port });
    expect(await again.tryRegister({ role: "client", id: "fe-banned", token: "t" }))
      .toEqual({ status: "error", code: 501, error: "501 unauthorized" });
    await gateway.logged("register_refused", { reason: "banned", id: "fe-banned" });
    // Its session goes on until it is asked for as well.
    await kept.client.write("still here\n");
    expect((await kept.server.head(11)).toString()).toBe("still here\n");
    await admin("POST", "", { subject: "id:fe-banned", sessions: true });
    await gateway.logged("session_ended", { session_id: kept.grant.session_id, reason: "revoked" });

    expect((await admin("POST", "", { subject: "somebody" })).status).toBe(422);
    const far = await V4Client.register({
      port,
      role: "client",
      id: "far",
      local_address: ATTACKER,
    });
    await admin("POST", "", { subject: "address:127.0.0.64/29", duration_ms: 3_600_000 });
    await far.closed();
    expect(await isKeptOut(ATTACKER)).toBe(true);
    expect(await isKeptOut("127.0.0.72")).toBe(false);
    await gateway.stop();

    gateway = await GatewayProcess.start({ settings });
    expect(await isKeptOut(ATTACKER)).toBe(true);
    const { body } = await admin("GET", "");
    expect(body.bans?.map(({ subject }) => subject)).toEqual([
      "id:fe-banned",
      "address:127.0.0.64/29",
    ]);
    expect((await admin("DELETE", `/${encodeURIComponent("address:127.0.0.64/29")}`)).status)
      .toBe(200);
    expect(await isKeptOut(ATTACKER)).toBe(false);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test("a thousand failed registrations cost little, and nobody else waits for them", async () => {
  const { secret, auth } = tokensFor([{ role: "client", id: "fe-2" }]);
  gateway = await GatewayProcess.start({ settings: auth });
  const port = gateway.control_port;
  const friend = await V4Client.connect({ port, id: "fe-2" });
  const ack = await friend.tryRegister({ role: "client", id: "fe-2", token: `${secret}-fe-2` });
  expect(ack.status).toBe("ok");
  await fail(ATTACKER);
  const before = { descriptors: gateway.open_descriptors, bytes: gateway.resident_bytes };
  let left = 1000;
  let slowest_ms = 0;
  const attackers = Array.from({ length: 20 }, async () => {
    while (left-- > 0) await fail(ATTACKER);
  });
  const attack = Promise.all(attackers).then(() => "over");
  do {
    const asked = performance.now();
    await friend.settled();
    slowest_ms = Math.max(slowest_ms, performance.now() - asked);
  } while (
    await Promise.race([attack, new Promise((resolve) => setTimeout(resolve, 20))]) !== "over"
  );
  expect(slowest_ms).toBeLessThan(1000);
  await gateway.descriptorsAtMost(before.descriptors);
  expect(gateway.resident_bytes - before.bytes).toBeLessThan(64 * 1024 * 1024);
  // One line each second says how many there were.
  const lines = gateway.linesOf("register_refused");
  expect(lines.length).toBeLessThan(30);
  await friend.close();
  await gateway.stop();
  const told = gateway.linesOf("register_refused").reduce(
    (sum, { count }) => sum + Number(count),
    0,
  );
  expect(told).toBe(1001);
});
