/** The rules of virtual connections, one by one. */
import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { close, command, data, Desk, dial, ping, u32 } from "./desk.ts";

function pair(choice = {}) {
  const desk = new Desk(choice);
  return { desk, server: desk.server(7), client: desk.client() };
}

test("a client dials a server: the one is told of the server, the other of the client", () => {
  const { server, client } = pair();
  client.send(dial(7));
  expect(client.hears()).toEqual(["accept 1 7"]);
  expect(server.hears()).toEqual(["connect 1 1"]);
  client.send(data(1, "up"));
  expect(server.hears()).toEqual(["data 1 up"]);
  server.send(data(1, "down"), data(1));
  expect(client.hears()).toEqual(["data 1 down", "data 1 "]);
});

test("a server dials a client by its number; each side has ids of its own", () => {
  const { desk, client } = pair();
  // A server of the same number as the client is somebody else.
  const server = desk.server(1);
  server.send(dial(client.id));
  expect(server.hears()).toEqual(["accept 1 1"]);
  expect(client.hears()).toEqual(["connect 1 1"]);
});

test("server ids 0 and 0xffffffff are ordinary", () => {
  const desk = new Desk();
  const servers = [desk.server(0), desk.server(0xffff_ffff)];
  const client = desk.client();
  client.send(dial(0), dial(0xffff_ffff));
  expect(client.hears()).toEqual(["accept 1 0", "accept 2 4294967295"]);
  expect(servers.map((one) => one.hears())).toEqual([["connect 1 1"], ["connect 2 1"]]);
});

test("the client's message of an accepted dial goes out first, whoever has dialled", () => {
  const { desk, server, client } = pair();
  const order: string[] = [];
  for (const [name, { stream }] of Object.entries({ server, client })) {
    const write = stream.write.bind(stream);
    stream.write = (pieces) => (order.push(name), write(pieces));
  }
  // The ping has the server in the batch before anybody dials.
  server.send(ping(), dial(client.id));
  expect(order).toEqual(["client", "server"]);
  expect(server.hears()).toEqual(["ping", "accept 1 1"]);
  expect(client.hears()).toEqual(["connect 1 7"]);
  expect(desk.totals).toMatchObject({ virtual: 1, virtual_total: 1 });
});

test("so it does where a batch is full between the two", () => {
  const { desk, server, client } = pair();
  const other = desk.client();
  other.send(dial(7));
  server.hears();
  const heard = { accept: 0, connect: 0 };
  const behind: number[] = [];
  const count = (words: string[], word: string) =>
    words.filter((said) => said.startsWith(word)).length;
  const write = server.stream.write.bind(server.stream);
  server.stream.write = (pieces) => {
    const taken = write(pieces);
    heard.accept += count(server.hears(), "accept");
    heard.connect += count(client.hears(), "connect");
    if (heard.connect < heard.accept) behind.push(heard.accept - heard.connect);
    return taken;
  };
  // A message for somebody else, so that the batch is not full behind a pair of them.
  const dials = Array.from({ length: 1500 }, () => dial(client.id));
  server.send(data(1, "odd"), ...dials);
  expect(heard).toEqual({ accept: 1500, connect: 1500 });
  expect(behind).toEqual([]);
});

test("a dial refused for the limit uses up an id, one for somebody unknown does not", () => {
  const { desk, server, client } = pair({ client: { virtual_max: 1 } });
  client.send(dial(8), dial(7), dial(7), dial(7), close(1), dial(7));
  expect(client.hears()).toEqual([
    "refuse 8",
    "accept 1 7",
    "refuse 7",
    "refuse 7",
    "close 1",
    "accept 4 7",
  ]);
  expect(server.hears()).toEqual(["connect 1 1", "close 1", "connect 4 1"]);
  expect(desk.totals).toMatchObject({ refused_unknown: 1, refused_limit: 2 });
});

test("what a server has dialled counts, and is never refused", () => {
  const { server, client } = pair({ client: { virtual_max: 1 }, server: { virtual_max: 0 } });
  server.send(dial(1), dial(1), dial(1));
  expect(server.hears()).toEqual(["accept 1 1", "accept 2 1", "accept 3 1"]);
  client.hears();
  client.send(dial(7));
  expect(client.hears()).toEqual(["refuse 7"]);
});

test("who drains refuses dials and lets go on what is there", () => {
  const { desk, server, client } = pair();
  client.send(dial(7));
  server.hears();
  desk.context.is_serving = false;
  client.send(dial(7), data(1, "still"));
  expect(client.hears()).toEqual(["accept 1 7", "refuse 7"]);
  expect(server.hears()).toEqual(["data 1 still"]);
  expect(desk.totals.refused_draining).toBe(1);
  expect(() => desk.client()).toThrow("draining");
});

test("Close of a known id goes to both sides; of an unknown one and of 0 to nobody", () => {
  const { server, client } = pair();
  client.send(dial(7), close(0), close(2), close(1), close(1));
  expect(client.hears()).toEqual(["accept 1 7", "close 1"]);
  expect(server.hears()).toEqual(["connect 1 1", "close 1"]);
  client.send(dial(7));
  server.hears();
  server.send(close(2));
  expect(server.hears()).toEqual(["close 2"]);
  expect(client.hears()).toEqual(["accept 2 7", "close 2"]);
});

test("data on an unknown id is answered by Close, frame by frame", () => {
  const { desk, client } = pair();
  client.send(data(9, "a"), data(9, "b"), data(5));
  expect(client.hears()).toEqual(["close 9", "close 9", "close 5"]);
  expect(desk.totals.unknown_total).toBe(3);
});

for (const [name, frame] of [["data", data(1, "mine?")], ["Close", close(1)]] as const) {
  test(`${name} on somebody else's id ends who sends it, and nobody else`, () => {
    const { desk, server, client } = pair();
    const stranger = desk.client();
    client.send(dial(7));
    client.hears();
    server.hears();
    stranger.send(frame);
    expect(desk.end(stranger)).toMatchObject({ reason: "protocol_error" });
    expect(stranger.stream.is_closed).toBe(true);
    expect([client.hears(), server.hears()]).toEqual([[], []]);
    client.send(data(1, "mine"));
    expect(server.hears()).toEqual(["data 1 mine"]);
  });
}

test("who leaves, its peers are told, each for each virtual connection", () => {
  const { desk, server, client } = pair();
  const other = desk.client();
  client.send(dial(7), dial(7));
  other.send(dial(7));
  server.hears();
  client.stream.finish();
  desk.run();
  expect(server.hears()).toEqual(["close 1", "close 2"]);
  expect(desk.end(client)).toMatchObject({ reason: "gone" });
  expect(desk.totals.virtual).toBe(1);
  server.stream.finish();
  desk.run();
  expect(other.hears()).toEqual(["accept 3 7", "close 3"]);
});

test("what was sent before the end is delivered before Close", () => {
  const { desk, server, client } = pair();
  client.send(dial(7));
  server.hears();
  client.stream.feed(data(1, "last words"));
  client.stream.finish();
  desk.run();
  expect(server.hears()).toEqual(["data 1 last words", "close 1"]);
});

test("a server under the same id takes over new dials; the older one's go on", () => {
  const { desk, server: older, client } = pair();
  client.send(dial(7));
  const newer = desk.server(7);
  client.send(dial(7), data(1, "old"), data(2, "new"));
  expect(older.hears()).toEqual(["connect 1 1", "data 1 old"]);
  expect(newer.hears()).toEqual(["connect 2 1", "data 2 new"]);
  newer.stream.finish();
  desk.run();
  client.hears();
  // The older one is there, and is not dialled any more.
  client.send(dial(7), data(1, "on"));
  expect(client.hears()).toEqual(["refuse 7"]);
  expect(older.hears()).toEqual(["data 1 on"]);
});

test("where the older server leaves, the newer one is dialled on", () => {
  const { desk, server: older, client } = pair();
  const newer = desk.server(7);
  older.stream.finish();
  desk.run();
  client.send(dial(7));
  expect(client.hears()).toEqual(["accept 1 7"]);
  expect(newer.hears()).toEqual(["connect 1 1"]);
});

test("a ping is echoed with Length 5, whatever came behind it", () => {
  const { client } = pair();
  client.send(command(5, 1, 2));
  expect(client.stream.take()).toEqual(Buffer.concat([u32(5), u32(0), Buffer.of(5)]));
});

test("what stands behind the arguments is ignored", () => {
  const { client } = pair();
  client.send(command(0, 7, 99), command(4, 1, 99));
  expect(client.hears()).toEqual(["accept 1 7", "close 1"]);
});

for (const type of [1, 2, 3, 6, 127, 128, 255]) {
  test(`command ${type} is not for the gateway and ends who sends it`, () => {
    const { desk, client } = pair();
    client.send(command(type, 1, 2), dial(7));
    expect(desk.end(client)).toMatchObject({ reason: "protocol_error" });
    expect(desk.totals.virtual_total).toBe(0);
  });
}

for (const type of [0, 4]) {
  test(`command ${type} with too few arguments ends who sends it`, () => {
    const { desk, client } = pair();
    client.send(data(0, Buffer.of(type, 1, 0, 0)));
    expect(desk.end(client)).toMatchObject({
      reason: "protocol_error",
      detail: expect.stringContaining("3 bytes of arguments"),
    });
  });
}

test("ids wrap at 2^32: virtual ones skip 0 and those in use, clients' only those in use", () => {
  const desk = new Desk({ virtual_from: 2 ** 32 - 1, clients_from: 2 ** 32 - 1 });
  const server = desk.server(7);
  const clients = [desk.client(), desk.client(), desk.client()];
  expect(clients.map(({ id }) => id)).toEqual([2 ** 32 - 1, 0, 1]);
  clients[0].send(dial(7));
  expect(clients[0].hears()).toEqual([`accept ${2 ** 32 - 1} 7`]);
  clients[1].send(dial(7), data(1, "first"));
  expect(clients[1].hears()).toEqual(["accept 1 7"]);
  clients[0].send(data(2 ** 32 - 1, "last"));
  expect(server.hears()).toEqual([
    `connect ${2 ** 32 - 1} ${2 ** 32 - 1}`,
    "connect 1 0",
    "data 1 first",
    `data ${2 ** 32 - 1} last`,
  ]);
  // A server dials the client that has number 0.
  server.send(dial(0));
  expect(server.hears()).toEqual(["accept 2 0"]);
  expect(clients[1].hears()).toEqual(["connect 2 7"]);
});

test("an id in use is not given again", () => {
  const desk = new Desk({ virtual_from: 1 });
  desk.server(7);
  const client = desk.client();
  client.send(dial(7), dial(7));
  const again = new Desk({ virtual_from: 2 ** 32 - 2 });
  again.server(7);
  const other = again.client();
  other.send(...Array.from({ length: 5 }, () => dial(7)));
  expect(other.hears().map((word) => Number(word.split(" ")[1]))).toEqual([
    2 ** 32 - 2,
    2 ** 32 - 1,
    1,
    2,
    3,
  ]);
});

test("all virtual connections can be ended, and both sides of each are told", () => {
  const { desk, server, client } = pair();
  client.send(...Array.from({ length: 3000 }, () => dial(7)));
  client.hears();
  server.hears();
  desk.switchboard.closeAll();
  desk.run();
  expect(client.hears()).toHaveLength(3000);
  expect(server.hears()).toHaveLength(3000);
  expect(desk.totals.virtual).toBe(0);
  expect(client.counters().virtual).toBe(0);
});
