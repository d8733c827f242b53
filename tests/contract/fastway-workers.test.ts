/** The fastway plane on several workers is what it is on one; see `src/data/fastway/bridge`. */
import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { FastwayPeer as FramePeer, virtualConnection } from "../harness/fastway-peer.ts";
import { Talker } from "../harness/fastway-talker.ts";
import { announcedRandom, Random } from "../harness/random.ts";
import { close, dial, type FastwayPeer, frame, KEY, ping } from "./fastway-rig.ts";
import { withWorkers, workerOf, type WorkersRig } from "./fastway-workers-rig.ts";

const WORKERS = 3;
/** Deaths under load; each takes half a second until the next worker is there. */
const ROUNDS = 3;

/** Nothing more was due for the peer than what it has taken. */
async function hasNothing(peer: FastwayPeer): Promise<void> {
  await peer.send(ping());
  expect(await peer.hears()).toBe("ping");
}

/** The virtual connections that there are, once every worker has told. */
async function virtualOf(rig: WorkersRig): Promise<number> {
  expect(await rig.plane.beat(5000)).toBe(true);
  return rig.plane.totals().virtual;
}

test("whoever dials whom, on whatever worker, they converse and are closed as on one", async () => {
  await withWorkers(WORKERS, {}, async (rig) => {
    const servers = await rig.servers();
    const clients = await rig.clients();
    for (const client of clients) {
      for (const server of servers) {
        const id = await client.dial(server);
        await client.send(frame(id, "up"), frame(id, ""));
        expect(await server.hears()).toBe(`data ${id} up`);
        expect(await server.hears()).toBe(`data ${id} `);
        await server.send(frame(id, "down"));
        expect(await client.hears()).toBe(`data ${id} down`);
        await client.send(close(id));
        expect(await client.hears()).toBe(`close ${id}`);
        expect(await server.hears()).toBe(`close ${id}`);

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
    expect(await virtualOf(rig)).toBe(0);
    const { virtual_total, refused_unknown } = rig.plane.totals();
    expect({ virtual_total, refused_unknown })
      .toEqual({ virtual_total: 2 * WORKERS ** 2, refused_unknown: 0 });
  });
});

test("an unknown remote is refused wherever it would be", async () => {
  await withWorkers(WORKERS, {}, async (rig) => {
    const [server] = await rig.servers();
    const [client] = await rig.clients();
    const last = Math.max(client.id, 50);
    for (let id = last + 1; id <= last + WORKERS; id++) {
      await server.send(dial(id));
      expect(await server.hears()).toBe(`refuse ${id}`);
    }
    await client.send(dial(7));
    expect(await client.hears()).toBe("refuse 7");
    await rig.plane.beat(5000);
    expect(rig.plane.totals().refused_unknown).toBe(WORKERS + 1);
  });
});

test("the newest server of an id has the dials of every worker, and when it leaves nobody", async () => {
  await withWorkers(WORKERS, {}, async (rig) => {
    const clients = await rig.clients();
    const first = await rig.server(7);
    const kept = await clients[0].dial(first);
    let newest = await rig.server(7);
    while (workerOf(newest) === workerOf(first)) newest = await rig.server(7);
    for (const client of clients) await client.dial(newest);
    await clients[0].send(frame(kept, "still"));
    expect(await first.hears()).toBe(`data ${kept} still`);
    newest.end.destroy();
    for (const client of clients) {
      expect(await client.hears()).toStartWith("close ");
      await client.send(dial(7));
      expect(await client.hears()).toBe("refuse 7");
    }
    await clients[0].send(frame(kept, "yet"));
    expect(await first.hears()).toBe(`data ${kept} yet`);
    expect(await virtualOf(rig)).toBe(1);
  });
});

test("an id that is nobody's is answered with Close, and one that is somebody else's ends", async () => {
  await withWorkers(WORKERS, {}, async (rig) => {
    const [server] = await rig.servers();
    const clients = await rig.clients();
    const owner = clients.find((client) => workerOf(client) !== workerOf(server))!;
    const id = await owner.dial(server);
    const others = [...await rig.clients(), ...await rig.servers(), ...await rig.servers()];
    let far = id + WORKERS;
    for (const other of others) {
      // Of each worker's numbers one that nobody has.
      for (let i = 0; i < WORKERS; i++) {
        await other.send(frame(++far, "nobody's"));
        expect(await other.hears()).toBe(`close ${far}`);
        await other.send(close(far));
      }
      await hasNothing(other);
    }
    for (const [i, other] of others.entries()) {
      await other.send(i % 2 === 0 ? frame(id, "mine now") : close(id));
      const { reason, detail } = await rig.event(
        "endpoint_over",
        ({ endpoint }) => endpoint === other.endpoint,
      );
      expect(reason).toBe("protocol_error");
      expect(detail).toContain(`virtual connection ${id}, which is somebody else's`);
    }
    await owner.send(frame(id, "ours"));
    expect(await server.hears()).toBe(`data ${id} ours`);
    await rig.plane.beat(5000);
    expect(rig.plane.totals().unknown_total).toBe(others.length * WORKERS);
  });
});

test("whoever leaves, its peers on all workers are told once", async () => {
  await withWorkers(WORKERS, {}, async (rig) => {
    const [server, second] = await rig.servers();
    const clients = await rig.clients();
    const ids: number[] = [];
    for (const client of clients) ids.push(await client.dial(server));
    for (const client of clients) await client.dial(second);
    expect(await virtualOf(rig)).toBe(2 * WORKERS);
    server.end.destroy();
    for (const [i, client] of clients.entries()) {
      expect(await client.hears()).toBe(`close ${ids[i]}`);
      await hasNothing(client);
    }
    for (const client of clients) client.end.destroy();
    const closes = new Set<string>();
    while (closes.size < WORKERS) closes.add(await second.hears());
    await hasNothing(second);
    expect(await virtualOf(rig)).toBe(0);
  });
});

test("every virtual connection is ended by order, and dials are refused while it drains", async () => {
  await withWorkers(WORKERS, {}, async (rig) => {
    const [server] = await rig.servers();
    const clients = await rig.clients();
    const ids: number[] = [];
    for (const client of clients) ids.push(await client.dial(server));
    rig.plane.setServing(false);
    expect(await rig.plane.beat(5000)).toBe(true);
    for (const client of clients) {
      await server.send(dial(client.id));
      expect(await server.hears()).toBe(`refuse ${client.id}`);
    }
    rig.plane.closeVirtual();
    const closes: string[] = [];
    for (const client of clients) {
      expect(await client.hears()).toBe(`close ${ids[closes.length]}`);
      closes.push(await server.hears());
    }
    expect(new Set(closes)).toEqual(new Set(ids.map((id) => `close ${id}`)));
    await hasNothing(server);
    expect(await virtualOf(rig)).toBe(0);
    expect(rig.plane.totals().refused_draining).toBe(WORKERS);
  });
});

test("frames of every size cross between workers whole, both ways and all at once", async () => {
  const random = announcedRandom("large frames between workers");
  await withWorkers(WORKERS, { MaxPacket: "2M", ServerSendChanSize: 100_000 }, async (rig) => {
    const sizes = [0, 1, 71, 4096, 65_528, 65_536, 131_072, 262_144, 300_000, 1_500_000];
    const connections = Array.from({ length: 2 * WORKERS }, (_, i) => i + 1);
    const servers: FramePeer[] = [];
    const clients: FramePeer[] = [];
    for (const id of connections) {
      servers.push(await FramePeer.server({ port: rig.ports.server, key: KEY, id }));
      clients.push(await FramePeer.client({ port: rig.ports.client }));
    }
    const due = new Map<FramePeer, Map<number, Buffer[]>>();
    const writes: (() => Promise<void>)[] = [];
    const talk = (from: FramePeer, to: FramePeer, id: number) => {
      const bodies = sizes.map((size) => Buffer.alloc(size, random.int(0, 255)))
        .sort(() => random.next() - 0.5);
      const ids = due.get(to) ?? new Map<number, Buffer[]>();
      due.set(to, ids.set(id, bodies));
      writes.push(() => from.send(...bodies.map((body) => frame(id, body))));
    };
    for (const id of connections) {
      for (const client of [clients[id - 1], clients[id % clients.length]]) {
        const virtual = await virtualConnection(client, servers[id - 1], id);
        talk(client, servers[id - 1], virtual);
        talk(servers[id - 1], client, virtual);
      }
    }
    const received = [...due].map(async ([to, ids]) => {
      for (let left = ids.size * sizes.length; left > 0; left--) {
        const { conn_id, body } = await to.take("data");
        const expected = ids.get(conn_id)!.shift()!;
        if (!body.equals(expected)) {
          throw new Error(`${body.length} bytes where ${expected.length} were due`);
        }
      }
    });
    await Promise.all([...writes.map((write) => write()), ...received]);
    for (const peer of [...clients, ...servers]) {
      await peer.settled();
      expect(peer.frames).toEqual([]);
    }
    await rig.plane.beat(5000);
    expect(rig.plane.totals().pool_used_bytes).toBe(0);
    for (const peer of [...clients, ...servers]) peer.destroy();
  });
});

test("a receiver that is too slow is cut alone, whatever worker its flood comes from", async () => {
  await withWorkers(2, { ClientSendChanSize: 500, ClientMaxConn: 0 }, async (rig) => {
    const servers = await rig.servers();
    const clients = await rig.clients();
    for (const slow of clients) {
      const server = servers.find((one) => workerOf(one) !== workerOf(slow))!;
      const id = await slow.dial(server);
      const [quick] = (await rig.clients()).filter((one) => workerOf(one) === workerOf(slow));
      const other = await quick.dial(server);
      slow.end.pause();
      const over = rig.event("endpoint_over", ({ endpoint }) => endpoint === slow.endpoint);
      const flood = Buffer.concat(Array.from({ length: 200 }, () => frame(id, Buffer.alloc(4000))));
      let is_over = false;
      void over.then(() => is_over = true);
      let told = 0;
      while (!is_over) {
        await server.send(flood, frame(other, `after ${told}`));
        expect(await quick.hears()).toBe(`data ${other} after ${told++}`);
      }
      expect((await over).reason).toBe("queue_full");
      expect(await server.hears()).toBe(`close ${id}`);
      slow.end.destroy();
    }
  });
});

test("as many endpoints take part as the configuration says, on all workers together", async () => {
  const bounds = { clients_max: 7, clients_per_address_max: 5, servers_max: 2 };
  await withWorkers(WORKERS, bounds, async (rig) => {
    const shed = (limit: string) => rig.event("shed", (event) => event.limit === limit);
    const there: FastwayPeer[] = [];
    for (let i = 0; i < 5; i++) there.push(await rig.client());
    await rig.connect("client");
    await shed("clients_per_address_max");
    for (let i = 0; i < 2; i++) await rig.server(i);
    const third = await rig.connect("server");
    await third.prove(3, KEY);
    await shed("servers_max");
    there[0].end.destroy();
    await rig.event("endpoint_over", ({ endpoint }) => endpoint === there[0].endpoint);
    await rig.client();
  });
});

test("a worker that dies takes its own endpoints with it and nobody else", async () => {
  await withWorkers(WORKERS, { clients_max: 20 }, async (rig) => {
    const servers = await rig.servers();
    const clients = await rig.clients();
    const ids = new Map<FastwayPeer, number[]>();
    for (const client of clients) {
      ids.set(client, []);
      for (const server of servers) ids.get(client)!.push(await client.dial(server));
    }
    const [victim] = clients;
    const dead = workerOf(victim);
    const lost = servers.find((server) => workerOf(server) === dead)!;
    rig.breakWorker(rig.placeOf(victim));
    expect((await rig.event("failed")).error).toContain("nonsense");
    for (const { endpoint } of [victim, lost]) {
      const over = await rig.event("endpoint_over", (event) => event.endpoint === endpoint);
      expect(over.reason).toBe("plane_failed");
    }
    const place = servers.indexOf(lost);
    for (const client of clients.slice(1)) {
      expect(await client.hears()).toBe(`close ${ids.get(client)![place]}`);
      await hasNothing(client);
      await client.send(dial(lost.id));
      expect(await client.hears()).toBe(`refuse ${lost.id}`);
    }
    for (const server of servers.filter((one) => one !== lost)) {
      expect(await server.hears()).toBe(`close ${ids.get(victim)![servers.indexOf(server)]}`);
      await hasNothing(server);
      await server.send(dial(victim.id));
      expect(await server.hears()).toBe(`refuse ${victim.id}`);
      for (const client of clients.slice(1)) {
        const id = ids.get(client)![servers.indexOf(server)];
        await client.send(frame(id, "on"));
        expect(await server.hears()).toBe(`data ${id} on`);
      }
    }
    expect(await virtualOf(rig)).toBe((WORKERS - 1) ** 2);
    expect(rig.plane.snapshot().workers_replaced).toBe(1);

    // Whoever takes its place converses with everybody, as it did.
    const fresh_clients = await rig.clients();
    const fresh_servers = await rig.servers();
    for (const client of [...fresh_clients, ...clients.slice(1)]) {
      for (const server of [...fresh_servers, ...servers.filter((one) => one !== lost)]) {
        const id = await client.dial(server);
        await server.send(frame(id, "again"), close(id));
        expect(await client.hears()).toBe(`data ${id} again`);
        expect(await client.hears()).toBe(`close ${id}`);
        expect(await server.hears()).toBe(`close ${id}`);
      }
    }
    expect(await virtualOf(rig)).toBe((WORKERS - 1) ** 2);
    // The dead one's are not counted any more: 5 are there, and 15 more may come.
    for (let left = 15; left > 0; left--) await rig.client();
    await rig.connect("client");
    await rig.event("shed", ({ limit }) => limit === "clients_max");
  });
});

test(
  "workers die one after another under everybody's talk, and nothing is wrong or left",
  async () => {
    const master = announcedRandom("fastway's workers die");
    await withWorkers(WORKERS, { clients_max: 30, ClientMaxConn: 0 }, async (rig) => {
      for (let round = 0; round < ROUNDS; round++) {
        const random = new Random(round === 0 ? master.seed : master.int(0, 2 ** 32 - 1));
        const server_ids = [1, 2, 3, 4, 5, 6];
        const talkers: Talker[] = [];
        const join = async (
          remotes: number[],
          connect: (listener: Talker["listener"]) => Promise<FramePeer>,
        ) => {
          const seed = random.int(0, 2 ** 32 - 1);
          const talker = new Talker({ random: new Random(seed), remotes, body_bytes_max: 20_000 });
          talker.start(await connect(talker.listener));
          await talker.peer.settled();
          talkers.push(talker);
          const { facts } = await rig.event(
            "endpoint",
            (event) => event.facts.remote === talker.peer.remote,
          );
          return facts.id;
        };
        const client_ids: number[] = [];
        for (let i = 0; i < 6; i++) {
          const port = rig.ports.client;
          const id = await join(server_ids, (listener) => FramePeer.client({ port, listener }));
          client_ids.push(id);
        }
        for (const id of server_ids) {
          const port = rig.ports.server;
          await join(
            client_ids,
            (listener) => FramePeer.server({ port, key: KEY, id, listener }),
          );
        }
        const talked = talkers.map((talker) => talker.talk(120));
        await talkers[0].peer.settled().catch(() => {});
        rig.breakWorker(random.int(0, WORKERS - 1));
        await rig.event("failed");
        await Promise.all(talked);
        // Whoever was not with it goes on, and has an answer to whatever it has asked.
        const left = talkers.filter(({ peer }) => !peer.is_closed);
        for (const { peer } of left) await peer.settled().catch(() => {});
        expect(await rig.plane.beat(10_000)).toBe(true);
        for (const { peer } of left) await peer.settled().catch(() => {});
        const found = talkers.flatMap(({ faults }) => faults);
        if (found.length > 0) {
          throw new Error(`round ${round}, RELAYX_SEED=${random.seed}:\n  ${found.join("\n  ")}`);
        }
        const stayed = left.filter(({ peer }) => !peer.is_closed);
        expect(stayed.map(({ unanswered }) => unanswered)).toEqual(stayed.map(() => 0));
        const open = stayed.reduce((sum, talker) => sum + talker.open.length, 0);
        expect(rig.plane.totals().virtual).toBe(open / 2);
        for (const { peer } of talkers) peer.destroy();
        await Promise.all(talkers.map(({ peer }) => peer.closed()));
        while (await virtualOf(rig) > 0);
        rig.events.items.length = 0;
      }
      const { pool_used_bytes, virtual } = rig.plane.totals();
      expect({ pool_used_bytes, virtual }).toEqual({ pool_used_bytes: 0, virtual: 0 });
      expect(rig.plane.snapshot().workers_replaced).toBe(ROUNDS);
      for (let i = 0; i < 30; i++) await rig.client();
    });
  },
  30_000,
);
