/** How servers of fastway prove themselves, and what becomes of those that do not. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Buffer } from "node:buffer";
import { command, data, dial, ping, serverHello } from "../harness/fastway-frames.ts";
import { FastwayPeer } from "../harness/fastway-peer.ts";
import { announcedRandom } from "../harness/random.ts";
import { PeerRig } from "./fastway-peer-rig.ts";
import { KEY } from "./fastway-rig.ts";
import { timePasses } from "./rig.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(30_000);

const random = announcedRandom("fastway's handshake");
/** All that a server has to prove itself. */
const HANDSHAKE_MS = 5000;
/** How far the gateway's clock of deadlines may be off. */
const TICK_MS = 60;

let rig: PeerRig;
let stalled: { peer: FastwayPeer; lasted_ms: Promise<number> }[];
beforeAll(async () => {
  rig = await PeerRig.start();
  // They take their five seconds while the other tests run.
  stalled = await Promise.all([silent(), trickling()]);
});
afterAll(() => rig.close());

async function silent() {
  const from = performance.now();
  const peer = await unproven();
  return { peer, lasted_ms: peer.closed().then(() => performance.now() - from) };
}

/** All but the last byte, one at a time: none of them earns it more time. */
async function trickling() {
  const stalled = await silent();
  const { peer } = stalled;
  const hello = serverHello(await peer.challenge(), KEY, 1);
  (async () => {
    for (let at = 0; at < 19 && !peer.is_closed; at++) {
      peer.sendCarelessly(hello.subarray(at, at + 1));
      await timePasses(HANDSHAKE_MS / 16);
    }
  })();
  return stalled;
}

const unproven = () => FastwayPeer.unproven({ port: rig.ports.server });

test("the documentation's vector", () => {
  const hello = serverHello(Buffer.from([1, 2, 3, 4, 5, 6, 7, 8]), "test", 0x04030201);
  expect(hello.toString("hex")).toBe("10f644825bffe0da325a176e2e221c9901020304");
});

test("challenges are eight bytes that do not repeat", async () => {
  const found = new Set<string>();
  for (let left = 20; left > 0; left--) {
    const server = await unproven();
    found.add((await server.challenge()).toString("hex"));
    server.destroy();
  }
  expect(found.size).toBe(20);
});

test("any id will do, and what is behind the hello are frames already", async () => {
  const client = await rig.client();
  const { id } = await rig.facts(client);
  for (const server_id of [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) {
    const server = await unproven();
    const hello = serverHello(await server.challenge(), KEY, server_id);
    await server.send(Buffer.concat([hello, dial(id), ping()]));
    const { conn_id } = await server.take("accept");
    await server.take("ping");
    expect(await client.take("connect")).toMatchObject({ conn_id, remote_id: server_id });
    expect(await rig.facts(server)).toMatchObject({ side: "server", id: server_id });
    // And the other way.
    const other_id = await client.dial(server_id);
    expect(await server.take("connect")).toMatchObject({ conn_id: other_id, remote_id: id });
    server.destroy();
    await client.take("close");
    await client.take("close");
  }
  client.destroy();
});

test("a hello in two pieces, cut at every byte", async () => {
  for (let cut = 1; cut < 20; cut++) {
    const server = await unproven();
    const hello = serverHello(await server.challenge(), KEY, cut);
    const witness = await rig.client();
    const bytes = Buffer.concat([hello, ping()]);
    await server.sendPieces([bytes.subarray(0, cut), bytes.subarray(cut)], () => witness.settled());
    expect(await server.take("ping")).toEqual({ type: "ping" });
    server.destroy();
    witness.destroy();
  }
});

describe("whoever does not prove itself is closed without a word", () => {
  const wrong: [string, (challenge: Buffer) => Buffer][] = [
    ["another key", (challenge) => serverHello(challenge, `${KEY} `, 1)],
    ["no key", (challenge) => serverHello(challenge, "", 1)],
    ["another challenge", () => serverHello(Buffer.alloc(8), KEY, 1)],
    ["one bit", (challenge) => {
      const hello = serverHello(challenge, KEY, 1);
      hello[random.int(0, 15)] ^= 1 << random.int(0, 7);
      return hello;
    }],
    ["the last byte of the proof", (challenge) => {
      const hello = serverHello(challenge, KEY, 1);
      hello[15] ^= 0x80;
      return hello;
    }],
    ["frames in its place", () => Buffer.concat([dial(1), dial(1), ping()])],
    ["the challenge said back", (challenge) => Buffer.concat([challenge, challenge, challenge])],
    ["much of nothing", () => Buffer.alloc(100_000)],
  ];
  for (const [name, hello] of wrong) {
    test(name, async () => {
      const witness = await rig.server(1);
      const server = await unproven();
      const { remote } = server;
      server.sendCarelessly(hello(await server.challenge()));
      await server.closed();
      expect(server.frames).toEqual([]);
      const refused = await rig.event("refused", (event) => event.remote === remote);
      expect(refused).toMatchObject({ side: "server", status: "handshake_error" });
      expect(refused.detail).not.toBe("");
      // It has not taken the id.
      const client = await rig.client();
      await client.dial(1);
      await witness.take("connect");
      client.destroy();
      witness.destroy();
    });
  }

  test("it leaves before it has said all", async () => {
    for (const bytes of [0, 1, 16, 19]) {
      const server = await unproven();
      const { remote } = server;
      const hello = serverHello(await server.challenge(), KEY, 1);
      if (bytes > 0) await server.send(hello.subarray(0, bytes));
      server.halfClose();
      expect(await rig.event("refused", (event) => event.remote === remote))
        .toMatchObject({ status: "handshake_error" });
    }
  });

  test("nobody has its id", async () => {
    const server = await unproven();
    const { remote } = server;
    server.sendCarelessly(serverHello(await server.challenge(), "wrong", 4711));
    await rig.event("refused", (event) => event.remote === remote);
    const client = await rig.client();
    await client.send(dial(4711));
    expect(await client.take("refuse")).toEqual({ type: "refuse", remote_id: 4711 });
    client.destroy();
  });
});

test("a key of any letters", async () => {
  const key = "žluťoučký 鑰匙";
  const special = await PeerRig.start({ ServerAuthKey: key });
  try {
    const server = await special.server(1, { key });
    const client = await special.client();
    const conn_id = await client.dial(1);
    await server.take("connect");
    await client.send(data(conn_id, "good"));
    expect((await server.take("data")).body.toString()).toBe("good");
    client.destroy();
    server.destroy();
  } finally {
    await special.close();
  }
});

test("a client that speaks as a server does is no server", async () => {
  const client = await rig.client();
  client.sendCarelessly(Buffer.concat([serverHello(Buffer.alloc(8), KEY, 1), command(5)]));
  expect(await rig.reasonOf(client)).toBe("protocol_error");
  await client.closed();
});

test("whoever takes too long is closed, however it takes its time", async () => {
  for (const { peer, lasted_ms } of stalled) {
    const { remote } = peer;
    expect(await lasted_ms).toBeGreaterThan(HANDSHAKE_MS - TICK_MS);
    expect(peer.frames).toEqual([]);
    expect(await rig.event("refused", (event) => event.remote === remote))
      .toMatchObject({ side: "server", status: "handshake_error" });
  }
});
