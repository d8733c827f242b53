/** fastway over snet on both sides, with the binary and with the source on Deno. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { data, serverHello } from "../harness/fastway-frames.ts";
import { FastwayPeer, virtualConnection } from "../harness/fastway-peer.ts";
import { FASTWAY_KEY, FastwayService } from "../harness/fastway-service.ts";
import { announcedRandom } from "../harness/random.ts";
import type { Runtime } from "../harness/runtime.ts";
import { SnetLine } from "../harness/snet-line.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(30_000);

const SERVER = 7;
const runtimes: Runtime[] = ["binary", "deno"];

for (const runtime of runtimes) {
  describe(`snet by ${runtime}`, () => {
    let service: FastwayService;
    beforeAll(async () => {
      service = await FastwayService.start({
        runtime,
        fastway: {
          ClientSnetEnable: true,
          ClientSnetEncrypt: true,
          ServerSnetEnable: true,
          ServerSnetEncrypt: true,
        },
      });
    }, 60_000);
    afterAll(() => service.stop(), 60_000);

    test("a conversation goes on over connections that are cut", async () => {
      const random = announcedRandom(`snet by ${runtime}`);
      const lines = {
        server: await SnetLine.open({ port: service.server_port, encrypts: true }),
        client: await SnetLine.open({ port: service.client_port, encrypts: true }),
      };
      const server = new FastwayPeer(lines.server, { name: "server", greets: true });
      await server.send(serverHello(await server.challenge(), FASTWAY_KEY, SERVER));
      await server.settled();
      const client = new FastwayPeer(lines.client, { name: "client" });
      const id = await virtualConnection(client, server, SERVER);
      for (let round = 0; round < 20; round++) {
        const bodies = Array.from({ length: 10 }, () => random.bytes(random.int(0, 2000)));
        const [from, to] = random.pick([[client, server], [server, client]]);
        await from.send(...bodies.map((body) => data(id, body)));
        const line = random.pick([lines.client, lines.server]);
        if (random.next() < 0.7) line.cut({ reset: random.next() < 0.5 });
        await line.comeBack();
        for (const body of bodies) expect((await to.take("data")).body.equals(body)).toBe(true);
      }
      expect(lines.client.returns + lines.server.returns).toBe(20);
      for (const peer of [client, server]) peer.destroy();
    });
  });
}
