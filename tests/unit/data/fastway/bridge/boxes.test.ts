/**
 * What goes from one worker's outbox through a ring into another's inbox: every frame whole and in its
 * order, however small the ring is and whenever it is read; and memory that is all given back.
 */
import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { Batch } from "../../../../../src/data/fastway/batch.ts";
import { Inbox, type InboxOwner } from "../../../../../src/data/fastway/bridge/inbox.ts";
import { Outbox } from "../../../../../src/data/fastway/bridge/outbox.ts";
import { LATE, OVER } from "../../../../../src/data/fastway/bridge/records.ts";
import { RemoteOutlet } from "../../../../../src/data/fastway/bridge/remote-outlet.ts";
import {
  newRing,
  RingBlock,
  RingReader,
  RingWriter,
} from "../../../../../src/data/fastway/bridge/ring.ts";
import { ChunkPool } from "../../../../../src/data/fastway/chunk-pool.ts";
import type { Outlet, Route } from "../../../../../src/data/fastway/outlet.ts";
import { READ_AT, READ_BYTES, ReceiveArea } from "../../../../../src/data/fastway/receive-area.ts";
import { close, data } from "../../../../harness/fastway-frames.ts";
import { announcedRandom, type Random } from "../../../../harness/random.ts";

const POOL = {
  chunk_bytes_min: 64,
  chunk_bytes_max: 4096,
  factor: 2,
  page_bytes: 16_384,
  pool_bytes_max: 4_194_304,
};

/** Far more than any of the tests needs. */
const RECEIVES_MAX = 100_000;

/** An endpoint that keeps what it is given. */
class Ear implements Outlet {
  readonly side = "server";
  readonly is_local = true;
  readonly routes = new Set<Route>();
  first_stretch = -1;
  last_stretch = -1;
  readonly heard: Buffer[] = [];
  readonly fallen: string[] = [];
  readonly #pool: ChunkPool;

  constructor(pool: ChunkPool) {
    this.#pool = pool;
  }

  deliver(batch: Batch): void {
    for (let at = this.first_stretch; at >= 0; at = batch.next[at]) {
      const chain = batch.chain[at];
      if (chain === null) {
        this.heard.push(Buffer.from(batch.area.bytes.slice(batch.from[at], batch.to[at])));
      }
      for (let chunk = chain; chunk !== null; chunk = chunk.next) {
        this.heard.push(Buffer.from(chunk.block.bytes.slice(chunk.from, chunk.to)));
      }
      this.#pool.giveChain(chain);
    }
  }

  fall(reason: string): void {
    this.fallen.push(reason);
  }

  routeAdded(): void {}
  routeEnded(): void {}
}

interface Boxes {
  outbox: Outbox;
  inbox: Inbox;
  pools: [ChunkPool, ChunkPool];
  outlet: RemoteOutlet;
  ear: Ear;
  /** Ids of messages that have met nobody. */
  late: number[];
  records: number[];
  /** Which virtual connections are open at the receiver. */
  open: Set<number>;
  send(bytes: Buffer): void;
  publish(): void;
  receive(): void;
}

function newBoxes({ ring_bytes = 1024, pool = POOL } = {}): Boxes {
  const memory = newRing(ring_bytes);
  const writer = new RingWriter(memory);
  const reader = new RingReader(memory);
  const sending = new ChunkPool(pool);
  const receiving = new ChunkPool(POOL);
  const area = new ReceiveArea();
  const batch = new Batch({ area, pool: sending });
  const own_batch = new Batch({ area: new ReceiveArea(), pool: receiving });
  const outbox = new Outbox({ writer, pool: sending });
  const ear = new Ear(receiving);
  const late: number[] = [];
  const records: number[] = [];
  const open = new Set<number>();
  let receives = 0;
  const route = { id: 0, client: ear, server: ear };
  const owner: InboxOwner = {
    local: (_, key) => key === 7 ? ear : null,
    route: (id) => open.has(id) ? { ...route, id } : null,
    connected: (id) => open.add(id),
    unconnected: (id) => late.push(-id),
    closed: ({ id }) => open.delete(id),
    answered() {},
    late: (id) => late.push(id),
    record: (type) => records.push(type),
  };
  const ring = new Batch({ area: new RingBlock(reader), pool: receiving });
  const inbox = new Inbox({ reader, batch: ring, own_batch, pool: receiving, owner });
  const outlet: RemoteOutlet = new RemoteOutlet({
    owner: {
      sendFrames: (to, from) => outbox.frames(to, from, to.first_stretch),
      fell: (fallen) => outbox.record(OVER, [fallen.side_word, fallen.key_low, fallen.key_high, 0]),
      routeEnded() {},
    },
    side: "server",
    key: 7,
    id: 7,
  });
  return {
    outbox,
    inbox,
    pools: [sending, receiving],
    outlet,
    ear,
    late,
    records,
    open,
    send(bytes) {
      if (bytes.length <= READ_BYTES) {
        area.bytes.set(bytes, READ_AT);
        batch.add(outlet, READ_AT, READ_AT + bytes.length, 1);
      } else {
        // As a frame that has come in parts.
        const first = sending.take(bytes.length)!;
        for (let at = 0, chunk = first; at < bytes.length;) {
          const part = Math.min(chunk.room, bytes.length - at);
          chunk.block.bytes.set(bytes.subarray(at, at + part), chunk.to);
          chunk.to += part;
          at += part;
          if (at < bytes.length) chunk = chunk.next = sending.take(bytes.length - at)!;
        }
        batch.addChain(outlet, first);
      }
      batch.flush();
    },
    publish: () => void writer.publish(),
    receive() {
      if (++receives > RECEIVES_MAX) throw new Error("what waits is never sent");
      if (!reader.waits) return;
      inbox.receive();
      reader.release();
    },
  };
}

/** Frames of the ids, with bodies of any size, long ones among them. */
function randomFrames(random: Random, ids: number[], count: number): Buffer[] {
  return Array.from({ length: count }, () => {
    const size = random.int(0, random.pick([0, 20, 300, 3000, 90_000]));
    return data(random.pick(ids), Buffer.alloc(size, random.int(0, 255)));
  });
}

test("frames of any size come out as they went in, through a ring of any size", () => {
  const random = announcedRandom("boxes");
  for (const ring_bytes of [1024, 4096, 65_536]) {
    const boxes = newBoxes({ ring_bytes });
    boxes.open.add(1).add(2);
    const expected: Buffer[] = [];
    for (let turn = 0; turn < 300; turn++) {
      const frames = randomFrames(random, [1, 2], random.int(0, 4));
      const long = frames.some(({ length }) => length > READ_BYTES);
      if (long) { for (const one of frames) boxes.send(one); }
      else if (frames.length > 0) boxes.send(Buffer.concat(frames).subarray(0, READ_BYTES));
      const sent = Buffer.concat(frames);
      expected.push(long ? sent : sent.subarray(0, READ_BYTES));
      if (!long && sent.length > READ_BYTES) {
        // The rest of the frame that was cut comes next, as a read would bring it.
        boxes.send(sent.subarray(READ_BYTES));
        expected.push(sent.subarray(READ_BYTES));
      }
      boxes.publish();
      // Whoever sends is not read while something waits; see `Bridge`.
      while (boxes.outbox.is_blocked || random.int(0, 1) === 0) {
        boxes.receive();
        boxes.outbox.drain();
        boxes.publish();
      }
    }
    while (boxes.outbox.is_blocked || boxes.inbox.reader.waits) {
      boxes.receive();
      boxes.outbox.drain();
      boxes.publish();
    }
    expect(Buffer.concat(boxes.ear.heard).equals(Buffer.concat(expected))).toBe(true);
    expect(boxes.pools.map(({ used_bytes }) => used_bytes)).toEqual([0, 0]);
    expect(boxes.late).toEqual([]);
  }
});

test("a message behind its Close goes no further, and is told of", () => {
  const boxes = newBoxes({ ring_bytes: 65_536 });
  boxes.open.add(1).add(2);
  const frames = [data(1, "a"), close(1), data(1, "b"), data(2, "c"), data(1, "d"), close(1)];
  boxes.send(Buffer.concat(frames));
  boxes.publish();
  boxes.receive();
  const passed = Buffer.concat([data(1, "a"), close(1), data(2, "c")]);
  expect(Buffer.concat(boxes.ear.heard).equals(passed)).toBe(true);
  expect(boxes.late).toEqual([1, 1]);
});

test("records keep their place among frames, also where they have to wait", () => {
  const boxes = newBoxes();
  boxes.open.add(1);
  boxes.send(data(1, Buffer.alloc(5000, 7)));
  boxes.outbox.record(LATE, [1, 1]);
  boxes.send(data(1, "behind"));
  expect(boxes.outbox.tryRecord(LATE, [1, 1])).toBe(false);
  for (let i = 0; i < 50; i++) {
    boxes.publish();
    boxes.receive();
    if (boxes.records.length > 0) break;
    boxes.outbox.drain();
  }
  expect(Buffer.concat(boxes.ear.heard).length).toBeGreaterThanOrEqual(5008);
  expect(boxes.records).toEqual([LATE]);
  boxes.outbox.drain();
  boxes.publish();
  boxes.receive();
  expect(Buffer.concat(boxes.ear.heard).length).toBe(5008 + data(1, "behind").length);
});

test("where there is no memory for what waits, the frame that has begun is given up", () => {
  const boxes = newBoxes({ pool: { ...POOL, pool_bytes_max: POOL.page_bytes } });
  boxes.open.add(1);
  boxes.send(data(1, "before"));
  boxes.send(data(1, Buffer.alloc(60_000, 1)));
  expect(boxes.outlet.is_over).toBe(true);
  boxes.send(data(1, "nobody hears this"));
  do {
    boxes.publish();
    boxes.receive();
    boxes.outbox.drain();
  } while (boxes.outbox.is_blocked || boxes.records.length === 0);
  expect(boxes.records).toEqual([OVER]);
  expect(Buffer.concat(boxes.ear.heard).equals(data(1, "before"))).toBe(true);
  expect(boxes.pools.map(({ used_bytes }) => used_bytes)).toEqual([0, 0]);
});
