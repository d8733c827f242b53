/** Whom a request may be paired with, and how limits meet it, in the broker and the session table. */
import { describe, expect, test } from "bun:test";
import { IdPatterns } from "../../../src/access/id-patterns.ts";
import { SessionMeter } from "../../../src/sessions/session-meter.ts";
import { type FakeParty, settled, withFixture, ZMQ_FIRST } from "./fixture.ts";

const NOT_AUTHORISED = { code: 501, error: "501 not authorised" };
const ZMQ = { need_zmq: true };

function allow(party: FakeParty, peers: string[]): void {
  const { principal } = party.standing;
  principal.rules = { ...principal.rules, peers: new IdPatterns(peers) };
}

describe("whom a client may meet", () => {
  test("a server it may not have is refused at once, whether it is there or not", async () => {
    await withFixture({}, async (f) => {
      f.server("there", 4);
      const client = f.guest({ role: "client", id: "c", peers: ["mine-*"] });
      f.ask(client, "r1", { ...ZMQ, server_id: "there" });
      f.ask(client, "r2", { ...ZMQ, server_id: "nowhere" });
      expect(await client.refusal("r1")).toMatchObject(NOT_AUTHORISED);
      expect(await client.refusal("r2")).toMatchObject(NOT_AUTHORISED);
      // One that it may have and that is not there is waited for.
      f.ask(client, "r3", { ...ZMQ, server_id: "mine-1" });
      expect(client.refusals.items).toHaveLength(2);
      f.server("mine-1", 1);
      expect((await client.grant("r3")).server_id).toBe("mine-1");
    });
  });

  test("a server that does not want it is to it as one that is not there", async () => {
    await withFixture({}, async (f) => {
      const shy = f.guest({ role: "server", id: "shy", max_conn: 9, peers: ["friend"] });
      const client = f.guest({ role: "client", id: "c", peers: ["*"] });
      f.ask(client, "r1", { ...ZMQ, server_id: "shy" });
      f.ask(client, "r2");
      await settled();
      expect([client.refusals.items, client.grants.items]).toEqual([[], []]);
      const friend = f.guest({ role: "client", id: "friend", peers: ["*"] });
      f.ask(friend, "r3", { ...ZMQ, server_id: "shy" });
      expect((await friend.grant("r3")).server_id).toBe("shy");
      expect(shy.grants.items).toHaveLength(1);
    });
  });

  test("any server is one that both may have, however much room others have", async () => {
    await withFixture({}, async (f) => {
      f.server("big", 9);
      f.server("small", 1);
      const client = f.guest({ role: "client", id: "c", peers: ["small"] });
      f.ask(client, "r1");
      expect((await client.grant("r1")).server_id).toBe("small");
    });
  });

  test("who waits for what it may not have yet holds nobody up and claims nothing", async () => {
    await withFixture({ zmq_ports: 1 }, async (f) => {
      const stuck = f.guest({ role: "client", id: "stuck", peers: ["later"] });
      f.ask(stuck, "r1");
      f.server("now", 1);
      const other = f.guest({ role: "client", id: "other", peers: ["*"] });
      f.ask(other, "r2");
      await other.grant("r2");
      f.planes.zmq.end(ZMQ_FIRST, "finished");
      f.server("later", 1);
      expect((await stuck.grant("r1")).server_id).toBe("later");
    });
  });

  test("is asked again when the ports are open: what was taken back meanwhile is not granted", async () => {
    await withFixture({}, async (f) => {
      const server = f.server("s", 4);
      const client = f.guest({ role: "client", id: "c", peers: ["s", "t"] });
      f.planes.zmq.held = true;
      f.ask(client, "named", { ...ZMQ, server_id: "s" });
      f.ask(client, "any");
      allow(client, ["t"]);
      f.planes.zmq.letGo();
      expect(await client.refusal("named")).toMatchObject(NOT_AUTHORISED);
      await settled();
      expect(client.grants.items).toEqual([]);
      expect(f.registry.room(server)).toBe(4);
      f.server("t", 4);
      expect((await client.grant("any")).server_id).toBe("t");
      expect(f.pools.zmq.counts()).toMatchObject({ reserved: 1 });
    });
  });
});

describe("limits", () => {
  test("hold for who leaves and comes back while a port that cannot be bound is replaced", async () => {
    await withFixture({}, async (f) => {
      f.server("s", 9);
      const guest = { role: "client", id: "c", limits: { registrations: 1, sessions: 1 } } as const;
      const client = f.guest(guest);
      const [before] = client.standing.accounts;
      before.registrations++;
      f.planes.zmq.taken.add(ZMQ_FIRST);
      f.planes.zmq.held = true;
      f.ask(client, "r1");
      f.offline(client);
      before.registrations--;
      f.accounts.settle(before);
      f.planes.zmq.letGo();
      // The port is found taken now, and its session has none until it gets the next one.
      while (f.pools.zmq.counts().blocked === 0) await Promise.resolve();
      const back = f.guest(guest);
      const [now] = back.standing.accounts;
      now.registrations++;
      await settled();
      expect(f.sessions.size).toBe(0);
      expect([now.sessions, now.registrations]).toEqual([0, 1]);
      expect(f.accounts.ofPrincipal(back.standing.principal)).toBe(now);
    });
  });

  test("on pair requests are told with the limit's name, and once a second in the log", async () => {
    await withFixture({ quotas: { pair_requests_burst: 2 } }, async (f) => {
      f.server("s", 9);
      const limits = { pair_requests_per_second: 1 };
      const client = f.guest({ role: "client", id: "c", limits });
      for (const one of ["r1", "r2", "r3", "r4"]) f.ask(client, one);
      await client.grant("r2");
      expect(await client.refusal("r4")).toMatchObject({
        code: 504,
        error: "limit reached: pair_requests_per_second_per_principal is 1",
      });
      const lines = f.log.lines.items.filter(({ status }) => status === "limit_reached");
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatchObject({ account: "principal:c", client_id: "c", count: 1 });
    });
  });

  test("on sessions count those that are being opened, and give back what fails", async () => {
    await withFixture({}, async (f) => {
      f.server("s", 9);
      const client = f.guest({ role: "client", id: "c", limits: { sessions: 1 } });
      f.planes.zmq.taken.add(ZMQ_FIRST).add(ZMQ_FIRST + 1).add(ZMQ_FIRST + 2).add(ZMQ_FIRST + 3);
      f.ask(client, "r1");
      f.ask(client, "r2");
      expect((await client.refusal("r2")).error).toContain("sessions_per_principal is 1");
      await settled();
      expect(client.standing.accounts[0].sessions).toBe(0);
      f.planes.zmq.taken.clear();
      f.pools.zmq.free(ZMQ_FIRST);
      f.broker.wake();
      await client.grant("r1");
      expect(client.standing.accounts[0].sessions).toBe(1);
    });
  });

  test("that are reached while a request waits end its waiting", async () => {
    await withFixture({}, async (f) => {
      const client = f.guest({ role: "client", id: "c", limits: { sessions: 2 } });
      for (const one of ["r1", "r2", "r3", "r4"]) f.ask(client, one);
      expect(f.broker.snapshot().waiting).toBe(4);
      f.server("s", 9);
      await client.grant("r1");
      await client.grant("r2");
      expect((await client.refusal("r3")).code).toBe(504);
      expect((await client.refusal("r4")).code).toBe(504);
      expect(f.broker.snapshot().waiting).toBe(0);
    });
  });

  test("of a server are its room: another is chosen, or one waits", async () => {
    await withFixture({}, async (f) => {
      f.guest({ role: "server", id: "narrow", max_conn: 9, limits: { sessions: 1 } });
      const client = f.client("c");
      f.ask(client, "r1");
      expect((await client.grant("r1")).server_id).toBe("narrow");
      f.ask(client, "r2");
      await settled();
      expect(f.broker.snapshot().waiting).toBe(1);
      f.planes.zmq.end(ZMQ_FIRST, "finished");
      expect((await client.grant("r2")).server_id).toBe("narrow");
    });
  });

  test("on bytes a second go with the reservation, one for each who has one", async () => {
    await withFixture({}, async (f) => {
      f.guest({ role: "server", id: "s", limits: { bytes_per_second: 500 } });
      const client = f.guest({ role: "client", id: "c", limits: { bytes_per_second: 100 } });
      const asked: unknown[] = [];
      const open = f.planes.zmq.open.bind(f.planes.zmq);
      f.planes.zmq.open = (reservation) => {
        asked.push("rates" in reservation ? reservation.rates : null);
        return open(reservation);
      };
      f.ask(client, "r1");
      await client.grant("r1");
      expect(asked).toEqual([[
        { key: "principal:c", bytes_per_s: 100 },
        { key: "principal:s", bytes_per_s: 500 },
      ]]);
    });
  });
});

describe("the day's bytes", () => {
  test("are counted as they flow and at the end, once for each, and end what is beyond", async () => {
    await withFixture({}, async (f) => {
      const { accounts, sessions, planes, log } = f;
      const meter = new SessionMeter({ accounts, sessions, planes, log, onRoom: () => {} });
      f.server("s", 9);
      const client = f.guest({ role: "client", id: "c", limits: { bytes_per_day: 1000 } });
      const [account] = client.standing.accounts;
      for (const one of ["r1", "r2"]) f.ask(client, one);
      const [first, second] = [await client.grant("r1"), await client.grant("r2")];
      const [a, b] = [ZMQ_FIRST, ZMQ_FIRST + 1];
      f.planes.zmq.pair(a);
      f.planes.zmq.pair(b);
      Object.assign(f.planes.zmq.totals(a), { bytes_up: 300, bytes_down: 100 });
      meter.read();
      meter.read();
      expect(account.bytes_today).toBe(400);
      f.planes.zmq.end(a, "finished", { up: 450, down: 100 });
      expect(account.bytes_today).toBe(550);
      Object.assign(f.planes.zmq.totals(b), { bytes_up: 450 });
      f.planes.zmq.slow_release = true;
      meter.read();
      meter.read();
      const told = log.lines.items.filter(({ status }) =>
        status === "limit_reached" || status === "session_ended"
      );
      expect(told).toMatchObject([
        { status: "limit_reached", limit: "bytes_per_day_per_principal", account: "principal:c" },
        { status: "session_ended", session_id: second.session_id, reason: "quota" },
      ]);
      expect(first.session_id).not.toBe(second.session_id);
      f.ask(client, "r3");
      expect((await client.refusal("r3")).error).toBe(
        "limit reached: bytes_per_day_per_principal is 1000",
      );
    });
  });

  test("begin anew at midnight, and who waits for it is served", async () => {
    await withFixture({}, async (f) => {
      const { accounts, sessions, planes, log } = f;
      const onRoom = () => f.broker.wake();
      const meter = new SessionMeter({ accounts, sessions, planes, log, onRoom });
      const limits = { bytes_per_day: 10 };
      const server = f.guest({ role: "server", id: "s", max_conn: 9, limits });
      accounts.addBytes(server.standing.accounts, 10);
      const client = f.client("c");
      f.ask(client, "r1");
      meter.read();
      await settled();
      expect(client.grants.items).toEqual([]);
      accounts.tidy(Date.now() + 86_400_000);
      meter.read();
      await client.grant("r1");
    });
  });
});
