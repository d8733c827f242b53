import { expect, test } from "bun:test";
import { SRT_FIRST, ZMQ_FIRST } from "../sessions/fixture.ts";
import { endGatewaysAfterEach, startGateway } from "./gateway-fixture.ts";

endGatewaysAfterEach();

test("the grant goes to the client and the same to the server, without tokens", async () => {
  const g = await startGateway();
  const server = await g.server("s", 2), client = await g.client("c");
  client.send("pair_request", { request_id: "r", need_zmq: true, need_srt: true, qos: { x: 1 } });
  const [to_client, to_server] = await Promise.all([client.grant("r"), server.grant("r")]);
  expect(to_client.payload).toEqual({
    request_id: "r",
    session_id: expect.stringMatching(/^[0-9a-f]{16}$/),
    server_id: "s",
    client_id: "c",
    zmq_port: ZMQ_FIRST,
    srt_port: SRT_FIRST,
  });
  expect(to_server).toEqual(to_client);
});

test("a request without an id gets one", async () => {
  const g = await startGateway();
  await g.server("s");
  const client = await g.client("c");
  client.send("pair_request", { need_srt: true });
  const { payload } = await client.next("pair_grant");
  expect(payload.request_id).toMatch(/^[0-9a-f]{16}$/);
  expect(payload).not.toHaveProperty("zmq_port");
});

test("a server may not ask, and stays connected", async () => {
  const g = await startGateway();
  const server = await g.server("s");
  server.send("pair_request", "of whatever shape");
  expect((await server.next("error")).payload).toEqual({
    code: 502,
    error: "only client can pair_request",
  });
  const client = await g.client("c");
  client.send("pair_request", { request_id: "r", need_zmq: true });
  await server.grant("r");
});

test("a request of the wrong shape and messages of other types leave the connection as it is", async () => {
  const g = await startGateway();
  await g.server("s");
  const client = await g.client("c");
  client.send("pair_request", { need_zmq: "yes" });
  expect((await client.next("error")).payload).toEqual({
    code: 502,
    error: "invalid pair_request",
  });
  client.send("hello", { anything: [1] });
  client.send("register", { role: "client", id: "again", token: "t" });
  client.send("pair_request", { request_id: "r", need_zmq: true });
  await client.grant("r");
  expect(client.messages.items.map((message) => message.type))
    .toEqual(["register_ack", "error", "pair_grant"]);
});

test("a refusal names its request", async () => {
  const g = await startGateway({ limits: { pair_timeout_ms: 30 } });
  const client = await g.client("c");
  client.send("pair_request", { request_id: "none" });
  client.send("pair_request", { request_id: "late", need_zmq: true });
  const late = await client.messages.find((message) => message.payload.request_id === "late");
  expect(late).toEqual({
    type: "pair_error",
    payload: { request_id: "late", code: 505, error: "no port available" },
  });
  expect(client.messages.items[1]).toEqual({
    type: "pair_error",
    payload: { request_id: "none", code: 502, error: "need_zmq/need_srt both false" },
  });
});

test("broken bytes after register are answered and end the connection and its id", async () => {
  const g = await startGateway();
  const client = await g.client("c");
  client.socket.write('{"type":"pair_request","payload":{]}');
  expect((await client.next("error")).payload).toEqual({
    code: 502,
    error: "message is not valid JSON",
  });
  await client.closed;
  await g.client("c");
});

test("a session goes on when both control connections are gone", async () => {
  const g = await startGateway();
  const server = await g.server("s"), client = await g.client("c");
  client.send("pair_request", { request_id: "r", need_zmq: true });
  await client.grant("r");
  g.planes.zmq.pair(ZMQ_FIRST);
  server.socket.destroy();
  client.socket.destroy();
  await g.log.lines.count(2, (line) => line.status === "disconnected");
  expect(g.gateway.snapshot().port_state.zmq.occupied).toBe(1);
  // The server comes back and has the room it really has.
  const again = await g.server("s", 2);
  const status = await again.next("status");
  expect(status.payload).toMatchObject([{ occupied_ports: [ZMQ_FIRST], remaining_ports: 1 }]);
});

test("a port that cannot be bound is announced to everybody", async () => {
  const g = await startGateway();
  const server = await g.server("s"), client = await g.client("c");
  g.planes.zmq.taken.add(ZMQ_FIRST);
  client.send("pair_request", { request_id: "r", need_zmq: true });
  for (const peer of [server, client]) {
    expect((await peer.next("port_conflict")).payload).toEqual({
      kind: "zmq",
      port: ZMQ_FIRST,
      error: `port ${ZMQ_FIRST} is in use`,
    });
  }
  expect((await client.grant("r")).payload.zmq_port).toBe(ZMQ_FIRST + 1);
});
