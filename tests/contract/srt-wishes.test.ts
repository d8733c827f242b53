/** What a session may ask of its port. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { formatStreamId } from "../../src/data/srt/stream-id.ts";
import { ByteStream, digestOf } from "../harness/byte-stream.ts";
import { startSrt, timePasses } from "./rig.ts";
import { joinById, type SrtRig, talk, turnedAway } from "./srt-callers.ts";
import type { SrtPeer } from "./srt-peers.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(40_000);

/** Where nothing more is taken for so long, all that has room has been. */
const full_after_ms = 400;

describe("what a session may wish for", () => {
  let rig: SrtRig;
  beforeAll(async () => {
    // So many that each test has ports of its own: libsrt lets go of one with wishes after 4 s and
    // more, and only those tests wait for that which are about it.
    rig = await startSrt({ srt_sessions: 16 });
  });
  afterAll(() => rig.close());

  test("a passphrase of its own", async () => {
    const passphrase = "0123456789abcdef0123456789abcdef";
    const { port, session_id } = await rig.open(undefined, {
      client_id: "c",
      server_id: "s",
      srt: { passphrase },
    });
    const server = await joinById(rig, { port, session_id, u: "s", passphrase });
    await rig.event("waiting", port);
    for (const wrong of ["0123456789abcdef0123456789abcdee", undefined]) {
      await turnedAway(rig, {
        port,
        passphrase: wrong,
        stream_id: formatStreamId({ s: session_id, u: "c", m: "publish" }),
      });
      expect(await rig.event("rejected", port)).toMatchObject({
        status: "encryption_error",
        session_id,
      });
    }
    const client = await joinById(rig, { port, session_id, u: "c", passphrase });
    await rig.event("paired", port);
    await talk(client, server);
    client.destroy();
    expect(await rig.closed(port)).toBe("finished");
    // The next on this number asks for nothing.
    const plain = await rig.session(port);
    await talk(plain.client, plain.server);
  });

  test("a latency", async () => {
    const { port, session_id } = await rig.open(undefined, { srt: { latency_ms: 700 } });
    const server = await joinById(rig, { port, session_id, latency_ms: 20 });
    await rig.event("waiting", port);
    const client = await joinById(rig, { port, session_id, latency_ms: 900 });
    await rig.event("paired", port);
    // Each line has the longer of what its two ends ask for.
    expect([server.receive_latency_ms, client.receive_latency_ms]).toEqual([700, 900]);
    await talk(client, server);
  });

  test(
    "a stream of bytes: both ways, more than all buffers hold, and a reader that pauses",
    async () => {
      const { port, session_id } = await rig.open(undefined, { srt: { transtype: "file" } });
      const hello = (role: "client" | "server") => ({ role, session_id, id: role });
      const transtype = "file";
      const server = await rig.peers!.join({ port, transtype, hello: hello("server") });
      await rig.event("waiting", port);
      const client = await rig.peers!.join({ port, transtype, hello: hello("client") });
      await rig.event("paired", port);
      // Two buffers of 24 MB are in the plane, and one of 12 MB at each end.
      const up = { total_bytes: 90_000_000, seed: 1 };
      const down = { total_bytes: 12_345_678, seed: 2 };
      const pour = async (from: SrtPeer, stream: ByteStream) => {
        for (let chunk = stream.next(); chunk; chunk = stream.next()) await from.write(chunk);
      };
      server.pause();
      let poured = false;
      const pouring = pour(client, new ByteStream(up)).then(() => {
        poured = true;
      });
      const answering = pour(server, new ByteStream(down));
      await client.reached(down.total_bytes);
      // All that has room has been taken when nothing more is taken for a while.
      for (let before = -1; before !== client.sent_messages;) {
        before = client.sent_messages;
        await timePasses(full_after_ms);
      }
      expect(poured).toBe(false);
      expect(rig.left("closed", port)).toEqual([]);
      server.resume();
      await Promise.all([pouring, answering, server.reached(up.total_bytes, 60_000)]);
      expect(server.digest()).toBe(digestOf(up));
      expect(client.digest()).toBe(digestOf(down));
      await rig.counted(port, { bytes_up: up.total_bytes, bytes_down: down.total_bytes });
      client.destroy();
      expect(await rig.event("closed", port)).toMatchObject({
        reason: "finished",
        bytes_up: up.total_bytes,
        bytes_down: down.total_bytes,
      });
      await server.turnedAway();
    },
    120_000,
  );

  test("a stream of bytes: what was written before the close arrives", async () => {
    const { port, session_id } = await rig.open(undefined, { srt: { transtype: "file" } });
    const server = await joinById(rig, { port, session_id, transtype: "file" });
    await rig.event("waiting", port);
    const client = await joinById(rig, { port, session_id, transtype: "file" });
    await rig.event("paired", port);
    const whole = { total_bytes: 3_000_000, seed: 4 };
    const stream = new ByteStream(whole);
    for (let chunk = stream.next(); chunk; chunk = stream.next()) await client.write(chunk);
    client.destroy();
    await server.reached(whole.total_bytes);
    expect(server.digest()).toBe(digestOf(whole));
    await server.turnedAway();
    expect(await rig.event("closed", port)).toMatchObject({
      reason: "finished",
      bytes_up: whole.total_bytes,
    });
  });

  /** A session of bytes whose reader has stopped, and whose buffers are all full. */
  async function stuckSession() {
    const { port, session_id } = await rig.open(undefined, { srt: { transtype: "file" } });
    const server = await joinById(rig, { port, session_id, transtype: "file" });
    await rig.event("waiting", port);
    const client = await joinById(rig, { port, session_id, transtype: "file" });
    await rig.event("paired", port);
    server.pause();
    const whole = new ByteStream({ total_bytes: 90_000_000, seed: 5 });
    const pouring = (async () => {
      for (let chunk = whole.next(); chunk; chunk = whole.next()) await client.write(chunk);
    })();
    // Nobody waits for it: it ends with the connection.
    pouring.catch(() => {});
    for (let before = -1; before !== client.sent_bytes;) {
      before = client.sent_bytes;
      await timePasses(full_after_ms);
    }
    return { port, client, server };
  }

  test("a stream of bytes: its reader may take its time after the sender has left", async () => {
    const { port, client, server } = await stuckSession();
    client.destroy();
    // Longer than what a live stream's last messages are waited for.
    await timePasses(4_000);
    expect(server.is_closed).toBe(false);
    server.resume();
    await server.turnedAway();
    expect(server.received_bytes).toBe(client.sent_bytes);
    expect(server.digest()).toBe(
      digestOf({ total_bytes: client.sent_bytes, seed: 5 }),
    );
    expect(await rig.event("closed", port)).toMatchObject({
      reason: "finished",
      by: "client",
      bytes_up: client.sent_bytes,
    });
  }, 60_000);

  test("a stream of bytes: a reader that has stopped holds no port", async () => {
    const { port, client, server } = await stuckSession();
    rig.plane.release(port);
    expect(await rig.closed(port)).toBe("released");
    await client.turnedAway();
    const next = await rig.session(port);
    await talk(next.client, next.server);
    server.resume();
    await server.turnedAway();
  }, 60_000);

  test("whatever was wished for, the port comes free and the next wish is another", async () => {
    const port = rig.nextPort();
    for (
      const srt of [
        { transtype: "file", passphrase: "0123456789" },
        { latency_ms: 300 },
        {},
      ] as const
    ) {
      const reservation = await rig.open(port, { srt });
      rig.plane.release(port);
      expect(await rig.event("closed", port)).toMatchObject({
        session_id: reservation.session_id,
        reason: "released",
      });
    }
    const { client, server } = await rig.session(port);
    await talk(client, server);
  });
});
