/** fastway in TLS: both sides, everything that can be wrong with a handshake, and who comes from where. */
import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import { type Issued, TestAuthority } from "../harness/certificates.ts";
import { deferred, within } from "../harness/deadline.ts";
import { data, dial, FrameReader, ping, serverHello } from "../harness/fastway-frames.ts";
import { FastwayPeer, virtualConnection } from "../harness/fastway-peer.ts";
import { FASTWAY_KEY, FastwayService } from "../harness/fastway-service.ts";
import type { Settings } from "../harness/gateway-process.ts";
import { ipv4Header, proxyLine } from "../harness/proxy-header.ts";
import { announcedRandom } from "../harness/random.ts";
import { plainEnvironment, type Runtime } from "../harness/runtime.ts";
import { SnetPeer } from "../harness/snet-peer.ts";
import { TcpEnd } from "../harness/tcp-end.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(30_000);

const PROXY = "127.0.0.2";
const ATTACKER = "127.0.0.66";
const random = announcedRandom("fastway-tls");
const authority = new TestAuthority();
const stranger = new TestAuthority("somebody else");
const served = authority.issue({ subject: "/CN=games.example" });
afterAll(() => {
  authority.close();
  stranger.close();
});

let service: FastwayService;
afterEach(() => service.gateway.kill());

interface Wishes {
  runtime?: Runtime;
  fastway?: Record<string, unknown>;
  tls?: Record<string, unknown>;
  settings?: Settings;
  environment?: Record<string, string>;
}

const tlsSection = (over: Record<string, unknown> = {}, by: Issued = served) => ({
  cert_file: by.cert_file,
  key_file: by.key_file,
  ...over,
});

function start({ runtime, fastway, tls: over, settings, environment }: Wishes = {}) {
  return FastwayService.start({
    ...(runtime === undefined ? {} : { runtime }),
    ...(environment === undefined ? {} : { environment }),
    fastway: ({ client, server }) => ({
      client_tls_addr: `127.0.0.1:${client}`,
      server_tls_addr: `127.0.0.1:${server}`,
      ...fastway,
    }),
    settings: { tls: tlsSection(over), ...settings },
  });
}

/** A handshake that has been done, in TLS 1.3 as far as this side can tell. */
async function secure(
  port: number,
  options: tls.ConnectionOptions & { localAddress?: string } = {},
): Promise<tls.TLSSocket> {
  const socket = tls.connect({ port, host: "127.0.0.1", ca: authority.ca, ...options });
  await within(
    "a handshake",
    new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", resolve).once("error", reject);
    }),
  );
  socket.on("error", () => {});
  return socket;
}

async function client(options: tls.ConnectionOptions & { localAddress?: string } = {}) {
  return new FastwayPeer(await secure(service.client_tls_port, options), { name: "TLS client" });
}

async function server(id: number, options: tls.ConnectionOptions = {}): Promise<FastwayPeer> {
  const socket = await secure(service.server_tls_port, options);
  const peer = new FastwayPeer(socket, { name: `TLS server ${id}`, greets: true });
  await peer.send(serverHello(await peer.challenge(), FASTWAY_KEY, id));
  await peer.settled();
  return peer;
}

/** What openssl says when it is given these bytes to send and is let go at the first answer. */
async function openssl(port: number, input: Uint8Array, ...args: string[]) {
  const child = spawn("openssl", ["s_client", "-connect", `127.0.0.1:${port}`, ...args]);
  const answered = deferred<void>();
  let out = Buffer.alloc(0);
  let text = "";
  child.stdout.on("data", (bytes: Buffer) => {
    out = Buffer.concat([out, bytes]);
    if (input.length > 0 && out.includes(input)) answered.resolve();
  });
  child.stderr.on("data", (bytes: Buffer) => text += bytes);
  const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
  child.stdin.on("error", () => {});
  child.stdin.write(input);
  await within("openssl's answer", Promise.race([answered.promise, gone]));
  child.kill();
  await gone;
  return { out, text: `${text}${out.toString("latin1")}` };
}

for (const runtime of ["binary", "deno"] as const) {
  describe(`both sides in TLS, the gateway as ${runtime}`, () => {
    test("a conversation, whichever side is in TLS; peers are where they are", async () => {
      service = await start({ runtime });
      const inside = await server(7);
      const outside = await service.server(8);
      const here = await client({ localAddress: "127.0.0.5" });
      expect(await service.gateway.logged("fastway_server", { id: "7" }))
        .toMatchObject({ transport: "tls" });
      expect(await service.gateway.logged("fastway_client"))
        .toMatchObject({ transport: "tls", remote: expect.stringMatching(/^127\.0\.0\.5:\d+$/) });
      const pairs = [
        [here, inside, 7],
        [here, outside, 8],
        [await service.client(), inside, 7],
      ] as const;
      for (const [from, to, id] of pairs) {
        const conn_id = await virtualConnection(from, to, id);
        for (const length of [0, 1, 70_000, 400_000]) {
          const body = random.bytes(length);
          await from.send(data(conn_id, body));
          expect((await to.take("data")).body.equals(body)).toBe(true);
          await to.send(data(conn_id, body));
          expect((await from.take("data")).body.equals(body)).toBe(true);
        }
      }
      // An end is passed on, and what it means is told to the other side.
      here.halfClose();
      await here.closed();
      expect((await inside.take("close")).type).toBe("close");
      expect((await outside.take("close")).type).toBe("close");
      await service.gateway.stop();
    });

    test("openssl speaks it, and what is no handshake is closed and in the log", async () => {
      service = await start({ runtime });
      const { out } = await openssl(service.client_tls_port, ping(), "-quiet");
      expect(out.includes(ping())).toBe(true);
      for (const bytes of [ping(), Buffer.concat([Buffer.of(0x16), random.bytes(300)])]) {
        const end = new TcpEnd({ port: service.client_tls_port });
        await end.write(bytes);
        await end.turnedAway();
      }
      await service.gateway.logged("tls_failed", {
        door: "fastway client TLS",
        error: "the first byte is no TLS handshake",
      });
      await service.gateway.stop();
    });
  });
}

test("snet inside TLS is snet, and says so", async () => {
  service = await start({ fastway: { ClientSnetEnable: true, ClientSnetEncrypt: true } });
  const game = await server(7);
  const socket = await secure(service.client_tls_port);
  const snet = new SnetPeer({ encrypts: true });
  let received = Buffer.alloc(0);
  let changed = deferred<void>();
  socket.on("data", (bytes: Buffer) => {
    received = Buffer.concat([received, bytes]);
    changed.resolve();
  });
  const take = async (length: number) => {
    while (received.length < length) {
      changed = deferred<void>();
      await within("snet's bytes", changed.promise);
    }
    const bytes = received.subarray(0, length);
    received = received.subarray(length);
    return bytes;
  };
  socket.write(snet.hello());
  socket.write(snet.prove(await take(24)));
  socket.write(snet.encode(dial(7)));
  const reader = new FrameReader();
  const [accept] = reader.read(snet.decode(await take(17)));
  expect(accept).toMatchObject({ type: "accept", remote_id: 7 });
  await service.gateway.logged("fastway_client", { transport: "tls+snet" });
  const { conn_id } = await game.take("connect");
  socket.write(snet.encode(data(conn_id, "through both")));
  expect((await game.take("data")).body.toString()).toBe("through both");
  socket.destroy();
  await service.gateway.logged("fastway_away");
});

test("several workers: whoever comes in TLS reaches those who do not, wherever they are", async () => {
  service = await start({
    fastway: { ReusePort: true },
    settings: { gateway: { tcp_workers: 3 } },
  });
  const outside = await Promise.all([11, 12, 13, 14, 15, 16].map((id) => service.server(id)));
  const inside = await server(7);
  for (const here of await Promise.all([client(), client(), service.client(), service.client()])) {
    for (const [at, id] of [7, 11, 12, 13, 14, 15, 16].entries()) {
      const to = at === 0 ? inside : outside[at - 1];
      const conn_id = await virtualConnection(here, to, id);
      const body = random.bytes(100_000);
      await here.send(data(conn_id, body));
      expect((await to.take("data")).body.equals(body)).toBe(true);
    }
  }
});

test("client_auth: nobody is let in without a good certificate", async () => {
  service = await start({ tls: { client_auth: "required", client_ca_file: authority.ca_file } });
  const refused = [
    {},
    authority.issue({ subject: "/CN=cam-7", days: -2 }),
    stranger.issue({ subject: "/CN=cam-7" }),
  ];
  for (const given of refused) {
    for (const port of [service.client_tls_port, service.server_tls_port]) {
      const end = await secure(port, given).catch(() => null);
      if (end === null) continue;
      let heard = 0;
      end.on("data", (bytes: Buffer) => heard += bytes.length);
      end.write(ping());
      await within("the end", new Promise((resolve) => end.once("close", resolve)));
      expect(heard).toBe(0);
    }
  }
  await service.gateway.logged("tls_refused", { door: "fastway server TLS" });
  const { cert, key } = authority.issue({ subject: "/CN=game-7" });
  await server(7, { cert, key });
  await (await client({ cert, key })).settled();
});

test("min_version 1.3 refuses 1.2", async () => {
  service = await start({ tls: { min_version: "1.3" } });
  const { text } = await openssl(service.client_tls_port, Buffer.alloc(0), "-tls1_2");
  expect(text).toMatch(/alert protocol version/);
  const socket = await secure(service.client_tls_port);
  expect(socket.getProtocol()).toBe("TLSv1.3");
  socket.destroy();
});

test("a reload has another certificate; who is connected stays, and a wrong one changes nothing", async () => {
  service = await start();
  const game = await server(7);
  const before = await client();
  const renewed = authority.issue({ subject: "/CN=renewed.example" });
  const name = async () => {
    const socket = await secure(service.client_tls_port);
    const { subject } = socket.getPeerCertificate();
    socket.destroy();
    return subject.CN;
  };
  expect(await name()).toBe("games.example");
  await service.gateway.reload(service.settings({}, { tls: tlsSection({}, renewed) }));
  expect(await name()).toBe("renewed.example");
  const wrong = tlsSection({ key_file: served.key_file }, renewed);
  const refused = await service.gateway.reload(service.settings({}, { tls: wrong }));
  expect(refused.status).toBe("reload_refused");
  expect(await name()).toBe("renewed.example");
  const conn_id = await virtualConnection(before, game, 7);
  await before.send(data(conn_id, "still here"));
  expect((await game.take("data")).body.toString()).toBe("still here");
});

test("handshakes that never end cost a place each, for a bounded time, and others are let in", async () => {
  service = await start({
    fastway: { tls_handshake_timeout: "1s" },
    settings: { limits: { unproven_max: 40, unproven_per_address_max: 10 } },
  });
  const before = service.gateway.open_descriptors;
  const port = service.client_tls_port;
  const ends = Array.from({ length: 10 }, () => new TcpEnd({ port, local_address: ATTACKER }));
  const beginning = Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, ...random.bytes(20)]);
  for (const end of ends) await end.write(beginning);
  const one_too_many = new TcpEnd({ port, local_address: ATTACKER });
  await one_too_many.turnedAway();
  await service.gateway.logged("limit_reached", { limit: "unproven_per_address_max" });
  const peer = await client();
  await peer.settled();
  for (const end of ends) await end.turnedAway();
  await service.gateway.logged("tls_failed", {
    error: "no TLS handshake within fastway.tls_handshake_timeout",
  });
  peer.destroy();
  await service.gateway.descriptorsAtMost(before);
});

test("a client that takes nothing is cut alone, and costs no more than its queue", async () => {
  service = await start({
    fastway: { ClientSendChanSize: 200, ClientIdleTimeout: "0", ServerIdleTimeout: "0" },
  });
  const game = await server(7);
  const slow = await client();
  const quick = await client();
  const slow_id = await virtualConnection(slow, game, 7);
  const quick_id = await virtualConnection(quick, game, 7);
  slow.pause();
  const over = service.gateway.logged("fastway_over", { reason: "queue_full" });
  let is_over = false;
  void over.then(() => is_over = true);
  const flood = data(slow_id, random.bytes(16_000));
  for (let sent = 0; !is_over && sent < 5000; sent++) {
    await game.send(flood);
    if (sent % 50 > 0) continue;
    await game.send(data(quick_id, `beat ${sent}`));
    expect((await quick.take("data")).body.toString()).toBe(`beat ${sent}`);
  }
  await over;
  expect((await game.take("close")).conn_id).toBe(slow_id);
  await quick.settled();
  slow.destroy();
});

test("who fails again and again in TLS is banned by its own address, and turned away before the handshake", async () => {
  service = await start({
    settings: { bans: { failures_max: 3, window: "1m", duration: "10m", exempt: [] } },
  });
  for (let i = 0; i < 3; i++) {
    const socket = await secure(service.server_tls_port, { localAddress: ATTACKER });
    const peer = new FastwayPeer(socket, { name: "guesser", greets: true });
    await peer.send(serverHello(await peer.challenge(), "a guess", 7));
    await peer.closed();
  }
  await service.gateway.logged("banned", { subject: `address:${ATTACKER}` });
  const end = new TcpEnd({ port: service.client_tls_port, local_address: ATTACKER });
  await end.turnedAway();
  await service.gateway.logged("banned", { remote: ATTACKER, door: "fastway client TLS" });
  await (await client()).settled();
});

test("behind a proxy that is trusted, who it speaks for counts; nobody else is believed", async () => {
  service = await start({ settings: { proxy_protocol: { trusted: [PROXY], mode: "required" } } });
  const port = service.client_tls_port;
  const through = async (header: Uint8Array, from: string) => {
    const tcp = net.connect({ port, host: "127.0.0.1", localAddress: from });
    tcp.on("error", () => {});
    await within("connect", new Promise((resolve) => tcp.once("connect", resolve)));
    tcp.write(header);
    const socket = tls.connect({ socket: tcp, ca: authority.ca, servername: "localhost" });
    await within(
      "a handshake",
      new Promise<void>((resolve, reject) => {
        socket.once("secureConnect", resolve).once("error", reject).once(
          "close",
          () => reject(new Error("closed")),
        );
      }),
    );
    return new FastwayPeer(socket, { name: "proxied client" });
  };
  const first = await through(ipv4Header({ host: "192.0.2.7", port: 4711 }), PROXY);
  await first.settled();
  await service.gateway.logged("fastway_client", { remote: "192.0.2.7:4711" });
  const second = await through(proxyLine({ host: "2001:db8::7", port: 4712 }), PROXY);
  await second.settled();
  await service.gateway.logged("fastway_client", { remote: "[2001:db8::7]:4712" });
  await expect(through(Buffer.alloc(0), PROXY)).rejects.toThrow();
  await service.gateway.logged("proxy_error", { door: "fastway client TLS" });
  await expect(through(proxyLine({ host: "192.0.2.7", port: 4711 }), "127.0.0.1"))
    .rejects.toThrow();
  await service.gateway.logged("tls_failed", { error: "the first byte is no TLS handshake" });
});

test("nobody else reaches the sockets behind TLS, and nothing is left of them, not even after kill -9", async () => {
  const folder = mkdtempSync(join(tmpdir(), "relayx-tls-"));
  const environment = { ...plainEnvironment(), TMPDIR: folder };
  const doors = () => readdirSync(folder).filter((name) => name.startsWith("relayx-door-"));
  try {
    service = await start({ environment });
    const [first] = doors();
    expect(statSync(join(folder, first)).mode & 0o777).toBe(0o700);
    await service.gateway.kill();
    expect(doors()).toEqual([first]);
    service = await start({ environment });
    const [second, ...more] = doors();
    expect([second === first, more.length]).toEqual([false, 0]);
    await (await client()).settled();
    await service.gateway.stop();
    expect(doors()).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a port that somebody else has is said by its key", async () => {
  const taken = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const { port } = taken.address() as net.AddressInfo;
  await expect(
    FastwayService.start({
      fastway: { client_tls_addr: `127.0.0.1:${port}` },
      settings: { tls: tlsSection() },
    }),
  ).rejects.toThrow(/fastway\.client_tls_addr/);
  taken.close();
});
