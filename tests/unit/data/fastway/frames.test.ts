/** Frames through an endpoint and out of another one: cut anywhere, of any size, none lost or changed. */
import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { announcedRandom } from "../../../harness/random.ts";
import { close, data, Desk, type DeskChoice, dial, type Party, ping, u32 } from "./desk.ts";

function linked(choice: DeskChoice = {}): { desk: Desk; server: Party; client: Party } {
  const desk = new Desk(choice);
  const server = desk.server(7);
  const client = desk.client();
  client.send(dial(7));
  client.hears();
  server.hears();
  return { desk, server, client };
}

const MIXED = [
  data(1, "hello"),
  ping(),
  data(1),
  dial(8),
  data(9, "unknown"),
  data(1, "x".repeat(300)),
  dial(7),
  data(2, "second"),
  close(2),
  data(1, "end"),
];
const TO_SERVER = [
  "data 1 hello",
  "data 1 ",
  `data 1 ${"x".repeat(300)}`,
  "connect 2 1",
  "data 2 second",
  "close 2",
  "data 1 end",
];
const TO_CLIENT = ["ping", "refuse 8", "close 9", "accept 2 7", "close 2"];

test("every frame cut at every byte", () => {
  const stream = Buffer.concat(MIXED);
  for (let cut = 0; cut <= stream.length; cut++) {
    const { server, client } = linked();
    client.send(stream.subarray(0, cut));
    client.send(stream.subarray(cut));
    expect([cut, server.hears()]).toEqual([cut, TO_SERVER]);
    expect([cut, client.hears()]).toEqual([cut, TO_CLIENT]);
  }
});

test("byte by byte, and with the smallest chunks, which are all given back", () => {
  const { desk, server, client } = linked({
    client: { part_bytes: 64 },
    pool: { chunk_bytes_max: 64 },
  });
  for (const byte of Buffer.concat(MIXED)) client.send(Buffer.of(byte));
  expect(server.hears()).toEqual(TO_SERVER);
  expect(client.hears()).toEqual(TO_CLIENT);
  expect(desk.context.pool.used_bytes).toBe(0);
  expect(client.counters()).toMatchObject({
    bytes_in: dial(7).length + Buffer.concat(MIXED).length,
    messages_in: 1 + MIXED.length,
    queue_messages: 0,
  });
});

test("a receiver that takes any number of bytes at a time gets every frame in order", () => {
  const random = announcedRandom("partial writes");
  for (let run = 0; run < 40; run++) {
    const { desk, server, client } = linked({
      server: { queue_messages_max: 10_000 },
      client: { part_bytes: random.int(64, 4096) },
    });
    client.stream.read_bytes_max = random.pick([3, 70, 900, 5000]);
    server.stream.write_bytes_max = random.pick([5, 60, 800, 3000]);
    const sent: string[] = [];
    const received: string[] = [];
    let rest = Buffer.alloc(0);
    const hear = () => {
      const bytes = Buffer.concat([rest, server.stream.take()]);
      const whole = wholeFrames(bytes);
      received.push(...whole.map((frame) => frame.toString("latin1")));
      rest = bytes.subarray(whole.reduce((sum, { length }) => sum + length, 0));
    };
    for (let i = 0; i < 40; i++) {
      const burst = Array.from(
        { length: random.int(0, 5) },
        () => data(1, random.bytes(random.int(0, random.pick([10, 200, 2000])))),
      );
      sent.push(...burst.map((frame) => frame.toString("latin1")));
      client.send(...burst);
      const room = random.pick([0, 1, 500, Infinity]);
      server.stream.open(room);
      desk.run();
      hear();
      const { queue_messages, messages_out } = server.counters();
      // The first message out is Connect; one that has gone in part is not out yet.
      expect(messages_out - 1 + queue_messages).toBe(sent.length);
      expect(messages_out - 1).toBe(received.length);
    }
    server.stream.open(Infinity);
    desk.run();
    hear();
    expect([run, received.length, received.findIndex((frame, i) => frame !== sent[i])])
      .toEqual([run, sent.length, -1]);
    expect(desk.context.pool.used_bytes).toBe(0);
    expect(server.counters()).toMatchObject({ queue_messages: 0, queue_bytes: 0 });
  }
});

test("frames larger than an area, and the largest that is allowed", () => {
  const { desk, server, client } = linked({ packet_bytes_max: 300_000 });
  const random = announcedRandom("large frames");
  const bodies = [200_000, 65_536, 65_528, 65_520, 299_996, 1].map((size) => random.bytes(size));
  client.send(...bodies.map((body) => data(1, body)));
  const sent = Buffer.concat(bodies.map((body) => data(1, body)));
  expect(server.stream.take().equals(sent)).toBe(true);
  client.send(u32(300_001));
  expect(desk.end(client)).toMatchObject({
    reason: "protocol_error",
    detail: "a frame of Length 300001; fastway.MaxPacket allows 300000",
  });
});

for (
  const [name, bytes] of [
    ["a Length of 3", u32(3)],
    ["a Length of 0", u32(0)],
    ["a command without a type", Buffer.concat([u32(4), u32(0)])],
    ["a Length of 2^32 - 1", u32(0xffff_ffff)],
  ] as const
) {
  test(`${name} ends who sends it, after what was right before it`, () => {
    const { desk, server, client } = linked();
    client.send(data(1, "right"), bytes, data(1, "late"));
    expect(desk.end(client)).toMatchObject({ reason: "protocol_error" });
    expect(server.hears()).toEqual(["data 1 right", "close 1"]);
    expect(client.stream.is_closed).toBe(true);
  });
}

test("memory is taken for what has come, not for what is announced", () => {
  const { desk, client } = linked({
    packet_bytes_max: 1 << 26,
    pool: { page_bytes: 65_536, pool_bytes_max: 1 << 18 },
  });
  client.send(Buffer.concat([u32(1 << 26), u32(1), Buffer.alloc(100)]));
  expect(desk.context.pool.used_bytes).toBeLessThanOrEqual(2 * 65_536);
  expect(desk.end(client)).toBeNull();
  // And when there is none any more, who wants more is the one that ends.
  client.send(Buffer.alloc(1 << 19));
  expect(desk.end(client)).toMatchObject({ reason: "memory_full" });
  expect(desk.context.pool.used_bytes).toBe(0);
});

test("when the memory is used up, whoever holds the most of it is cut, and nobody else", () => {
  const desk = new Desk({
    server: { queue_messages_max: 100_000 },
    client: { queue_messages_max: 100_000 },
    pool: { pool_bytes_max: 1 << 20 },
  });
  const server = desk.server(7);
  const players = [desk.client(), desk.client()];
  const idle = [desk.client(), desk.client(), desk.client()];
  for (const client of [...players, ...idle]) client.send(dial(7));
  for (const { stream } of idle) stream.open(0);
  const message = Buffer.alloc(50_000, 1);
  for (let round = 0; round < 40; round++) {
    // The slowest one gets the most. The server's frames come in parts, and need memory themselves.
    for (const [at, of] of idle.entries()) {
      for (let i = 0; i <= at && desk.end(of) === null; i++) {
        const frame = Buffer.concat([u32(4 + message.length), u32(3 + at), message]);
        server.send(frame.subarray(0, 20_000));
        server.send(frame.subarray(20_000));
      }
    }
    for (const player of players) {
      player.stream.take();
      server.send(data(player === players[0] ? 1 : 2, `round ${round}`));
      expect(player.hears()).toEqual([`data ${player.id} round ${round}`]);
    }
    expect(desk.end(server)).toBeNull();
  }
  expect(desk.end(idle[2])).toMatchObject({ reason: "memory_full" });
  for (const player of players) expect(desk.end(player)).toBeNull();
});

test("a receiver behind its bound of messages is cut, alone", () => {
  const { desk, server, client } = linked({ server: { queue_messages_max: 10 } });
  const other = desk.server(8);
  client.send(dial(8));
  server.stream.open(0);
  client.send(...Array.from({ length: 10 }, () => data(1, "waits")));
  expect(desk.end(server)).toBeNull();
  expect(server.counters()).toMatchObject({ queue_messages: 10, queue_bytes: 130 });
  client.send(data(1, "too many"), data(2, "elsewhere"));
  expect(desk.end(server)).toMatchObject({
    reason: "queue_full",
    detail: expect.stringContaining("11 messages of 146 bytes wait for it"),
  });
  expect(server.stream.is_closed).toBe(true);
  expect(other.hears()).toEqual(["connect 2 1", "data 2 elsewhere"]);
  expect(client.hears()).toEqual(["accept 2 8", "close 1"]);
  expect(desk.context.pool.used_bytes).toBe(0);
});

test("the bound holds for what is left when everything that could be written was written", () => {
  const { desk, server, client } = linked({ server: { queue_messages_max: 10 } });
  server.stream.open(0);
  client.send(...Array.from({ length: 10 }, () => data(1, "waits")));
  // Room of which nobody has been told yet.
  server.stream.room_bytes = 1000;
  client.send(...Array.from({ length: 10 }, () => data(1, "goes")));
  expect(desk.end(server)).toBeNull();
  expect(server.hears()).toHaveLength(20);
});

test("the bound of bytes", () => {
  const { desk, server, client } = linked({ server: { queue_bytes_max: 1000 } });
  server.stream.open(0);
  client.send(data(1, Buffer.alloc(992)));
  expect(desk.end(server)).toBeNull();
  client.send(data(1));
  expect(desk.end(server)).toMatchObject({ reason: "queue_full" });
});

test("a sender whose receiver is gone at the write ends nobody else", () => {
  const { desk, server, client } = linked();
  server.stream.is_over = true;
  client.send(data(1, "nobody"));
  expect(desk.end(server)).toMatchObject({ reason: "gone" });
  expect(client.hears()).toEqual(["close 1"]);
  expect(desk.end(client)).toBeNull();
});

test("only a whole frame that is received restarts the idle deadline", () => {
  const { desk, server, client } = linked({ client: { idle_timeout_ms: 1000 } });
  desk.passTime(900);
  client.send(ping());
  desk.passTime(900);
  expect(desk.end(client)).toBeNull();
  // Neither what it is sent nor a part of a frame counts.
  server.send(data(1, "news"));
  client.send(data(1, "part").subarray(0, 9));
  desk.passTime(200);
  expect(desk.end(client)).toMatchObject({ reason: "idle" });
  expect(server.hears()).toEqual(["close 1"]);
});

test("an idle timeout that is set later holds for who is there", () => {
  const { desk, client } = linked();
  desk.passTime(100_000);
  expect(desk.end(client)).toBeNull();
  desk.context.settings.client.idle_timeout_ms = 1000;
  desk.endpoints.apply();
  desk.passTime(1100);
  expect(desk.end(client)).toMatchObject({ reason: "idle" });
});

test("the control side ends one, with its own word", () => {
  const { desk, server, client } = linked();
  desk.endpoints.end(client.facts.endpoint, "ended", "kicked");
  expect(desk.end(client)).toMatchObject({ reason: "ended", detail: "kicked" });
  expect(server.hears()).toEqual(["close 1"]);
  desk.endpoints.end(client.facts.endpoint, "ended", "again");
  expect(desk.reports.filter(({ type }) => type === "endpoint_over")).toHaveLength(1);
});

test("over ten thousand virtual connections, in any order, each message finds its end", () => {
  const desk = new Desk({ server: { queue_messages_max: 100_000 } });
  const random = announcedRandom("many virtual connections");
  const servers = [desk.server(1), desk.server(2), desk.server(3)];
  const clients = [desk.client(), desk.client()];
  const routes: { client: number; server: number; id: number }[] = [];
  for (let i = 0; i < 10_000; i++) {
    const [client, server] = [random.int(0, 1), random.int(0, 2)];
    clients[client].stream.feed(dial(server + 1));
    desk.run();
    routes.push({ client, server, id: i + 1 });
  }
  for (const party of [...servers, ...clients]) party.stream.take();
  const expected: string[][] = [[], [], []];
  const sent: Buffer[][] = [[], []];
  for (let i = 0; i < 20_000; i++) {
    const { client, server, id } = random.pick(routes);
    sent[client].push(data(id, String(i)));
    expected[server].push(`data ${id} ${i}`);
  }
  clients.forEach((client, i) => client.send(...sent[i]));
  servers.forEach((server, i) => {
    expect(server.hears().sort()).toEqual(expected[i].sort());
  });
});

/** The frames that are whole. */
function wholeFrames(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; bytes.length - at >= 4;) {
    const end = at + 4 + bytes.readUInt32LE(at);
    if (end > bytes.length) break;
    frames.push(bytes.subarray(at, end));
    at = end;
  }
  return frames;
}
