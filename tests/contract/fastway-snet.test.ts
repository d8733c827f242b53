/**
 * snet in the fastway worker, over real sockets, against a peer that was written apart: what was said
 * arrives once and in order however the connections are cut, and what cannot come back does not.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectClient, connectServer, type VirtualConnection } from "../../clients/fastway/mod.ts";
import { CuttingPath } from "../harness/cutting-path.ts";
import { within } from "../harness/deadline.ts";
import { data, ping, serverHello } from "../harness/fastway-frames.ts";
import { FastwayPeer, type PeerOptions, virtualConnection } from "../harness/fastway-peer.ts";
import { announcedRandom } from "../harness/random.ts";
import { RawConnection, SnetLine } from "../harness/snet-line.ts";
import { type FastwayChoice, type FastwayRig, KEY, startFastway } from "./fastway-rig.ts";

const REFUSED = Buffer.alloc(24);
const SERVER = 7;

let rig: FastwayRig;
const peers: FastwayPeer[] = [];
const paths: CuttingPath[] = [];
const folders: string[] = [];

afterEach(async () => {
  for (const peer of peers.splice(0)) peer.destroy();
  for (const path of paths.splice(0)) path.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  await rig.close();
});

/** An endpoint over snet: who talks, and the line that is cut. */
interface End {
  peer: FastwayPeer;
  line: SnetLine;
  endpoint: number;
  id: number;
}

async function endpoint(
  side: "client" | "server",
  { encrypts, ...options }: { encrypts: boolean } & PeerOptions,
): Promise<End> {
  const line = await SnetLine.open({ port: rig.ports[side], encrypts });
  const peer = new FastwayPeer(line, { name: side, greets: side === "server", ...options });
  peers.push(peer);
  if (side === "server") await peer.send(serverHello(await peer.challenge(), KEY, SERVER));
  await peer.settled();
  const { facts } = await rig.event("endpoint", (event) => event.facts.side === side);
  expect(facts.transport).toBe("snet");
  return { peer, line, endpoint: facts.endpoint, id: facts.id };
}

async function plainServer(): Promise<FastwayPeer> {
  const port = rig.ports.server;
  const server = await FastwayPeer.server({ port, id: SERVER, key: KEY });
  peers.push(server);
  return server;
}

/** Clients over snet, and servers as they always were. */
async function clientsOverSnet(choice: FastwayChoice = {}) {
  rig = await startFastway({ ClientSnetEnable: true, ClientSnetEncrypt: true, ...choice });
  const server = await plainServer();
  const client = await endpoint("client", { encrypts: choice.ClientSnetEncrypt ?? true });
  const id = await virtualConnection(client.peer, server, SERVER);
  return { client, server, id };
}

async function isRefused(line: SnetLine, request?: Buffer): Promise<string> {
  const { connection, answer } = await line.ask(request);
  expect(answer.equals(REFUSED)).toBe(true);
  expect((await connection.rest()).length).toBe(0);
  const { status, detail } = await rig.event("refused");
  return `${status}: ${detail}`;
}

describe.each([true, false])("encrypted: %p", (encrypts) => {
  test("both sides over snet: what was said arrives, whatever is cut at whatever moment", async () => {
    const random = announcedRandom(`snet cut at random, encrypted: ${encrypts}`);
    rig = await startFastway({
      ClientSnetEnable: true,
      ClientSnetEncrypt: encrypts,
      ServerSnetEnable: true,
      ServerSnetEncrypt: encrypts,
      ClientMaxConn: 0,
    });
    // Less is under way than is kept: a socket that a test throws away loses what it has not read.
    const window_bytes = 24 * 1024;
    const messages = 3000;
    const connections = 5;
    const server = await endpoint("server", {
      encrypts,
      listener: (frame) => {
        if (frame.type === "data") server.peer.sendCarelessly(data(frame.conn_id, frame.body));
      },
    });
    const client = await endpoint("client", { encrypts });
    const ids: number[] = [];
    for (let i = 0; i < connections; i++) ids.push(await client.peer.dial(SERVER));
    const waiting = new Map(ids.map((id) => [id, [] as Buffer[]]));
    let under_way = 0;
    let sent = 0;
    let next_cut = random.int(1, 40);
    for (let heard = 0; heard < messages;) {
      while (sent < messages && under_way < window_bytes) {
        const id = random.pick(ids);
        const body = random.bytes(random.int(0, random.next() < 0.1 ? 9000 : 60));
        client.peer.sendCarelessly(data(id, body));
        waiting.get(id)!.push(body);
        under_way += body.length + 8;
        sent++;
      }
      if (--next_cut === 0) {
        next_cut = random.int(1, 120);
        const { line } = random.pick([client, server]);
        const how = random.int(0, 2);
        if (how < 2) line.cut({ reset: how === 0 });
        await line.comeBack();
      }
      const frame = await client.peer.take("data");
      const wanted = waiting.get(frame.conn_id)!.shift()!;
      if (!frame.body.equals(wanted)) throw new Error(`message ${heard} is not what was sent`);
      under_way -= wanted.length + 8;
      heard++;
    }
    await client.peer.settled();
    expect(client.peer.frames).toEqual([]);
    expect(client.line.returns + server.line.returns).toBeGreaterThan(10);
    expect(rig.events.items.filter(({ type }) => type === "endpoint_over")).toEqual([]);
  });

  test("the client library on both sides, its connections cut at any byte", async () => {
    const random = announcedRandom(`snet of both ends cut at any byte, encrypted: ${encrypts}`);
    rig = await startFastway({
      ClientSnetEnable: true,
      ClientSnetEncrypt: encrypts,
      // All that is said: what the path has taken and not passed on is lost with it.
      ClientSnetBuffer: "4M",
      ServerSnetEnable: true,
      ServerSnetEncrypt: encrypts,
      ServerSnetBuffer: "4M",
    });
    const snet = { encrypt: encrypts, retry_interval_ms: 10, buffer_bytes: 4 * 1024 * 1024 };
    const pathTo = async (port: number) => {
      let connections = 0;
      // The first one's handshake is not cut: whoever has no session yet has nothing to return to.
      const cut_after_bytes = () => random.int(++connections === 1 ? 500 : 1, 60_000);
      const path = await CuttingPath.to(port, { cut_after_bytes, random });
      paths.push(path);
      return path.port;
    };
    const host = "127.0.0.1";
    const { client: clients, server: servers } = rig.ports;
    const server = await connectServer({
      host,
      port: await pathTo(servers),
      id: SERVER,
      key: KEY,
      snet,
    });
    const client = await connectClient({ host, port: await pathTo(clients), snet });
    const count = 400;
    const talk = (connection: VirtualConnection) => {
      const said = Array.from({ length: count }, () => random.bytes(random.int(0, 3000)));
      const saying = (async () => {
        for (const message of said) await connection.send(message);
      })();
      return { said, saying };
    };
    const hear = async (connection: VirtualConnection) => {
      const heard: Buffer[] = [];
      while (heard.length < count) heard.push(Buffer.from((await connection.receive())!));
      return heard;
    };
    const one = await client.dial(SERVER);
    const other = (await server.accept())!;
    const [ours, theirs] = [talk(one), talk(other)];
    const [at_one, at_other] = await within(
      "all that was said",
      Promise.all([hear(one), hear(other), ours.saying, theirs.saying]),
    );
    expect(Buffer.concat(at_other).equals(Buffer.concat(ours.said))).toBe(true);
    expect(Buffer.concat(at_one).equals(Buffer.concat(theirs.said))).toBe(true);
    expect(paths.reduce((cuts, path) => cuts + path.cuts, 0)).toBeGreaterThan(10);
    for (const path of paths) path.leaveAlone();
    await Promise.all([client.close(), server.close()]);
  });

  test("a gap of exactly the buffer is accepted and sent again, one byte more is refused", async () => {
    const { client, server, id } = await clientsOverSnet({
      ClientSnetEncrypt: encrypts,
      ClientSnetBuffer: "32K",
    });
    const { peer, line } = client;
    const body = announcedRandom("snet gap").bytes(60_000);
    await server.send(data(id, body));
    expect((await peer.take("data")).body.equals(body)).toBe(true);
    line.cut();
    await rig.event("away");
    const lacks = (bytes: number) =>
      line.peer.returnRequest({ read: BigInt(line.peer.read - bytes) });
    expect(await isRefused(line, lacks(32_769))).toMatch(
      /^snet_error: .* lacks 32769 bytes and 32768 are kept/,
    );
    const { connection, answer } = await line.ask(lacks(32_768));
    expect(answer.readBigUInt64LE(0)).toBe(BigInt(line.peer.read));
    connection.socket.write(line.peer.resume(answer));
    await rig.event("back");
    const again = await connection.take(32_768);
    if (!encrypts) expect(again.equals(data(id, body).subarray(-32_768))).toBe(true);
    // Again, and this time with nothing missing.
    await line.comeBack();
    await rig.event("back");
    await peer.send(data(id, "here"));
    expect((await server.take("data")).body.toString()).toBe("here");
  });
});

test("returns that cannot be are refused by 24 zero bytes, and the session survives them", async () => {
  const { client, server, id } = await clientsOverSnet();
  const { peer, line } = client;
  line.cut();
  await rig.event("away");
  const { peer: own } = line;
  const written = BigInt(own.written);
  const requests: [Parameters<typeof own.returnRequest>[0], RegExp][] = [
    [{ id: 99n }, /^snet_unknown: .*session 99, which is not there/],
    [{ id: (1n << 64n) - 1n }, /^snet_unknown: .*which is not there/],
    [{ key: Buffer.alloc(8) }, /^snet_error: .*with a wrong proof/],
    [{ written: written - 1n }, /^snet_error: .*bytes and \d+ have come/],
    [{ read: BigInt(own.read) + 1n }, /^snet_error: .*bytes and \d+ were written/],
    [{ read: 1n << 62n }, /^snet_error: .*bytes and \d+ were written/],
  ];
  for (const [request, detail] of requests) {
    expect(await isRefused(line, own.returnRequest(request))).toMatch(detail);
  }
  const { connection } = await line.ask();
  connection.socket.write(Buffer.alloc(16));
  expect((await connection.rest()).length).toBe(0);
  expect((await rig.event("refused")).detail).toMatch(/wrong answer to the challenge/);

  await server.send(data(id, "after all that"));
  await line.comeBack();
  expect((await peer.take("data")).body.toString()).toBe("after all that");
});

test("a client may claim and send again what it likes: it is read as the stream going on", async () => {
  const { client, server, id } = await clientsOverSnet();
  const { line } = client;
  line.cut();
  await rig.event("away");
  const { connection, answer } = await line.ask(line.peer.returnRequest({ written: 1n << 62n }));
  connection.socket.write(line.peer.resume(answer));
  await rig.event("back");
  for (let i = 0; i < 20; i++) {
    connection.socket.write(line.peer.encode(data(id, Buffer.alloc(100_000, i))));
  }
  for (let i = 0; i < 20; i++) {
    expect((await server.take("data")).body.equals(Buffer.alloc(100_000, i))).toBe(true);
  }
  connection.socket.destroy();
});

test("a return while the old connection is open takes over at once and closes it", async () => {
  const { client, server, id } = await clientsOverSnet();
  const { peer, line } = client;
  const old = line.connection!;
  await line.comeBack();
  expect((await old.rest()).length).toBe(0);
  const { remote, endpoint } = await rig.event("back");
  expect([remote, endpoint]).toEqual([`127.0.0.1:${line.localPort}`, client.endpoint]);
  await server.send(data(id, "new way"));
  expect((await peer.take("data")).body.toString()).toBe("new way");
  expect(rig.events.items.map(({ type }) => type)).not.toContain("away");
});

test("peers of who does not come back are told when its time is over, not before", async () => {
  const { client, server, id } = await clientsOverSnet({ ClientSnetWaitTimeout: "300ms" });
  client.line.cut({ reset: false });
  await rig.event("away");
  const cut_ms = performance.now();
  await server.settled();
  expect(server.frames).toEqual([]);
  expect((await server.take("close")).conn_id).toBe(id);
  // The worker's clock is that of the turn in which it found the cut.
  expect(performance.now() - cut_ms).toBeGreaterThan(200);
  expect(await rig.event("endpoint_over")).toMatchObject({
    endpoint: client.endpoint,
    reason: "gone",
  });
  expect(await isRefused(client.line)).toMatch(/^snet_unknown: .*which is not there/);
});

test("handshakes and returns that stall are closed in their time without a word", async () => {
  const { client } = await clientsOverSnet({ ClientSnetInitTimeout: "200ms" });
  const { line, peer } = client;
  const stalled = await Promise.all([1, 2, 3].map(() => RawConnection.to(rig.ports.client)));
  stalled[1].socket.write(Buffer.of(0x00, 1, 2, 3));
  stalled[2].socket.write(line.peer.returnRequest().subarray(0, 40));
  const { connection } = await line.ask();
  for (const one of [...stalled, connection]) {
    expect((await one.rest()).length).toBe(0);
    expect((await rig.event("refused")).detail).toMatch(/no complete snet handshake within 200 ms/);
  }
  // The return that stalled has done no harm to the connection that it was to replace.
  await peer.settled();
});

test("what is not snet is closed without a word", async () => {
  rig = await startFastway({ ClientSnetEnable: true });
  for (
    const bytes of [ping(), Buffer.from("GET /"), Buffer.concat([Buffer.of(0), Buffer.alloc(8)])]
  ) {
    const connection = await RawConnection.to(rig.ports.client);
    connection.socket.write(bytes);
    expect((await connection.rest()).length).toBe(0);
    expect((await rig.event("refused")).status).toBe("snet_error");
  }
});

test("who breaks the protocol, or takes nothing, is ended at once, and cannot come back", async () => {
  const { client, server, id } = await clientsOverSnet({ ClientSendChanSize: 10 });
  await client.peer.send(Buffer.alloc(4));
  const fault = await rig.event("endpoint_over");
  expect([fault.endpoint, fault.reason]).toEqual([client.endpoint, "protocol_error"]);
  expect((await server.take("close")).conn_id).toBe(id);
  expect(await isRefused(client.line)).toMatch(/^snet_unknown: .*which is not there/);

  const other = await endpoint("client", { encrypts: true });
  const its = await virtualConnection(other.peer, server, SERVER);
  other.line.cut();
  await rig.event("away");
  await server.send(...Array.from({ length: 11 }, () => data(its, "waits")));
  const full = await rig.event("endpoint_over");
  expect([full.endpoint, full.reason]).toEqual([other.endpoint, "queue_full"]);
  expect((await server.take("close")).conn_id).toBe(its);
  expect(await isRefused(other.line)).toMatch(/^snet_unknown: .*which is not there/);
});

test("who is idle is cut and may come back, with what was said to it meanwhile", async () => {
  const { client, server, id } = await clientsOverSnet({ ClientIdleTimeout: "400ms" });
  const { peer, line } = client;
  const old = line.connection!;
  await rig.event("away");
  await old.rest();
  await server.send(data(id, "meanwhile"));
  await line.comeBack();
  expect((await peer.take("data")).body.toString()).toBe("meanwhile");
  // All of the time begins again, and so does the wait.
  await rig.event("away");
  await line.comeBack();
  await peer.send(data(id, "still here"));
  expect((await server.take("data")).body.toString()).toBe("still here");
});

test("who reads slowly and is cut has lost nothing, however much was said to it", async () => {
  const { client, server, id } = await clientsOverSnet({
    ClientIdleTimeout: "500ms",
    ClientSendChanSize: 100_000,
  });
  const { peer, line } = client;
  const random = announcedRandom("snet slow reader");
  peer.pause();
  const said = Array.from({ length: 2000 }, () => random.bytes(random.int(1, 4000)));
  await server.send(...said.map((body) => data(id, body)));
  // The gateway closes the connection; what its kernel has is delivered first, and read to the end.
  await rig.event("away");
  const old = line.connection!;
  peer.resume();
  await old.over;
  await line.comeBack();
  // From here on it must not be idle again before it has read everything.
  for (const body of said) {
    expect((await peer.take("data")).body.equals(body)).toBe(true);
  }
  await peer.settled();
});

test("through a door nothing is lost either, many rings full", async () => {
  rig = await startFastway({ ClientSnetEnable: true, ClientSnetEncrypt: true });
  const folder = mkdtempSync(join(tmpdir(), "relayx-snet-"));
  folders.push(folder);
  const path = join(folder, "door");
  await rig.plane.openDoor("client", path);
  const server = await plainServer();
  const header = Buffer.from("PROXY TCP4 192.0.2.9 127.0.0.1 4711 8880\r\n");
  const line = await SnetLine.open({ port: { path, header }, encrypts: true });
  const client = new FastwayPeer(line, { name: "client" });
  peers.push(client);
  const { facts } = await rig.event("endpoint", (event) => event.facts.side === "client");
  expect([facts.transport, facts.remote]).toEqual(["tls+snet", "192.0.2.9:4711"]);
  const id = await virtualConnection(client, server, SERVER);
  const random = announcedRandom("snet through a door");
  const said = Array.from({ length: 800 }, () => random.bytes(random.int(0, 1600)));
  for (let round = 0; round < 2; round++) {
    await server.send(...said.map((body) => data(id, body)));
    for (const body of said) expect((await client.take("data")).body.equals(body)).toBe(true);
    line.cut({ reset: false });
    await line.comeBack();
  }
});

test("a gateway that drains takes nobody new, and who is known comes back", async () => {
  const { client, server, id } = await clientsOverSnet();
  const { peer, line } = client;
  line.cut();
  await rig.event("away");
  rig.plane.setServing(false);
  await expect(SnetLine.open({ port: rig.ports.client, encrypts: true })).rejects.toThrow("closed");
  expect((await rig.event("refused")).status).toBe("draining");
  await line.comeBack();
  await server.send(data(id, "before the end"));
  expect((await peer.take("data")).body.toString()).toBe("before the end");
});
