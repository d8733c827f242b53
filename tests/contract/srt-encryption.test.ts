/** Passphrases: of everybody, of one stream, of one session. */
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { formatStreamId } from "../../src/data/srt/stream-id.ts";
import { announcedRandom } from "../harness/random.ts";
import { startSrt } from "./rig.ts";
import { joinById, type SrtRig, Studio, talk, turnedAway } from "./srt-callers.ts";
import type { SrtDial } from "./srt-peers.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(40_000);

describe("a stream with a port of its own", () => {
  let rig: SrtRig;
  beforeAll(async () => {
    rig = await startSrt({
      shared_ports: 1,
      streams: {
        cam: {},
        vault: { own_port: true, passphrase: "correct horse" },
        alone: { own_port: true },
      },
    });
  });
  afterEach(() => rig.reset());
  afterAll(() => rig.close());

  test("on a port of its own, with a passphrase of its own", async () => {
    const port = rig.portOf("vault");
    const passphrase = "correct horse";
    const vault = new Studio({
      rig,
      name: "vault",
      random: announcedRandom("stream vault"),
      port,
      passphrase,
    });
    const viewer = await vault.view();
    const publisher = await vault.publish();
    await vault.pour(publisher, 100);
    for (const m of ["publish", "request"] as const) {
      await turnedAway(rig, vault.dial(m, { passphrase: "wrong horse" }));
      expect(await rig.event("rejected", port)).toMatchObject({ status: "encryption_error" });
      await turnedAway(rig, vault.dial(m, { passphrase: undefined }));
      expect(await rig.event("rejected", port)).toMatchObject({ status: "encryption_error" });
    }
    await turnedAway(rig, vault.dial("publish", { stream_id: "publish:cam" }));
    expect(await rig.event("rejected", port)).toMatchObject({ status: "stream_denied" });
    await turnedAway(rig, vault.dial("publish", { stream_id: "#!::s=0123456789abcdef" }));
    expect(await rig.event("rejected", port)).toMatchObject({ status: "alloc_mismatch" });
    await vault.pour(publisher, 100);
    await vault.gotAll(viewer);
    await vault.clear({ publisher, viewers: [viewer] });
  });

  test("on a port of its own without one", async () => {
    const alone = new Studio({
      rig,
      name: "alone",
      random: announcedRandom("stream alone"),
      port: rig.portOf("alone"),
    });
    const viewer = await alone.view();
    const publisher = await alone.publish();
    await alone.pour(publisher, 50);
    await alone.gotAll(viewer);
    await alone.clear({ publisher, viewers: [viewer] });
  });
});

describe("one passphrase for everybody", () => {
  let rig: SrtRig;
  const passphrase = "what only friends know";
  beforeAll(async () => {
    rig = await startSrt({ shared_ports: 1, passphrase, streams: { cam: {} } });
  });
  afterEach(() => rig.reset());
  afterAll(() => rig.close());

  test("turns away who has another or none, and a running stream goes on untouched", async () => {
    const cam = new Studio({ rig, name: "cam", random: announcedRandom("encrypted"), passphrase });
    const [port] = rig.shared_ports;
    const viewer = await cam.view();
    const publisher = await cam.publish();
    const strangers = (async () => {
      for (let turn = 0; turn < 8; turn++) {
        for (const wrong of ["what nobody knows", undefined]) {
          await turnedAway(rig, cam.dial(turn % 2 ? "publish" : "request", { passphrase: wrong }));
          expect(await rig.event("rejected", port)).toMatchObject({ status: "encryption_error" });
        }
      }
    })();
    await cam.pourUntil(publisher, strangers);
    await cam.gotAll(viewer);
    await cam.clear({ publisher, viewers: [viewer] });
  });

  test("is asked of sessions as well", async () => {
    const { port, session_id } = await rig.open(undefined, { client_id: "c", server_id: "s" });
    for (const wrong of ["what nobody knows", undefined]) {
      const hello = { role: "client", session_id, id: "c" } as const;
      const peer = await rig.peers!.join({ port, passphrase: wrong, hello }).catch(() => null);
      expect(await rig.event("rejected", port)).toMatchObject({ status: "encryption_error" });
      await peer?.turnedAway();
    }
    const server = await joinById(rig, { port, session_id, u: "s", passphrase });
    await rig.event("waiting", port);
    const client = await rig.peers!.join({
      port,
      passphrase,
      hello: { role: "client", session_id, id: "c" },
    });
    await rig.event("paired", port);
    await talk(client, server);
  });
});

/** A caller is turned away for its passphrase, and the stream that it wanted to is named. */
async function refusedAt(rig: SrtRig, dial: SrtDial, name: string): Promise<void> {
  await turnedAway(rig, dial);
  const event = await rig.event("rejected", dial.port);
  expect(event).toMatchObject({ status: "encryption_error", name, session_id: "" });
  expect(event.detail).not.toContain("horse");
}

for (const everybodys of [undefined, "what only friends know"]) {
  const beside = everybodys === undefined ? "none" : "one for everybody";
  describe(`streams with passphrases of their own on a shared port, beside ${beside}`, () => {
    let rig: SrtRig;
    const own = { vault: "correct horse", safe: "another horse" };
    beforeAll(async () => {
      rig = await startSrt({
        shared_ports: 1,
        passphrase: everybodys,
        streams: {
          vault: { passphrase: own.vault },
          "safe/1": { passphrase: own.safe, publish_key: "key" },
          cam: {},
        },
      });
    });
    afterEach(() => rig.reset());
    afterAll(() => rig.close());

    function studio(name: string, passphrase: string | undefined): Studio {
      return new Studio({ rig, name, random: announcedRandom(`stream ${name}`), passphrase });
    }

    test("each takes its own, all at a time, and the one without is as the port is", async () => {
      const vault = studio("vault", own.vault);
      const safe = studio("safe/1", own.safe);
      const cam = studio("cam", everybodys);
      const all = [vault, safe, cam];
      const viewers = await Promise.all(all.map((stream) => stream.view()));
      const publishers = await Promise.all(
        all.map((stream) => stream.publish({ key: stream === safe ? "key" : undefined })),
      );
      await Promise.all(all.map((stream, at) => stream.pour(publishers[at], 100)));
      await Promise.all(all.map((stream, at) => stream.gotAll(viewers[at])));
      for (const [at, stream] of all.entries()) {
        await stream.clear({ publisher: publishers[at], viewers: [viewers[at]] });
      }
    });

    test("turns away who has another's, everybody's or none, and says whose it was", async () => {
      const vault = studio("vault", own.vault);
      const viewer = await vault.view();
      const publisher = await vault.publish();
      for (const passphrase of ["wrong horse", own.safe, "what only friends know", undefined]) {
        for (const m of ["publish", "request"] as const) {
          await refusedAt(rig, vault.dial(m, { passphrase }), "vault");
        }
      }
      const cam = studio("cam", own.vault);
      await refusedAt(rig, cam.dial("request"), "cam");
      await vault.pour(publisher, 50);
      await vault.gotAll(viewer);
      await vault.clear({ publisher, viewers: [viewer] });
    });

    test.each([
      "#!::m=request,u=%61nna,r=safe%2f1",
      "%23%21%3A%3Ar%3Dsafe%2F1%2Cm%3Drequest",
      "#!::,key=any,,s=0123456789abcdef,r=safe/1",
      "read:safe/1",
      "request:safe/1:anna:any",
    ])("is found by %s", async (stream_id) => {
      const safe = studio("safe/1", own.safe);
      await refusedAt(
        rig,
        safe.dial("request", { stream_id, passphrase: "wrong horse" }),
        "safe/1",
      );
      const viewer = await safe.view({ stream_id });
      await safe.clear({ viewers: [viewer] });
    });

    test("unknown names and unreadable ids are as the port is", async () => {
      const [port] = rig.shared_ports;
      for (
        const [stream_id, status] of [
          ["read:nobody", "stream_denied"],
          ["#!::r=vault%00", "stream_denied"],
          ["#!::s=0123456789abcdef", "alloc_mismatch"],
          ["#!::r=vault,m=both", "streamid_error"],
          ["vault", "streamid_error"],
        ]
      ) {
        await turnedAway(rig, { port, stream_id, passphrase: everybodys });
        expect(await rig.event("rejected", port)).toMatchObject({ status });
        await turnedAway(rig, { port, stream_id, passphrase: own.vault });
        const refused = await rig.event("rejected", port);
        expect(refused).toMatchObject({ status: "encryption_error" });
        expect(refused).not.toHaveProperty("name");
      }
    });

    test("a worker that takes another's place knows them all", async () => {
      const broken = rig.events.take("the end of a worker", ({ type }) => type === "failed");
      await rig.breakWorker();
      await broken;
      const vault = studio("vault", own.vault);
      const viewer = await (async () => {
        // The port is bound again once libsrt has let go of it, and callers wait for that.
        for (;;) {
          const peer = await rig.peers!.connect(vault.dial("request")).catch(() => null);
          if (peer) return peer;
        }
      })();
      await rig.streamEvent("viewing", "vault");
      await refusedAt(rig, vault.dial("request", { passphrase: undefined }), "vault");
      await vault.clear({ viewers: [viewer] });
    });
  });
}

describe("a session on shared ports with a passphrase of its own", () => {
  let rig: SrtRig;
  const parties = { client_id: "fe-1", server_id: "be-1" };
  const passphrase = "0123456789abcdef0123456789abcdef";
  beforeAll(async () => {
    rig = await startSrt({ sessions_shared: true, shared_ports: 2 });
  });
  afterEach(() => rig.reset());
  afterAll(() => rig.close());

  test("takes those who have it, and only by stream id", async () => {
    const reservation = await rig.open(undefined, { ...parties, srt: { passphrase } });
    const beside = await rig.open(undefined, parties);
    const { port, session_id } = reservation;
    for (const wrong of ["fedcba9876543210", undefined]) {
      await turnedAway(rig, {
        port: rig.plane.publicPort(port),
        passphrase: wrong,
        stream_id: formatStreamId({ s: session_id, u: "fe-1", m: "publish" }),
      });
      const event = await rig.event("rejected", port);
      expect(event).toMatchObject({ status: "encryption_error", session_id });
      expect(event.detail).toContain("for the session");
    }
    // A hello comes after the handshake, and with it too late.
    const late = await rig.join(reservation, "server");
    const event = await rig.event("rejected", port);
    expect(event).toMatchObject({ status: "encryption_error", session_id });
    expect(event.detail).toContain("#!::s=");
    await late.turnedAway();
    const server = await joinById(rig, { ...reservation, u: "be-1", passphrase });
    await rig.event("waiting", port);
    const client = await joinById(rig, { ...reservation, u: "fe-1", passphrase });
    await rig.event("paired", port);
    await talk(client, server);
    // The one beside it has none, by hello as by stream id.
    const plain_server = await rig.join(beside, "server");
    await rig.event("waiting", beside.port);
    const plain_client = await joinById(rig, { ...beside, u: "fe-1" });
    await rig.event("paired", beside.port);
    await talk(plain_client, plain_server);
    client.destroy();
    expect(await rig.closed(port)).toBe("finished");
  });

  test("has it no longer than it is there", async () => {
    const { port, session_id } = await rig.open(undefined, { ...parties, srt: { passphrase } });
    rig.plane.release(port);
    await rig.closed(port);
    const dial = {
      port: rig.plane.publicPort(port),
      stream_id: formatStreamId({ s: session_id, u: "fe-1", m: "publish" }),
    };
    await turnedAway(rig, { ...dial, passphrase });
    expect(await rig.event("rejected", dial.port)).toMatchObject({ status: "encryption_error" });
    await turnedAway(rig, dial);
    expect(await rig.event("rejected", dial.port)).toMatchObject({ status: "alloc_mismatch" });
  });
});
