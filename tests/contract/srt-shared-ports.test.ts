/** Sessions that share ports: each end says by stream id or hello which one it belongs to. */
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { createHash } from "node:crypto";
import type { PlaneEvent } from "../../src/data/plane.ts";
import { formatStreamId } from "../../src/data/srt/stream-id.ts";
import { announcedRandom, Random } from "../harness/random.ts";
import { startSrt, timePasses } from "./rig.ts";
import {
  calm_latency_ms,
  joinById,
  message_bytes,
  sha256,
  type SrtRig,
  talk,
  turnedAway,
} from "./srt-callers.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(40_000);

type Rejected = Extract<PlaneEvent, { type: "rejected" }>;

describe("sessions on two shared ports", () => {
  let rig: SrtRig;
  beforeAll(async () => {
    rig = await startSrt({ sessions_shared: true, shared_ports: 2, srt_sessions: 24 });
  });
  afterEach(() => rig.reset());
  afterAll(() => rig.close());

  const parties = { client_id: "fe-1", server_id: "be-1" };

  test("are spread over both", () => {
    const ports = [1, 2, 3, 4].map((place) => rig.plane.publicPort(place));
    expect(ports[0]).not.toBe(ports[1]);
    expect([ports[2], ports[3]]).toEqual([ports[0], ports[1]]);
    expect(ports.slice(0, 2).toSorted()).toEqual([...rig.shared_ports]);
  });

  test("many at a time, by hello and by stream id, keep to themselves", async () => {
    const sessions = await Promise.all(
      Array.from({ length: 6 }, async (_, at) => {
        const reservation = await rig.open(undefined, parties);
        const { port } = reservation;
        const server = at % 2 === 0
          ? await rig.join(reservation, "server")
          : await joinById(rig, { ...reservation, u: "be-1" });
        await rig.event("waiting", port);
        const client = at % 3 === 0
          ? await rig.join(reservation, "client")
          : await joinById(rig, { ...reservation, u: "fe-1" });
        await rig.event("paired", port);
        return { ...reservation, client, server };
      }),
    );
    await Promise.all(sessions.map(async ({ port, client, server }, at) => {
      const [up, down] = [
        new Random(at).bytes(20_000 + at),
        new Random(99 + at).bytes(30_000 + at),
      ];
      client.write(up);
      server.write(down);
      await Promise.all([server.reached(up.length), client.reached(down.length)]);
      expect([server.digest(), client.digest()]).toEqual([sha256(up), sha256(down)]);
      await rig.counted(port, { bytes_up: up.length, bytes_down: down.length });
    }));
    // One ends, and the others do not hear of it.
    sessions[0].client.destroy();
    expect(await rig.event("closed", sessions[0].port)).toMatchObject({
      session_id: sessions[0].session_id,
      by: "client",
    });
    await sessions[0].server.turnedAway();
    for (const { client, server } of sessions.slice(1)) await talk(client, server);
  });

  test("a session is found from either port", async () => {
    const reservation = await rig.open(undefined, parties);
    const [here, there] = rig.shared_ports;
    const dial = (port: number, u: string) =>
      rig.peers!.connect({
        port,
        stream_id: formatStreamId({ s: reservation.session_id, u, m: "request" }),
      });
    const server = await dial(here, "be-1");
    await rig.event("waiting", reservation.port);
    const client = await dial(there, "fe-1");
    await rig.event("paired", reservation.port);
    await talk(client, server);
  });

  test("an id is nothing once its session is over, and another's place is its own", async () => {
    const over = await rig.open(undefined, parties);
    const server = await joinById(rig, { ...over, u: "be-1" });
    await rig.event("waiting", over.port);
    const client = await joinById(rig, { ...over, u: "fe-1" });
    await rig.event("paired", over.port);
    await talk(client, server);
    client.destroy();
    await rig.closed(over.port);
    const next = await rig.open(over.port, parties);
    for (const u of ["fe-1", "be-1", undefined]) {
      await turnedAway(rig, {
        port: rig.shared_ports[0],
        stream_id: formatStreamId({ s: over.session_id, u, m: "request" }),
      });
      expect(await rig.event("rejected", rig.shared_ports[0])).toMatchObject({
        status: "alloc_mismatch",
      });
    }
    const replayed = await rig.join(over, "client");
    expect(await rig.event("rejected", rig.plane.publicPort(over.port))).toMatchObject({
      status: "alloc_mismatch",
    });
    await replayed.turnedAway();
    const ends = [
      await joinById(rig, { ...next, u: "fe-1" }),
      await joinById(rig, { ...next, u: "be-1" }),
    ] as const;
    await rig.event("paired", next.port);
    await talk(...ends);
  });

  test.each([
    ["text in no known form", "whatever"],
    ["a stream that nobody has configured", "#!::r=cam"],
    ["an empty session id", "#!::s=,m=request"],
  ])("turns away %s", async (_, stream_id) => {
    const [port] = rig.shared_ports;
    await turnedAway(rig, { port, stream_id });
    const { status } = await rig.event("rejected", port);
    expect(status).toBe(stream_id.includes("r=") ? "stream_denied" : "streamid_error");
  });

  test("hundreds of strangers with wrong ids do not touch a session", async () => {
    const random = announcedRandom("strangers on a shared port");
    const { client, server } = await (async () => {
      const reservation = await rig.open(undefined, parties);
      const server = await joinById(rig, {
        ...reservation,
        u: "be-1",
        latency_ms: calm_latency_ms,
      });
      await rig.event("waiting", reservation.port);
      const client = await joinById(rig, {
        ...reservation,
        u: "fe-1",
        latency_ms: calm_latency_ms,
      });
      await rig.event("paired", reservation.port);
      return { client, server };
    })();
    const strangers = 300;
    const wrong = [
      () => formatStreamId({ s: random.bytes(8).toString("hex"), u: "fe-1", m: "publish" }),
      () => formatStreamId({ r: random.bytes(4).toString("hex"), m: "publish" }),
      () => "#!::".padEnd(512, "x"),
      () => "publish:a:b:c:d",
      () => "something else",
      () => "#!::s=%zz",
    ];
    let running = true;
    const sent = createHash("sha256");
    let sent_bytes = 0;
    const pouring = (async () => {
      while (running) {
        const bytes = random.bytes(4 * message_bytes);
        sent.update(bytes);
        sent_bytes += bytes.length;
        await client.write(bytes);
        await timePasses(5);
      }
    })();
    const at_once = 12;
    let begun = 0;
    await Promise.all(Array.from({ length: at_once }, async () => {
      while (begun < strangers) {
        begun++;
        const stream_id = random.pick(wrong)();
        await turnedAway(rig, { port: random.pick(rig.shared_ports), stream_id });
      }
    }));
    running = false;
    await pouring;
    await server.reached(sent_bytes);
    expect(server.digest()).toBe(sent.digest("hex"));
    const is_rejected = ({ type }: PlaneEvent) => type === "rejected";
    const take = (what: string) => rig.events.take(what, is_rejected) as Promise<Rejected>;
    // On a busy machine there are more: who had its answer late has asked again, and is turned away
    // for that as well.
    for (let turned = 0; turned < strangers || rig.events.items.some(is_rejected); turned++) {
      const { status } = await take(`stranger ${turned} to be turned away`);
      expect(["alloc_mismatch", "stream_denied", "streamid_error"]).toContain(status);
    }
    await talk(client, server);
  }, 120_000);
});
