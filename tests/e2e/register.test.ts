import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { V4Client } from "../harness/v4-client.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(30_000);

describe("register", () => {
  let gateway: GatewayProcess;

  beforeAll(async () => {
    gateway = await GatewayProcess.start({ settings: { gateway: { auth_timeout: "500ms" } } });
  });
  afterAll(() => gateway.stop());

  const connect = () => V4Client.connect({ port: gateway.control_port });

  test("is answered with ok and nothing else", async () => {
    const client = await connect();
    expect(await client.tryRegister({ role: "client", id: "fe-ok", token: "t" })).toEqual({
      status: "ok",
    });
    await client.close();
  });

  const missing = "502 missing id/token";
  const wrong: [string, Record<string, unknown>, number, string][] = [
    ["no id", { role: "client", token: "t" }, 502, missing],
    ["no token", { role: "client", id: "a" }, 502, missing],
    ["empty id", { role: "client", id: "", token: "t" }, 502, missing],
    ["an id of white space", { role: "client", id: " \t\n", token: "t" }, 502, missing],
    ["a token of white space", { role: "client", id: "a", token: "  " }, 502, missing],
    ["no id and an unknown role: the id comes first", { role: "x", token: "t" }, 502, missing],
    ["an empty payload", {}, 502, missing],
    ["an unknown role", { role: "viewer", id: "a", token: "t" }, 502, "502 invalid role"],
    ["no role", { id: "a", token: "t" }, 502, "502 invalid role"],
  ];
  for (const [name, payload, code, error] of wrong) {
    test(`refuses ${name}`, async () => {
      const client = await connect();
      expect(await client.tryRegister(payload)).toEqual({ status: "error", code, error });
      await client.closed();
    });
  }

  for (const role of ["server", "client"] as const) {
    test(`refuses a second ${role} of the same id, trimmed`, async () => {
      const first = await V4Client.register({
        port: gateway.control_port,
        role,
        id: `twice-${role}`,
      });
      const second = await connect();
      expect(await second.tryRegister({ role, id: ` twice-${role} `, token: "other" })).toEqual({
        status: "error",
        code: 503,
        error: `503 duplicate ${role} id`,
      });
      await second.closed();
      await first.close();
    });
  }

  test("lets a server and a client share an id", async () => {
    const port = gateway.control_port;
    const server = await V4Client.register({ port, role: "server", id: "shared" });
    const client = await V4Client.register({ port, role: "client", id: "shared" });
    await Promise.all([server.close(), client.close()]);
  });

  test("frees the id at once when the connection ends in order", async () => {
    const port = gateway.control_port;
    for (let turn = 0; turn < 20; turn++) {
      const client = await V4Client.register({ port, role: "client", id: "comes-and-goes" });
      await client.close();
    }
  });

  test("frees the id when the connection is reset", async () => {
    const port = gateway.control_port;
    const client = await V4Client.register({ port, role: "server", id: "crashes" });
    const { remote } = client;
    client.abort();
    await gateway.logged("disconnected", { remote });
    const again = await V4Client.register({ port, role: "server", id: "crashes" });
    await again.close();
  });

  test("must be the first message", async () => {
    const client = await connect();
    client.send({ type: "pair_request", payload: { need_zmq: true } });
    expect(await client.answer("register_ack")).toEqual({
      status: "error",
      code: 502,
      error: "first message must be register",
    });
    await client.closed();
  });

  const unparseable: [string, string][] = [
    ["no JSON", "hello there\n"],
    ["broken JSON", '{"type":"register",,}\n'],
    ["an opening that never was one", "}}}}\n"],
  ];
  for (const [name, bytes] of unparseable) {
    test(`closes without a word on ${name} first`, async () => {
      const client = await connect();
      await client.write(bytes);
      await client.closed();
      expect(client.received_bytes).toBe(0);
    });
  }

  test("closes without a word when nothing comes within auth_timeout", async () => {
    const started = performance.now();
    const client = await connect();
    await client.closed();
    expect(client.received_bytes).toBe(0);
    expect(performance.now() - started).toBeGreaterThan(400);
  });

  test("closes a drip that does not finish within auth_timeout", async () => {
    const client = await connect();
    const drip = setInterval(() => client.write(" "), 50);
    try {
      await client.write('{"type":"register",');
      await client.closed(5_000);
    } finally {
      clearInterval(drip);
    }
    expect(client.received_bytes).toBe(0);
  });

  test("writes no token into the log", async () => {
    const token = "a-token-that-must-not-be-written-down";
    const client = await connect();
    await client.tryRegister({ role: "client", id: "discreet", token });
    const refused = await connect();
    await refused.tryRegister({ role: "client", id: "discreet", token });
    await refused.closed();
    await client.close();
    await gateway.logged("disconnected", { id: "discreet" });
    expect(JSON.stringify(gateway.log.items)).not.toContain(token);
  });
});

describe("register when the house is full", () => {
  test("refuses before it looks at duplicates, and lets in again when somebody leaves", async () => {
    const gateway = await GatewayProcess.start({ settings: { gateway: { max_connections: 2 } } });
    try {
      const port = gateway.control_port;
      const one = await V4Client.register({ port, role: "client", id: "one" });
      await V4Client.register({ port, role: "server", id: "two" });
      const full = { status: "error", code: 504, error: "504 max connections reached" };
      for (const [role, id] of [["client", "three"], ["client", "one"], ["server", "two"]]) {
        const late = await V4Client.connect({ port });
        expect(await late.tryRegister({ role, id, token: "t" })).toEqual(full);
        await late.closed();
      }
      const rude = await V4Client.connect({ port });
      expect((await rude.tryRegister({ role: "x", id: "y", token: "t" })).error).toBe(
        "502 invalid role",
      );
      await rude.closed();
      await one.close();
      await V4Client.register({ port, role: "client", id: "three" });
    } finally {
      await gateway.stop();
    }
  });
});
