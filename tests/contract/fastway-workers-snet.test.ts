/** snet on several workers: whoever comes back meets its session, whatever worker the kernel chooses. */
import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import process from "node:process";
import { connectClient, connectServer } from "../../clients/fastway/mod.ts";
import { CuttingPath } from "../harness/cutting-path.ts";
import { turn, within } from "../harness/deadline.ts";
import { openDescriptors } from "../harness/process-facts.ts";
import { hear, say } from "../harness/fastway-numbered.ts";
import { announcedRandom } from "../harness/random.ts";
import { SnetPeer } from "../harness/snet-peer.ts";
import { TcpEnd } from "../harness/tcp-end.ts";
import { KEY } from "./fastway-rig.ts";
import { withWorkers, type WorkersRig } from "./fastway-workers-rig.ts";

const WORKERS = 3;
const SNET = {
  ClientSnetEnable: true,
  ClientSnetEncrypt: true,
  ServerSnetEnable: true,
  ServerSnetEncrypt: true,
  // What a path that is cut has taken and not passed on is to be sent again, however much it is.
  ClientSnetBuffer: "16M",
  ServerSnetBuffer: "16M",
};
const ANSWER_BYTES = 24;
const REFUSED = Buffer.alloc(ANSWER_BYTES);

test("both sides are cut again and again, and nothing is lost or repeated", async () => {
  const random = announcedRandom("snet on several workers");
  await withWorkers(WORKERS, SNET, async (rig) => {
    const cut_after_bytes = () => random.int(2000, 150_000);
    const paths = {
      client: await CuttingPath.to(rig.ports.client, { cut_after_bytes, random }),
      server: await CuttingPath.to(rig.ports.server, { cut_after_bytes, random }),
    };
    let returns = 0;
    const at = {
      host: "127.0.0.1",
      snet: { encrypt: true, retry_interval_ms: 10 },
      onBack: () => returns++,
    };
    const server = await connectServer({ ...at, port: paths.server.port, id: 7, key: KEY });
    // The server's part begins when its handshake is over, of which it is not told.
    await rig.event("endpoint", ({ facts }) => facts.side === "server");
    const client = await connectClient({ ...at, port: paths.client.port });
    const a = await client.dial(7);
    const b = (await server.accept())!;
    const count = 700;
    await within(
      "all messages",
      Promise.all([say(a, count, random), say(b, count, random), hear(a, count), hear(b, count)]),
      30_000,
    );
    expect(returns).toBeGreaterThan(12);
    for (const path of Object.values(paths)) path.leaveAlone();
    await Promise.all([client.close(), server.close()]);
    for (const path of Object.values(paths)) path.close();
  });
}, 40_000);

/** A client over snet that has just begun. */
async function begin(rig: WorkersRig): Promise<{ peer: SnetPeer; end: TcpEnd; client_id: number }> {
  const end = await TcpEnd.connect({ port: rig.ports.client });
  const peer = new SnetPeer({ encrypts: true });
  await end.write(peer.hello());
  await end.write(peer.prove(await end.head(ANSWER_BYTES)));
  const { facts } = await rig.event("endpoint");
  return { peer, end, client_id: facts.id };
}

/** What a request to return is answered with, by whatever worker. */
async function answerTo(
  rig: WorkersRig,
  request: Buffer,
): Promise<{ end: TcpEnd; answer: Buffer }> {
  const end = await TcpEnd.connect({ port: rig.ports.client });
  await end.write(request);
  return { end, answer: Buffer.from((await end.head(ANSWER_BYTES)).subarray(0, ANSWER_BYTES)) };
}

test("who is nobody's, or cannot prove it, is refused whatever worker would have it", async () => {
  await withWorkers(WORKERS, SNET, async (rig) => {
    const { peer, end } = await begin(rig);
    for (let i = 0; i < 4 * WORKERS; i++) {
      const id = BigInt(1000 + i);
      const unknown = await answerTo(rig, peer.returnRequest({ id }));
      expect(unknown.answer).toEqual(REFUSED);
      const wrong = await answerTo(rig, peer.returnRequest({ key: Buffer.alloc(8, 1) }));
      expect(wrong.answer).toEqual(REFUSED);
      for (const { end: other } of [unknown, wrong]) {
        await other.ended();
        other.destroy();
      }
    }
    for (let i = 0; i < 4 * WORKERS; i++) {
      const back = await answerTo(rig, peer.returnRequest());
      await back.end.write(peer.resume(back.answer));
      await rig.event("back");
      if (i > 0) continue;
      await end.ended();
      end.destroy();
    }
  });
});

test("sessions of a worker that dies are over, and whoever returns to them leaves nothing", async () => {
  const before = openDescriptors(process.pid);
  const ends: TcpEnd[] = [];
  await withWorkers(WORKERS, SNET, async (rig) => {
    const sessions = await Promise.all([begin(rig)]);
    while (new Set(sessions.map(({ peer }) => Number(peer.id) % WORKERS)).size < WORKERS) {
      sessions.push(await begin(rig));
    }
    const [{ client_id }] = sessions;
    const place = (client_id - 1) % WORKERS;
    rig.breakWorker(place);
    const gone = sessions.filter((one) => (one.client_id - 1) % WORKERS === place);
    const returning = Array.from({ length: 30 }, async (_, i) => {
      const end = await TcpEnd.connect({ port: rig.ports.client }).catch(() => null);
      if (end === null) return;
      ends.push(end);
      end.writeCarelessly(gone[i % gone.length].peer.returnRequest());
      // The worker has refused it, or has died with it.
      await end.turnedAway();
      expect([0, ANSWER_BYTES]).toContain(end.received_bytes);
    });
    await rig.event("failed");
    await Promise.all(returning);
    for (const { peer, client_id } of sessions) {
      if ((client_id - 1) % WORKERS === place) continue;
      const back = await answerTo(rig, peer.returnRequest());
      await back.end.write(peer.resume(back.answer));
      await rig.event("back");
      ends.push(back.end);
    }
    ends.push(...sessions.map(({ end }) => end));
  });
  for (const end of ends) {
    end.destroy();
    await end.closed();
  }
  const until_ms = performance.now() + 5000;
  while (openDescriptors(process.pid) > before && performance.now() < until_ms) await turn();
  expect(openDescriptors(process.pid)).toBeLessThanOrEqual(before);
});
