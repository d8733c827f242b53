/** fastway on several workers, by the binary and by the source on Deno: nobody notices. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { Buffer } from "node:buffer";
import { close, data, dial } from "../harness/fastway-frames.ts";
import { type FastwayPeer, virtualConnection } from "../harness/fastway-peer.ts";
import { FastwayService } from "../harness/fastway-service.ts";
import type { Runtime } from "../harness/runtime.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(60_000);

const WORKERS = 3;
const PEERS = 6;
/** Larger than a ring between two workers. */
const LONG = Buffer.alloc(500_000, "long ");

const runtimes: Runtime[] = ["binary", "deno"];

for (const runtime of runtimes) {
  test(`${PEERS} clients and servers on ${WORKERS} workers, by ${runtime}`, async () => {
    const service = await FastwayService.start({
      runtime,
      fastway: { ReusePort: true, ClientMaxConn: 0 },
      settings: { gateway: { tcp_workers: WORKERS } },
    });
    try {
      const servers: FastwayPeer[] = [];
      const clients: FastwayPeer[] = [];
      for (let id = 1; id <= PEERS; id++) {
        servers.push(await service.server(id));
        clients.push(await service.client());
      }
      const ids = new Set<number>();
      for (const client of clients) {
        for (const [i, server] of servers.entries()) {
          const id = await virtualConnection(client, server, i + 1);
          expect(ids.has(id)).toBe(false);
          ids.add(id);
          await client.send(data(id, `to ${i}`));
          expect((await server.take("data")).body.toString()).toBe(`to ${i}`);
          await server.send(data(id, LONG));
          expect((await client.take("data")).body.equals(LONG)).toBe(true);
          await server.send(close(id));
          for (const peer of [client, server]) expect((await peer.take("close")).conn_id).toBe(id);
        }
      }
      const [client, other] = clients;
      await client.send(dial(PEERS + 1));
      expect((await client.take("refuse")).remote_id).toBe(PEERS + 1);
      const id = await virtualConnection(client, servers[0], 1);
      other.sendCarelessly(data(id, "not mine"));
      await other.closed();
      servers[0].destroy();
      expect((await client.take("close")).conn_id).toBe(id);
      for (const peer of [...clients, ...servers]) peer.destroy();
    } finally {
      await service.stop();
    }
  });
}
