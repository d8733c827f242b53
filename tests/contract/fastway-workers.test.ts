/** The fastway plane on several workers is what it is on one; see `src/data/fastway/bridge`. */
import { expect, test } from "bun:test";
import {
  close,
  dial,
  type FastwayPeer,
  type FastwayRig,
  frame,
  startFastway,
} from "./fastway-rig.ts";

/** Endpoints of one worker have numbers with the same upper half. */
const workerOf = ({ endpoint }: FastwayPeer) => Math.floor(endpoint / 2 ** 32);

function startWorkers(workers: number, choice = {}): Promise<FastwayRig> {
  return startFastway({ ReusePort: true, ...choice }, { gateway: { tcp_workers: workers } });
}

/** Connects until every worker has one, which the kernel decides; answers one of each. */
async function oneOfEach(
  workers: number,
  connect: () => Promise<FastwayPeer>,
): Promise<FastwayPeer[]> {
  const found = new Map<number, FastwayPeer>();
  while (found.size < workers) {
    const peer = await connect();
    if (found.has(workerOf(peer))) peer.end.destroy();
    else found.set(workerOf(peer), peer);
  }
  return [...found.values()];
}

test("whoever dials whom, on whatever worker, they converse and are closed as on one", async () => {
  const workers = 3;
  const rig = await startWorkers(workers);
  try {
    let id = 100;
    const servers = await oneOfEach(workers, () => rig.server(id++));
    const clients = await oneOfEach(workers, () => rig.client());
    for (const client of clients) {
      for (const server of servers) {
        await client.send(dial(server.id));
        const [accept, virtual] = (await client.hears()).split(" ");
        expect(accept).toBe("accept");
        expect(await server.hears()).toBe(`connect ${virtual} ${client.id}`);
        await client.send(frame(Number(virtual), "up"), frame(Number(virtual), ""));
        expect(await server.hears()).toBe(`data ${virtual} up`);
        expect(await server.hears()).toBe(`data ${virtual} `);
        await server.send(frame(Number(virtual), "down"));
        expect(await client.hears()).toBe(`data ${virtual} down`);
        await client.send(close(Number(virtual)));
        expect(await client.hears()).toBe(`close ${virtual}`);
        expect(await server.hears()).toBe(`close ${virtual}`);

        await server.send(dial(client.id));
        const [connect, back] = (await client.hears()).split(" ");
        expect(connect).toBe("connect");
        expect(await server.hears()).toBe(`accept ${back} ${client.id}`);
        await server.send(frame(Number(back), "hello"), close(Number(back)));
        expect(await client.hears()).toBe(`data ${back} hello`);
        expect(await client.hears()).toBe(`close ${back}`);
        expect(await server.hears()).toBe(`close ${back}`);
      }
    }
    // The last Close is counted when its turn is over.
    await rig.plane.beat(5000);
    const { virtual, virtual_total, refused_unknown } = rig.plane.totals();
    expect({ virtual, virtual_total, refused_unknown })
      .toEqual({ virtual: 0, virtual_total: 2 * workers ** 2, refused_unknown: 0 });
  } finally {
    await rig.close();
  }
});
