/** The client library at a gateway of the test's own, which also does what no gateway should. */
import { afterEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import net, { type AddressInfo } from "node:net";
import tls from "node:tls";
import {
  type ClientOptions,
  connectClient,
  connectServer,
  type Endpoint,
  FastwayError,
  type ServerOptions,
  type VirtualConnection,
} from "../../clients/fastway/mod.ts";
import { TestAuthority } from "../harness/certificates.ts";
import { turn, within } from "../harness/deadline.ts";
import { command, frameOfLength } from "../harness/fastway-frames.ts";
import { TestGateway, type TestGatewayOptions } from "../harness/fastway-gateway.ts";
import { announcedRandom } from "../harness/random.ts";

const KEY = "the key of the servers";
const text = (words: string) => new TextEncoder().encode(words);
const words = (bytes: Uint8Array | null) => bytes && new TextDecoder().decode(bytes);

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function gatewayOf(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const gateway = await TestGateway.start({ key: KEY, ...options });
  closing.push(() => gateway.stop());
  return gateway;
}

async function client(gateway: TestGateway, more: Partial<ClientOptions> = {}) {
  const endpoint = await connectClient({
    host: "127.0.0.1",
    port: gateway.port("client"),
    ...more,
  });
  closing.push(() => endpoint.close());
  return endpoint;
}

async function server(gateway: TestGateway, more: Partial<ServerOptions> = {}) {
  const port = gateway.port("server");
  const endpoint = await connectServer({ host: "127.0.0.1", port, id: 7, key: KEY, ...more });
  closing.push(() => endpoint.close());
  return endpoint;
}

/** A client, a server, and a connection between them as each of them has it. */
async function pair(
  gateway: TestGateway,
  ofClient: Partial<ClientOptions> = {},
  ofServer: Partial<ServerOptions> = {},
): Promise<{ a: VirtualConnection; b: VirtualConnection; client: Endpoint; server: Endpoint }> {
  const [one, other] = [await client(gateway, ofClient), await server(gateway, ofServer)];
  const a = await one.dial(7);
  const b = await other.accept();
  return { a, b: b!, client: one, server: other };
}

/** What a gateway has dealt with before it answers: everything that was sent. */
async function settled(endpoint: Endpoint): Promise<void> {
  await endpoint.dial(4_000_000_000).catch(() => {});
}

async function failure(work: Promise<unknown>): Promise<FastwayError> {
  const error = await within("a failure", work.then(() => null, (reason) => reason));
  expect(error).toBeInstanceOf(FastwayError);
  return error as FastwayError;
}

describe("conversations", () => {
  test("a client dials a server, both talk, and the end is told", async () => {
    const { a, b } = await pair(await gatewayOf());
    expect([a.remoteId, b.remoteId, a.id]).toEqual([7, 1, b.id]);
    await a.send(text("hello"));
    await a.send(new Uint8Array(0));
    expect([words(await b.receive()), words(await b.receive())]).toEqual(["hello", ""]);
    b.send(text("one"));
    b.send(text("two"));
    b.close();
    const got: (string | null)[] = [];
    for await (const message of a) got.push(words(message));
    expect(got).toEqual(["one", "two"]);
    expect([await a.closed, await b.closed]).toEqual([
      { reason: "remote", error: null },
      { reason: "local", error: null },
    ]);
    expect((await failure(a.send(text("late")))).code).toBe("connection_closed");
    expect((await failure(b.send(text("late")))).code).toBe("connection_closed");
  });

  test("a server dials a client, which takes what comes", async () => {
    const gateway = await gatewayOf();
    const [one, other] = [await client(gateway), await server(gateway)];
    const b = await other.dial(1);
    for await (const a of one) {
      expect(a.remoteId).toBe(7);
      b.send(text("pushed"));
      expect(words(await a.receive())).toBe("pushed");
      break;
    }
  });

  test("dials of one id are answered in their order, whoever gives up", async () => {
    const gateway = await gatewayOf();
    const one = await client(gateway);
    expect((await failure(one.dial(7))).code).toBe("dial_refused");
    const other = await server(gateway);
    const giving_up = new AbortController();
    const dials = [
      one.dial(7),
      one.dial(7, { signal: giving_up.signal }),
      one.dial(7),
    ];
    giving_up.abort();
    const [first, second, third] = await Promise.allSettled(dials);
    expect(second).toMatchObject({ status: "rejected", reason: { code: "aborted" } });
    expect([first.status, third.status]).toEqual(["fulfilled", "fulfilled"]);
    await settled(one);
    // The connection that nobody wanted any more is closed.
    expect(gateway.closes).toEqual([2]);
    const ends: VirtualConnection[] = [];
    for (let i = 0; i < 3; i++) ends.push((await other.accept())!);
    expect((await ends[1].closed).reason).toBe("remote");
    expect(ends.map(({ isClosed }) => isClosed)).toEqual([false, true, false]);
  });

  test("a dial without an answer ends in time, and not the others", async () => {
    const gateway = await gatewayOf();
    gateway.mute.add(9);
    const { client: one } = await pair(gateway);
    expect((await failure(one.dial(9, { timeout_ms: 20 }))).code).toBe("dial_timeout");
    expect((await one.dial(7)).remoteId).toBe(7);
    expect(one.snapshot().waiting_dials).toBe(1);
  });

  test(
    "thousands of messages of all sizes come whole and in order, in pieces of any size",
    async () => {
      const random = announcedRandom("messages in pieces");
      const { a, b } = await pair(await gatewayOf({ splits: random }));
      const both = createHash("md5");
      const seen = createHash("md5");
      const reading = (async () => {
        for await (const message of b) seen.update(`${message.length} `).update(message);
      })();
      for (let i = 0; i < 300; i++) {
        const message = random.bytes(random.pick([0, 1, 30, 200, 5000]));
        both.update(`${message.length} `).update(message);
        const copy = Buffer.from(message);
        const sent = a.send(copy, { transfer: i % 2 === 0 });
        // Unless they were given away, the bytes are ours again at once.
        if (i % 2 === 1) copy.fill(0);
        await sent;
      }
      a.close();
      await within("the end", reading);
      expect(seen.digest("hex")).toBe(both.digest("hex"));
    },
    30_000,
  );

  test("messages that wait are not written over by what comes behind them", async () => {
    const random = announcedRandom("messages that wait");
    const { a, b } = await pair(await gatewayOf());
    const wanted = Array.from({ length: 2000 }, () => random.bytes(random.pick([8, 100, 3000])));
    for (const message of wanted) await a.send(message);
    a.close();
    await within("the end", b.closed);
    for (const message of wanted) {
      expect(Buffer.compare(message, (await b.receive())!)).toBe(0);
    }
    expect(await b.receive()).toBeNull();
  });
});

describe("what is not taken", () => {
  test("who does not receive is closed alone", async () => {
    const options = { receive_messages_max: 3, receive_bytes_max: 100 };
    const { a, b, client: one, server: other } = await pair(await gatewayOf(), {}, options);
    const second = await one.dial(7);
    const second_end = (await other.accept())!;
    for (let i = 0; i < 4; i++) a.send(text(`${i}`));
    second.send(text("still here"));
    expect(await within("the end", b.closed)).toEqual({ reason: "receive_full", error: null });
    expect(await within("the end", a.closed)).toEqual({ reason: "remote", error: null });
    expect(words(await second_end.receive())).toBe("still here");
    // What had come before is there.
    const rest: (string | null)[] = [];
    for await (const message of b) rest.push(words(message));
    expect(rest).toEqual(["0", "1", "2", "3"]);
  });

  test("who takes everything at once is not closed, however much comes in one turn", async () => {
    const options = { receive_messages_max: 3 };
    const { a, b } = await pair(await gatewayOf(), {}, options);
    for (let i = 0; i < 1000; i++) a.send(text(`${i}`));
    a.close();
    let count = 0;
    for await (const message of b) expect(words(message)).toBe(String(count++));
    expect([count, (await b.closed).reason]).toEqual([1000, "remote"]);
  });

  test("bytes count too, and one message is always taken", async () => {
    const options = { receive_bytes_max: 100 };
    const { a, b } = await pair(await gatewayOf(), {}, options);
    a.send(new Uint8Array(5000));
    a.send(new Uint8Array(1));
    expect((await within("the end", b.closed)).reason).toBe("receive_full");
    expect((await b.receive())!.length).toBe(5000);
  });

  test("where it is asked for, reading stops instead, and nothing is lost", async () => {
    const options = { when_full: "pause", receive_messages_max: 10, send_bytes: 1000 } as const;
    const { a, b, server: other } = await pair(await gatewayOf(), options, options);
    let sent = 0;
    const sending = (async () => {
      for (; sent < 30_000; sent++) await a.send(text(`${sent}`.padEnd(600)));
      a.close();
    })();
    while (!other.snapshot().is_paused) await turn();
    let received = 0;
    for await (const message of b) expect(words(message)!.trim()).toBe(String(received++));
    await sending;
    expect(received).toBe(sent);
    expect(other.snapshot().is_paused).toBe(false);
  }, 30_000);

  test("connections that nobody accepts are closed from the bound on", async () => {
    const { client: one, server: other } = await pair(await gatewayOf(), {}, { accept_max: 2 });
    const dialled = [await one.dial(7), await one.dial(7), await one.dial(7)];
    expect((await within("the end", dialled[2].closed)).reason).toBe("remote");
    expect(dialled.map(({ isClosed }) => isClosed)).toEqual([false, false, true]);
    expect(other.snapshot().waiting_accepts).toBe(2);
  });

  test("sends wait for room, and who does not wait is refused at last", async () => {
    const gateway = await gatewayOf();
    const options = { send_bytes: 10_000, send_bytes_max: 100_000 };
    const { a, client: one } = await pair(gateway, options);
    const sends: Promise<void>[] = [];
    let codes: string[] = [];
    for (let i = 0; i < 30; i++) {
      sends.push(a.send(new Uint8Array(10_000)));
      sends.at(-1)!.catch((error) => codes.push(error.code));
    }
    expect(one.snapshot().waiting_send_bytes).toBeGreaterThanOrEqual(100_000);
    expect(one.snapshot().waiting_send_bytes).toBeLessThan(120_000);
    // One that has waited is taken even so.
    const second = await one.dial(7);
    await second.send(text("me too"));
    await within("the sends", Promise.allSettled(sends));
    expect(new Set(codes)).toEqual(new Set(["send_buffer_full"]));
    expect(one.snapshot().waiting_send_bytes).toBeLessThan(10_000);
    codes = [];
    expect((await failure(a.send(new Uint8Array(600_000)))).code).toBe("message_too_long");
  });
});

describe("the connection to the gateway", () => {
  test("nobody listens, or nobody answers", async () => {
    const silent = net.createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const { port } = silent.address() as AddressInfo;
    closing.push(() => silent.close());
    const late = connectClient({ host: "127.0.0.1", port, connect_timeout_ms: 30 });
    expect((await failure(late)).code).toBe("connect_timeout");
    const gone = await gatewayOf();
    const dead_port = gone.port("client");
    gone.stop();
    await turn();
    const nobody = connectClient({ host: "127.0.0.1", port: dead_port });
    expect((await failure(nobody)).code).toBe("connect_failed");
  });

  test("a wrong key is refused", async () => {
    const gateway = await gatewayOf();
    expect((await failure(server(gateway, { key: "another" }))).code).toBe("connect_refused");
  });

  test("options are checked", async () => {
    const at = { host: "127.0.0.1", port: 1 };
    const wrong = [
      { ...at, port: 0 },
      { ...at, host: "" },
      { ...at, packet_bytes_max: 1.5 },
      { ...at, when_full: "drop" as "pause" },
      { ...at, token: "" },
      { ...at, snet: { buffer_bytes: 70_000 } },
    ];
    for (const options of wrong) {
      expect((await failure(connectClient(options))).code).toBe("bad_option");
    }
    expect((await failure(connectServer({ ...at, id: -1 }))).code).toBe("bad_option");
  });

  test("when it is lost, everybody who waits is told", async () => {
    const gateway = await gatewayOf();
    gateway.mute.add(9);
    const { a, client: one } = await pair(gateway);
    const waiting = [one.dial(9), a.receive(), one.accept()];
    const results = Promise.allSettled(waiting);
    gateway.cut();
    expect((await within("the end", one.closed))?.code).toBe("gateway_gone");
    expect(await results).toMatchObject([
      { status: "rejected", reason: { code: "gateway_gone" } },
      { status: "fulfilled", value: null },
      { status: "fulfilled", value: null },
    ]);
    expect(await a.closed).toMatchObject({ reason: "endpoint", error: { code: "gateway_gone" } });
    expect((await failure(one.dial(7))).code).toBe("gateway_gone");
    expect((await failure(a.send(text("late")))).code).toBe("gateway_gone");
    await one.close();
  });

  test("closing sends what was sent, and tells the others", async () => {
    const gateway = await gatewayOf();
    const { a, b, client: one, server: other } = await pair(gateway, { send_bytes: 1 });
    const dialling = one.dial(8).catch((error: FastwayError) => error.code);
    const sends = Array.from({ length: 100 }, (_, i) => a.send(text(`${i}`)));
    await within("the close", one.close());
    // They were taken, and have left.
    await within("the sends", Promise.all(sends));
    expect(await one.closed).toBeNull();
    expect(await a.closed).toEqual({ reason: "endpoint", error: null });
    expect(await dialling).toBe("endpoint_closed");
    let count = 0;
    for await (const _ of b) count++;
    expect(count).toBe(100);
    expect(gateway.closes).toContain(a.id);
    expect(other.snapshot().connections).toBe(0);
  });

  test("a signal ends connecting, and the endpoint", async () => {
    const gateway = await gatewayOf();
    const early = AbortSignal.abort();
    expect((await failure(client(gateway, { signal: early }))).code).toBe("aborted");
    const later = new AbortController();
    const one = await client(gateway, { signal: later.signal });
    later.abort(new Error("enough"));
    expect(await one.closed).toMatchObject({ code: "aborted", cause: new Error("enough") });
    const waiting = new AbortController();
    const other = await client(gateway);
    const accepting = other.accept({ signal: waiting.signal });
    waiting.abort();
    expect((await failure(accepting)).code).toBe("aborted");
    expect(other.isClosed).toBe(false);
  });
});

describe("a gateway that is not as it should be", () => {
  test("pings keep coming, and one that is silent is left", async () => {
    const gateway = await gatewayOf();
    const one = await client(gateway, { idle_timeout_ms: 60 });
    const before = gateway.pings;
    while (gateway.pings < before + 5) await turn();
    expect(one.isClosed).toBe(false);
    gateway.answers_pings = false;
    expect((await within("the end", one.closed))?.code).toBe("gateway_silent");
  });

  test("pings that nobody asked for get no answer, and unknown closes do nothing", async () => {
    const gateway = await gatewayOf();
    const { a, b } = await pair(gateway, { ping_interval_ms: 0 });
    const before = gateway.pings;
    gateway.inject("client", 1, Buffer.concat([command(5), command(5), command(4, 99)]));
    gateway.inject("client", 1, Buffer.concat([command(4, 0), command(3, 12)]));
    b.send(text("x"));
    expect(words(await a.receive())).toBe("x");
    expect(gateway.pings).toBe(before);
  });

  test("an accepted dial that nobody made is closed", async () => {
    const gateway = await gatewayOf();
    const one = await client(gateway);
    gateway.inject("client", 1, command(1, 55, 7));
    await settled(one);
    await settled(one);
    expect([gateway.closes, one.snapshot().connections]).toEqual([[55], 0]);
  });

  test.each([
    ["a dial", command(0, 1)],
    ["an unknown command", command(6)],
    ["a token", command(128)],
    ["an accept without its arguments", command(1, 5)],
    ["a connection without a number", command(2, 0, 7)],
    ["a command without a type", frameOfLength(4, 0, new Uint8Array(0))],
    ["a length of 3", frameOfLength(3, 1, new Uint8Array(0))],
    ["a frame that is too long", frameOfLength(512 * 1024 + 1, 1, new Uint8Array(0))],
  ])("%s ends the endpoint", async (_, bytes) => {
    const gateway = await gatewayOf();
    const one = await client(gateway);
    gateway.inject("client", 1, bytes);
    expect((await within("the end", one.closed))?.code).toBe("protocol_error");
  });
});

test("all frames of one turn leave in one write", async () => {
  const reads: number[] = [];
  const gateway = await gatewayOf();
  const { a } = await pair(gateway);
  const path = net.createServer((near) => {
    const far = net.connect(gateway.port("client"), "127.0.0.1");
    near.on("data", (bytes) => (reads.push(bytes.length), far.write(bytes)));
    far.pipe(near);
    near.on("close", () => far.destroy());
    near.on("error", () => {});
  });
  await new Promise<void>((resolve) => path.listen(0, "127.0.0.1", resolve));
  closing.push(() => path.close());
  const { port } = path.address() as AddressInfo;
  const one = await connectClient({ host: "127.0.0.1", port, ping_interval_ms: 0 });
  closing.push(() => one.close());
  const b = await one.dial(7);
  reads.length = 0;
  for (let i = 0; i < 200; i++) {
    b.send(text("a message of some bytes"));
    // Turns of promises are not turns of the loop.
    await Promise.resolve();
  }
  await settled(one);
  expect(reads[0]).toBeGreaterThanOrEqual(200 * 31);
  expect(a.isClosed).toBe(false);
});

describe("TLS", () => {
  test("with an authority that is trusted, and not with another", async () => {
    const authority = new TestAuthority();
    const { cert, key } = authority.issue();
    closing.push(() => authority.close());
    const gateway = await gatewayOf();
    const door = tls.createServer({ cert, key }, (near) => {
      const far = net.connect(gateway.port("client"), "127.0.0.1");
      near.pipe(far).pipe(near);
      near.on("error", () => far.destroy());
      near.on("close", () => far.destroy());
    });
    door.on("tlsClientError", () => {});
    await new Promise<void>((resolve) => door.listen(0, "127.0.0.1", resolve));
    closing.push(() => door.close());
    const { port } = door.address() as AddressInfo;
    await server(gateway);
    for (const host of ["127.0.0.1", "localhost"]) {
      const one = await connectClient({ host, port, tls: { ca: authority.ca } });
      closing.push(() => one.close());
      expect((await one.dial(7)).remoteId).toBe(7);
    }
    const distrusting = connectClient({ host: "127.0.0.1", port, tls: true });
    expect((await failure(distrusting)).code).toBe("connect_failed");
  });
});
