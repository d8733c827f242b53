/** Addresses that are banned, on each plane. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { type Rig, startPlane, startSrt, startTcp } from "./rig.ts";
import type { SrtPeer } from "./srt-peers.ts";

/** Comes and is turned away; on SRT that may be before it has seen that it was connected. */
async function knock(rig: Rig, port: number): Promise<void> {
  const end = await rig.connect(port).catch(() => null);
  await end?.turnedAway();
}

/** Resolves when every worker has done all that it was told before: its commands stay in order. */
async function told(rig: Rig): Promise<void> {
  for (let i = 0; i < rig.plane.snapshot().workers; i++) await rig.open();
}

for (const kind of ["zmq", "srt"] as const) {
  describe(`bans on the ${kind} plane`, () => {
    let rig: Rig;
    beforeAll(async () => {
      // More than one worker where there may be: each must know.
      rig = kind === "zmq" ? await startTcp({ tcp_workers: 2 }) : await startPlane("srt");
    });
    afterEach(async () => {
      rig.plane.setBans([]);
      await rig.reset();
    });
    afterAll(() => rig.close());

    test("whoever comes from there is closed as soon as it is accepted, until it is lifted", async () => {
      // One port for each worker.
      const [one, two] = [await rig.open(), await rig.open()];
      rig.plane.setBans(["127.0.0.0/8", "2001:db8::/32"]);
      await told(rig);
      await Promise.all([one, two].map(async ({ port, session_id }) => {
        const shed = rig.event("shed", port);
        const banned = await rig.join({ port, session_id }, "client").catch(() => null);
        expect(await shed).toMatchObject({
          limit: "banned",
          count: 1,
          remote: expect.stringMatching(/^127\.0\.0\.1:/),
        });
        await banned?.turnedAway();
        expect(rig.left("waiting", port)).toEqual([]);
      }));
      rig.plane.setBans(["2001:db8::/32"]);
      await told(rig);
      for (const reservation of [one, two]) {
        await rig.join(reservation, "client");
        expect(await rig.event("waiting", reservation.port)).toMatchObject({ role: "client" });
      }
    });

    test("a session goes on, and who has not said who it is goes", async () => {
      const { client, server } = await rig.session();
      const reserved = await rig.open();
      const silent = await rig.connect(reserved.port);
      // A connection is there for the plane once another one behind it has been answered.
      const waiting = await rig.join(reserved, "server");
      await rig.event("waiting", reserved.port);
      rig.plane.setBans(["127.0.0.1"]);
      expect(await rig.event("shed", reserved.port)).toMatchObject({ limit: "banned" });
      await silent.turnedAway();
      await client.write("still here");
      await server.reached(10);
      expect(server.text()).toBe("still here");
      expect(rig.left("waiting_gone", reserved.port)).toEqual([]);
      waiting.destroy();
    });

    test("many knocks are one report", async () => {
      const { port } = await rig.open();
      rig.plane.setBans(["127.0.0.1"]);
      await told(rig);
      const began_ms = performance.now();
      const knocks = Array.from({ length: 10 }, () => knock(rig, port));
      await Promise.all(knocks);
      let count = 0;
      let reports = 0;
      while (count < knocks.length) {
        count += (await rig.event("shed", port)).count;
        reports++;
      }
      expect(count).toBe(10);
      // One a second, and never one for each.
      expect(reports).toBeLessThanOrEqual(1 + (performance.now() - began_ms) / 1000);
    });

    test("a worker that takes another's place knows them too", async () => {
      rig.plane.setBans(["127.0.0.1"]);
      await rig.breakWorker();
      await rig.events.take("the worker's death", (event) => event.type === "failed");
      // Both workers, or the only one, are told of a port.
      const ports = [await rig.open(), await rig.open()];
      await Promise.all(ports.map(async ({ port }) => {
        await knock(rig, port);
        expect(await rig.event("shed", port)).toMatchObject({ limit: "banned" });
      }));
    });

    test("what is no network, or not written as one, is refused before a worker hears of it", () => {
      for (const wrong of ["somewhere", "10.1.2.3/8", "2001:DB8::1", ""]) {
        expect(() => rig.plane.setBans([wrong]), wrong).toThrow(RangeError);
      }
    });
  });
}

test("a ban ends whoever is at a named stream", async () => {
  const rig: Rig<SrtPeer> = await startSrt({ shared_ports: 1, streams: { cam: {} } });
  try {
    const call = (stream_id: string) =>
      rig.peers!.connect({ port: rig.shared_ports[0], stream_id });
    await call("publish:cam");
    await rig.streamEvent("publishing", "cam");
    await call("read:cam");
    await rig.streamEvent("viewing", "cam");
    rig.plane.setBans(["127.0.0.1"]);
    expect(await rig.streamEvent("publish_stop", "cam")).toMatchObject({ reason: "banned" });
    expect(await rig.streamEvent("view_stop", "cam")).toMatchObject({ reason: "banned" });
    rig.plane.setBans([]);
    await told(rig);
    await call("read:cam");
    await rig.streamEvent("viewing", "cam");
  } finally {
    await rig.close();
  }
});
