import { describe, expect, test } from "bun:test";
import { PortOpenError } from "../../../src/data/plane.ts";
import { settled, SRT_FIRST, withFixture, ZMQ_FIRST } from "./fixture.ts";

const BOTH = { need_zmq: true, need_srt: true };

describe("a request that can be served", () => {
  test("gets the lowest port of each plane, and both ends the same grant", async () => {
    await withFixture({}, async (f) => {
      const server = f.server("s", 4), client = f.client("c");
      f.ask(client, "r1", BOTH);
      const grant = await client.grant("r1");
      expect(grant).toEqual({
        request_id: "r1",
        session_id: expect.stringMatching(/^[0-9a-f]{16}$/),
        server_id: "s",
        client_id: "c",
        zmq_port: ZMQ_FIRST,
        srt_port: SRT_FIRST,
      });
      expect(server.grants.items).toEqual([grant]);
      expect(f.planes.zmq.open_ports.get(ZMQ_FIRST)).toBe(grant.session_id);
      expect(f.registry.room(server)).toBe(2);
    });
  });

  test("names only the port it asked for", async () => {
    await withFixture({}, async (f) => {
      f.server("s", 4);
      const client = f.client("c");
      f.ask(client, "r1", { need_srt: true });
      const grant = await client.grant("r1");
      expect(Object.keys(grant)).toEqual([
        "request_id",
        "session_id",
        "server_id",
        "client_id",
        "srt_port",
      ]);
      expect(f.pools.zmq.idle).toBe(4);
    });
  });

  test("is granted without a timer in the way", async () => {
    await withFixture({}, async (f) => {
      f.server("s", 4);
      const client = f.client("c");
      f.ask(client, "r1", BOTH);
      await settled();
      expect(client.grants.items).toHaveLength(1);
    });
  });

  test("goes to the server it names, even if another has more room", async () => {
    await withFixture({}, async (f) => {
      f.server("big", 9);
      f.server("small", 1);
      const client = f.client("c");
      f.ask(client, "r1", { need_zmq: true, server_id: "small" });
      expect((await client.grant("r1")).server_id).toBe("small");
    });
  });

  test("for no plane at all is refused before anything else is looked at", async () => {
    await withFixture({}, async (f) => {
      const client = f.client("c");
      f.ask(client, "r1", {});
      expect(await client.refusal("r1")).toEqual({
        request_id: "r1",
        code: 502,
        error: "need_zmq/need_srt both false",
      });
    });
  });

  test("for both planes is served by a server that named no max_conn", async () => {
    await withFixture({}, async (f) => {
      const server = f.server("s"), client = f.client("c");
      f.ask(client, "r1", BOTH);
      await client.grant("r1");
      expect(f.registry.room(server)).toBe(0);
    });
  });
});

describe("a port that cannot be bound", () => {
  test("is blocked and announced, and the next one granted", async () => {
    await withFixture({}, async (f) => {
      f.planes.zmq.taken.add(ZMQ_FIRST).add(ZMQ_FIRST + 1);
      const server = f.server("s", 4), client = f.client("c");
      f.ask(client, "r1", BOTH);
      const grant = await client.grant("r1");
      expect([grant.zmq_port, grant.srt_port]).toEqual([ZMQ_FIRST + 2, SRT_FIRST]);
      expect(f.pools.zmq.counts()).toMatchObject({ blocked: 2, reserved: 1, idle: 1 });
      expect(f.log.statuses().filter((status) => status === "port_blocked")).toHaveLength(2);
      expect(f.registry.room(server)).toBe(2);
    });
  });

  test("with no other left undoes the second plane's reservation and waits", async () => {
    await withFixture({ srt_ports: 1 }, async (f) => {
      f.planes.srt.taken.add(SRT_FIRST);
      const server = f.server("s", 4), client = f.client("c");
      f.ask(client, "r1", BOTH);
      await f.log.status("port_blocked");
      await settled();
      expect(client.grants.items).toEqual([]);
      expect(f.pools.zmq.counts()).toMatchObject({ idle: 4 });
      expect(f.planes.zmq.open_ports.size).toBe(0);
      expect(f.registry.room(server)).toBe(4);
      expect(f.broker.snapshot().waiting).toBe(1);
    });
  });

  test("comes back in the background and serves who waits for it", async () => {
    await withFixture({ srt_ports: 1, retry_ms: 5 }, async (f) => {
      f.planes.srt.taken.add(SRT_FIRST);
      f.server("s", 4);
      const client = f.client("c");
      f.blocked.start();
      f.ask(client, "r1", BOTH);
      await f.log.lines.find((line) => line.level === "debug");
      f.planes.srt.taken.clear();
      expect((await client.grant("r1")).srt_port).toBe(SRT_FIRST);
      expect(f.log.statuses()).toContain("port_unblocked");
    });
  });

  test.each(["EMFILE", "PLANE_FAILED", "RATES_EXHAUSTED"])(
    "is not what %s says: no port is blocked",
    async (code) => {
      await withFixture({}, async (f) => {
        f.planes.zmq.broken = new PortOpenError(ZMQ_FIRST, code, `it says ${code}`);
        f.server("s", 4);
        const client = f.client("c");
        f.ask(client, "r1", BOTH);
        expect((await client.refusal("r1")).code).toBe(500);
        await settled();
        expect(f.pools.zmq.counts()).toMatchObject({ idle: 4, blocked: 0 });
        expect(f.pools.srt.idle).toBe(4);
      });
    },
  );

  test("any other failure of the plane is an internal error and gives everything back", async () => {
    await withFixture({}, async (f) => {
      f.planes.srt.broken = new Error("the worker is gone");
      const server = f.server("s", 4), client = f.client("c");
      f.ask(client, "r1", BOTH);
      expect((await client.refusal("r1")).code).toBe(500);
      await settled();
      expect(f.registry.room(server)).toBe(4);
      expect([f.pools.zmq.idle, f.pools.srt.idle]).toEqual([4, 4]);
    });
  });

  test("a plane that dies between the two ports' opening is an internal error", async () => {
    await withFixture({}, async (f) => {
      f.planes.srt.held = true;
      f.server("s", 4);
      const client = f.client("c");
      f.ask(client, "r1", BOTH);
      await settled();
      f.planes.zmq.die();
      f.planes.srt.letGo();
      expect((await client.refusal("r1")).code).toBe(500);
      await settled();
      expect([f.pools.zmq.idle, f.pools.srt.idle]).toEqual([4, 4]);
    });
  });
});

describe("waiting", () => {
  test("ends the moment a server registers, first come first served", async () => {
    await withFixture({}, async (f) => {
      const client = f.client("c");
      for (const id of ["r1", "r2", "r3"]) f.ask(client, id);
      expect(f.broker.snapshot().waiting).toBe(3);
      f.server("s", 2);
      await settled();
      expect(client.grants.items.map((grant) => grant.request_id)).toEqual(["r1", "r2"]);
      f.planes.zmq.end(ZMQ_FIRST, "finished");
      await client.grant("r3");
    });
  });

  test("ends the moment a port is free", async () => {
    await withFixture({ zmq_ports: 1 }, async (f) => {
      f.server("s", 9);
      const [one, two] = [f.client("one"), f.client("two")];
      f.ask(one, "r1");
      await one.grant("r1");
      f.ask(two, "r2");
      f.planes.zmq.pair(ZMQ_FIRST);
      f.planes.zmq.end(ZMQ_FIRST, "aborted");
      expect((await two.grant("r2")).zmq_port).toBe(ZMQ_FIRST);
    });
  });

  test("does not hold up requests that want nothing of the kind", async () => {
    await withFixture({ srt_ports: 1 }, async (f) => {
      f.server("s", 9);
      const client = f.client("c");
      f.ask(client, "absent", { need_zmq: true, server_id: "nobody" });
      f.ask(client, "srt-1", { need_srt: true });
      f.ask(client, "srt-2", { need_srt: true });
      f.ask(client, "zmq-1");
      await client.grant("zmq-1");
      expect(client.grants.items.map((grant) => grant.request_id)).toEqual(["srt-1", "zmq-1"]);
      expect(f.broker.snapshot().waiting).toBe(2);
    });
  });

  test("for two ports is not starved by requests for one", async () => {
    await withFixture({ zmq_ports: 8, srt_ports: 8 }, async (f) => {
      f.server("s", 2);
      const client = f.client("c");
      f.ask(client, "first");
      await client.grant("first");
      f.ask(client, "both", BOTH);
      f.ask(client, "late");
      await settled();
      expect(client.grants.items).toHaveLength(1);
      f.planes.zmq.end(ZMQ_FIRST, "finished");
      await client.grant("both");
      expect(client.grants.items.map((grant) => grant.request_id)).toEqual(["first", "both"]);
      for (const plane of [f.planes.zmq, f.planes.srt]) {
        for (const port of [...plane.open_ports.keys()]) plane.end(port, "finished");
      }
      await client.grant("late");
    });
  });

  test("keeps its claim on one plane's last port while the other has none", async () => {
    await withFixture({ zmq_ports: 1, srt_ports: 1 }, async (f) => {
      f.server("s", 9);
      const client = f.client("c");
      f.ask(client, "srt", { need_srt: true });
      await client.grant("srt");
      f.ask(client, "both", BOTH);
      f.ask(client, "zmq");
      await settled();
      expect(client.grants.items).toHaveLength(1);
      f.planes.srt.end(SRT_FIRST, "finished");
      await client.grant("both");
    });
  });

  test("for a full server leaves the other servers to others", async () => {
    await withFixture({}, async (f) => {
      f.server("a", 1);
      f.server("b", 1);
      const client = f.client("c");
      f.ask(client, "r1", { need_zmq: true, server_id: "a" });
      f.ask(client, "r2", { need_zmq: true, server_id: "a" });
      f.ask(client, "r3");
      expect((await client.grant("r3")).server_id).toBe("b");
    });
  });

  test("is over after pair_timeout_ms", async () => {
    await withFixture({ pair_timeout_ms: 20 }, async (f) => {
      const client = f.client("c");
      f.ask(client, "r1");
      expect(await client.refusal("r1")).toEqual({
        request_id: "r1",
        code: 505,
        error: "no port available",
      });
      expect(f.broker.snapshot().waiting).toBe(0);
    });
  });

  test("ends with the asker, and what it waited for goes to the next", async () => {
    await withFixture({}, async (f) => {
      const [gone, stays] = [f.client("gone"), f.client("stays")];
      f.ask(gone, "r1");
      f.ask(stays, "r2");
      f.offline(gone);
      f.server("s", 1);
      await stays.grant("r2");
      expect(gone.grants.items).toEqual([]);
      expect(f.pools.zmq.counts().reserved).toBe(1);
    });
  });

  test("leaves its claim to the others when its asker or its time is gone", async () => {
    await withFixture({ zmq_ports: 1, srt_ports: 1, pair_timeout_ms: 20 }, async (f) => {
      f.server("s", 9);
      const holder = f.client("holder"), gone = f.client("gone"), client = f.client("c");
      f.ask(holder, "srt", { need_srt: true });
      await holder.grant("srt");
      f.ask(gone, "both-1", BOTH);
      f.ask(client, "zmq-1");
      expect(f.broker.snapshot().waiting).toBe(2);
      f.offline(gone);
      await client.grant("zmq-1");
      f.planes.zmq.end(ZMQ_FIRST, "finished");
      f.ask(holder, "both-2", BOTH);
      await holder.refusal("both-2");
      f.ask(client, "zmq-2");
      await client.grant("zmq-2");
    });
  });

  test("is bounded per client and in all", async () => {
    await withFixture(
      { waiting_requests_per_client_max: 2, waiting_requests_max: 3 },
      async (f) => {
        const [one, two] = [f.client("one"), f.client("two")];
        for (const id of ["a", "b", "c"]) f.ask(one, id);
        const own = await one.refusal("c");
        expect(own.code).toBe(504);
        expect(own.error).toContain("2 requests of this client wait already");
        f.ask(two, "d");
        f.ask(two, "e");
        expect((await two.refusal("e")).error).toContain("3 requests wait already");
        const limits = f.log.lines.items.filter((line) => line.status === "limit_reached");
        expect(limits.map((line) => line.limit)).toEqual([
          "waiting_requests_per_client_max",
          "waiting_requests_max",
        ]);
        expect(f.broker.snapshot().waiting).toBe(3);
      },
    );
  });

  test("is bounded by the length of the ids that wait", async () => {
    await withFixture({}, async (f) => {
      const client = f.client("c");
      const megabyte = "x".repeat(1024 * 1024);
      for (let i = 0; i < 15; i++) f.ask(client, `${i}${megabyte}`);
      expect(f.broker.snapshot().waiting).toBe(15);
      f.ask(client, `last${megabyte}`);
      f.ask(client, "short");
      expect((await client.refusal(`last${megabyte}`)).code).toBe(504);
      expect(f.broker.snapshot().waiting).toBe(16);
    });
  });

  test("is answered when the gateway stops, and so is whoever asks then", async () => {
    await withFixture({}, async (f) => {
      const client = f.client("c");
      f.ask(client, "r1");
      f.broker.stop();
      f.server("s", 1);
      f.ask(client, "r2");
      expect((await client.refusal("r1")).code).toBe(504);
      expect((await client.refusal("r2")).code).toBe(504);
      expect(client.grants.items).toEqual([]);
    });
  });
});

describe("a session that is ended while its ports are being opened", () => {
  test.each([{ need_zmq: true }, BOTH])("is not granted: %p", async (wants) => {
    await withFixture({}, async (f) => {
      f.planes.zmq.held = true;
      const server = f.server("s", 2), client = f.client("c");
      f.ask(client, "r1", wants);
      await settled();
      const [session] = [...f.sessions.all()];
      f.sessions.end(session.id, { reason: "kicked", by: "a test" });
      f.planes.zmq.letGo();
      expect(await client.refusal("r1")).toEqual({
        request_id: "r1",
        code: 504,
        error: "the session was ended before its grant: kicked",
      });
      await settled();
      expect([client.grants.items, server.grants.items]).toEqual([[], []]);
      expect([f.pools.zmq.idle, f.pools.srt.idle, f.sessions.size]).toEqual([4, 4, 0]);
      expect(f.registry.room(server)).toBe(2);
    });
  });

  test("a port that cannot be bound is not replaced by another one", async () => {
    await withFixture({}, async (f) => {
      f.planes.zmq.held = true;
      f.planes.zmq.taken.add(ZMQ_FIRST);
      f.server("s", 2);
      const client = f.client("c");
      f.ask(client, "r1");
      await settled();
      const [session] = [...f.sessions.all()];
      f.sessions.end(session.id, { reason: "drained", by: "a test" });
      f.planes.zmq.letGo();
      expect((await client.refusal("r1")).error).toContain("drained");
      expect(f.planes.zmq.opened).toBe(0);
      expect(f.pools.zmq.counts()).toMatchObject({ blocked: 1, idle: 3 });
    });
  });
});

describe("somebody leaves between reservation and grant", () => {
  test("the asker: nobody is granted anything and the ports come back", async () => {
    await withFixture({}, async (f) => {
      f.planes.zmq.held = true;
      const server = f.server("s", 1), client = f.client("c");
      f.ask(client, "r1", BOTH);
      f.offline(client);
      f.planes.zmq.letGo();
      await settled();
      expect(server.grants.items).toEqual([]);
      expect(client.grants.items).toEqual([]);
      expect([f.pools.zmq.idle, f.pools.srt.idle]).toEqual([4, 4]);
      expect(f.registry.room(server)).toBe(1);
    });
  });

  test("the server: another one is chosen, in the request's old place", async () => {
    await withFixture({}, async (f) => {
      f.planes.zmq.held = true;
      const gone = f.server("a", 1), client = f.client("c");
      f.ask(client, "r1");
      f.ask(client, "r2");
      f.offline(gone);
      f.server("b", 1);
      f.planes.zmq.letGo();
      await settled();
      expect(gone.grants.items).toEqual([]);
      // r2 was served by b while r1 was still being opened on a; r1 is next.
      for (const port of [...f.planes.zmq.open_ports.keys()]) f.planes.zmq.end(port, "finished");
      const grant = await client.grant("r1");
      expect(grant.server_id).toBe("b");
    });
  });

  test("a request that comes back goes before the younger ones of its kind", async () => {
    await withFixture({}, async (f) => {
      f.planes.zmq.held = true;
      const gone = f.server("a", 1), client = f.client("c");
      for (const id of ["r1", "r2", "r3"]) f.ask(client, id);
      f.offline(gone);
      f.planes.zmq.letGo();
      await settled();
      expect(f.broker.snapshot().waiting).toBe(3);
      f.server("b", 1);
      await settled();
      expect(client.grants.items.map((grant) => grant.request_id)).toEqual(["r1"]);
    });
  });

  test("a timeout that falls into a failing attempt is the end of it", async () => {
    await withFixture({ zmq_ports: 1, pair_timeout_ms: 20 }, async (f) => {
      const client = f.client("c"), witness = f.client("witness");
      f.ask(client, "r1", { need_zmq: true });
      f.planes.zmq.held = true;
      f.planes.zmq.taken.add(ZMQ_FIRST);
      f.server("s", 1);
      // A later request times out after the first one's time is over too.
      f.ask(witness, "r2", { need_zmq: true, server_id: "nobody" });
      await witness.refusal("r2");
      f.planes.zmq.letGo();
      expect((await client.refusal("r1")).code).toBe(505);
      expect(f.broker.snapshot().waiting).toBe(0);
    });
  });
});
