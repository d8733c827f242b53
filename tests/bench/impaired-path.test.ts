/** The path as the benchmark starts it: a program between two UDP sockets. */
import { afterEach, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import dgram from "node:dgram";
import { Children } from "../../bench/child.ts";
import { FreePorts } from "../../bench/contenders/ports.ts";
import { Generator } from "../../bench/generator.ts";
import { nowNs } from "../../bench/load/libc.ts";
import type { PathFaults, PathResult } from "../../bench/load/wire.ts";
import { Inbox } from "../harness/inbox.ts";
import { announcedRandom } from "../harness/random.ts";

const result_ms = 10_000;
const host = "127.0.0.1";
const random = announcedRandom("impaired path of the benchmark");
const children = new Children();
const sockets: dgram.Socket[] = [];

afterEach(async () => {
  await children.close();
  for (const socket of sockets.splice(0)) socket.close();
});

interface Arrival {
  bytes: Buffer;
  port: number;
}

/** A UDP socket and what has come to it. */
async function open(port = 0): Promise<{ socket: dgram.Socket; inbox: Inbox<Arrival> }> {
  const socket = dgram.createSocket("udp4");
  const inbox = new Inbox<Arrival>();
  socket.on("message", (bytes, from) => {
    inbox.push({ bytes: Buffer.from(bytes), port: from.port });
  });
  await new Promise<void>((resolve) => socket.bind(port, host, resolve));
  sockets.push(socket);
  return { socket, inbox };
}

async function start(faults: Omit<PathFaults, "seed">) {
  const [listen_port, target_port] = await new FreePorts().take(2);
  const target = await open(target_port);
  const seed = random.int(0, 2 ** 32 - 1);
  const path = new Generator({
    children,
    name: "impaired path",
    order: { program: "impaired-path", listen_port, target_port, seed, ...faults },
  });
  await path.listening();
  return { path, target, listen_port, seed };
}

/** Losses begin at once. */
function begin(path: Generator): void {
  const now_ns = nowNs();
  path.go({ start_ns: now_ns, window_from_ns: now_ns, window_to_ns: now_ns });
}

/** An SRT data packet as far as its head tells: its number, and whether it is sent again. */
function dataPacket(number: number, { again = false } = {}): Buffer {
  const packet = Buffer.alloc(64, 7);
  packet.writeUInt32BE(number, 0);
  packet.writeUInt32BE((again ? 0x0400_0000 : 0) + number, 4);
  return packet;
}

test("packets and their answers find their way, each sender's to itself", async () => {
  const { path, target, listen_port, seed } = await start({ rtt_ms: 10, loss: 0, jitter_ms: 0 });
  const [one, other] = [await open(), await open()];
  one.socket.send("from one", listen_port, host);
  const first = await target.inbox.take("a packet", () => true);
  expect(first.bytes.toString()).toBe("from one");
  other.socket.send("from the other", listen_port, host);
  const second = await target.inbox.take("a packet", () => true);
  target.socket.send("to the other", second.port, host);
  target.socket.send("to one", first.port, host);
  expect((await one.inbox.take("an answer", () => true)).bytes.toString()).toBe("to one");
  expect((await other.inbox.take("an answer", () => true)).bytes.toString()).toBe("to the other");
  begin(path);
  path.release();
  const result = await path.result<PathResult>(result_ms);
  expect(result.seed).toBe(seed);
  expect(result.toward).toMatchObject({ forwarded: 2, forwarded_bytes: 22, lost: 0 });
  expect(result.back).toMatchObject({ forwarded: 2, lost: 0, overflowed: 0 });
  expect([one.inbox.items, other.inbox.items, target.inbox.items]).toEqual([[], [], []]);
});

test("it loses nothing before the window and counts what it loses in it", async () => {
  const { path, target, listen_port } = await start({ rtt_ms: 4, loss: 1, jitter_ms: 0 });
  const near = await open();
  near.socket.send(dataPacket(1), listen_port, host);
  await target.inbox.take("the packet before the window", () => true);
  begin(path);
  // The schedule and the packets come by different ways: until it is read, they go through.
  for (let number = 2; number < 1000; number++) {
    near.socket.send(dataPacket(number), listen_port, host);
    const came = await target.inbox.take("the packet", () => true, 500).catch(() => null);
    if (came === null) break;
  }
  const control = Buffer.alloc(16);
  control[0] = 0x80;
  for (const packet of [dataPacket(2000, { again: true }), control, Buffer.from("short")]) {
    await new Promise((resolve) => near.socket.send(packet, listen_port, host, resolve));
  }
  path.release();
  const { toward } = await path.result<PathResult>(result_ms);
  expect(toward.first_lost).toBeGreaterThan(0);
  expect(toward.repeated).toBe(1);
  expect(toward.lost).toBe(toward.first_lost + 3);
});

test("it ends when the benchmark has gone, and says why", async () => {
  const { path } = await start({ rtt_ms: 4, loss: 0, jitter_ms: 0 });
  await path.stop();
  await expect(path.result(result_ms)).rejects.toThrow("impaired path ended");
});
