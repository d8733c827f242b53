/** Rules that change while a plane runs: what they hold for from then on, and what they leave alone. */
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { Buffer } from "node:buffer";
import dgram from "node:dgram";
import { deferred, within } from "../harness/deadline.ts";
import { announcedRandom } from "../harness/random.ts";
import { type PlaneEnd, type Rig, type RigSettings, startPlane, startSrt } from "./rig.ts";
import { type SrtRig, Studio, turnedAway } from "./srt-callers.ts";

setDefaultTimeout(30_000);

for (const kind of ["zmq", "srt"] as const) {
  test(`${kind}: new rules hold for new connections and sessions; those that run go on`, async () => {
    const rig = await startPlane(kind, { hello_timeout_ms: 10_000 });
    try {
      const { port, client, server } = await rig.session();
      const reservation = await rig.open();
      await rig.apply({ hello_timeout_ms: 150, session_idle_timeout: "300ms" });
      // The port was granted before; who comes to it comes now.
      const silent: PlaneEnd = await rig.connect(reservation.port);
      expect(await rig.event("rejected", reservation.port)).toMatchObject({
        status: "hello_error",
        detail: "no complete hello within 150 ms",
      });
      await silent.turnedAway();
      const next = await rig.session();
      expect(await rig.closed(next.port)).toBe("idle");
      expect(rig.left("closed", port)).toEqual([]);
      await client.write("still here");
      await server.reached(10);
      // Whoever takes the place of a worker begins with the new rules.
      await rig.breakWorker();
      expect(await rig.closed(port)).toBe("plane_failed");
      expect(await rig.plane.beat(10_000)).toBe(true);
      const again = await rig.session();
      expect(await rig.closed(again.port)).toBe("idle");
    } finally {
      await rig.close();
    }
  });

  test(`${kind}: the bounds on who has said nothing change at once`, async () => {
    const bounds = (most: number) => ({
      unproven_per_address_max: most,
      srt_unproven_per_address_max: most,
    });
    const rig: Rig = await startPlane(kind, bounds(2));
    try {
      const { port } = await rig.open();
      const one = await rig.connect(port);
      await rig.apply(bounds(1));
      const shed = rig.event("shed", port);
      const two = await rig.connect(port).catch(() => null);
      expect((await shed).limit).toEndWith("unproven_per_address_max");
      await rig.apply(bounds(3));
      const three = await rig.connect(port);
      for (const end of [one, two, three]) end?.destroy();
    } finally {
      await rig.close();
    }
  });
}

describe("SRT ports", () => {
  test("a new passphrase is for ports granted from then on, and for the shared ones", async () => {
    const [before, after] = ["open sesame", "close sesame"];
    const streams = { cam: {} };
    const rig = await startSrt({ shared_ports: 1, streams, passphrase: before });
    const studio = (passphrase: string) =>
      new Studio({ rig, name: "cam", random: announcedRandom("cam"), passphrase });
    try {
      const running = await rig.open();
      const [publisher, viewer] = [await studio(before).publish(), await studio(before).view()];
      // A listener that rests with the old passphrase is not for the next session.
      const rested = await rig.open();
      rig.plane.release(rested.port);
      await rig.closed(rested.port);
      await rig.apply({ shared_ports: 1, streams, passphrase: after });

      const granted = await rig.peers!.connect({ port: running.port, passphrase: before });
      granted.message(`V4HELLO {"role":"client","session_id":"${running.session_id}","id":"c"}\n`);
      await rig.event("waiting", running.port);
      // Those who are at a stream stay, and see it on.
      await publisher.write(Buffer.alloc(1316 * 10, 7));
      await viewer.reached(1316 * 10);
      // The shared port's listener is made anew, which takes libsrt a moment.
      const newcomer = insist(() => studio(after).view({ connect_ms: 500 }));
      // So is that of the port that rested.
      const again = await rig.open(rested.port);
      const peer = await rig.peers!.connect({ port: again.port, passphrase: after });
      peer.message(`V4HELLO {"role":"client","session_id":"${again.session_id}","id":"c"}\n`);
      await rig.event("waiting", again.port);

      const late = await newcomer;
      await turnedAway(rig, studio(before).dial("request"));
      expect(await rig.event("rejected", rig.shared_ports[0])).toMatchObject({
        status: "encryption_error",
      });
      await publisher.write(Buffer.alloc(1316 * 10, 7));
      await Promise.all([viewer.reached(1316 * 20), late.reached(1316 * 10)]);
    } finally {
      await rig.close();
    }
  });
});

/** Tries until it works: a listener that is made anew answers nobody for a moment. */
async function insist<T>(attempt: () => Promise<T>): Promise<T> {
  const until_ms = performance.now() + 15_000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > until_ms) throw error;
    }
  }
}

describe("named streams", () => {
  let rig: SrtRig;
  const stays = { stays: {} };
  const base: RigSettings = { shared_ports: 1 };
  beforeAll(async () => {
    rig = await startSrt({ ...base, streams: stays });
  });
  afterEach(() => rig.reset());
  afterAll(() => rig.close());

  const studio = (name: string) =>
    new Studio({ rig, name, random: announcedRandom(`stream ${name}`), latency_ms: 250 });
  const apply = (streams: RigSettings["streams"]) =>
    rig.apply({ ...base, streams: { ...stays, ...streams } });

  test("come and go, and others notice nothing", async () => {
    const here = studio("stays");
    const [publisher, viewer] = [await here.publish(), await here.view()];
    await turnedAway(rig, studio("new").dial("request"));
    await rig.event("rejected", rig.shared_ports[0]);
    await apply({ new: {} });
    const fresh = studio("new");
    const fresh_viewer = await fresh.view();
    const fresh_publisher = await fresh.publish();
    await fresh.pour(fresh_publisher, 50);
    await fresh.gotAll(fresh_viewer);
    await apply({});
    expect(await rig.streamEvent("publish_stop", "new")).toMatchObject({
      reason: "removed",
      bytes: fresh.sent_bytes,
    });
    expect(await rig.streamEvent("view_stop", "new")).toMatchObject({ reason: "removed" });
    await Promise.all([fresh_viewer.turnedAway(), fresh_publisher.turnedAway()]);
    await turnedAway(rig, fresh.dial("request"));
    expect(await rig.event("rejected", rig.shared_ports[0])).toMatchObject({
      status: "stream_denied",
    });
    await here.pour(publisher, 50);
    await here.gotAll(viewer);
    await here.clear({ publisher, viewers: [viewer] });
  });

  test("a changed key ends those whose own no longer fits, and nobody else", async () => {
    await apply({ cam: { publish_key: "pub", read_key: "old" } });
    const cam = studio("cam");
    const publisher = await cam.publish({ key: "pub" });
    const viewer = await cam.view({ key: "old" });
    await apply({ cam: { publish_key: "pub", read_key: "new" } });
    expect(await rig.streamEvent("view_stop", "cam")).toMatchObject({ reason: "key_changed" });
    await viewer.turnedAway();
    const next = await cam.view({ key: "new" });
    await cam.pour(publisher, 20);
    await next.reached(cam.sent_bytes);
    // Without a key everybody may come, and so they all may stay.
    await apply({ cam: {} });
    await cam.pour(publisher, 20);
    await next.reached(cam.sent_bytes);
    await apply({ cam: { publish_key: "other" } });
    expect(await rig.streamEvent("publish_stop", "cam")).toMatchObject({ reason: "key_changed" });
    await publisher.turnedAway();
    expect(rig.events.items.filter((event) => event.type === "stream")).toEqual([]);
    await cam.clear({ viewers: [next] });
  });

  test("a changed passphrase of a stream is a changed key", async () => {
    await apply({ vault: { passphrase: "correct horse" } });
    const vault = studio("vault");
    const viewer = await vault.view({ passphrase: "correct horse" });
    await apply({ vault: { passphrase: "battery staple" } });
    expect(await rig.streamEvent("view_stop", "vault")).toMatchObject({ reason: "key_changed" });
    await viewer.turnedAway();
    await turnedAway(rig, vault.dial("request", { passphrase: "correct horse" }));
    expect(await rig.event("rejected", rig.shared_ports[0])).toMatchObject({
      status: "encryption_error",
    });
    await vault.clear({ viewers: [await vault.view({ passphrase: "battery staple" })] });
  });

  test("other limits hold at once", async () => {
    await apply({ cam: { viewers_max: 1 } });
    const cam = studio("cam");
    const viewers = [await cam.view()];
    await turnedAway(rig, cam.dial("request"));
    await rig.event("rejected", rig.shared_ports[0]);
    await apply({ cam: { viewers_max: 2, takeover: "replace" } });
    viewers.push(await cam.view());
    const first = await cam.publish();
    const second = await cam.publish();
    expect(await rig.streamEvent("publish_stop", "cam")).toMatchObject({ reason: "replaced" });
    await first.turnedAway();
    // Fewer than are there: nobody is sent away.
    await apply({ cam: { viewers_max: 1, bitrate_max: 50_000 } });
    const over = rig.streamEvent("publish_stop", "cam");
    // It is let go in the middle of what it sends.
    cam.pourUntil(second, over).catch(() => {});
    expect(await over).toMatchObject({ reason: "bitrate" });
    expect(rig.events.items.filter((event) => event.type === "stream")).toEqual([]);
    await cam.clear({ viewers });
  });

  test("a port of its own comes, moves those to come, and goes", async () => {
    await apply({ cam: {} });
    const cam = studio("cam");
    const publisher = await cam.publish();
    await apply({ cam: { own_port: true } });
    const own = { port: rig.portOf("cam") };
    await turnedAway(rig, cam.dial("request"));
    await rig.event("rejected", rig.shared_ports[0]);
    const viewer = await cam.view(own);
    await cam.pour(publisher, 50);
    await cam.gotAll(viewer);
    await apply({ cam: {} });
    // Who came by the port stays, but nobody else comes that way.
    const that_way = rig.peers!.connect({ ...cam.dial("request"), ...own, connect_ms: 1000 });
    const refused = that_way.then(() => "connected", () => "refused");
    const other = await cam.view();
    const before = cam.sent_bytes;
    await cam.pour(publisher, 50);
    await cam.gotAll(viewer);
    await other.reached(cam.sent_bytes - before);
    expect(await refused).toBe("refused");
    await cam.clear({ publisher, viewers: [viewer] });
    await cam.clear({ viewers: [other] });
  });

  test("a port that somebody else has is told of, and taken when it is free", async () => {
    const socket = dgram.createSocket("udp4");
    const bound = deferred<void>();
    // The one before was a stream's a moment ago, and libsrt may not have let go of it.
    const port = rig.shared_ports[0] + 2;
    socket.once("error", bound.reject);
    socket.bind({ port, address: "127.0.0.1", exclusive: true }, () => bound.resolve());
    await within("the other program's port", bound.promise);
    await apply({ spare: { own_port: true }, taken: { own_port: true } });
    expect(rig.portOf("taken")).toBe(port);
    const told = await rig.events.take("the trouble", ({ type }) => type === "stream_service");
    expect(told).toMatchObject({ name: "taken", port });
    const closed = deferred<void>();
    socket.close(() => closed.resolve());
    await closed.promise;
    const served = await rig.events.take(
      "the port",
      ({ type }) => type === "stream_service",
      15_000,
    );
    expect(served).toEqual({ type: "stream_service", name: "taken", port, error: null });
    const taken = studio("taken");
    await taken.clear({ viewers: [await taken.view({ port })] });
  });
});
