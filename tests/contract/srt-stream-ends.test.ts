/** Publishers one after the other, slow viewers, silent callers: who stays and who is let go. */
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
import { announcedRandom } from "../harness/random.ts";
import { startSrt, timePasses } from "./rig.ts";
import { message_bytes, type SrtRig, Studio, turnedAway } from "./srt-callers.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(40_000);

/** Between 16 messages, for some 6 Mbit/s. */
const slow_rest_ms = 25;

describe("who comes to a named stream and who has to go", () => {
  let rig: SrtRig;
  beforeAll(async () => {
    rig = await startSrt({
      hello_timeout_ms: 2000,
      shared_ports: 1,
      streams: {
        cam: {},
        stage: { takeover: "replace" },
        thin: { bitrate_max: 1_000_000 },
        strict: { slow_viewer: "drop" },
      },
    });
  });
  afterEach(() => rig.reset());
  afterAll(() => rig.close());

  function studio(name: string): Studio {
    return new Studio({ rig, name, random: announcedRandom(`stream ${name}`) });
  }

  test("viewers stay when the publisher goes and see the next one", async () => {
    const cam = studio("cam");
    const viewers = [await cam.view(), await cam.view()];
    for (let turn = 0; turn < 3; turn++) {
      const publisher = await cam.publish();
      await cam.pour(publisher, 100);
      // It goes at once: what it has sent last is still on its way.
      await timePasses(60);
      await cam.clear({ publisher });
      for (const viewer of viewers) await cam.gotAll(viewer);
    }
    expect(viewers.map(({ is_closed }) => is_closed)).toEqual([false, false]);
    await cam.clear({ viewers });
  });

  test("refuses a second publisher, and the first goes on", async () => {
    const cam = studio("cam");
    const viewer = await cam.view();
    const publisher = await cam.publish();
    await cam.pour(publisher, 50);
    await turnedAway(rig, cam.dial("publish"));
    expect(await rig.event("rejected", rig.shared_ports[0])).toMatchObject({
      status: "stream_busy",
      session_id: "",
    });
    await cam.pour(publisher, 50);
    await cam.gotAll(viewer);
    await cam.clear({ publisher, viewers: [viewer] });
  });

  test("or lets it take over, where that is wanted", async () => {
    const stage = studio("stage");
    const viewer = await stage.view();
    const first = await stage.publish({ u: "first" });
    await stage.pour(first, 50);
    await stage.gotAll(viewer);
    const second = await stage.publish({ u: "second" });
    expect(await rig.streamEvent("publish_stop", "stage")).toMatchObject({
      user: "first",
      reason: "replaced",
    });
    await first.turnedAway();
    await stage.pour(second, 50);
    await stage.gotAll(viewer);
    await stage.clear({ publisher: second, viewers: [viewer] });
  });

  test("lets a publisher go that sends more than bitrate_max", async () => {
    const thin = studio("thin");
    const viewer = await thin.view();
    const publisher = await thin.publish();
    // Two seconds' worth may come at once; this is a tenth of it.
    await thin.pour(publisher, 19);
    await thin.gotAll(viewer);
    const stopped = rig.streamEvent("publish_stop", "thin");
    const flooding = (async () => {
      while (!publisher.is_closed) {
        publisher.write(Buffer.alloc(16 * message_bytes)).catch(() => {});
        await timePasses(8);
      }
    })();
    expect(await stopped).toMatchObject({ reason: "bitrate" });
    await publisher.turnedAway();
    await flooding;
    const again = await thin.publish();
    const before = viewer.received_bytes;
    again.message("slowly");
    await viewer.reached(before + 6);
    await thin.clear({ publisher: again, viewers: [viewer] });
  });

  test("a viewer that stops reading misses something, and the others get everything", async () => {
    const cam = studio("cam");
    const viewer = await cam.view({ u: "reads" });
    // What is skipped must be less than its own buffer holds: libsrt's receiver takes a greater hole
    // for a mistake and breaks off.
    const lazy = await cam.view({ u: "stops", receive_packets: 1024 });
    const publisher = await cam.publish();
    await cam.pour(publisher, 32);
    await lazy.reached(cam.sent_bytes);
    lazy.pause();
    const skipping = cam.look(
      "a viewer with skipped messages",
      ({ viewers }) =>
        viewers.some(({ user, skipped, bottleneck }) =>
          user === "stops" && skipped > 0 && bottleneck === "reader"
        ),
    );
    await cam.pourUntil(publisher, skipping, slow_rest_ms);
    expect((await skipping).viewers.find(({ user }) => user === "reads")).toMatchObject({
      skipped: 0,
      bottleneck: "sender",
    });
    lazy.resume();
    const before = lazy.received_bytes;
    await cam.pourUntil(publisher, lazy.reached(before + 2000 * message_bytes), slow_rest_ms);
    await cam.gotAll(viewer);
    await cam.clear({ publisher, viewers: [viewer, lazy] });
  });

  test("or is let go, where that is wanted", async () => {
    const strict = studio("strict");
    const viewer = await strict.view({ u: "reads" });
    const lazy = await strict.view({ u: "stops", receive_packets: 256 });
    const publisher = await strict.publish();
    await strict.pour(publisher, 32);
    await lazy.reached(strict.sent_bytes);
    lazy.pause();
    const let_go = rig.streamEvent("view_stop", "strict");
    await strict.pourUntil(publisher, let_go);
    const event = await let_go;
    expect(event).toMatchObject({ user: "stops", reason: "slow" });
    expect(event.skipped).toBeGreaterThan(0);
    lazy.resume();
    await lazy.turnedAway();
    await strict.gotAll(viewer);
    await strict.clear({ publisher, viewers: [viewer] });
  });

  test("a publisher who comes back at once is let in", async () => {
    const cam = studio("cam");
    const viewer = await cam.view();
    const first = await cam.publish();
    await cam.pour(first, 50);
    await cam.gotAll(viewer);
    for (let turn = 0; turn < 3; turn++) {
      const before = cam.sent_bytes;
      const publisher = turn === 0 ? first : await cam.publish();
      await cam.pour(publisher, 50);
      await viewer.reached(before + 1);
      publisher.destroy();
      await rig.streamEvent("publish_stop", "cam");
    }
    await cam.gotAll(viewer);
    await cam.clear({ viewers: [viewer] });
  });

  test("who says nothing on a shared port is turned away in time", async () => {
    const [port] = rig.shared_ports;
    const silent = await rig.connect(port);
    expect(await rig.event("rejected", port)).toMatchObject({
      status: "hello_error",
      session_id: "",
    });
    await silent.turnedAway();
    const hello = { role: "client", session_id: "0123456789abcdef", id: "c" } as const;
    const peer = await rig.peers!.join({ port, hello });
    expect(await rig.event("rejected", port)).toMatchObject({ status: "alloc_mismatch" });
    await peer.turnedAway();
  });
});
