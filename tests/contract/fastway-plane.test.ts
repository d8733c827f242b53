/** The fastway plane as the control side has it: its ports, figures, rules and workers. */
import { expect, test } from "bun:test";
import { FastwayListenError } from "../../src/data/fastway/plane.ts";
import { WorkerFastwayPlane } from "../../src/data/fastway/worker-plane.ts";
import { close, dial, FastwayRig, frame, KEY, ping, startFastway } from "./fastway-rig.ts";

test("what has gone through is counted, for each endpoint and in all", async () => {
  const rig = await startFastway();
  try {
    const server = await rig.server(7);
    const client = await rig.client();
    const id = await client.dial(server);
    await client.send(frame(id, "hello"), frame(id, ""), ping(), frame(99, "nobody"));
    expect(await client.hears()).toBe("ping");
    expect(await client.hears()).toBe("close 99");
    expect(await server.hears()).toBe(`data ${id} hello`);
    expect(await server.hears()).toBe(`data ${id} `);
    await rig.plane.beat(5000);
    expect(rig.plane.counters(client.endpoint)).toEqual({
      bytes_in: 13 + 13 + 8 + 9 + 14,
      bytes_out: 17 + 9 + 13,
      messages_in: 5,
      messages_out: 3,
      virtual: 1,
      queue_messages: 0,
      queue_bytes: 0,
    });
    expect(rig.plane.counters(server.endpoint)).toMatchObject({
      bytes_in: 0,
      bytes_out: 17 + 13 + 8,
      messages_out: 3,
      virtual: 1,
    });
    expect(rig.plane.totals()).toMatchObject({ virtual: 1, virtual_total: 1, unknown_total: 1 });
    await client.send(close(id), dial(8));
    expect(await client.hears()).toBe(`close ${id}`);
    expect(await client.hears()).toBe("refuse 8");
    await rig.plane.beat(5000);
    expect(rig.plane.totals()).toMatchObject({ virtual: 0, virtual_total: 1, refused_unknown: 1 });
    client.end.destroy();
    const { counters } = await rig.event("endpoint_over");
    expect(counters).toMatchObject({ messages_in: 7, messages_out: 5, virtual: 0 });
    expect(rig.plane.counters(client.endpoint)).toBeNull();
  } finally {
    await rig.close();
  }
});

test("new rules hold from then on, also for who is there", async () => {
  const rig = await startFastway({ ClientMaxConn: 1 });
  try {
    const server = await rig.server(7);
    const client = await rig.client();
    await client.dial(server);
    await client.send(dial(7));
    expect(await client.hears()).toBe("refuse 7");
    await rig.apply({ ClientMaxConn: 2, MaxPacket: "100B", ServerAuthKey: "another" });
    await client.dial(server);
    const late = await rig.connect("server");
    await late.prove(8, KEY);
    expect(await rig.event("refused")).toMatchObject({ status: "handshake_error" });
    await client.send(frame(1, "x".repeat(97)));
    expect(await rig.event("endpoint_over")).toMatchObject({
      endpoint: client.endpoint,
      reason: "protocol_error",
      detail: "a frame of Length 101; fastway.MaxPacket allows 100",
    });
  } finally {
    await rig.close();
  }
});

test("a port that somebody has is told, with its side", async () => {
  const rig = await startFastway();
  const other = new FastwayRig({ ServerAddr: `127.0.0.1:${rig.ports.client}` }, {});
  try {
    const error = await other.plane.start().catch((error: unknown) => error);
    expect(error).toBeInstanceOf(FastwayListenError);
    expect(error).toMatchObject({ side: "server", code: "EADDRINUSE" });
  } finally {
    await other.close();
    await rig.close();
  }
});

test("without a host it listens on all addresses, of both families", async () => {
  const rig = await startFastway({ ClientAddr: ":0" });
  try {
    const client = await rig.client();
    expect(client.remote).toStartWith("127.0.0.1:");
    const six = await rig.connect("client", "::1");
    const { facts } = await rig.event("endpoint");
    expect(facts).toMatchObject({ remote: six.remote.replace(/^(.*):(\d+)$/, "[$1]:$2") });
  } finally {
    await rig.close();
  }
});

/** Its workers can be given rules that they die of. */
class BreakablePlane extends WorkerFastwayPlane {
  broken = false;

  override get settings(): object {
    return this.broken ? { ...super.settings, trusted_proxies: ["nowhere"] } : super.settings;
  }
}

test("a worker that dies is replaced, listens where it did, and its endpoints are told of", async () => {
  const rig = await startFastway({}, {}, BreakablePlane);
  const plane = rig.plane as BreakablePlane;
  try {
    const server = await rig.server(7);
    const client = await rig.client();
    await client.dial(server);
    plane.setServing(false);
    plane.broken = true;
    await rig.apply({});
    plane.broken = false;
    const ends = [await rig.event("endpoint_over"), await rig.event("endpoint_over")];
    expect(ends.map(({ endpoint }) => endpoint).sort()).toEqual([
      server.endpoint,
      client.endpoint,
    ]);
    expect(ends.map(({ reason }) => reason)).toEqual(["plane_failed", "plane_failed"]);
    expect((await rig.event("failed")).error).toContain("nowhere");
    await client.end.turnedAway();
    await server.end.turnedAway();
    expect(plane.totals()).toMatchObject({ virtual: 0, virtual_total: 1, pool_bytes: 0 });
    expect(await plane.beat(10_000)).toBe(true);
    // It knows what the one before was told.
    const late = await rig.connectAgain("client");
    await late.end.turnedAway();
    expect(await rig.event("refused")).toMatchObject({ status: "draining" });
    plane.setServing(true);
    const again = await rig.server(7);
    expect([server.endpoint, client.endpoint]).not.toContain(again.endpoint);
    const next = await rig.client();
    await next.dial(again);
    await plane.beat(5000);
    expect(plane.snapshot()).toMatchObject({ workers: 1, workers_replaced: 1 });
    expect(plane.totals().virtual_total).toBe(2);
  } finally {
    await rig.close();
  }
});
