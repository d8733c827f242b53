import { afterEach, describe, expect, setSystemTime, test } from "bun:test";
import type { V1Client } from "../../../harness/v1-client.ts";
import {
  endGatewaysAfterEach,
  linesOf,
  type Running,
  SECRET,
  SRT,
  startGateway,
  ZMQ,
} from "./fixture.ts";
import { expectValid } from "./schema.ts";

endGatewaysAfterEach();

/** Whose messages are held against the schema when the test is over. */
const heard: V1Client[] = [];
afterEach(() => {
  for (const client of heard.splice(0)) expectValid(client);
});

async function start(...options: Parameters<typeof startGateway>): Promise<Running> {
  const running = await startGateway(...options);
  const keep = (make: (id?: string) => Promise<V1Client>) => async (id?: string) => {
    const client = await make(id);
    heard.push(client);
    return client;
  };
  return { ...running, fe: keep(running.fe), be: keep(running.be) };
}

describe("registering", () => {
  test("a front end is told: auth, ranges, ports, and the line of its registration", async () => {
    const { fe, log } = await start();
    const client = await fe("fe-1");
    await client.next("log");
    expect(client.all.map(({ type }) => type)).toEqual(["auth", "port_alloc", "port_state", "log"]);
    const [auth, alloc, state, line] = client.all;
    expect(auth.line).toBe('{"type":"auth","payload":{"status":"ok"}}');
    expect(alloc.payload).toEqual({
      zmq_start_port: ZMQ[0],
      zmq_end_port: ZMQ[4],
      srt_start_port: SRT[0],
      srt_end_port: SRT[4],
    });
    expect(state.payload).toEqual({
      zmq_total: 5,
      srt_total: 5,
      zmq_busy: 0,
      srt_busy: 0,
      zmq_ready_ports: [],
      srt_ready_ports: [],
      zmq_empty_ports: ZMQ,
      srt_empty_ports: SRT,
    });
    expect(line.payload).toContain("客户端注册成功");
    expect(line.payload).toContain("role=FE");
    expect(linesOf(log, "registered")[0]).toMatchObject({
      protocol: "rlx1",
      role: "client",
      id: "fe-1",
      principal: "client:fe-1",
    });
  });

  test("a back end gets no ranges, everybody hears of it, and no id forges its role", async () => {
    const { fe, be } = await start();
    const front = await fe();
    await front.next("log");
    const back = await be("role=FE");
    expect((await back.next("log")).payload).toContain("role=BE");
    const { payload } = await front.next("log");
    expect(payload).toContain("role=BE");
    expect(payload).not.toContain("role=FE");
    expect(back.all.map(({ type }) => type)).toEqual(["auth", "port_state", "log"]);
  });

  const refused: [string, string][] = [
    ["another secret", '{"type":"register","payload":{"role":"FE","secret":"wrong"}}'],
    ["no secret", '{"type":"register","payload":{"role":"BE"}}'],
    ["a secret that is no text", '{"type":"register","payload":{"role":"FE","secret":5}}'],
    [
      "an id beyond 256 characters",
      JSON.stringify({
        type: "register",
        payload: { role: "FE", secret: SECRET, client_id: "x".repeat(257) },
      }),
    ],
  ];
  for (const [name, message] of refused) {
    test(`with ${name} it is closed without a word`, async () => {
      const { connect, log } = await start();
      const client = await connect();
      client.write(message);
      await client.ended();
      expect(client.all).toEqual([]);
      expect(linesOf(log, "register_refused")).toHaveLength(1);
      expect(JSON.stringify(linesOf(log, "register_refused"))).not.toContain('wrong"');
    });
  }

  test("an empty secret refuses everybody", async () => {
    const { connect } = await start({ rlx1: { secret: "" } });
    for (const secret of ["", "x"]) {
      const client = await connect();
      client.send("register", { role: "FE", secret });
      await client.ended();
      expect(client.all).toEqual([]);
    }
  });

  test("another role, and another first message, get nothing of v1", async () => {
    const { connect, fe } = await start();
    await fe();
    const firsts = [
      { type: "register", payload: { role: "fe", secret: SECRET, client_id: "x" } },
      { type: "ping", payload: { c_send: 1 } },
      { type: "port_acquire", payload: { need_zmq: true } },
    ];
    for (const first of firsts) {
      const client = await connect();
      client.write(JSON.stringify(first));
      await client.ended();
      expect(client.all.map(({ type }) => type)).toEqual(["register_ack"]);
    }
  });

  test("no more than max_fe and max_be, each for itself", async () => {
    const { connect, fe, be, log } = await start({ rlx1: { max_fe: 2, max_be: 1 } });
    const first = await fe();
    await fe();
    await be();
    for (const [role, limit] of [["FE", "rlx1.max_fe"], ["BE", "rlx1.max_be"]]) {
      const client = await connect();
      client.send("register", { role, secret: SECRET });
      await client.ended();
      expect(client.all).toEqual([]);
      expect(linesOf(log, "limit_reached")).toContainEqual(expect.objectContaining({ limit }));
    }
    await first.close();
    await log.status("disconnected");
    await fe();
  });

  test("with tokens, the peer's own is asked for and the shared secret is good for nothing", async () => {
    const { hashToken } = await import("../../../../src/access/token-hash.ts");
    const { mkdtempSync, rmSync, writeFileSync } = await import("node:fs");
    const folder = mkdtempSync("/tmp/relayx-v1-");
    try {
      const tokens_file = `${folder}/tokens.yaml`;
      const entry = `{name: cam, role: server, ids: ["cam-*"], token_hash: "${
        hashToken("tok-1")
      }"}`;
      writeFileSync(tokens_file, `tokens: [${entry}]\n`);
      const { connect } = await start({ auth: { mode: "tokens", tokens_file } });
      const attempt = async (payload: object) => {
        const client = await connect();
        client.send("register", payload);
        await Promise.race([client.next("auth").catch(() => {}), client.ended().catch(() => {})]);
        return client.all.length > 0;
      };
      expect(await attempt({ role: "BE", client_id: "cam-1", secret: SECRET })).toBe(false);
      expect(await attempt({ role: "FE", client_id: "cam-1", secret: "tok-1" })).toBe(false);
      expect(await attempt({ role: "BE", client_id: "other", secret: "tok-1" })).toBe(false);
      expect(await attempt({ role: "BE", client_id: "cam-1", secret: "tok-1" })).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("messages", () => {
  test("ping is answered digit for digit, with its msg_id and trace_id", async () => {
    const { fe } = await start();
    const client = await fe();
    const before = BigInt(Date.now() - 1000) * 1_000_000n;
    client.write(
      '{"type":"ping","payload":{"c_send":9007199254740993123,"s_recv":0,"s_send":0},' +
        '"msg_id":"m-1","trace_id":"t-1"}',
    );
    const { line, msg_id, trace_id } = await client.next("pong");
    expect([msg_id, trace_id]).toEqual(["m-1", "t-1"]);
    const [, c_send, s_recv, s_send] = /"c_send":(\d+),"s_recv":(\d+),"s_send":(\d+)/.exec(line)!;
    expect(c_send).toBe("9007199254740993123");
    expect(BigInt(s_recv)).toBeGreaterThan(before);
    expect(BigInt(s_send)).toBeGreaterThanOrEqual(BigInt(s_recv));
  });

  test("pong has the time of the machine, also after that has been put right", async () => {
    const { fe } = await start();
    const client = await fe();
    const later_ms = Date.now() + 3_600_000;
    setSystemTime(later_ms);
    try {
      client.send("ping", { c_send: 1 });
      const { payload } = await client.next("pong");
      expect(payload.s_recv / 1e6 - later_ms).toBeWithin(-1000, 60_000);
      expect(payload.s_send / 1e6 - later_ms).toBeWithin(-1000, 60_000);
    } finally {
      setSystemTime();
    }
  });

  test("what is wrong, unknown or said again is ignored, and the connection stays", async () => {
    const { fe } = await start();
    const client = await fe();
    client.send("ping", { c_send: "soon" });
    client.send("ping", null);
    client.send("port_acquire", { need_zmq: "yes" });
    client.send("port_release", {});
    client.send("port_release", { session_id: "nobody's" });
    client.send("port_alloc", {});
    client.send("register", { role: "BE", secret: SECRET });
    client.send("no_such_type", [1, 2]);
    client.send("key_exchange", { public_key: "from a front end" });
    await client.settled();
    expect(client.inbox.items.filter(({ type }) => type !== "log" && type !== "port_alloc"))
      .toEqual([]);
  });

  test("keys in any case, split anywhere, without line feeds", async () => {
    const { connect } = await start();
    const client = await connect();
    const text = JSON.stringify({
      Type: "register",
      PAYLOAD: { Role: "FE", SECRET, Client_Id: "split" },
    }) + '{"type":"port_state_q","payload":{}}{"type":"port_state_q"}';
    for (const char of text) client.write(char);
    await client.next("auth");
    await client.settled();
    expect(client.air.items).toHaveLength(3);
    heard.push(client);
  });

  test("broken JSON ends the connection without a word of V4", async () => {
    const { fe, log } = await start();
    for (const text of ['{"type":}', "nonsense", "[1]", '{"type":5}', "[".repeat(40)]) {
      const client = await fe();
      client.write(text);
      await client.ended();
      expect(client.all.map(({ type }) => type)).not.toContain("error");
    }
    expect(linesOf(log, "control_error")).toHaveLength(5);
  });

  test("key_exchange reaches front ends without the private key", async () => {
    const { fe, be, v4 } = await start();
    const front = await fe();
    const [back, other] = [await be(), await be()];
    const stranger = await v4("client", "v4");
    back.send("key_exchange", { public_key: "PEM", private_key: "very private" });
    const { line, payload } = await front.next("key_exchange");
    expect(payload).toEqual({ public_key: "PEM" });
    expect(line).not.toContain("private");
    await Promise.all([back.settled(), other.settled(), front.settled()]);
    for (const client of [back, other]) {
      expect(client.all.map(({ type }) => type)).not.toContain("key_exchange");
    }
    expect(stranger.messages.items.some(({ type }) => type === "key_exchange")).toBe(false);
  });

  test("port_alloc of a back end reaches front ends with the ranges that are, and starts telemetry", async () => {
    const { fe, be, standing } = await start();
    const front = await fe();
    await front.next("port_alloc");
    const [back, silent] = [await be(), await be()];
    back.send("port_alloc", {
      zmq_start_port: 1,
      zmq_end_port: 2,
      srt_start_port: 3,
      srt_end_port: 4,
    });
    const { payload } = await front.next("port_alloc");
    expect(payload.zmq_start_port).toBe(ZMQ[0]);
    await back.air.see("telemetry", ({ type }) => type === "telemetry");
    standing.carry(ZMQ[0], 1_000_000, 500_000);
    const speed = await back.air.see(
      "speed",
      ({ type, payload }) => type === "telemetry" && payload.current_speed > 0,
    );
    // 1.5 MB in and out within 100 ms are 240 Mbit/s; on a busy machine it is not always 100 ms.
    expect(speed.payload.current_speed).toBeGreaterThan(10);
    expect(speed.payload.current_speed).toBeLessThan(2500);
    await back.air.upcoming(
      "nothing more",
      ({ type, payload }) => type === "telemetry" && payload.current_speed === 0,
    );
    await Promise.all([silent.settled(), front.settled()]);
    for (const client of [silent, front]) {
      expect(client.all.map(({ type }) => type)).not.toContain("telemetry");
    }
  });
});

describe("the two generations on one port", () => {
  test("neither hears the other", async () => {
    const { fe, be, v4, standing } = await start();
    const [front, back] = [await fe("same-id"), await be("same-id")];
    const [client, server] = [await v4("client", "same-id"), await v4("server", "same-id")];
    standing.wait(ZMQ[0]);
    await front.states(({ zmq_ready_ports }) => zmq_ready_ports.length === 1);
    const grant = await front.acquire({ need_zmq: true });
    expect(grant.payload.zmq_port).toBe(ZMQ[0]);
    client.send("pair_request", { request_id: "r", need_zmq: true });
    await client.grant("r");
    await server.grant("r");
    // V4's own broadcasts come each second or two.
    await client.next("telemetry");
    await client.next("port_state");
    await Promise.all([front.settled(), back.settled()]);
    const v1_types = new Set([...front.all, ...back.all].map(({ type }) => type));
    for (const type of ["status", "pair_grant", "register_ack", "telemetry"]) {
      expect(v1_types).not.toContain(type);
    }
    for (const { type, payload } of [...client.messages.items, ...server.messages.items]) {
      expect(["register_ack", "pair_grant", "status", "port_state", "telemetry"]).toContain(type);
      if (type === "port_state") expect(Object.keys(payload)).toEqual(["zmq", "srt"]);
    }
  });
});
