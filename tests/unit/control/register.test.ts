import { describe, expect, test } from "bun:test";
import { endGatewaysAfterEach, startGateway } from "./gateway-fixture.ts";

endGatewaysAfterEach();

const ok = { role: "server", id: "x", token: "t" };

describe("the checks, in their order", () => {
  const cases: [string, unknown, number, string][] = [
    ["no payload", undefined, 502, "502 missing id/token"],
    ["no id, and a role nobody knows", { token: "t", role: "king" }, 502, "502 missing id/token"],
    ["a blank id", { ...ok, id: "  " }, 502, "502 missing id/token"],
    ["a blank token", { ...ok, token: "\t" }, 502, "502 missing id/token"],
    ["a role nobody knows", { ...ok, role: "king" }, 502, "502 invalid role"],
    ["a role in capitals", { ...ok, role: "Server" }, 502, "502 invalid role"],
    ["a payload of the wrong shape", { ...ok, id: 5 }, 502, "502 invalid register"],
    ["a payload that is a list", [], 502, "502 invalid register"],
    ["a server id that is taken", { ...ok, id: "taken" }, 503, "503 duplicate server id"],
    [
      "a client id that is taken",
      { ...ok, role: "client", id: "taken" },
      503,
      "503 duplicate client id",
    ],
  ];
  test.each(cases)("%s", async (_name, payload, code, error) => {
    const g = await startGateway();
    await g.server("taken");
    await g.client("taken");
    const peer = await g.connect();
    peer.send("register", payload);
    const ack = await peer.next("register_ack");
    expect(ack.payload).toEqual({ status: "error", code, error });
    await peer.closed;
    const line = await g.log.status("register_refused");
    expect(line).toMatchObject({ code, error });
  });

  test("the number of connections is checked before the id and after the role", async () => {
    const g = await startGateway({ gateway: { max_connections: 1 } });
    await g.server("taken");
    const refused = async (payload: object) => {
      const peer = await g.connect();
      peer.send("register", payload);
      return (await peer.next("register_ack")).payload.error;
    };
    expect(await refused({ ...ok, id: "taken" })).toBe("504 max connections reached");
    expect(await refused({ ...ok, id: "taken", role: "king" })).toBe("502 invalid role");
  });
});

describe("the first message", () => {
  test("of another type is refused", async () => {
    const g = await startGateway();
    const peer = await g.connect();
    peer.send("pair_request", { need_zmq: true });
    expect((await peer.next("register_ack")).payload).toEqual({
      status: "error",
      code: 502,
      error: "first message must be register",
    });
    await peer.closed;
  });

  test.each([
    ["that is not JSON", "{nonsense}"],
    ["that is binary", "\x00\x01\x02"],
    ["that is a list", "[1,2]"],
    ["whose type is a number", '{"type":5}'],
  ])("%s closes the connection without a word", async (_name, bytes) => {
    const g = await startGateway();
    const peer = await g.connect();
    peer.socket.write(bytes);
    await peer.closed;
    expect(peer.messages.items).toEqual([]);
  });

  test("that does not come within auth_timeout closes the connection without a word", async () => {
    const g = await startGateway({ gateway: { auth_timeout: 30 } });
    const silent = await g.connect();
    const dripping = await g.connect();
    dripping.socket.write(' {"type":"regis');
    await Promise.all([silent.closed, dripping.closed]);
    expect([...silent.messages.items, ...dripping.messages.items]).toEqual([]);
  });

  test("that is too long or too deep is answered and the connection closed", async () => {
    const g = await startGateway();
    const long = await g.connect();
    long.socket.write(`{"type":"${"x".repeat(70_000)}`);
    expect((await long.next("error")).payload).toEqual({
      code: 502,
      error: "message longer than 65536 bytes",
    });
    const deep = await g.connect();
    deep.socket.write(`{"type":${"[".repeat(40)}`);
    expect((await deep.next("error")).payload.code).toBe(502);
    await Promise.all([long.ended, deep.ended]);
  });
});

describe("an id", () => {
  test("is free at once when its connection ends, also when only one side has", async () => {
    const g = await startGateway();
    const first = await g.client("c");
    first.socket.end();
    await g.log.status("disconnected");
    const second = await g.client("c");
    second.socket.resetAndDestroy();
    await g.log.lines.count(2, (line) => line.status === "disconnected");
    await g.client("c");
    expect(g.gateway.snapshot().connections.registered).toBe(1);
  });

  test("is trimmed, and so is the same as without blanks", async () => {
    const g = await startGateway();
    await g.client("c");
    const peer = await g.connect();
    peer.send("register", { role: "client", id: " c ", token: "t" });
    expect((await peer.next("register_ack")).payload.code).toBe(503);
  });
});

test("a register in any case, any split and with a request behind it works", async () => {
  const g = await startGateway();
  await g.server("s");
  const peer = await g.connect();
  const text = '{"Type":"register","PAYLOAD":{"Role":"client","ID":"c","tOken":"t"}}' +
    '{"type":"pair_request","payload":{"REQUEST_ID":"r","need_zmq":true}}';
  for (const char of text) peer.socket.write(char);
  expect((await peer.grant("r")).payload.client_id).toBe("c");
});

test("no log line contains a token", async () => {
  const g = await startGateway();
  for (const payload of [{ ...ok, token: "s3cret" }, { ...ok, token: "s3cret", role: "king" }]) {
    const peer = await g.connect();
    peer.send("register", payload);
    await peer.next("register_ack");
  }
  expect(JSON.stringify(g.log.lines.items)).not.toContain("s3cret");
});
