/** The door with a worker of the test's own behind it: what reaches it, and what happens when it dies. */
import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import net from "node:net";
import tls from "node:tls";
import { configSchema } from "../../../../src/config/schema.ts";
import { DoorThread } from "../../../../src/data/fastway/door/door-thread.ts";
import type { DoorOrder } from "../../../../src/data/fastway/door/protocol.ts";
import { readProxyHeader } from "../../../../src/data/proxy-header.ts";
import { FastwayTlsDoor } from "../../../../src/planes/fastway/tls-door.ts";
import { TestAuthority } from "../../../harness/certificates.ts";
import { turn, within } from "../../../harness/deadline.ts";
import { EventList } from "../../sessions/events.ts";
import { RecordingLog } from "../../sessions/recording-log.ts";

const authority = new TestAuthority();
const served = authority.issue();
afterAll(() => authority.close());

/** Stands where a worker would: it takes what the door hands over, behind the header. */
class Worker {
  /** `rest` is what came together with the header. */
  readonly taken = new EventList<
    { socket: net.Socket; host: string | undefined; rest: Buffer }
  >();
  path = "";
  #server: net.Server | null = null;
  readonly #sockets = new Set<net.Socket>();

  openDoor(_side: string, path: string): Promise<void> {
    this.path = path;
    return this.listen();
  }

  listen(): Promise<void> {
    this.#server = net.createServer({ allowHalfOpen: true }, (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.once("data", (bytes: Buffer) => {
        const header = readProxyHeader(bytes);
        if (header.type !== "header") throw new Error(`found ${header.type}`);
        socket.pause();
        const rest = bytes.subarray(header.bytes);
        this.taken.push({ socket, host: header.source?.host, rest });
      });
    });
    return new Promise((resolve) => this.#server!.listen(this.path, () => resolve()));
  }

  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server?.close(() => resolve()) ?? resolve());
  }
}

let log: RecordingLog;
let worker: Worker;
let door: FastwayTlsDoor;
let threads: DoorThread[];
let port: number;

const config = configSchema.parse({
  tls: { cert_file: served.cert_file, key_file: served.key_file },
  fastway: { client_tls_addr: "127.0.0.1:0", tls_handshake_timeout: "2s" },
});

beforeEach(async () => {
  log = new RecordingLog();
  worker = new Worker();
  threads = [];
  door = new FastwayTlsDoor({
    config,
    plane: worker,
    log,
    makeThread: (options) => {
      threads.push(new DoorThread(options));
      return threads.at(-1)!;
    },
  });
  port = (await door.start()).client!;
});
afterEach(async () => {
  await door.close();
  await worker.close();
});

async function connect(): Promise<tls.TLSSocket> {
  const socket = tls.connect({ port, host: "127.0.0.1", ca: authority.ca });
  socket.on("error", () => {});
  await within("a handshake", new Promise((resolve) => socket.once("secureConnect", resolve)));
  return socket;
}

const ended = (socket: net.Socket) =>
  within("an end", new Promise((resolve) => socket.once("close", resolve)));

test("what is sent before a worker takes the connection is not lost, with where it is from", async () => {
  const socket = await connect();
  socket.write("the first words");
  const { socket: inner, host, rest } = await worker.taken.find(() => true);
  expect(host).toBe("127.0.0.1");
  const words = "the first words";
  const missing = words.length - rest.length;
  const more = missing === 0
    ? ""
    : await within("the words", new Promise((resolve) => inner.once("data", resolve).resume()));
  expect(`${rest}${more}`).toBe(words);
  expect(door.snapshot()).toMatchObject({ entering: 0, open: 1, passed_total: 1 });
  socket.destroy();
  inner.destroy();
});

test("a worker that is slow holds its client up, and gets all of it; its last words arrive", async () => {
  const socket = await connect();
  const whole = Buffer.alloc(12 * 1024 * 1024);
  for (let at = 0; at < whole.length; at += 4) whole.writeUInt32LE(at, at);
  const written = new Promise<void>((resolve) => socket.write(whole, () => resolve()));
  let is_written = false;
  void written.then(() => is_written = true);
  const { socket: inner, rest } = await worker.taken.find(() => true);
  // Long after all that fits between the two is on its way.
  expect(await door.beat(5000)).toBe(true);
  for (let i = 0; i < 20; i++) await door.beat(5000);
  expect(is_written).toBe(false);
  const found: Buffer[] = [rest];
  let { length } = rest;
  await within(
    "all of it",
    new Promise<void>((resolve) => {
      inner.on("data", (bytes: Buffer) => {
        found.push(bytes);
        length += bytes.length;
        if (length >= whole.length) resolve();
      }).resume();
    }),
  );
  expect(Buffer.concat(found).equals(whole)).toBe(true);
  let heard = 0;
  socket.on("data", (bytes: Buffer) => heard += bytes.length);
  const closed = ended(socket);
  inner.end(Buffer.alloc(3 * 1024 * 1024, 1));
  await closed;
  expect(heard).toBe(3 * 1024 * 1024);
});

test("an end and a break of either side reach the other, and nothing is left", async () => {
  for (const how of ["client", "client breaks", "worker breaks"] as const) {
    const seen = worker.taken.items.length;
    const socket = await connect();
    socket.resume();
    const { socket: inner } = await worker.taken.find((one) =>
      worker.taken.items.indexOf(one) >= seen
    );
    inner.resume();
    const over = how === "worker breaks" ? ended(socket) : within(
      "an end at the worker",
      new Promise((resolve) => inner.once("end", resolve).once("close", resolve)),
    );
    if (how === "client") socket.end();
    else if (how === "client breaks") socket.destroy();
    else inner.destroy();
    await over;
    inner.destroy();
    socket.destroy();
  }
  const until = Date.now() + 5000;
  while (door.snapshot().open > 0 && Date.now() < until) await turn();
  expect(door.snapshot()).toMatchObject({ entering: 0, open: 0, passed_total: 3 });
});

test("while the worker is away its connections wait, and are told of when it does not come back", async () => {
  await worker.close();
  const patient = await connect();
  const waiting = door.snapshot().entering;
  await worker.listen();
  await worker.taken.count(1);
  expect(waiting).toBe(1);
  await worker.close();
  const hopeless = await connect();
  const closed = ended(hopeless);
  expect((await log.status("door_error")).error).toMatch(/did not take it: ENOENT|ECONNREFUSED/);
  await closed;
  patient.destroy();
});

test("a thread that dies is replaced on the same port, with the bans that there are", async () => {
  door.setBans(["127.0.0.66"]);
  const open = await connect();
  const cut = ended(open);
  threads[0].send({ type: "nonsense" } as unknown as DoorOrder);
  await cut;
  expect((await log.status("door_failed")).level).toBe("error");
  const until = Date.now() + 10_000;
  while (door.snapshot().threads_replaced === 0 && Date.now() < until) await turn();
  (await connect()).destroy();
  const banned = net.connect({ port, host: "127.0.0.1", localAddress: "127.0.0.66" });
  await ended(banned);
  expect(await log.status("banned")).toMatchObject({ door: "fastway client TLS" });
  door.setBans([]);
  await door.beat(5000);
  const again = tls.connect({
    port,
    host: "127.0.0.1",
    localAddress: "127.0.0.66",
    ca: authority.ca,
  } as tls.ConnectionOptions);
  await within("a handshake", new Promise((resolve) => again.once("secureConnect", resolve)));
  again.destroy();
});
