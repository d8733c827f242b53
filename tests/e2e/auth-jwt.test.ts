/** `auth.mode: jwt` against the built gateway: what is let in, rotation, outages, and ends of tokens. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { GatewayProcess, type Settings } from "../harness/gateway-process.ts";
import {
  encodePart,
  inSeconds,
  KeySetServer,
  makeKey,
  type SigningKey,
  signToken,
} from "../harness/key-set.ts";
import { TestAuthority } from "../harness/certificates.ts";
import { joinTcp } from "../harness/meeting.ts";
import { plainEnvironment } from "../harness/runtime.ts";
import { type Answer, V4Client } from "../harness/v4-client.ts";

setDefaultTimeout(30_000);

const UNAUTHORIZED = { status: "error", code: 501, error: "501 unauthorized" };

async function knock(
  gateway: GatewayProcess,
  { token, id = "fe-1", role = "client" }: { token: string; id?: string; role?: string },
): Promise<{ client: V4Client; ack: Answer }> {
  const client = await V4Client.connect({ port: gateway.control_port, id });
  return { client, ack: await client.tryRegister({ role, id, token, max_conn: 8 }) };
}

function claims(changed: Record<string, unknown> = {}) {
  return {
    sub: "fe-1",
    role: "client",
    aud: "relay",
    iss: "https://id.example",
    exp: inSeconds(300),
    ...changed,
  };
}

describe("with a key file", () => {
  let folder: string;
  let key: SigningKey;
  let key_file: string;
  let settings: Settings;
  let gateway: GatewayProcess;

  const pem = (one: SigningKey) =>
    one.public_key.export({ type: "spki", format: "pem" }).toString();

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "relayx-jwt-"));
    key = makeKey("k", "RS256");
    key_file = join(folder, "public.pem");
    writeFileSync(key_file, pem(key));
    settings = {
      auth: {
        mode: "jwt",
        jwt_key_file: key_file,
        jwt_issuer: "https://id.example",
        jwt_audience: "relay",
        jwt_clock_tolerance: "0",
      },
    };
    gateway = await GatewayProcess.start({ settings });
  });
  afterAll(async () => {
    await gateway.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("a good token is who its claims say, and nobody else", async () => {
    const good = await knock(gateway, { token: signToken(key, claims()) });
    expect(good.ack).toEqual({ status: "ok" });
    expect(await gateway.logged("registered", { id: "fe-1" })).toMatchObject({ principal: "fe-1" });
    await good.client.close();
    for (const asked of [{ id: "fe-2" }, { role: "server" }]) {
      const { client, ack } = await knock(gateway, { token: signToken(key, claims()), ...asked });
      expect(ack).toEqual(UNAUTHORIZED);
      await client.closed();
    }
    await gateway.logged("register_refused", { reason: "wrong_id" });
    await gateway.logged("register_refused", { reason: "wrong_role" });
  });

  const bad: [string, string, () => string][] = [
    ["that has expired", "expired", () => signToken(key, claims({ exp: inSeconds(-1) }))],
    ["for somebody else", "wrong_audience", () => signToken(key, claims({ aud: "bank" }))],
    ["from somebody else", "wrong_issuer", () => signToken(key, claims({ iss: "evil" }))],
    ["of another key", "bad_signature", () => signToken(makeKey("k", "RS256"), claims())],
    [
      "without a signature",
      "alg_not_allowed",
      () => `${encodePart({ alg: "none" })}.${encodePart(claims())}.`,
    ],
    ["signed with the public key as a secret", "alg_not_allowed", () => {
      const body = `${encodePart({ alg: "HS256" })}.${encodePart(claims())}`;
      return `${body}.${createHmac("sha256", pem(key)).update(body).digest("base64url")}`;
    }],
    ["that is none", "malformed", () => "a-token-of-old"],
  ];
  for (const [name, reason, make] of bad) {
    test(`a token ${name} is told 501, and the log says ${reason} and never the token`, async () => {
      const token = make();
      const { client, ack } = await knock(gateway, { token });
      expect(ack).toEqual(UNAUTHORIZED);
      await client.closed();
      await gateway.logged("register_refused", { reason, code: 501, id: "fe-1" });
      expect(JSON.stringify(gateway.log.items)).not.toContain(token);
    });
  }

  test("what comes behind a register waits for the verdict and is dealt with once", async () => {
    const server_token = signToken(key, claims({ sub: "be-1", role: "server" }));
    const server = await knock(gateway, { token: server_token, id: "be-1", role: "server" });
    expect(server.ack).toEqual({ status: "ok" });
    const register = {
      type: "register",
      payload: { role: "client", id: "fe-1", token: signToken(key, claims()) },
    };
    const ask = (request_id: string) => ({
      type: "pair_request",
      payload: { request_id, need_zmq: true },
    });
    const all = [register, ask("one"), ask("two")].map((one) => JSON.stringify(one)).join("");
    // In one piece, and cut behind every so many bytes.
    for (const cut of [all.length, 7]) {
      const client = await V4Client.connect({ port: gateway.control_port, id: `cut-${cut}` });
      for (let at = 0; at < all.length; at += cut) await client.write(all.slice(at, at + cut));
      expect(await client.answer("register_ack")).toEqual({ status: "ok" });
      await client.granted("one");
      await client.granted("two");
      expect(client.untaken("register_ack")).toEqual([]);
      await client.close();
    }
    await server.client.close();
  });

  test("over TLS as well", async () => {
    const authority = new TestAuthority();
    const { cert_file, key_file: own_key_file } = authority.issue();
    const secure = await GatewayProcess.start({
      settings: { ...settings, tls: { cert_file, key_file: own_key_file, required: true } },
    });
    try {
      const socket = connect({ port: secure.control_port, host: "127.0.0.1", ca: authority.ca });
      const token = signToken(key, claims());
      const register = { type: "register", payload: { role: "client", id: "fe-1", token } };
      // No plane at all is refused at once; it stands behind the register in the same record.
      const ask = { type: "pair_request", payload: { request_id: "none" } };
      socket.write(JSON.stringify(register) + JSON.stringify(ask));
      let said = "";
      for await (const chunk of socket) {
        said += chunk;
        if (said.includes("pair_error")) break;
      }
      expect(said).toStartWith('{"type":"register_ack","payload":{"status":"ok"}}\n');
      expect(said.split('"request_id":"none"')).toHaveLength(2);
    } finally {
      await secure.stop();
      authority.close();
    }
  });

  test("a registration ends with its token, and its sessions go on", async () => {
    const server_token = signToken(key, claims({ sub: "be-2", role: "server" }));
    const server = await knock(gateway, { token: server_token, id: "be-2", role: "server" });
    const { client } = await knock(gateway, {
      token: signToken(key, claims({ exp: inSeconds(2) })),
    });
    const grant = await client.granted(client.ask({ server_id: "be-2", need_zmq: true }));
    const session = await joinTcp(gateway, grant);
    expect(await client.answer("error")).toEqual({ code: 501, error: "501 expired" });
    await client.closed();
    await gateway.logged("disconnected", { id: "fe-1", reason: "expired" });
    await session.client.write("still here\n");
    expect((await session.server.head(11)).toString()).toBe("still here\n");
    session.client.destroy();
    await server.client.close();
  });

  test("a key that is replaced takes its registrations with it; a wrong file changes nothing", async () => {
    const { client, ack } = await knock(gateway, { token: signToken(key, claims()) });
    expect(ack).toEqual({ status: "ok" });
    writeFileSync(key_file, "not a key");
    const refused = await gateway.reload(settings);
    expect(refused.status).toBe("reload_refused");
    expect(String(refused.error)).toContain(`${key_file} auth.jwt_key_file: found neither PEM`);
    await client.settled();
    const next = makeKey("n", "RS256");
    writeFileSync(key_file, pem(next));
    expect((await gateway.reload(settings)).status).toBe("reloaded");
    await client.closed();
    expect((await knock(gateway, { token: signToken(key, claims()) })).ack).toEqual(UNAUTHORIZED);
    const again = await knock(gateway, { token: signToken(next, claims()) });
    expect(again.ack).toEqual({ status: "ok" });
    await again.client.close();
  });
});

describe("with a key set under a URL", () => {
  test("keys rotate, outages pass unnoticed, and a slow provider keeps nobody else waiting", async () => {
    const [old, fresh] = [makeKey("old"), makeKey("new")];
    const provider = await KeySetServer.start([old]);
    // Not there when the gateway starts.
    provider.answer = (response) => void response.writeHead(503).end();
    const gateway = await GatewayProcess.start({
      settings: {
        gateway: { auth_timeout: "2s" },
        auth: { mode: "jwt", jwks_url: provider.url, jwt_audience: "relay" },
      },
    });
    try {
      await gateway.logged("jwks_unavailable");
      const early = await knock(gateway, { token: signToken(old, claims()) });
      expect(early.ack).toEqual({
        status: "error",
        code: 504,
        error: "504 authentication is not available now",
      });
      await gateway.logged("register_refused", { reason: "keys_unavailable" });

      // It is tried again by itself, and soon.
      provider.publish([old]);
      await gateway.logged("jwks_fetched");
      const first = await knock(gateway, { token: signToken(old, claims()) });
      expect(first.ack).toEqual({ status: "ok" });

      // The provider hangs: who is known goes on to be known, who is not waits, and not for ever.
      provider.answer = () => {};
      const waiting = await V4Client.connect({ port: gateway.control_port, id: "waits" });
      await gateway.statusPage();
      waiting.send({
        type: "register",
        payload: { role: "client", id: "fe-9", token: signToken(fresh, claims({ sub: "fe-9" })) },
      });
      const second = await knock(gateway, {
        token: signToken(old, claims({ sub: "fe-2" })),
        id: "fe-2",
      });
      expect(second.ack).toEqual({ status: "ok" });
      await waiting.closed();
      await Promise.all([first, second].map(({ client }) => client.close()));
    } finally {
      await gateway.stop();
      await provider.close();
    }
  });

  test("over https it is only taken from whom an authority vouches for", async () => {
    const authority = new TestAuthority();
    const key = makeKey("k");
    const provider = await KeySetServer.start([key], authority.issue());
    const settings = {
      auth: { mode: "jwt", jwks_url: provider.url, jwt_audience: "relay" },
    };
    try {
      const doubting = await GatewayProcess.start({ settings });
      const line = await doubting.logged("jwks_unavailable");
      expect(String(line.error)).toMatch(/certificate/i);
      expect(provider.asked).toBe(0);
      await doubting.stop();
      const trust = { NODE_EXTRA_CA_CERTS: authority.ca_file, DENO_CERT: authority.ca_file };
      const trusting = await GatewayProcess.start({
        settings,
        environment: plainEnvironment(trust),
      });
      await trusting.logged("jwks_fetched");
      const { ack } = await knock(trusting, { token: signToken(key, claims()) });
      expect(ack).toEqual({ status: "ok" });
      await trusting.stop();
    } finally {
      await provider.close();
      authority.close();
    }
  });

  test("a new key is fetched when it is first needed", async () => {
    const [old, fresh] = [makeKey("old"), makeKey("new")];
    const provider = await KeySetServer.start([old, fresh]);
    const gateway = await GatewayProcess.start({
      settings: { auth: { mode: "jwt", jwks_url: provider.url, jwt_audience: "relay" } },
    });
    try {
      await gateway.logged("jwks_fetched");
      for (const key of [old, fresh]) {
        const { client, ack } = await knock(gateway, { token: signToken(key, claims()) });
        expect(ack).toEqual({ status: "ok" });
        await client.close();
      }
      // Keys that do not exist are asked for no more than once in a while.
      for (let i = 0; i < 10; i++) {
        const { ack } = await knock(gateway, { token: signToken(makeKey(`x${i}`), claims()) });
        expect(ack).toEqual(UNAUTHORIZED);
      }
      expect(provider.asked).toBeLessThanOrEqual(2);
    } finally {
      await gateway.stop();
      await provider.close();
    }
  });
});
