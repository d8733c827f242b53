/** Who does not take what is sent to it is cut off, alone, and what waits for it is bounded. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { Buffer } from "node:buffer";
import type { EndpointOver } from "../../src/data/fastway/protocol.ts";
import { patience_ms } from "../harness/deadline.ts";
import { data, dial, type Frame } from "../harness/fastway-frames.ts";
import { type FastwayPeer, virtualConnection } from "../harness/fastway-peer.ts";
import { announcedRandom } from "../harness/random.ts";
import { lifeOf, PeerRig } from "./fastway-peer-rig.ts";
import type { FastwayChoice } from "./fastway-rig.ts";
import { RawEnd } from "./raw-end.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(60_000);

const KIB = 1024;
const MIB = 1024 * KIB;
const SERVER = 1;

let rig: PeerRig;
let server: FastwayPeer;
/** A client of the server, which reads. */
let quick: FastwayPeer;
/** Another, which does not. */
let slow: RawEnd;
afterEach(async () => {
  slow.close();
  quick.destroy();
  server.destroy();
  await rig.close();
});

interface Flood {
  reason: EndpointOver;
  /** Sent to the slow one until its Close came. */
  sent: number;
  waiting_max: { messages: number; bytes: number };
  pool_bytes_max: number;
}

/**
 * A server sends to a client that does not read until it hears that it is closed. Beside every batch
 * another client has its echo, so what is lost or held up there is found.
 */
async function flood(keys: FastwayChoice, body_bytes: number, batch: number): Promise<Flood> {
  rig = await PeerRig.start(keys);
  let slow_id = 0;
  let quick_id = 0;
  let closes = 0;
  const listener = (frame: Frame) => {
    if (frame.type === "connect") [quick_id, slow_id] = [slow_id, frame.conn_id];
    else if (frame.type === "data") server.sendCarelessly(data(frame.conn_id, frame.body));
    else if (frame.type === "close" && frame.conn_id === slow_id) closes++;
  };
  server = await rig.server(SERVER, { listener });
  quick = await rig.client();
  expect(await quick.dial(SERVER)).toBe(1);
  await rig.facts(quick);
  slow = new RawEnd({ port: rig.ports.client });
  slow.write(dial(SERVER));
  const { facts } = await rig.event("endpoint", ({ facts }) => facts.side === "client");
  await server.reached(2);
  expect([quick_id, slow_id]).toEqual([1, 2]);

  const frames = Buffer.concat(
    Array.from({ length: batch }, () => data(slow_id, Buffer.alloc(body_bytes, 7))),
  );
  const waiting_max = { messages: 0, bytes: 0 };
  let pool_bytes_max = 0;
  let sent = 0;
  const roundTrip = async (word: string) => {
    await quick.send(data(quick_id, word));
    expect((await quick.take("data")).body.toString()).toBe(word);
  };
  const until_ms = performance.now() + 2 * patience_ms;
  while (closes === 0) {
    if (performance.now() > until_ms) throw new Error(`not cut after ${sent} messages`);
    await server.send(frames);
    sent += batch;
    await roundTrip(`beside ${sent}`);
    const waiting = rig.plane.counters(facts.endpoint);
    waiting_max.messages = Math.max(waiting_max.messages, waiting?.queue_messages ?? 0);
    waiting_max.bytes = Math.max(waiting_max.bytes, waiting?.queue_bytes ?? 0);
    pool_bytes_max = Math.max(pool_bytes_max, rig.plane.totals().pool_bytes);
  }
  const { reason } = await rig.over(facts);
  await roundTrip("afterwards");
  await server.settled();
  // What is sent to the id now is answered by a Close each.
  const before = closes;
  await server.send(frames);
  await server.settled();
  expect(closes).toBe(before + batch);
  await rig.totalsUntil({ virtual: 1, pool_used_bytes: 0 });
  expect(rig.events.items.filter(({ type }) => type === "endpoint_over")).toEqual([]);
  return { reason, sent, waiting_max, pool_bytes_max };
}

test("by the number of messages that wait", async () => {
  const { reason, waiting_max } = await flood({ ClientSendChanSize: 300 }, KIB, 50);
  expect(reason).toBe("queue_full");
  expect(waiting_max.messages).toBeGreaterThan(0);
  expect(waiting_max.messages).toBeLessThanOrEqual(300);
});

test("by the bytes that wait", async () => {
  const keys = { ClientSendChanSize: 100_000, client_queue_size_max: "256KB" };
  const { reason, waiting_max } = await flood(keys, 20 * KIB, 2);
  expect(reason).toBe("queue_full");
  expect(waiting_max.bytes).toBeGreaterThan(0);
  expect(waiting_max.bytes).toBeLessThanOrEqual(256 * KIB);
});

test("by the memory that all who wait have together", async () => {
  const keys = { ClientSendChanSize: 1_000_000, pool_size_max: "1MB", MemPoolPageSize: "64KB" };
  const { reason, pool_bytes_max } = await flood(keys, 10 * KIB, 4);
  expect(reason).toBe("memory_full");
  expect(pool_bytes_max).toBeGreaterThan(0);
  expect(pool_bytes_max).toBeLessThanOrEqual(MIB);
});

for (const workers of [1, 2]) {
  test(`who takes its time but takes everything loses nothing, workers: ${workers}`, async () => {
    const random = announcedRandom("fastway's slow clients");
    const noise = random.bytes(MIB);
    // A page holds a few of the longest chunks only, and a short frame lies beside a long one.
    const keys = { client_queue_size_max: "64MB", MemPoolPageSize: "256KB" };
    rig = await PeerRig.start(keys, { workers });
    slow = new RawEnd({ port: rig.ports.client });
    server = await rig.server(SERVER);
    const near = await rig.facts(server);
    quick = await rig.client();
    let facts = await rig.facts(quick);
    while (workers > 1 && lifeOf(facts) === lifeOf(near)) {
      quick.destroy();
      quick = await rig.client();
      facts = await rig.facts(quick);
    }
    const id = await virtualConnection(quick, server, SERVER);
    const sent: Buffer[] = [];
    const sendSome = async (bytes: number) => {
      for (let left = bytes; left > 0; left -= sent.at(-1)!.length + 1) {
        const length = Math.floor(300 * KIB * random.next() ** 4);
        const from = random.int(0, noise.length - length);
        sent.push(noise.subarray(from, from + length));
        await server.send(data(id, sent.at(-1)!));
      }
      await server.settled();
    };
    let compared = 0;
    const readTo = async (messages: number) => {
      for (; compared < messages; compared++) {
        const { body } = await quick.take("data");
        if (!body.equals(sent[compared])) throw new Error(`message ${compared} is not what it was`);
      }
    };
    for (let round = 0; round < 3; round++) {
      // More than the kernel holds for one that does not read.
      quick.pause();
      while (rig.plane.counters(facts.endpoint)!.queue_bytes < MIB) await sendSome(MIB);
      quick.resume();
      // It stops again while there is a queue, and more comes behind that.
      await readTo(random.int(compared, sent.length - 1));
      quick.pause();
      await sendSome(MIB);
      quick.resume();
      await readTo(sent.length);
    }
    await quick.settled();
    expect(quick.frames).toEqual([]);
    await rig.totalsUntil({ pool_used_bytes: 0 });
  });
}
