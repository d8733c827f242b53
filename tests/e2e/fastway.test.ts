/** A whole conversation of fastway, with the binary and with the source on Deno. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Buffer } from "node:buffer";
import { close, command, data, dial, ping } from "../harness/fastway-frames.ts";
import { virtualConnection } from "../harness/fastway-peer.ts";
import { FastwayService } from "../harness/fastway-service.ts";
import type { Runtime } from "../harness/runtime.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(30_000);

const LIMIT = 3;
const runtimes: Runtime[] = ["binary", "deno"];

for (const runtime of runtimes) {
  describe(`fastway by ${runtime}`, () => {
    let service: FastwayService;
    beforeAll(async () => {
      service = await FastwayService.start({ runtime, fastway: { ClientMaxConn: LIMIT } });
    }, 60_000);
    afterAll(() => service.stop(), 60_000);

    test("dials of both sides, messages, ends and refusals", async () => {
      const server = await service.server(7);
      const client = await service.client();
      await client.send(dial(8));
      expect(await client.take("refuse")).toEqual({ type: "refuse", remote_id: 8 });

      const first = await client.dial(7);
      const { conn_id, remote_id: client_id } = await server.take("connect");
      expect(conn_id).toBe(first);
      await client.send(data(first, "Hello"), data(first, ""), ping());
      expect((await server.take("data")).body.toString()).toBe("Hello");
      expect((await server.take("data")).body.length).toBe(0);
      await client.take("ping");
      const long = Buffer.alloc(512 * 1024 - 4, "long ");
      await server.send(data(first, long));
      expect((await client.take("data")).body.equals(long)).toBe(true);

      const second = await virtualConnection(server, client, client_id);
      await server.send(data(second, "from the server"));
      expect(await client.take("data")).toMatchObject({ conn_id: second });
      const third = await virtualConnection(client, server, 7);
      // The server may go beyond the limit, the client may not.
      const fourth = await virtualConnection(server, client, client_id);
      await client.send(dial(7));
      await client.take("refuse");

      await client.send(close(first));
      for (const peer of [client, server]) expect((await peer.take("close")).conn_id).toBe(first);
      await client.send(data(first, "too late"));
      expect((await client.take("close")).conn_id).toBe(first);

      client.destroy();
      const closed = [];
      for (let left = 3; left > 0; left--) closed.push((await server.take("close")).conn_id);
      expect(closed.toSorted()).toEqual([second, third, fourth].toSorted());
      await server.settled();
      expect(server.frames).toEqual([]);
      server.destroy();
    });

    test("a server that comes back takes new dials, and what runs goes on", async () => {
      const client = await service.client();
      const older = await service.server(1);
      const first = await virtualConnection(client, older, 1);
      const newer = await service.server(1);
      const second = await virtualConnection(client, newer, 1);
      await older.send(data(first, "older"));
      await newer.send(data(second, "newer"));
      expect((await client.take("data")).conn_id).toBe(first);
      expect((await client.take("data")).conn_id).toBe(second);
      newer.destroy();
      expect((await client.take("close")).conn_id).toBe(second);
      await client.send(dial(1), data(first, "still"));
      await client.take("refuse");
      expect((await older.take("data")).body.toString()).toBe("still");
      client.destroy();
      older.destroy();
    });

    test("hostile frames end who sends them, and nobody else", async () => {
      const server = await service.server(2);
      const client = await service.client();
      const conn_id = await virtualConnection(client, server, 2);
      for (
        const bytes of [command(1, 1, 1), command(6), data(conn_id, "not mine"), close(conn_id)]
      ) {
        const stranger = await service.client();
        const { remote } = stranger;
        stranger.sendCarelessly(bytes);
        await stranger.closed();
        await service.gateway.logged("fastway_over", { remote, reason: "protocol_error" });
      }
      await client.send(data(conn_id, "mine"));
      expect((await server.take("data")).body.toString()).toBe("mine");
      client.destroy();
      server.destroy();
    });
  });
}
