import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { ByteStream, digestOf } from "../harness/byte-stream.ts";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { carry, joinAs, Meeting, type TcpSession } from "../harness/meeting.ts";
import { type Role, TcpEnd } from "../harness/tcp-end.ts";
import type { Grant } from "../harness/v4-client.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(30_000);

const MiB = 1024 * 1024;
const sides = ["client", "server"] as const;
const otherSide = { client: "server", server: "client" } as const;

describe("relay over TCP", () => {
  let gateway: GatewayProcess;
  let meeting: Meeting;

  beforeAll(async () => {
    gateway = await GatewayProcess.start();
    meeting = await Meeting.of(gateway, { name: "relay" });
  });
  afterAll(async () => {
    await meeting.close();
    await gateway.stop();
  });
  // Whatever a test did, it must leave every port idle.
  afterEach(() => gateway.allPortsIdle());

  const stopped = ({ grant }: TcpSession) =>
    gateway.logged("session_stop", { session_id: grant.session_id });

  async function endInOrder(session: TcpSession): Promise<void> {
    session.client.halfClose();
    session.server.halfClose();
    const [client, server] = await Promise.all([session.client.closed(), session.server.closed()]);
    expect(client).toEqual({ ended: true, error: null });
    expect(server).toEqual({ ended: true, error: null });
    await stopped(session);
  }

  for (const from of sides) {
    test(`64 MiB from the ${from} arrive whole`, async () => {
      const session = await meeting.tcpSession();
      const to = otherSide[from];
      const { sent, received } = await carry({
        from: session[from],
        to: session[to],
        total_bytes: 64 * MiB,
      });
      expect(received).toBe(sent);
      await endInOrder(session);
      expect(session[to].received_bytes).toBe(64 * MiB);
      const line = await stopped(session);
      expect(line[from === "client" ? "bytes_up" : "bytes_down"]).toBe(64 * MiB);
      expect(line[from === "client" ? "bytes_down" : "bytes_up"]).toBe(0);
    }, 60_000);

    test(`a half-close of the ${from} keeps the tail and the other direction`, async () => {
      const session = await meeting.tcpSession();
      const to = otherSide[from];
      const size = 64 * MiB;
      const there = session[from].pour(new ByteStream({ total_bytes: size, seed: 11 }));
      const sent = await there;
      session[from].halfClose();
      expect(await session[to].ended(60_000)).toBe(sent);
      expect(session[to].received_bytes).toBe(size);
      // The end has been passed on, and only now the answer begins.
      const back = await session[to].pour(new ByteStream({ total_bytes: size, seed: 12 }));
      session[to].halfClose();
      expect(await session[from].ended(60_000)).toBe(back);
      expect(session[from].received_bytes).toBe(size);
      const closings = await Promise.all([session.client.closed(), session.server.closed()]);
      expect(closings.map(({ error }) => error)).toEqual([null, null]);
      expect(await stopped(session)).toMatchObject({ bytes_up: size, bytes_down: size });
    }, 60_000);

    test(`a half-close of the ${from} while the other direction is in full flow`, async () => {
      const session = await meeting.tcpSession();
      const to = otherSide[from];
      const back = session[to].pour(new ByteStream({ total_bytes: 32 * MiB, seed: 13 }));
      await session[from].reached(4 * MiB);
      await session[from].write("last words");
      session[from].halfClose();
      await session[to].ended();
      expect(session[to].text()).toBe("last words");
      await session[from].reached(32 * MiB, 60_000);
      expect(session[from].digest()).toBe(await back);
      session[to].halfClose();
      await Promise.all([session.client.closed(), session.server.closed()]);
      await stopped(session);
    }, 60_000);

    test(`a half-close of the ${from} right behind its hello is passed on`, async () => {
      const grant = await meeting.session("zmq");
      const early = await joinAs(grant, from, { behind: new TextEncoder().encode("all I have") });
      early.halfClose();
      await gateway.logged(`${from}_pending`, { session_id: grant.session_id });
      const late = await joinAs(grant, otherSide[from]);
      await late.ended();
      expect(late.text()).toBe("all I have");
      await late.write("and yet an answer");
      late.halfClose();
      await early.ended();
      expect(early.text()).toBe("and yet an answer");
      await gateway.logged("session_stop", { session_id: grant.session_id });
    });

    test(`an abort of the ${from} is an abort for the other`, async () => {
      const session = await meeting.tcpSession();
      session[from].abort();
      expect(await session[otherSide[from]].closed()).toEqual({
        ended: false,
        error: "ECONNRESET",
      });
      await stopped(session);
    });

    test(`an abort of the ${from} in full flow, sending`, async () => {
      const session = await meeting.tcpSession();
      const to = otherSide[from];
      const pouring = session[from].pour(new ByteStream({ total_bytes: 64 * MiB })).catch(() => {});
      await session[to].reached(8 * MiB);
      session[from].abort();
      expect((await session[to].closed()).error).toBe("ECONNRESET");
      expect(session[to].received_bytes).toBeLessThan(64 * MiB);
      await Promise.all([pouring, stopped(session)]);
    });

    test(`an abort of the ${from} in full flow, receiving`, async () => {
      const session = await meeting.tcpSession();
      const to = otherSide[from];
      const pouring = session[to].pour(new ByteStream({ total_bytes: 64 * MiB })).then(
        () => "all was sent",
        () => "cut",
      );
      await session[from].reached(8 * MiB);
      session[from].abort();
      expect((await session[to].closed()).error).not.toBeNull();
      expect(await pouring).toBe("cut");
      await stopped(session);
    });

    test(`an abort of the ${from} while the other reads slowly`, async () => {
      const session = await meeting.tcpSession();
      const to = otherSide[from];
      session[to].pause();
      const pouring = session[from].pour(new ByteStream({ total_bytes: 256 * MiB })).catch(
        () => {},
      );
      await stalled(session);
      session[from].abort();
      await stopped(session);
      session[to].resume();
      expect((await session[to].closed()).error).toBe("ECONNRESET");
      await pouring;
    }, 30_000);

    test(`an abort of the ${from} after the other has ended its direction`, async () => {
      const session = await meeting.tcpSession();
      const to = otherSide[from];
      session[to].halfClose();
      await session[from].ended();
      session[from].abort();
      expect((await session[to].closed()).error).toBe("ECONNRESET");
      await stopped(session);
    });

    test(`an abort of a waiting ${from} makes room for another`, async () => {
      const grant = await meeting.session("zmq");
      for (let turn = 0; turn < 3; turn++) (await joinWaiting(grant, from)).abort();
      const one = await joinWaiting(grant, from);
      const other = await joinAs(grant, otherSide[from]);
      await one.write("hello");
      expect((await other.head(5)).toString()).toBe("hello");
      one.abort();
      await other.closed();
      await gateway.logged("session_stop", { session_id: grant.session_id });
    });

    test(`an abort before the hello takes nothing from the ${from}`, async () => {
      const grant = await meeting.session("zmq");
      for (const bytes of ["", "V4HELLO {"]) {
        const stranger = await TcpEnd.connect({ port: grant.zmq_port! });
        if (bytes) await stranger.write(bytes);
        stranger.abort();
      }
      const one = await joinAs(grant, from);
      const other = await joinAs(grant, otherSide[from]);
      await one.write("here");
      expect((await other.head(4)).toString()).toBe("here");
      one.abort();
      await other.closed();
    });
  }

  /**
   * Joins one side and sees it wait. No event tells a client that the gateway has noticed an abort,
   * so a few may come too early and be turned away as duplicates.
   */
  async function joinWaiting(grant: Grant, role: Role): Promise<TcpEnd> {
    for (let tries = 0; tries < 50; tries++) {
      const end = await joinAs(grant, role);
      const { remote } = end;
      const { status } = await gateway.log.see(
        `${role}_pending or ${role}_dup of ${remote}`,
        (line) =>
          line.remote === remote &&
          (line.status === `${role}_pending` || line.status === `${role}_dup`),
      );
      if (status === `${role}_pending`) return end;
      await end.turnedAway();
    }
    throw new Error(`an aborted ${role} still counts as waiting`);
  }

  /** Telemetry says when nothing moves any more: the sender has filled every buffer on the way. */
  async function stalled({ grant }: TcpSession): Promise<void> {
    const mine = (list: { session_id: string; mbps_up: number; mbps_down: number }[]) =>
      list.find(({ session_id }) => session_id === grant.session_id);
    await meeting.client.telemetry((list) => {
      const entry = mine(list);
      return entry !== undefined && entry.mbps_up + entry.mbps_down > 0;
    });
    await meeting.client.telemetry((list) => {
      const entry = mine(list);
      return entry !== undefined && entry.mbps_up + entry.mbps_down === 0;
    });
  }

  test("64 MiB each way at once", async () => {
    const session = await meeting.tcpSession();
    const [up, down] = await Promise.all([
      carry({ from: session.client, to: session.server, total_bytes: 64 * MiB, seed: 21 }),
      carry({ from: session.server, to: session.client, total_bytes: 64 * MiB, seed: 22 }),
    ]);
    expect(up.received).toBe(digestOf({ total_bytes: 64 * MiB, seed: 21 }));
    expect(down.received).toBe(digestOf({ total_bytes: 64 * MiB, seed: 22 }));
    await endInOrder(session);
  }, 60_000);

  test("eight sessions at once keep their bytes apart", async () => {
    const sessions = await Promise.all(Array.from({ length: 8 }, () => meeting.tcpSession()));
    await Promise.all(sessions.map(async (session, at) => {
      const [up, down] = await Promise.all([
        carry({ from: session.client, to: session.server, total_bytes: 4 * MiB, seed: 100 + at }),
        carry({ from: session.server, to: session.client, total_bytes: 4 * MiB, seed: 200 + at }),
      ]);
      expect(up.received).toBe(up.sent);
      expect(down.received).toBe(down.sent);
      await endInOrder(session);
    }));
  }, 60_000);

  test("single bytes come through at once", async () => {
    const session = await meeting.tcpSession();
    for (let turn = 1; turn <= 200; turn++) {
      await session.client.write(Uint8Array.of(turn));
      await session.server.reached(turn);
      await session.server.write(Uint8Array.of(turn));
      await session.client.reached(turn);
    }
    await endInOrder(session);
  });

  test("a slow reader costs no memory, slows nobody, and gets every byte", async () => {
    const before = gateway.resident_bytes;
    const slow = await meeting.tcpSession();
    slow.server.pause();
    const total_bytes = 96 * MiB;
    const pouring = slow.client.pour(new ByteStream({ total_bytes, seed: 31 }));
    await stalled(slow);
    expect(slow.client.sent_bytes).toBeLessThan(48 * MiB);
    expect(gateway.resident_bytes - before).toBeLessThan(24 * MiB);

    const brisk = await meeting.tcpSession();
    const { sent, received } = await carry({
      from: brisk.client,
      to: brisk.server,
      total_bytes: 16 * MiB,
      ms: 15_000,
    });
    expect(received).toBe(sent);
    await endInOrder(brisk);

    // The stalled session's other direction is free all the while.
    await slow.server.write("I am only slow");
    expect((await slow.client.head(14)).toString()).toBe("I am only slow");

    slow.server.resume();
    const digest = await pouring;
    slow.client.halfClose();
    await slow.server.reached(total_bytes, 60_000);
    expect(slow.server.digest()).toBe(digest);
    slow.server.halfClose();
    await Promise.all([slow.client.closed(), slow.server.closed()]);
    await stopped(slow);
  }, 90_000);
});
