/** The client library over snet, at a gateway of the test's own whose connections are cut. */
import { afterEach, describe, expect, test } from "bun:test";
import {
  connectClient,
  connectServer,
  type Endpoint,
  type EndpointOptions,
  type FastwayError,
  type SnetOptions,
  type VirtualConnection,
} from "../../clients/fastway/mod.ts";
import { deferred, turn, within } from "../harness/deadline.ts";
import { CuttingPath } from "../harness/cutting-path.ts";
import { TestGateway } from "../harness/fastway-gateway.ts";
import { hear, say } from "../harness/fastway-numbered.ts";
import { announcedRandom } from "../harness/random.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Meeting {
  gateway: TestGateway;
  client: Endpoint;
  a: VirtualConnection;
  b: VirtualConnection;
  /** How often the client's connection was lost, and came back. */
  away: number;
  back: number;
}

async function meeting(
  snet: SnetOptions,
  { path_of = (port: number) => Promise.resolve(port), more = {} }: {
    path_of?: (port: number) => Promise<number>;
    more?: Partial<EndpointOptions>;
  } = {},
): Promise<Meeting> {
  const gateway = await TestGateway.start({ snet: { encrypt: snet.encrypt ?? false } });
  closing.push(() => gateway.stop());
  const at = { host: "127.0.0.1", snet: { retry_interval_ms: 20, ...snet }, ...more };
  const found: Partial<Meeting> & { away: number; back: number } = { gateway, away: 0, back: 0 };
  found.client = await connectClient({
    ...at,
    port: await path_of(gateway.port("client")),
    onAway: () => found.away++,
    onBack: () => found.back++,
  });
  const server_port = await path_of(gateway.port("server"));
  const server = await connectServer({ ...at, port: server_port, id: 7 });
  closing.push(() => Promise.all([found.client!.close(), server.close()]));
  found.a = await found.client.dial(7);
  found.b = (await server.accept())!;
  return found as Meeting;
}

describe.each([{ encrypt: false }, { encrypt: true }])("%o", ({ encrypt }) => {
  test("connections that are cut at any byte lose nothing and repeat nothing", async () => {
    const random = announcedRandom("connections cut at any byte");
    const paths: CuttingPath[] = [];
    const path_of = async (port: number) => {
      const path = await CuttingPath.to(port, {
        cut_after_bytes: () => random.int(10, 150_000),
        random,
      });
      paths.push(path);
      closing.push(() => path.close());
      return path.port;
    };
    const { a, b, gateway, client } = await meeting({ encrypt }, { path_of });
    const count = 700;
    await within(
      "all messages",
      Promise.all([say(a, count, random), say(b, count, random), hear(a, count), hear(b, count)]),
      30_000,
    );
    expect(gateway.snet!.returns).toBeGreaterThan(10);
    for (const path of paths) path.leaveAlone();
    b.close();
    expect((await within("the end", a.closed)).reason).toBe("remote");
    expect(client.isClosed).toBe(false);
  }, 40_000);

  test("what is said while the connection is away arrives when it is back", async () => {
    const one = await meeting({ encrypt });
    one.gateway.snet!.is_unreachable = true;
    one.gateway.cut();
    while (one.client.snapshot().is_away === false) await turn();
    const random = announcedRandom("said while away");
    const all = Promise.all([
      say(one.a, 40, random),
      say(one.b, 40, random),
      hear(one.a, 40),
      hear(one.b, 40),
    ]);
    one.gateway.snet!.is_unreachable = false;
    await within("all messages", all);
    expect([one.away, one.back]).toEqual([1, 1]);
    expect(one.client.snapshot().is_away).toBe(false);
  });
});

async function endOf({ client }: Meeting): Promise<FastwayError | null> {
  return await within("the end of the client", client.closed);
}

test("a gateway that has forgotten the session is believed at once", async () => {
  const one = await meeting({});
  one.gateway.snet!.refuses_returns = true;
  one.gateway.cut();
  expect((await endOf(one))?.code).toBe("snet_refused");
  expect((await one.a.closed).error?.code).toBe("snet_refused");
});

test.each([
  ["more than was sent", (read: number) => read + 1_000_000],
  ["less than a ping has acknowledged", () => 1],
])("%s cannot have been read", async (_, claim) => {
  const one = await meeting({});
  one.gateway.snet!.read_claim = claim;
  one.gateway.cut();
  expect((await endOf(one))?.code).toBe("snet_refused");
});

test("it is looked for as long as the gateway would wait, and no longer", async () => {
  const one = await meeting({ wait_timeout_ms: 150 });
  one.gateway.snet!.is_unreachable = true;
  one.gateway.cut();
  const error = await endOf(one);
  expect(error?.code).toBe("snet_timeout");
  // Why the last try failed: refused, or out of time.
  expect(["gateway_gone", "connect_timeout"]).toContain((error?.cause as FastwayError).code);
});

test("a handshake that stalls ends in time", async () => {
  const stalling = await CuttingPath.to(1, { swallow: true });
  closing.push(() => stalling.close());
  const snet = { init_timeout_ms: 100 };
  const connecting = connectClient({ host: "127.0.0.1", port: stalling.port, snet });
  const error = await within("the end", connecting.then(() => null, (reason) => reason));
  expect(error).toMatchObject({ code: "connect_timeout" });
});

test("a silent connection is left for a new one, and the session goes on", async () => {
  const swallowed = deferred<void>();
  const gateway = await TestGateway.start({ snet: { encrypt: true } });
  closing.push(() => gateway.stop());
  const path = await CuttingPath.to(gateway.port("client"), {});
  closing.push(() => path.close());
  const client = await connectClient({
    host: "127.0.0.1",
    port: path.port,
    snet: { encrypt: true, retry_interval_ms: 20 },
    ping_interval_ms: 20,
    silence_timeout_ms: 60,
    onAway: () => {
      path.deaf = false;
      swallowed.resolve();
    },
  });
  closing.push(() => client.close());
  path.deaf = true;
  await within("the loss", swallowed.promise);
  const error = await within("an answer", client.dial(9).catch((reason) => reason));
  expect(error.code).toBe("dial_refused");
  expect(gateway.snet!.returns).toBe(1);
});

test("what is kept to be sent again is bounded, and pings make room", async () => {
  const one = await meeting({ buffer_bytes: 64 * 1024 * 17 });
  const { client, a, b } = one;
  const most: number[] = [];
  const reading = hear(b, 3000);
  for (let i = 0; i < 3000; i++) {
    const message = Buffer.alloc(1500, i & 255);
    message.writeUInt32LE(i, 0);
    await a.send(message);
    most.push(client.snapshot().waiting_send_bytes);
  }
  await within("all messages", reading);
  expect(Math.max(...most)).toBeLessThan(64 * 1024 * 17);
  expect(most.length).toBe(3000);
});

test("a pause of one side does not hold up what it sends itself", async () => {
  const one = await meeting({}, { more: { when_full: "pause", receive_messages_max: 5 } });
  const { a, b } = one;
  const count = 2000;
  const echoing = (async () => {
    for await (const message of b) await b.send(message);
  })();
  const random = announcedRandom("echoes between pauses");
  await within("all echoes", Promise.all([say(a, count, random), hear(a, count)]), 30_000);
  a.close();
  await within("the end", echoing);
}, 40_000);
