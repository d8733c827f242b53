/** fastway's frames on real sockets: cut at every byte, and such as nobody may send. */
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { Buffer } from "node:buffer";
import { patience_ms, turn } from "../harness/deadline.ts";
import { close, command, data, dial, ping } from "../harness/fastway-frames.ts";
import { FastwayModel } from "../harness/fastway-model.ts";
import { hostile, trespasses } from "../harness/fastway-moves.ts";
import { announcedRandom } from "../harness/random.ts";
import { PeerRig } from "./fastway-peer-rig.ts";
import { type Actor, FastwayTrial } from "./fastway-trial.ts";
import { descriptors } from "./rig.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(60_000);

const SERVER = 7;
const OTHER_SERVER = 8;
const WITNESS = 9;
/** What the gateway reads at once. */
const AREA_BYTES = 65_536;

const random = announcedRandom("fastway's frames");
let rig: PeerRig;
let model: FastwayModel;
let trial: FastwayTrial;
beforeAll(async () => {
  rig = await PeerRig.start();
  model = new FastwayModel();
});
afterAll(() => rig.close());
afterEach(async () => {
  await trial.leave();
  await rig.totalsUntil({ virtual: 0, pool_used_bytes: 0 });
  rig.events.items.length = 0;
});

/** A client and a server, and a virtual connection from the one to the other. */
async function pair(): Promise<{ client: Actor; server: Actor; conn_id: number }> {
  trial = new FastwayTrial({ rig, model });
  const server = await trial.connectServer(SERVER);
  const client = await trial.connectClient();
  const conn_id = model.nextVirtualId();
  trial.say(client, dial(SERVER));
  await trial.send(client);
  return { client, server, conn_id };
}

/** Every kind of frame that an endpoint may send, each following from the ones before. */
function everything(actor: Actor, remote_id: number, conn_id: number): void {
  const next = model.nextVirtualId();
  const frames = [
    data(conn_id, "abc"),
    dial(remote_id),
    data(next, ""),
    data(next, random.bytes(19)),
    command(5, 1),
    dial(4_000_000_000),
    close(next),
    data(next, "too late"),
    close(0),
    data(conn_id, ""),
    ping(),
  ];
  for (const frame of frames) trial.say(actor, frame);
}

function cutAt(...places: number[]) {
  return (bytes: Buffer) =>
    [0, ...places].map((from, i) => bytes.subarray(from, places[i])).filter(({ length }) => length);
}

for (const side of ["client", "server"] as const) {
  test(`all frames of a ${side}, in two pieces cut at every byte`, async () => {
    const { client, server, conn_id } = await pair();
    const [actor, remote_id] = side === "client" ? [client, SERVER] : [server, client.model.id];
    const witness = await rig.server(WITNESS);
    // Once it has its echo, the gateway has read what came before.
    const between = () => witness.settled();
    for (let place = 1, length = 2; place < length; place++) {
      everything(actor, remote_id, conn_id);
      length = Buffer.concat(actor.unsent).length;
      await trial.send(actor, { cut: cutAt(place), between });
    }
    witness.destroy();
  });

  test(`all frames of a ${side}, byte by byte`, async () => {
    const { client, server, conn_id } = await pair();
    const [actor, remote_id] = side === "client" ? [client, SERVER] : [server, client.model.id];
    const witness = await rig.server(WITNESS);
    everything(actor, remote_id, conn_id);
    await trial.send(actor, {
      cut: (bytes) => [...bytes].map((byte) => Buffer.from([byte])),
      between: () => witness.settled(),
    });
    witness.destroy();
  });
}

test("long frames whose ends are around the end of what is read at once", async () => {
  const { client, conn_id } = await pair();
  for (const bytes of [AREA_BYTES, 2 * AREA_BYTES, 5 * AREA_BYTES]) {
    for (let more = -18; more <= 10; more += random.int(1, 3)) {
      trial.say(client, data(conn_id, Buffer.alloc(bytes + more, random.int(0, 255))));
      everything(client, SERVER, conn_id);
      await trial.send(client);
    }
  }
});

test("the longest frame there may be, in pieces of all sizes", async () => {
  const { client, server, conn_id } = await pair();
  const body = random.bytes(model.packet_bytes_max - 4);
  for (const actor of [client, server]) {
    trial.say(actor, data(conn_id, body));
    trial.say(actor, data(conn_id, "behind it"));
    await trial.send(actor, {
      cut: (bytes) => {
        const places: number[] = [];
        for (let at = random.int(1, 30); at < bytes.length; at += random.int(1, 60_000)) {
          places.push(at);
        }
        return cutAt(...places)(bytes);
      },
    });
  }
});

describe("a frame that nobody may send ends who sends it, and nobody else", () => {
  for (const side of ["client", "server"] as const) {
    for (const [name, words, move] of [...hostile, ...trespasses]) {
      test(`${name}, of a ${side}`, async () => {
        for (const is_first of [true, false]) {
          const { client, server, conn_id } = await pair();
          // Others, with a virtual connection of their own.
          await trial.connectServer(OTHER_SERVER);
          const other = await trial.connectClient();
          trial.say(other, dial(OTHER_SERVER));
          await trial.send(other);
          const actor = side === "client" ? client : server;
          // What it says before still counts, and what it says behind does not.
          if (!is_first) {
            trial.say(actor, data(conn_id, "before"));
            trial.say(actor, ping());
          }
          trial.say(actor, move(random, model, actor.model));
          trial.say(actor, data(conn_id, "behind"));
          await trial.send(actor);
          expect(actor.model.over).toBe("protocol_error");
          expect(actor.detail).toContain(words);
          trial.say(other, data([...other.model.virtual.keys()][0], "we go on"));
          await trial.send(other);
          await trial.leave();
        }
      });
    }
  }
});

test("bytes at random end who sends them, and leave nothing behind", async () => {
  const { client, conn_id } = await pair();
  const before = descriptors();
  for (let left = 150; left > 0; left--) {
    const actor = await (random.next() < 0.5 ? trial.connectClient() : trial.connectServer(left));
    trial.say(actor, random.bytes(random.int(1, 300)));
    await trial.send(actor);
    // Some have only begun a frame.
    if (actor.model.over === null) await trial.disconnect(actor, "half-close");
  }
  trial.say(client, data(conn_id, "still here"));
  await trial.send(client);
  await descriptorsUntil(before);
});

/** The runtime closes a socket of ours a moment after it has told so. */
async function descriptorsUntil(count: number): Promise<void> {
  const until_ms = performance.now() + patience_ms;
  while (descriptors() > count) {
    if (performance.now() > until_ms) throw new Error(`${descriptors()} descriptors, not ${count}`);
    await turn();
  }
}
