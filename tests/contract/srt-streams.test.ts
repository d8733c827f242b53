/** Named streams: one publishes, many view, and each gets every message. */
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
import { calm_latency_ms, message_bytes, type SrtRig, Studio, turnedAway } from "./srt-callers.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(40_000);

describe("a named stream", () => {
  let rig: SrtRig;
  beforeAll(async () => {
    rig = await startSrt({
      shared_ports: 1,
      streams: {
        cam: {},
        keyed: { publish_key: "pub,lish=1", read_key: "read" },
        half: { publish_key: "pub" },
        small: { viewers_max: 1 },
        vault: { own_port: true, passphrase: "correct horse" },
        alone: { own_port: true },
      },
    });
  });
  afterEach(() => rig.reset());
  afterAll(() => rig.close());

  function studio(name: string): Studio {
    return new Studio({ rig, name, random: announcedRandom(`stream ${name}`) });
  }

  test("viewers first, then the publisher: each gets every message", async () => {
    const cam = studio("cam");
    const viewers = [await cam.view({ u: "anna" }), await cam.view({ u: "bert" })];
    const publisher = await cam.publish({ u: "carl" });
    const seen = cam.look(
      "a look with all of them",
      ({ publisher, viewers }) =>
        publisher !== null && publisher.leg.mbps > 0 && viewers.length === 2,
    );
    await cam.pour(publisher, 1000);
    for (const viewer of viewers) await cam.gotAll(viewer);
    const state = await seen;
    expect(state.publisher).toMatchObject({ user: "carl" });
    expect(state.viewers.map(({ user }) => user)).toEqual(["anna", "bert"]);
    expect(state.viewers.map(({ skipped }) => skipped)).toEqual([0, 0]);
    publisher.destroy();
    expect(await rig.streamEvent("publish_stop", "cam")).toMatchObject({
      user: "carl",
      reason: "left",
      bytes: cam.sent_bytes,
    });
    for (const [at, viewer] of viewers.entries()) {
      viewer.destroy();
      expect(await rig.streamEvent("view_stop", "cam")).toMatchObject({
        user: ["anna", "bert"][at],
        reason: "left",
        bytes: cam.sent_bytes,
        skipped: 0,
      });
    }
    expect(await cam.look("a look at an empty stream", ({ viewers }) => viewers.length === 0))
      .toMatchObject({ publisher: null, bytes_in: cam.sent_bytes, bytes_out: 2 * cam.sent_bytes });
  });

  test("messages of any length stay what they are", async () => {
    const cam = studio("cam");
    const publisher = await cam.publish();
    const viewer = await cam.view();
    const lengths = [1, 188, 1316, 1456, 2, 1455];
    for (const length of lengths) publisher.message(Buffer.alloc(length, length));
    await viewer.reached(lengths.reduce((sum, length) => sum + length));
    expect(viewer.message_lengths).toEqual(lengths);
    await cam.clear({ publisher, viewers: [viewer] });
  });

  test("the plain form of a stream id does as well", async () => {
    const cam = studio("cam");
    const viewer = await cam.view({ stream_id: "read:cam" });
    const publisher = await cam.publish({ stream_id: "publish:cam" });
    await cam.pour(publisher, 32);
    await cam.gotAll(viewer);
    await cam.clear({ publisher, viewers: [viewer] });
  });

  test("who comes late gets what is sent from then on", async () => {
    const cam = studio("cam");
    const publisher = await cam.publish();
    await studio("cam").pour(publisher, 64);
    await timePasses(2 * calm_latency_ms);
    const viewer = await cam.view();
    await cam.pour(publisher, 64);
    await cam.gotAll(viewer);
    await cam.clear({ publisher, viewers: [viewer] });
  });

  test("what a viewer sends goes nowhere and does no harm", async () => {
    const cam = studio("cam");
    const publisher = await cam.publish();
    const viewers = [await cam.view(), await cam.view()];
    for (let at = 0; at < 50; at++) viewers[0].message("hello?");
    await cam.pour(publisher, 200);
    for (const viewer of viewers) await cam.gotAll(viewer);
    expect(publisher.received_bytes).toBe(0);
    await cam.clear({ publisher, viewers });
  });

  test("has as many viewers as it may", async () => {
    const small = studio("small");
    const viewer = await small.view();
    await turnedAway(rig, small.dial("request"));
    expect(await rig.event("rejected", rig.shared_ports[0])).toMatchObject({
      status: "stream_full",
    });
    await small.clear({ viewers: [viewer] });
    await small.clear({ viewers: [await small.view()] });
  });

  test("is for those with its keys", async () => {
    const keyed = studio("keyed");
    const viewer = await keyed.view({ key: "read" });
    const publisher = await keyed.publish({ key: "pub,lish=1" });
    await keyed.pour(publisher, 50);
    await keyed.gotAll(viewer);
    await keyed.clear({ publisher, viewers: [viewer] });
    const half = studio("half");
    await half.clear({ viewers: [await half.view(), await half.view({ key: "any" })] });
    await half.clear({ publisher: await half.publish({ stream_id: "publish:half:pub" }) });
  });

  test("a wrong key and an unknown name are refused in the same words", async () => {
    const details = new Set<string>();
    for (
      const [name, m, key] of [
        ["keyed", "request", "wrong"],
        ["keyed", "request", ""],
        ["keyed", "request", "rea"],
        ["keyed", "request", "reads"],
        ["keyed", "request", "pub,lish=1"],
        ["keyed", "publish", "read"],
        ["half", "publish", ""],
        ["nobody", "request", "read"],
        ["nobody", "publish", ""],
        ["__proto__", "publish", ""],
        ["CAM", "request", ""],
        // These two are elsewhere.
        ["vault", "request", ""],
        ["alone", "request", ""],
      ] as const
    ) {
      await turnedAway(rig, studio(name).dial(m, { key }));
      const { status, detail } = await rig.event("rejected", rig.shared_ports[0]);
      expect(status).toBe("stream_denied");
      expect(detail).not.toContain("wrong");
      details.add(detail.replace(JSON.stringify(name), "…"));
    }
    expect(details.size).toBe(1);
  });

  test("a viewer that sends something is not heard, and sees the stream all the same", async () => {
    const cam = studio("cam");
    const viewer = await cam.view();
    const publisher = await cam.publish();
    for (let i = 0; i < 500; i++) viewer.message(Buffer.alloc(message_bytes, i));
    await cam.pour(publisher, 200);
    await cam.gotAll(viewer);
    expect(publisher.received_bytes).toBe(0);
    await cam.clear({ publisher, viewers: [viewer] });
  });
});
