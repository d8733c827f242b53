/** What every data plane promises, run over each of them. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import dgram from "node:dgram";
import net from "node:net";
import { type PlaneKind, PortOpenError, type Role } from "../../src/data/plane.ts";
import { announcedRandom } from "../harness/random.ts";
import { deferred, within } from "../harness/deadline.ts";
import { helloLine } from "../harness/tcp-end.ts";
import { descriptors, type PlaneEnd, type Rig, startPlane, timePasses } from "./rig.ts";

const hello_timeout_ms = 400;
const other = (role: Role): Role => role === "client" ? "server" : "client";

/** Holds a port the way another program would. */
async function occupy(kind: PlaneKind, port: number): Promise<() => Promise<void>> {
  const bound = deferred<void>();
  if (kind === "zmq") {
    const server = net.createServer();
    server.once("error", (error) => bound.reject(error));
    server.listen({ port, host: "127.0.0.1" }, () => bound.resolve());
    await within("the other program's port", bound.promise);
    return () => new Promise((resolve) => server.close(() => resolve()));
  }
  const socket = dgram.createSocket("udp4");
  socket.once("error", (error) => bound.reject(error));
  socket.bind({ port, address: "127.0.0.1", exclusive: true }, () => bound.resolve());
  await within("the other program's port", bound.promise);
  return () => new Promise((resolve) => socket.close(() => resolve()));
}

/**
 * The descriptors of this process once their number stands still: libsrt closes in the background,
 * about a second later, and sockets of this process close on a later turn of the event loop.
 */
async function settled(): Promise<number> {
  let seen = -1;
  for (let looks = 0, still = 0; still < 15 && looks < 100; looks++) {
    await timePasses(100);
    const now = descriptors();
    still = now === seen ? still + 1 : 0;
    seen = now;
  }
  return seen;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof PortOpenError) return error.code;
    throw error;
  }
  return "none";
}

for (const kind of ["zmq", "srt"] as const) {
  describe(`the ${kind} plane`, () => {
    let rig: Rig;

    beforeAll(async () => {
      rig = await startPlane(kind, { hello_timeout_ms });
    });
    afterEach(async () => {
      await rig.reset();
    });
    afterAll(async () => {
      await rig.close();
    });

    for (const first of ["client", "server"] as const) {
      test(`lives from open to closed, the ${first} first`, async () => {
        const { port, session_id } = await rig.open();
        expect(rig.plane.snapshot().ports_open).toBe(1);
        const one = await rig.join({ port, session_id }, first);
        const waiting = await rig.event("waiting", port);
        expect(waiting).toEqual({
          type: "waiting",
          port,
          session_id,
          role: first,
          id: `${first} of ${port}`,
          remote: waiting.remote,
        });
        expect(waiting.remote).toMatch(/^127\.0\.0\.1:\d+$/);
        // What it sends while it waits is kept for its peer.
        await one.write("early ");
        const two = await rig.join({ port, session_id }, other(first));
        const paired = await rig.event("paired", port);
        expect(paired).toEqual({
          type: "paired",
          port,
          session_id,
          role: other(first),
          id: `${other(first)} of ${port}`,
          remote: paired.remote,
        });
        expect(paired.remote).toMatch(/^127\.0\.0\.1:\d+$/);
        expect(paired.remote).not.toBe(waiting.remote);

        await one.write("there");
        await two.write("and back");
        await Promise.all([two.reached(11), one.reached(8)]);
        expect(two.text()).toBe("early there");
        expect(one.text()).toBe("and back");

        rig.plane.release(port);
        const closed = await rig.event("closed", port);
        expect(closed).toEqual({
          type: "closed",
          port,
          session_id,
          reason: "released",
          by: null,
          bytes_up: first === "client" ? 11 : 8,
          bytes_down: first === "client" ? 8 : 11,
        });
        await Promise.all([one.turnedAway(), two.turnedAway()]);
        expect(rig.plane.snapshot().ports_open).toBe(0);
        expect(rig.plane.counters(port)).toBeNull();
      });
    }

    test("turns a wrong session away", async () => {
      const { port, session_id } = await rig.open();
      const stranger = await rig.join({ port, session_id: "0123456789abcdef" }, "client");
      const rejected = await rig.event("rejected", port);
      expect(rejected).toMatchObject({ status: "alloc_mismatch", session_id });
      expect(rejected.remote).toMatch(/^127\.0\.0\.1:\d+$/);
      expect(rejected.detail).not.toContain(session_id);
      await stranger.turnedAway();
      expect(stranger.received_bytes).toBe(0);
      rig.plane.release(port);
      expect(await rig.closed(port)).toBe("released");
    });

    for (const role of ["client", "server"] as const) {
      test(`turns a second ${role} away while the first waits`, async () => {
        const { port, session_id } = await rig.open();
        const one = await rig.join({ port, session_id }, role);
        await rig.event("waiting", port);
        const second = await rig.join({ port, session_id }, role);
        expect((await rig.event("rejected", port)).status).toBe(`${role}_dup`);
        await second.turnedAway();
        const peer = await rig.join({ port, session_id }, other(role));
        await rig.event("paired", port);
        await peer.write("to the first");
        await one.reached(12);
        rig.plane.release(port);
        await rig.closed(port);
      });
    }

    test("turns a third end away and leaves the session alone", async () => {
      const { port, session_id, client, server } = await rig.session();
      const third = await rig.join({ port, session_id }, "client");
      expect((await rig.event("rejected", port)).status).toBe("port_occupied");
      await third.turnedAway();
      await client.write("still here");
      await server.reached(10);
      rig.plane.release(port);
      expect(await rig.closed(port)).toBe("released");
    });

    test("a stranger who comes and goes beside a session does not touch it", async () => {
      const { port, client, server } = await rig.session();
      const stranger = await rig.connect(port);
      await stranger.write("GET / HTTP/1.0\r\n\r\n");
      if ("abort" in stranger) (stranger as unknown as { abort(): void }).abort();
      else stranger.destroy();
      expect((await rig.event("rejected", port)).status).toBe("hello_error");
      await client.write("unharmed");
      await server.reached(8);
      expect(rig.left("closed", port)).toEqual([]);
      rig.plane.release(port);
      expect(await rig.closed(port)).toBe("released");
    });

    test("turns away what is no hello, saying why", async () => {
      const { port } = await rig.open();
      const lines: [string, string][] = [
        ["GET / HTTP/1.1\r\n", "does not start"],
        ["V4HELLO nothing\n", "not JSON"],
        ['V4HELLO {"role":"peer","session_id":"a","id":"b"}\n', "neither"],
        ['V4HELLO {"role":"client","session_id":"","id":"b"}\n', "non-empty"],
      ];
      for (const [line, detail] of lines) {
        const end = await rig.connect(port);
        await end.write(line);
        const rejected = await rig.event("rejected", port);
        expect(rejected.status).toBe("hello_error");
        expect(rejected.detail).toContain(detail);
        await end.turnedAway();
      }
      rig.plane.release(port);
      await rig.closed(port);
    });

    test("turns away who says nothing, in time", async () => {
      const { port } = await rig.open();
      const end = await rig.connect(port);
      const began_ms = performance.now();
      const rejected = await rig.event("rejected", port);
      const took_ms = performance.now() - began_ms;
      expect(rejected.status).toBe("hello_error");
      expect(rejected.detail).toContain(`${hello_timeout_ms} ms`);
      // The clock starts at the accept, a moment before ours; a busy machine makes the end late.
      expect(took_ms).toBeGreaterThan(hello_timeout_ms - 60);
      expect(took_ms).toBeLessThan(hello_timeout_ms + 2_000);
      await end.turnedAway();
      rig.plane.release(port);
      await rig.closed(port);
    });

    test("forgets an end that leaves while it waits, and takes another", async () => {
      const { port, session_id } = await rig.open();
      const one = await rig.join({ port, session_id }, "server");
      const { remote } = await rig.event("waiting", port);
      one.destroy();
      expect(await rig.event("waiting_gone", port)).toEqual({
        type: "waiting_gone",
        port,
        session_id,
        role: "server",
        remote,
      });
      await rig.join({ port, session_id }, "server");
      await rig.event("waiting", port);
      await rig.join({ port, session_id }, "client");
      await rig.event("paired", port);
      rig.plane.release(port);
      expect(await rig.closed(port)).toBe("released");
      expect(rig.left("waiting_gone", port)).toEqual([]);
    });

    test("ends a port at every stage with exactly one closed", async () => {
      const empty = await rig.open();
      const unproven = await rig.open();
      const waiting = await rig.open();
      const paired = await rig.session();
      const ends: PlaneEnd[] = [
        await rig.connect(unproven.port),
        await rig.join(waiting, "client"),
        paired.client,
        paired.server,
      ];
      await rig.event("waiting", waiting.port);
      const ports = [empty, unproven, waiting, paired].map(({ port }) => port);
      for (const port of ports) {
        rig.plane.release(port);
        rig.plane.release(port);
      }
      for (const port of ports) expect(await rig.closed(port)).toBe("released");
      await Promise.all(ends.map((end) => end.turnedAway()));
      // Everything the worker had to say comes before its answer to the next command.
      for (const port of ports) {
        await rig.open(port);
        expect(rig.left("closed", port)).toEqual([]);
        rig.plane.release(port);
        await rig.closed(port);
      }
    });

    test("releasing what is not open is nothing", async () => {
      const port = rig.nextPort();
      rig.plane.release(port);
      await rig.open(port);
      rig.plane.release(port);
      expect(await rig.closed(port)).toBe("released");
    });

    test("refuses a port that is open already", async () => {
      const { port } = await rig.open();
      expect(rig.open(port)).rejects.toThrow(`Port ${port} is open already`);
      rig.plane.release(port);
      await rig.closed(port);
    });

    test("says which port another program has, and opens it afterwards", async () => {
      // A port that has no resting listener of ours.
      const port = rig.last_port;
      const free = await occupy(kind, port);
      expect(await codeOf(rig.open(port))).toBe("EADDRINUSE");
      expect(rig.plane.snapshot().ports_open).toBe(0);
      expect(rig.plane.counters(port)).toBeNull();
      await free();
      await rig.open(port);
      rig.plane.release(port);
      expect(await rig.closed(port)).toBe("released");
    });

    test("counts what flows, from nothing for every session", async () => {
      const port = rig.nextPort();
      for (let round = 0; round < 2; round++) {
        const { client, server } = await rig.session(port);
        expect(rig.plane.counters(port)).toMatchObject({ bytes_up: 0, bytes_down: 0 });
        await client.write(Buffer.alloc(5_000));
        await server.reached(5_000);
        await rig.counted(port, { bytes_up: 5_000, bytes_down: 0 });
        await server.write(Buffer.alloc(300));
        await client.reached(300);
        await rig.counted(port, { bytes_up: 5_000, bytes_down: 300 });
        rig.plane.release(port);
        expect(await rig.event("closed", port)).toMatchObject({ bytes_up: 5_000, bytes_down: 300 });
      }
    });

    test("carries both directions at once, every byte as it was", async () => {
      const random = announcedRandom(`${kind} both directions`);
      const { port, client, server } = await rig.session();
      const up = random.bytes(1_000_000);
      const down = random.bytes(700_000);
      await Promise.all([
        client.write(up),
        server.write(down),
        server.reached(up.length),
        client.reached(down.length),
      ]);
      const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
      expect(server.digest()).toBe(digest(up));
      expect(client.digest()).toBe(digest(down));
      rig.plane.release(port);
      await rig.closed(port);
    });

    test("opens and closes 200 times and leaves no descriptor behind", async () => {
      const ports = Array.from({ length: 5 }, () => rig.nextPort());
      // Every tenth time somebody waits there.
      const cycle = async (port: number, i: number) => {
        const { session_id } = await rig.open(port);
        const end = i % 10 === 0 ? await rig.join({ port, session_id }, "client") : null;
        if (end) await rig.event("waiting", port);
        rig.plane.release(port);
        await rig.closed(port);
        await end?.turnedAway();
      };
      const cycles = async (times: number) => {
        for (let i = 0; i < times; i++) await Promise.all(ports.map((port) => cycle(port, i)));
      };
      await cycles(1);
      const before = await settled();
      await cycles(39);
      expect(await settled()).toBeLessThanOrEqual(before);
    }, 20_000);
  });

  describe(`the ${kind} plane's own troubles`, () => {
    test("a release before the port is open rejects the open", async () => {
      const rig = await startPlane(kind);
      try {
        const port = rig.nextPort();
        const open = codeOf(rig.open(port));
        rig.plane.release(port);
        // A worker that was quicker than the release has opened the port: then a closed is owed.
        const code = await open;
        if (code === "none") expect(await rig.closed(port)).toBe("released");
        else expect(code).toBe("RELEASED");
        await rig.open(port);
        expect(rig.left("closed", port)).toEqual([]);
      } finally {
        await rig.close();
      }
    });

    test("gives a hello its whole time on a port that has been quiet for long", async () => {
      const rig = await startPlane(kind, { hello_timeout_ms });
      try {
        const { port, session_id } = await rig.open();
        // The worker sleeps meanwhile; a clock that sleeps with it would count this as hello time.
        await timePasses(hello_timeout_ms + 200);
        const end = await rig.connect(port);
        await timePasses(hello_timeout_ms / 2);
        await end.write(helloLine({ role: "client", session_id, id: "late" }));
        const answer = await rig.events.take(
          "an answer to the hello",
          (event) => "port" in event && event.port === port,
        );
        expect(answer).toMatchObject({ type: "waiting", port });
      } finally {
        await rig.close();
      }
    });

    test("ends a session that is silent, and only when both ends are", async () => {
      const rig = await startPlane(kind, { session_idle_timeout: "600ms" });
      try {
        const { port, client, server } = await rig.session();
        for (let i = 0; i < 5; i++) {
          await timePasses(200);
          await client.write("tick");
        }
        await server.reached(20);
        expect(rig.left("closed", port)).toEqual([]);
        const silent_ms = performance.now();
        const closed = await rig.event("closed", port);
        expect(closed).toMatchObject({ reason: "idle", by: null, bytes_up: 20, bytes_down: 0 });
        expect(performance.now() - silent_ms).toBeGreaterThan(300);
        await Promise.all([client.turnedAway(), server.turnedAway()]);
      } finally {
        await rig.close();
      }
    });

    test("a worker that dies is replaced, and its sessions end as plane_failed", async () => {
      const rig = await startPlane(kind);
      try {
        const { port, client, server } = await rig.session();
        await client.write("before");
        await server.reached(6);
        const waiting = await rig.open();
        const error = await rig.breakWorker();
        expect(error).toBeInstanceOf(PortOpenError);
        expect((error as PortOpenError).code).toBe("PLANE_FAILED");
        expect(await rig.event("closed", port)).toMatchObject({
          reason: "plane_failed",
          by: null,
          bytes_up: 6,
        });
        expect(await rig.closed(waiting.port)).toBe("plane_failed");
        const failed = await rig.event("failed", port);
        expect(failed.error.length).toBeGreaterThan(0);
        expect(rig.left("closed", port)).toEqual([]);
        expect(rig.plane.snapshot()).toMatchObject({ workers_replaced: 1, ports_open: 0 });
        await Promise.all([client.turnedAway(), server.turnedAway()]);

        const again = await rig.session(port);
        await again.client.write("after");
        await again.server.reached(5);
        expect(again.server.text()).toBe("after");
        await rig.counted(port, { bytes_up: 5, bytes_down: 0 });
      } finally {
        await rig.close();
      }
    }, 20_000);

    test("a port released while its worker is being replaced does not open", async () => {
      const rig = await startPlane(kind);
      try {
        await rig.breakWorker();
        const port = rig.nextPort();
        const open = codeOf(rig.open(port));
        rig.plane.release(port);
        expect(await within("the open that was released", open)).toBe("RELEASED");
        expect(rig.plane.snapshot().ports_open).toBe(0);
      } finally {
        await rig.close();
      }
    });

    for (const way of ["one after the other", "at the same time"] as const) {
      test(`closing ends everything, once; twice ${way}`, async () => {
        const rig = await startPlane(kind);
        try {
          const { port, client, server } = await rig.session();
          const waiting = await rig.open();
          const first = rig.plane.close();
          if (way === "one after the other") await first;
          const both = Promise.all([first, rig.plane.close()]);
          await within("both closes", both, 3_000);
          expect(await rig.closed(port)).toBe("released");
          expect(await rig.closed(waiting.port)).toBe("released");
          await Promise.all([client.turnedAway(), server.turnedAway()]);
          expect(rig.left("closed", port)).toEqual([]);
          expect(rig.left("failed", port)).toEqual([]);
        } finally {
          await rig.close();
        }
      });
    }
  });
}
