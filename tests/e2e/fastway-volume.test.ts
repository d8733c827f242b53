/** Ten thousand virtual connections through the binary, each with random data of its own. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { Buffer } from "node:buffer";
import { close, data, dial, type Frame } from "../harness/fastway-frames.ts";
import type { FastwayPeer } from "../harness/fastway-peer.ts";
import { FastwayService } from "../harness/fastway-service.ts";
import { deferred, within } from "../harness/deadline.ts";
import { announcedRandom } from "../harness/random.ts";

setDefaultTimeout(120_000);

const VIRTUAL = 10_000;
const MESSAGES = 2;
const BODY_BYTES_MAX = 65_536;
const SERVER = 1;
/** What all clients together have under way: below what any queue of the gateway holds. */
const UNDER_WAY_MAX = 400;

const random = announcedRandom("fastway's volume");
/** Bodies are pieces of this. Random bytes are dear; which piece it is nobody can guess. */
const noise = random.bytes(4 * BODY_BYTES_MAX);

let service: FastwayService;
let server: FastwayPeer;
beforeAll(async () => {
  service = await FastwayService.start({ fastway: { ClientMaxConn: 0 } });
  // Echoes everything, and knows nothing.
  const listener = (frame: Frame) => {
    if (frame.type === "data") server.sendCarelessly(data(frame.conn_id, frame.body));
  };
  server = await service.server(SERVER, { listener });
});
afterAll(async () => {
  server.destroy();
  await service.stop();
});

/** Small ones mostly, as in games; the longest are seen as well. */
function randomBody(): Buffer {
  const bytes = Math.floor(BODY_BYTES_MAX * random.next() ** 6);
  const length = random.next() < 0.002 ? BODY_BYTES_MAX : bytes;
  const from = random.int(0, noise.length - length);
  return noise.subarray(from, from + length);
}

/** Dials, has its messages echoed one after another, and hangs up, with many of them side by side. */
class Crowd {
  readonly done = deferred<void>();
  peer!: FastwayPeer;
  readonly #virtual: number;
  readonly #under_way_max: number;
  #dialled = 0;
  #under_way = 0;
  #over = 0;
  /** What is to come back on each, and how many messages are to follow. */
  readonly #due = new Map<number, { body: Buffer; left: number }>();
  readonly #idle: number[] = [];

  constructor(options: { virtual: number; under_way_max: number }) {
    this.#virtual = options.virtual;
    this.#under_way_max = options.under_way_max;
  }

  /** All of them are dialled before the first of them speaks. */
  run(): Promise<void> {
    this.#next();
    return within(`${this.peer.name}: ${this.#virtual} echoes`, this.done.promise, 100_000);
  }

  readonly listener = (frame: Frame): void => {
    try {
      this.#take(frame);
    } catch (error) {
      this.done.reject(error as Error);
    }
  };

  #next(): void {
    while (this.#under_way < this.#under_way_max) {
      if (this.#dialled < this.#virtual) {
        this.#dialled++;
        this.peer.sendCarelessly(dial(SERVER));
      } else if (this.#idle.length > 0 && this.#due.size + this.#over === this.#virtual) {
        this.#speak(this.#idle.pop()!);
      } else return;
      this.#under_way++;
    }
  }

  #speak(conn_id: number): void {
    const due = this.#due.get(conn_id)!;
    if (due.left-- === 0) return this.peer.sendCarelessly(close(conn_id));
    due.body = randomBody();
    this.peer.sendCarelessly(data(conn_id, due.body));
  }

  #take(frame: Frame): void {
    this.#under_way--;
    if (frame.type === "accept") {
      expect(this.#due.has(frame.conn_id)).toBe(false);
      this.#due.set(frame.conn_id, { body: Buffer.alloc(0), left: MESSAGES });
      this.#idle.push(frame.conn_id);
    } else if (frame.type === "data") {
      const due = this.#due.get(frame.conn_id);
      if (!due?.body.equals(frame.body)) {
        throw new Error(`${frame.conn_id} got ${frame.body.length} bytes that it never sent`);
      }
      due.body = Buffer.alloc(0);
      this.#idle.unshift(frame.conn_id);
    } else if (frame.type === "close" && this.#due.get(frame.conn_id)?.left === -1) {
      this.#due.delete(frame.conn_id);
      if (++this.#over === this.#virtual) this.done.resolve();
    } else throw new Error(`${JSON.stringify(frame)} where nothing of the kind was due`);
    this.#next();
  }
}

async function echoes(clients: number): Promise<void> {
  const before = server.frames_total;
  const descriptors = service.gateway.open_descriptors;
  const crowds: Crowd[] = [];
  for (let left = clients; left > 0; left--) {
    const crowd = new Crowd({
      virtual: VIRTUAL / clients,
      under_way_max: Math.ceil(UNDER_WAY_MAX / clients),
    });
    crowd.peer = await service.client({ listener: crowd.listener });
    crowds.push(crowd);
  }
  await Promise.all(crowds.map((crowd) => crowd.run()));
  await server.settled();
  // Connect, the messages and Close of each.
  expect(server.frames_total - before).toBe(VIRTUAL * (MESSAGES + 2));
  for (const { peer } of crowds) peer.destroy();
  await service.gateway.descriptorsAtMost(descriptors);
}

test(`${VIRTUAL} virtual connections of one client`, () => echoes(1));

test(`${VIRTUAL} virtual connections of 200 clients`, () => echoes(200));
