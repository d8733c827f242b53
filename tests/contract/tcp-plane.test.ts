/** What only the TCP plane promises: streams, half-closes, aborts, and a slow reader's bound. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { createHash, type Hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { ByteStream } from "../harness/byte-stream.ts";
import { patience_ms } from "../harness/deadline.ts";
import { announcedRandom, type Random } from "../harness/random.ts";
import { helloLine, TcpEnd } from "../harness/tcp-end.ts";
import { RawEnd } from "./raw-end.ts";
import { descriptors, type Rig, startTcp, timePasses } from "./rig.ts";

const mebibyte = 1_048_576;
/** Fits, with buffers of 64 KiB, into what the plane and the reader's kernel hold between them. */
const held_bytes = 250_000;

/** Writes noise in chunks of any length, from one byte to 200 KiB, and says what it should hash to. */
async function pourChunks(end: TcpEnd, total_bytes: number, random: Random): Promise<string> {
  const noise = random.bytes(204_800);
  const hash: Hash = createHash("sha256");
  for (let left = total_bytes; left > 0;) {
    const at = random.int(0, noise.length - 1);
    const most = Math.min(left, noise.length - at, random.pick([1, 17, 1_400, 65_536, 204_800]));
    const chunk = noise.subarray(at, at + random.int(1, most));
    hash.update(chunk);
    left -= chunk.length;
    const written = end.write(chunk);
    // Small ones go out back to back, so that several share a segment.
    if (chunk.length > 2_000 || random.next() < 0.05) await written;
    else written.catch(() => {});
  }
  return hash.digest("hex");
}

for (const workers of [1, 2]) {
  describe(`the TCP plane with ${workers} worker${workers > 1 ? "s" : ""}`, () => {
    let rig: Rig<TcpEnd>;

    beforeAll(async () => {
      rig = await startTcp({ tcp_workers: workers });
    });
    afterEach(async () => {
      await rig.reset();
    });
    afterAll(async () => {
      await rig.close();
    });

    test("carries 8 MiB each way in chunks of any length", async () => {
      const random = announcedRandom(`TCP chunks, ${workers} workers`);
      const { port, client, server } = await rig.session();
      const [up, down] = await Promise.all([
        pourChunks(client, 8 * mebibyte, random),
        pourChunks(server, 8 * mebibyte, random),
        client.reached(8 * mebibyte),
        server.reached(8 * mebibyte),
      ]);
      expect(server.digest()).toBe(up);
      expect(client.digest()).toBe(down);
      client.halfClose();
      server.halfClose();
      const closed = await rig.event("closed", port);
      expect(closed).toMatchObject({
        reason: "finished",
        bytes_up: 8 * mebibyte,
        bytes_down: 8 * mebibyte,
      });
    });

    test("leaves no descriptor behind over 200 sessions with bytes", async () => {
      const cycle = async (port: number, abort: boolean) => {
        const { client, server } = await rig.session(port);
        await client.write("up");
        await server.reached(2);
        if (abort) client.abort();
        else {
          client.halfClose();
          server.halfClose();
        }
        expect(await rig.closed(port)).toBe(abort ? "aborted" : "finished");
        server.destroy();
        await Promise.all([client.closed(), server.closed()]);
      };
      const ports = Array.from({ length: 10 }, () => rig.nextPort());
      // The spare pipes are made first: as many as sessions move at once.
      for (let i = 0; i < 2; i++) await Promise.all(ports.map((port) => cycle(port, false)));
      const before = descriptors();
      for (let i = 0; i < 20; i++) await Promise.all(ports.map((port) => cycle(port, i % 2 === 1)));
      for (let i = 0; i < 40 && descriptors() > before; i++) await timePasses(50);
      // Which worker moves how many at once differs from round to round, and so do its spare pipes.
      expect(descriptors()).toBeLessThanOrEqual(before + 2 * ports.length);
    }, 20_000);
  });
}

describe("the TCP plane's streams", () => {
  let rig: Rig<TcpEnd>;

  beforeAll(async () => {
    rig = await startTcp({ sndbuf: 65_536, rcvbuf: 65_536 });
  });
  afterEach(async () => {
    await rig.reset();
  });
  afterAll(async () => {
    await rig.close();
  });

  for (const role of ["client", "server"] as const) {
    test(`passes the ${role}'s half-close on and keeps the other direction`, async () => {
      const session = await rig.session();
      const [done, goes_on] = role === "client"
        ? [session.client, session.server]
        : [session.server, session.client];
      const first = await done.pour(new ByteStream({ total_bytes: mebibyte, seed: 4 }));
      done.halfClose();
      expect(await goes_on.ended()).toBe(first);
      expect(rig.left("closed", session.port)).toEqual([]);
      const second = await goes_on.pour(new ByteStream({ total_bytes: 2 * mebibyte, seed: 5 }));
      goes_on.halfClose();
      expect(await done.ended()).toBe(second);
      expect(await rig.event("closed", session.port)).toMatchObject({
        reason: "finished",
        by: role,
      });
      for (const end of [done, goes_on]) {
        expect(await end.closed()).toEqual({ ended: true, error: null });
      }
    });

    test(`passes an abort by the ${role} on as a reset`, async () => {
      const session = await rig.session();
      const [gone, stays] = role === "client"
        ? [session.client, session.server]
        : [session.server, session.client];
      await gone.write("last words");
      await stays.reached(10);
      gone.abort();
      expect(await rig.event("closed", session.port)).toMatchObject({
        reason: "aborted",
        by: role,
      });
      expect((await stays.closed()).error).toBe("ECONNRESET");
    });
  }

  test("frees an aborted session at once although its peer does not read", async () => {
    const { port, client, server } = await rig.session();
    server.pause();
    for (let i = 0; i < 64; i++) client.writeCarelessly(Buffer.alloc(mebibyte));
    await stalled(rig, port);
    client.abort();
    expect(await rig.event("closed", port, 4_000)).toMatchObject({
      reason: "aborted",
      by: "client",
    });
    server.resume();
    expect((await server.closed()).error).toBe("ECONNRESET");
  });

  test("holds a bounded piece for a reader that stops, and loses none of it", async () => {
    const { port, client, server } = await rig.session();
    server.pause();
    const stream = new ByteStream({ total_bytes: 24 * mebibyte, seed: 6 });
    const sent = client.pour(stream);
    const held = await stalled(rig, port);
    // One pipe, and what the kernel's buffers of one socket hold; far below what was sent.
    expect(held).toBeLessThan(12 * mebibyte);
    // The other direction does not mind.
    await server.write("still answering");
    await client.reached(15);
    server.resume();
    const digest = await sent;
    client.halfClose();
    expect(await server.ended()).toBe(digest);
  });

  test("delivers all that an end sent before it closed while its peer was writing", async () => {
    const random = announcedRandom("TCP tail");
    for (let round = 0; round < 8; round++) {
      const { port, session_id } = await rig.open();
      const server = new RawEnd({ port });
      server.write(helloLine({ role: "server", session_id, id: "raw" }));
      await rig.event("waiting", port);
      const client = await rig.join({ port, session_id }, "client");
      await rig.event("paired", port);
      const total_bytes = random.int(1, held_bytes);
      const digest = await client.pour(new ByteStream({ total_bytes, seed: round }));
      await client.write("");
      await allSent(client);
      client.halfClose();
      await allSent(client);
      client.destroy();
      await client.closed();
      // The peer's bytes now reach a socket that is gone, whose kernel answers with a reset.
      for (let i = 0; i < 5; i++) {
        server.write(Buffer.from("are you there?"));
        await timePasses(5);
      }
      const { bytes } = await server.readAll();
      expect(`${bytes.length} bytes`).toBe(`${total_bytes} bytes`);
      expect(createHash("sha256").update(bytes).digest("hex")).toBe(digest);
      server.close();
      await rig.closed(port);
    }
  }, 20_000);

  test("a session both of whose ends break off ends, and its worker rests", async () => {
    const { port, client, server } = await rig.session();
    server.pause();
    for (let i = 0; i < 8; i++) client.writeCarelessly(Buffer.alloc(mebibyte));
    await stalled(rig, port);
    client.abort();
    await client.closed();
    // What the client had sent is still to be delivered when the one it is meant for breaks off too.
    server.abort();
    expect(await rig.closed(port, 4_000)).toBe("aborted");
  });

  test("a sender that finishes before its peer comes is heard, and told of once", async () => {
    const { port, session_id } = await rig.open();
    const early = await rig.join({ port, session_id }, "client");
    await rig.event("waiting", port);
    await early.write("all I had to say");
    early.halfClose();
    await rig.event("waiting_gone", port);
    const peer = await rig.join({ port, session_id }, "server");
    await rig.event("paired", port);
    await peer.ended();
    expect(peer.text()).toBe("all I had to say");
    peer.halfClose();
    expect(await rig.closed(port)).toBe("finished");
    expect(rig.left("waiting_gone", port)).toEqual([]);
  });

  test("an end that finishes and then breaks off while it waits is reported gone once", async () => {
    const { port, session_id } = await rig.open();
    const early = await rig.join({ port, session_id }, "client");
    await rig.event("waiting", port);
    await early.write("left behind");
    early.halfClose();
    await rig.event("waiting_gone", port);
    early.abort();
    await early.closed();
    // A new client may take the seat, and only then would a second word have had time to come.
    await rig.join({ port, session_id }, "client");
    await rig.event("waiting", port);
    expect(rig.left("waiting_gone", port)).toEqual([]);
  });

  test("keeps what stands behind the hello, in one segment and byte by byte", async () => {
    const { port, session_id } = await rig.open();
    const server = await TcpEnd.join({
      port,
      hello: { role: "server", session_id, id: "s" },
      behind: Buffer.from("behind the server's hello"),
    });
    const client = await rig.connect(port);
    for (const byte of helloLine({ role: "client", session_id, id: "c" })) {
      await client.write(Buffer.of(byte));
    }
    await client.write("x");
    await Promise.all([client.reached(25), server.reached(1)]);
    expect(client.text()).toBe("behind the server's hello");
    expect(server.text()).toBe("x");
  });

  test("bulk sessions do not starve a small one", async () => {
    const bulk = await Promise.all(Array.from({ length: 4 }, () => rig.session()));
    const small = await rig.session();
    let pouring = true;
    const pours = bulk.map(async ({ client }) => {
      while (pouring) await client.write(Buffer.alloc(4 * mebibyte));
    });
    await Promise.all(bulk.map(({ server }) => server.reached(8 * mebibyte)));
    for (let i = 1; i <= 50; i++) {
      await small.client.write("?");
      await small.server.reached(i);
      await small.server.write("!");
      await small.client.reached(i);
    }
    pouring = false;
    await Promise.all(pours);
    const moved = bulk.map(({ port }) => rig.plane.counters(port)!.bytes_up);
    expect(Math.min(...moved)).toBeGreaterThan(Math.max(...moved) / 4);
  });

  test("40 sessions at once keep their bytes apart", async () => {
    const sessions = await Promise.all(Array.from({ length: 39 }, () => rig.session()));
    await Promise.all(sessions.map(async ({ client, server }, i) => {
      const digest = await client.pour(new ByteStream({ total_bytes: 300_000, seed: i }));
      client.halfClose();
      expect(await server.ended()).toBe(digest);
      server.halfClose();
    }));
    for (const { port } of sessions) expect(await rig.closed(port)).toBe("finished");
  });
});

describe("the TCP plane's bounds", () => {
  test("turns away more unproven connections than allowed, and says so once a second", async () => {
    const rig = await startTcp({ unproven_max: 6, unproven_per_address_max: 4 });
    try {
      const { port, session_id } = await rig.open();
      const ends = await Promise.all(Array.from({ length: 9 }, () => rig.connect(port)));
      const shed = await rig.event("shed", port);
      expect(shed).toMatchObject({ limit: "unproven_per_address_max", count: 5 });
      expect(shed.remote).toMatch(/^127\.0\.0\.1:\d+$/);
      const elsewhere = await Promise.all(
        Array.from({ length: 4 }, () => TcpEnd.connect({ port, local_address: "127.0.0.2" })),
      );
      expect(await rig.event("shed", port)).toMatchObject({ limit: "unproven_max", count: 2 });
      // Whoever was let in may still prove itself, and makes room by it.
      const kept = [...ends, ...elsewhere].filter((end) => !end.is_closed);
      for (const end of kept) end.destroy();
      for (let i = 0; i < 6; i++) await rig.event("rejected", port);
      await rig.join({ port, session_id }, "client");
      await rig.event("waiting", port);
    } finally {
      await rig.close();
    }
  });
});

describe("zeromq.linger", () => {
  test("gives what an aborting end has sent time to be read", async () => {
    const rig = await startTcp({ linger_s: 60, sndbuf: 65_536, rcvbuf: 65_536 });
    try {
      const { port, client, server } = await rig.session();
      server.pause();
      const total_bytes = held_bytes;
      const digest = await client.pour(new ByteStream({ total_bytes, seed: 9 }));
      // Everything has left the client: what the peer has not read is in the plane's hands.
      await client.write("");
      await allSent(client);
      client.abort();
      await timePasses(100);
      server.resume();
      await server.reached(total_bytes);
      expect(server.digest()).toBe(digest);
      expect(await rig.event("closed", port)).toMatchObject({ reason: "aborted", by: "client" });
      expect((await server.closed()).error).toBe("ECONNRESET");
    } finally {
      await rig.close();
    }
  });

  test("holds no descriptor after the plane has closed", async () => {
    const before_start = descriptors();
    const rig = await startTcp({ linger_s: 3600, sndbuf: 65_536, rcvbuf: 65_536 });
    const { port, client, server } = await rig.session();
    server.pause();
    for (let i = 0; i < 16; i++) client.writeCarelessly(Buffer.alloc(mebibyte));
    await stalled(rig, port);
    client.abort();
    await rig.closed(port, 4_000).catch(() => {});
    await rig.close();
    // The peer is told, too: the end it waits for is gone.
    server.resume();
    await server.turnedAway();
    for (let i = 0; i < 40 && descriptors() > before_start; i++) await timePasses(50);
    expect(descriptors()).toBeLessThanOrEqual(before_start);
  });
});

/** Waits until nothing moves any more and answers how many bytes have passed upwards. */
async function stalled(rig: Rig<TcpEnd>, port: number): Promise<number> {
  let seen = -1;
  for (let still = 0; still < 4;) {
    await timePasses(50);
    const { bytes_up } = rig.plane.counters(port)!;
    still = bytes_up === seen && bytes_up > 0 ? still + 1 : 0;
    seen = bytes_up;
  }
  return seen;
}

/** Waits until the other side's kernel has acknowledged all that this end has sent. */
async function allSent(end: TcpEnd): Promise<void> {
  const port = Number(end.remote.split(":")[1]).toString(16).toUpperCase().padStart(4, "0");
  const until_ms = performance.now() + patience_ms;
  for (;;) {
    const line = readFileSync("/proc/net/tcp", "latin1").split("\n")
      .map((text) => text.trim().split(/\s+/))
      .find(([, local]) => local?.endsWith(`:${port}`));
    // Columns are: number, local, remote, state, transmit queue ":" receive queue, …
    if (!line || line[4].startsWith("00000000:")) return;
    if (performance.now() > until_ms) throw new Error(`unsent bytes remain: ${line[4]}`);
    await timePasses(5);
  }
}
