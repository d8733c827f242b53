/** The gateway where strangers have taken every descriptor that the system gives it. */
import { expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { data } from "../harness/fastway-frames.ts";
import { virtualConnection } from "../harness/fastway-peer.ts";
import { FastwayService } from "../harness/fastway-service.ts";
import { binary_path } from "../harness/runtime.ts";

const DESCRIPTORS = 200;

test(
  "without a descriptor left it serves whom it has, and takes others when there are some again",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "relayx-descriptors-"));
    const executable = join(folder, "relayx");
    writeFileSync(executable, `#!/bin/sh\nulimit -n ${DESCRIPTORS}\nexec ${binary_path} "$@"\n`);
    chmodSync(executable, 0o700);
    const service = await FastwayService.start({ executable });
    const strangers: net.Socket[] = [];
    try {
      const { gateway } = service;
      const server = await service.server(7);
      const client = await service.client();
      const id = await virtualConnection(client, server, 7);
      for (let i = 0; i < DESCRIPTORS + 50; i++) {
        const socket = net.connect(service.client_port, "127.0.0.1");
        socket.on("error", () => {});
        strangers.push(socket);
      }
      // One line a second: meanwhile all that is done each second has been done without a descriptor.
      for (let second = 0; second < 3; second++) {
        await gateway.log.take(
          "the word on descriptors",
          ({ status, limit }) => status === "limit_reached" && limit === "descriptors",
        );
      }
      await client.send(data(id, "still here"));
      expect((await server.take("data")).body.toString()).toBe("still here");
      for (const socket of strangers) socket.destroy();
      const late = await service.client();
      await late.dial(7);
    } finally {
      for (const socket of strangers) socket.destroy();
      await service.stop();
      rmSync(folder, { recursive: true });
    }
  },
  30_000,
);
