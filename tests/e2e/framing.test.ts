import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Buffer } from "node:buffer";
import { turn } from "../harness/deadline.ts";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { announcedRandom } from "../harness/random.ts";
import { V4Client } from "../harness/v4-client.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(30_000);

describe("control framing over a real socket", () => {
  let gateway: GatewayProcess;

  beforeAll(async () => {
    gateway = await GatewayProcess.start();
  });
  afterAll(() => gateway.stop());

  const connect = (id: string) => V4Client.connect({ port: gateway.control_port, id });
  const registration = (id: string) =>
    JSON.stringify({ type: "register", payload: { role: "client", id, token: 't"}{\\' } });

  test("a message may be cut at any byte", async () => {
    const bytes = Buffer.from(registration("cut-é-€"));
    for (let cut = 1; cut < bytes.length; cut++) {
      const client = await connect(`cut at ${cut}`);
      await client.write(bytes.subarray(0, cut));
      await turn();
      await client.write(bytes.subarray(cut));
      expect(await client.answer("register_ack")).toEqual({ status: "ok" });
      await client.close();
    }
  });

  test("a message may come byte by byte", async () => {
    const client = await connect("drop by drop");
    for (const byte of Buffer.from(registration("drop by drop"))) {
      await client.write(Uint8Array.of(byte));
    }
    expect(await client.answer("register_ack")).toEqual({ status: "ok" });
    await client.close();
  });

  test("many messages may share a segment, with or without white space between them", async () => {
    const client = await connect("crowd");
    const barrier = (request_id: string) =>
      JSON.stringify({ type: "pair_request", payload: { request_id } });
    await client.write(
      `\r\n \t${registration("crowd")}${barrier("a")}${barrier("b")}\n\n  ${barrier("c")}\r\n`,
    );
    expect(await client.answer("register_ack")).toEqual({ status: "ok" });
    for (const id of ["a", "b", "c"]) await client.refused(id);
    await client.close();
  });

  test("random messages in random pieces are answered in order", async () => {
    const random = announcedRandom("framing");
    const client = await connect("pieces");
    const ids = Array.from({ length: 200 }, (_, at) => `r${at}`);
    const text = registration("pieces") + ids.map((request_id) => {
      const note = '}{"]\\' + "x".repeat(random.int(0, 300));
      const request = { type: "pair_request", payload: { request_id, qos: { note } } };
      return JSON.stringify(request) + random.pick(["", "\n", " ", "\r\n\t"]);
    }).join("");
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length;) {
      const end = at + random.int(1, 600);
      await client.write(bytes.subarray(at, end));
      at = end;
    }
    expect(await client.answer("register_ack")).toEqual({ status: "ok" });
    for (const id of ids) expect((await client.answer("pair_error")).request_id).toBe(id);
    await client.close();
  });

  test("keys match whatever their case", async () => {
    const client = await connect("Case");
    client.send({ TYPE: "register", Payload: { ROLE: "client", Id: "Case", tOKEN: "t" } });
    expect(await client.answer("register_ack")).toEqual({ status: "ok" });
    client.send({ Type: "pair_request", PAYLOAD: { Request_ID: "loud", NEED_ZMQ: false } });
    expect(await client.refused("loud")).toMatchObject({ code: 502 });
    await client.close();
    const server = await connect("Caseserver");
    const ack = {
      TYPE: "register",
      payload: { Role: "server", ID: "CS", Token: "t", MAX_CONN: 3 },
    };
    server.send(ack);
    expect(await server.answer("register_ack")).toEqual({ status: "ok" });
    const [entry] = await server.status((list) => list.length === 1);
    expect(entry).toMatchObject({ server_id: "CS", remaining_ports: 3 });
    await server.close();
  });

  test("unknown types after the register are ignored", async () => {
    const client = await V4Client.register({
      port: gateway.control_port,
      role: "client",
      id: "odd",
    });
    client.send({ type: "weather", payload: { rain: true } });
    client.send({ type: "", payload: null });
    client.send({ type: "pair_grant", payload: {} });
    await client.settled();
    expect(client.inbox.items).toEqual([]);
    await client.close();
  });

  test("a second register changes nothing", async () => {
    const client = await V4Client.register({
      port: gateway.control_port,
      role: "client",
      id: "again",
    });
    client.send({ type: "register", payload: { role: "server", id: "again2", token: "t" } });
    await client.settled();
    const other = await connect("other");
    expect(await other.tryRegister({ role: "client", id: "again", token: "t" })).toMatchObject({
      code: 503,
    });
    await client.close();
  });
});

describe("ids", () => {
  test("may be as long as a message allows", async () => {
    const gateway = await GatewayProcess.start();
    try {
      const client = await V4Client.connect({ port: gateway.control_port });
      const id = "long ".repeat(1_000) + "id";
      expect(await client.tryRegister({ role: "client", id, token: "t".repeat(5_000) })).toEqual({
        status: "ok",
      });
      const request_id = "r".repeat(20_000);
      client.ask({ request_id });
      expect((await client.refused(request_id)).code).toBe(502);
      await client.close();
    } finally {
      await gateway.stop();
    }
  });
});

describe("requests that are refused", () => {
  let gateway: GatewayProcess;

  beforeAll(async () => {
    gateway = await GatewayProcess.start();
  });
  afterAll(() => gateway.stop());

  test("a server may not ask, and stays connected", async () => {
    const server = await V4Client.register({
      port: gateway.control_port,
      role: "server",
      id: "be",
    });
    for (let turn = 0; turn < 3; turn++) {
      server.ask({ need_zmq: true });
      expect(await server.answer("error")).toEqual({
        code: 502,
        error: "only client can pair_request",
      });
    }
    await server.close();
  });

  test("a payload of the wrong shape is refused, and the connection stays", async () => {
    const client = await V4Client.register({
      port: gateway.control_port,
      role: "client",
      id: "fe",
    });
    const payloads: unknown[] = [
      "zmq",
      7,
      true,
      [],
      { need_zmq: "yes" },
      { need_zmq: 1 },
      { need_zmq: true, request_id: 5 },
      { need_zmq: true, server_id: ["be"] },
    ];
    for (const payload of payloads) {
      client.send({ type: "pair_request", payload });
      expect(await client.answer("error")).toEqual({ code: 502, error: "invalid pair_request" });
    }
    await client.settled();
    await client.close();
  });

  test("asking for no plane is refused first of all", async () => {
    const client = await V4Client.register({
      port: gateway.control_port,
      role: "client",
      id: "fe",
    });
    const request_id = client.ask({ server_id: "nobody", need_zmq: false, need_srt: false });
    expect(await client.refused(request_id)).toEqual({
      request_id,
      code: 502,
      error: "need_zmq/need_srt both false",
    });
    await client.close();
  });
});
