import { afterEach, describe, expect, test } from "bun:test";
import type { Config } from "../../../../src/config/schema.ts";
import type { SessionRow } from "../../../../src/admin/answers.ts";
import type { V1Client } from "../../../harness/v1-client.ts";
import { turn, within } from "../../../harness/deadline.ts";
import { inSeconds, KeySetServer, makeKey, signToken } from "../../../harness/key-set.ts";
import {
  configOf,
  endGatewaysAfterEach,
  linesOf,
  type Running,
  SECRET,
  SRT,
  startGateway,
  ZMQ,
} from "./fixture.ts";
import { expectValid } from "./schema.ts";

endGatewaysAfterEach();

/** Whose messages are held against the schema when the test is over. */
const heard: V1Client[] = [];
afterEach(() => {
  for (const client of heard.splice(0)) expectValid(client);
});

async function start(...options: Parameters<typeof startGateway>): Promise<Running> {
  const running = await startGateway(...options);
  const keep = (make: (id?: string) => Promise<V1Client>) => async (id?: string) => {
    const client = await make(id);
    heard.push(client);
    return client;
  };
  return { ...running, fe: keep(running.fe), be: keep(running.be) };
}

const ALLOC = { zmq_start_port: 1, zmq_end_port: 2, srt_start_port: 3, srt_end_port: 4 };

/** A back end that has sent `port_alloc`, when that has been dealt with. */
async function allocated({ be }: Running, id: string): Promise<V1Client> {
  const client = await be(id);
  client.send("port_alloc", ALLOC);
  await client.settled();
  return client;
}

describe("the states of ports", () => {
  test("every change is told to everybody, and the way of a port is empty, ready, busy and back", async () => {
    const { fe, be, standing, log } = await start();
    const [front, back] = [await fe(), await be()];
    const [port] = ZMQ;
    const both = async (matches: Parameters<V1Client["states"]>[0]) => {
      const [one, other] = await Promise.all([front.states(matches), back.states(matches)]);
      expect(one).toEqual(other);
      return one;
    };
    standing.wait(port, "be-1");
    const ready = await both(({ zmq_ready_ports }) => zmq_ready_ports.includes(port));
    expect(ready.zmq_empty_ports).toEqual(ZMQ.slice(1));
    standing.pair(port, "fe-1");
    const busy = await both(({ zmq_busy }) => zmq_busy === 1);
    expect(busy).toMatchObject({
      zmq_total: 5,
      zmq_ready_ports: [],
      zmq_empty_ports: ZMQ.slice(1),
    });
    standing.carry(port, 1000, 500);
    standing.over(port, "finished", "FE");
    await front.air.upcoming(
      "ready again",
      ({ type, payload }) =>
        type === "port_state" && payload.zmq_ready_ports.includes(port) && payload.zmq_busy === 0,
    );
    standing.leave(port);
    await front.air.upcoming(
      "empty again",
      ({ type, payload }) => type === "port_state" && payload.zmq_empty_ports.length === 5,
    );
    expect(linesOf(log, "server_pending")[0]).toMatchObject({ kind: "zmq", port, id: "be-1" });
    expect(linesOf(log, "paired")[0]).toMatchObject({ server_id: "be-1", client_id: "fe-1" });
    expect(linesOf(log, "session_stop")[0]).toMatchObject({
      session_id: linesOf(log, "paired")[0].session_id,
      reason: "finished",
      by: "client",
      bytes_up: 1000,
      bytes_down: 500,
    });
    expect(linesOf(log, "disconnected")[0]).toMatchObject({ port, id: "be-1" });
  });

  test("what changes in one turn is told once", async () => {
    const { fe, standing } = await start();
    const front = await fe();
    await front.settled();
    const before = front.air.items.length;
    for (const port of [...ZMQ, ...SRT]) standing.wait(port);
    await front.states(({ srt_ready_ports, zmq_ready_ports }) =>
      srt_ready_ports.length === 5 && zmq_ready_ports.length === 5
    );
    expect(front.air.items.length).toBe(before + 1);
  });

  test("a port that somebody else has is in no list, and comes when it can be bound", async () => {
    const { gateway, fe, standing, log } = await start({}, { taken: [ZMQ[1]] });
    const front = await fe();
    const { zmq_empty_ports, zmq_total } = await front.states(() => true);
    expect([zmq_empty_ports, zmq_total]).toEqual([ZMQ.filter((port) => port !== ZMQ[1]), 5]);
    expect(linesOf(log, "port_blocked")).toHaveLength(1);
    expect(gateway.snapshot().state).toBe("Running");
    expect(standing.ports.size).toBe(9);
  });

  test("a worker that dies takes its sessions, and its ports are opened again", async () => {
    const { fe, standing, log } = await start();
    const front = await fe();
    standing.wait(ZMQ[0]);
    standing.pair(ZMQ[0]);
    await front.states(({ zmq_busy }) => zmq_busy === 1);
    standing.die();
    await front.air.upcoming(
      "all empty",
      ({ type, payload }) =>
        type === "port_state" && payload.zmq_empty_ports.length === 5 &&
        payload.srt_empty_ports.length === 5,
    );
    expect(linesOf(log, "session_stop")[0].reason).toBe("plane_failed");
    expect(linesOf(log, "plane_failed")).toHaveLength(1);
  });

  test("connections that are turned away have v1's word in the log", async () => {
    const { standing, log } = await start();
    standing.reject(ZMQ[0], "hello_error");
    standing.reject(ZMQ[0], "port_occupied");
    standing.reject(SRT[0], "no_server");
    expect(linesOf(log, "hello_error")[0]).toMatchObject({ kind: "zmq", code: "HELLO_INVALID" });
    expect(linesOf(log, "port_occupied")[0]).toMatchObject({ code: "PORT_BUSY" });
    expect(linesOf(log, "no_server")[0]).toMatchObject({ kind: "srt", port: SRT[0] });
  });
});

describe("leases", () => {
  test("the lowest ready port that nobody has leased, told to the asker and to back ends", async () => {
    const { fe, be, standing } = await start();
    const [front, other, back] = [await fe("fe-1"), await fe("fe-2"), await be()];
    for (const port of [ZMQ[3], ZMQ[1]]) standing.wait(port);
    await front.states(({ zmq_ready_ports }) => zmq_ready_ports.length === 2);
    const before = Date.now();
    const envelope = { trace_id: "trace-7", msg_id: "msg-7" };
    const grant = await front.acquire({ need_zmq: true, ttl_seconds: 60 }, envelope);
    expect(grant).toMatchObject(envelope);
    expect(grant.payload).toMatchObject({ zmq_port: ZMQ[1], error: "" });
    expect(grant.payload.session_id).toMatch(/^[0-9a-f]{24}$/);
    expect(grant.payload).not.toHaveProperty("srt_port");
    expect(grant.payload).not.toHaveProperty("error_code");
    expect(grant.payload.expires_at - before).toBeGreaterThanOrEqual(60_000);
    expect(grant.payload.expires_at - Date.now()).toBeLessThanOrEqual(60_000);
    const told = await back.next("port_grant");
    expect(told.payload).toEqual(grant.payload);
    expect(told.trace_id).toBe("trace-7");
    expect((await other.acquire({ need_zmq: true })).payload.zmq_port).toBe(ZMQ[3]);
    const none = await other.acquire({ need_zmq: true });
    expect(none.payload).toMatchObject({ session_id: "", error_code: "PORT_EXHAUSTED" });
    expect(none.payload.error).not.toBe("");
    expect(Math.abs(none.payload.expires_at - Date.now())).toBeLessThan(5000);
    // Neither another front end nor a refusal is anybody else's business.
    await Promise.all([front.settled(), back.settled()]);
    expect(front.all.filter(({ type }) => type === "port_grant")).toHaveLength(1);
    expect(back.all.filter(({ type }) => type === "port_grant")).toHaveLength(2);
  });

  test("both kinds or neither", async () => {
    const { fe, standing } = await start();
    const front = await fe();
    standing.wait(ZMQ[0]);
    await front.states(({ zmq_ready_ports }) => zmq_ready_ports.length === 1);
    const refused = await front.acquire({ need_zmq: true, need_srt: true });
    expect(refused.payload.error_code).toBe("PORT_EXHAUSTED");
    // The one that was there is still there.
    standing.wait(SRT[4]);
    await front.states(({ srt_ready_ports }) => srt_ready_ports.length === 1);
    const both = await front.acquire({ need_zmq: true, need_srt: true });
    expect(both.payload).toMatchObject({ zmq_port: ZMQ[0], srt_port: SRT[4], error: "" });
    const nothing = await front.acquire({});
    expect(nothing.payload).toMatchObject({ session_id: "", error_code: "BAD_REQUEST" });
  });

  test("a back end gets an empty port, told to front ends, and no front end gets it", async () => {
    const { fe, be, standing } = await start();
    const [front, back] = [await fe(), await be()];
    const grant = await back.acquire({ need_srt: true });
    expect(grant.payload.srt_port).toBe(SRT[0]);
    expect((await front.next("port_grant")).payload).toEqual(grant.payload);
    standing.wait(SRT[0]);
    await front.states(({ srt_ready_ports }) => srt_ready_ports.length === 1);
    expect((await front.acquire({ need_srt: true })).payload.error_code).toBe("PORT_EXHAUSTED");
    back.send("port_release", { session_id: grant.payload.session_id });
    await front.next("port_release");
    expect((await front.acquire({ need_srt: true })).payload.srt_port).toBe(SRT[0]);
  });

  test("only its owner gives it back, and the other role hears of it", async () => {
    const { fe, be, standing, log } = await start();
    const [front, thief, back] = [await fe("fe-1"), await fe("fe-2"), await be()];
    standing.wait(ZMQ[0]);
    await front.states(({ zmq_ready_ports }) => zmq_ready_ports.length === 1);
    const { payload: { session_id } } = await front.acquire({ need_zmq: true }, { trace_id: "t" });
    for (const other of [thief, back]) {
      other.send("port_release", { session_id });
      await other.settled();
    }
    expect((await thief.acquire({ need_zmq: true })).payload.error_code).toBe("PORT_EXHAUSTED");
    front.send("port_release", { session_id });
    const told = await back.next("port_release");
    expect(told).toMatchObject({ payload: { session_id }, trace_id: "t" });
    await front.settled();
    expect(front.all.map(({ type }) => type)).not.toContain("port_release");
    expect(linesOf(log, "lease_over")).toHaveLength(1);
    expect((await thief.acquire({ need_zmq: true })).payload.zmq_port).toBe(ZMQ[0]);
  });

  test("it ends with its time, its session and its owner, untold", async () => {
    const { fe, be, standing, log } = await start();
    const [front, other, back] = [await fe("fe-1"), await fe("fe-2"), await be()];
    standing.wait(ZMQ[0]);
    await front.states(({ zmq_ready_ports }) => zmq_ready_ports.length === 1);
    const first = await front.acquire({ need_zmq: true, ttl_seconds: 1 });
    const expired = await log.lines.find(({ status, reason }) =>
      status === "lease_over" && reason === "expired"
    );
    expect(expired.code).toBe("TTL_EXPIRED");
    expect(Date.now()).toBeGreaterThanOrEqual(first.payload.expires_at);
    const second = await front.acquire({ need_zmq: true });
    standing.pair(ZMQ[0], "fe-1");
    standing.over(ZMQ[0], "finished", "FE");
    expect(linesOf(log, "paired")[0].session_id).toBe(second.payload.session_id);
    expect(linesOf(log, "lease_over").map(({ reason }) => reason)).toContain("session_over");
    // Whoever gives back what has ended by itself, as front ends do after a long session, is right to.
    for (const { payload: { session_id } } of [first, second]) {
      front.send("port_release", { session_id });
    }
    await front.settled();
    expect(linesOf(log, "control_error")).toEqual([]);
    await other.settled();
    const third = await other.acquire({ need_zmq: true });
    expect(third.payload.error).toBe("");
    await other.close();
    await log.lines.find(({ reason }) => reason === "owner_left");
    expect((await front.acquire({ need_zmq: true })).payload.error).toBe("");
    await back.settled();
    expect(back.all.map(({ type }) => type)).not.toContain("port_release");
  });

  test("a lease counts as a session where those are limited", async () => {
    const { fe, standing } = await start({ quotas: { sessions_per_principal: 1 } });
    const front = await fe("fe-1");
    for (const port of ZMQ) standing.wait(port);
    await front.states(({ zmq_ready_ports }) => zmq_ready_ports.length === 5);
    const { payload: { session_id } } = await front.acquire({ need_zmq: true });
    const refused = await front.acquire({ need_zmq: true });
    expect(refused.payload).toMatchObject({ session_id: "", error_code: "LIMIT_REACHED" });
    expect(refused.payload.error).toContain("sessions_per_principal");
    front.send("port_release", { session_id });
    expect((await front.acquire({ need_zmq: true })).payload.error).toBe("");
  });
});

describe("the reaper", () => {
  const rlx1 = { reaper_timeout: "150ms" };
  /** For those who have to be back before it is over, however busy the machine is. */
  const patient = { reaper_timeout: "900ms" };

  test("a back end that goes loses its sessions at once and its waiting ports after the time", async () => {
    const running = await start({ rlx1 });
    const { fe, standing, log } = running;
    const front = await fe();
    const [gone, stays] = [await allocated(running, "be-1"), await allocated(running, "be-2")];
    standing.wait(ZMQ[0], "be-1");
    standing.pair(ZMQ[0]);
    standing.wait(ZMQ[1], "be-1");
    standing.wait(ZMQ[2], "be-2");
    standing.wait(ZMQ[3], "somebody of old");
    standing.wait(ZMQ[4], "be-2");
    standing.pair(ZMQ[4]);
    await gone.close();
    const stop = await log.status("session_stop");
    expect(stop).toMatchObject({ port: ZMQ[0], reason: "back_end_left" });
    expect(linesOf(log, "ports_reaped")).toEqual([]);
    const reaped = await log.status("ports_reaped");
    expect(reaped.id).toBe("be-1");
    await front.states((state) => !state.zmq_ready_ports.includes(ZMQ[1]) && state.zmq_busy === 1);
    expect((await front.states(() => true)).zmq_total).toBe(5);
    expect(standing.ports.get(ZMQ[2])?.be?.id).toBe("be-2");
    expect(standing.ports.get(ZMQ[3])?.be).not.toBeNull();
    expect(linesOf(log, "session_stop")).toHaveLength(1);
    await stays.settled();
  });

  test("one that is back in time keeps what waits", async () => {
    const running = await start({ rlx1: patient });
    const { standing, log } = running;
    await allocated(running, "be-2");
    const first = await allocated(running, "be-1");
    standing.wait(ZMQ[1], "be-1");
    await first.close();
    await log.status("disconnected");
    await allocated(running, "be-1");
    // Another one's time, begun later, is over: so is the first one's.
    const third = await allocated(running, "be-3");
    standing.wait(ZMQ[2], "be-3");
    await third.close();
    expect((await log.status("ports_reaped")).id).toBe("be-3");
    expect(standing.ports.get(ZMQ[1])?.be?.id).toBe("be-1");
  });

  test("with the last one go old back ends' sessions and, after the time, all listeners; port_alloc brings them back", async () => {
    const running = await start({ rlx1 });
    const { fe, be, standing, log } = running;
    const front = await fe();
    // A back end that has not sent port_alloc keeps its own, but is none to wait for.
    const quiet = await be("be-quiet");
    const last = await allocated(running, "be-1");
    standing.wait(ZMQ[0], "somebody of old");
    standing.pair(ZMQ[0]);
    standing.wait(ZMQ[1], "");
    standing.wait(ZMQ[2], "be-quiet");
    standing.pair(ZMQ[2]);
    await last.close();
    expect((await log.status("session_stop")).port).toBe(ZMQ[0]);
    await log.status("ports_reaped");
    await front.states((state) =>
      state.zmq_empty_ports.length + state.zmq_ready_ports.length +
            state.srt_empty_ports.length === 0 && state.zmq_busy === 1
    );
    expect([...standing.ports.keys()]).toEqual([ZMQ[2]]);
    quiet.send("port_alloc", ALLOC);
    await front.air.upcoming(
      "all back",
      ({ type, payload }) =>
        type === "port_state" && payload.zmq_empty_ports.length === 4 &&
        payload.srt_empty_ports.length === 5,
    );
    await log.status("ports_reopened");
    standing.over(ZMQ[2], "finished", "FE");
    await front.states(({ zmq_ready_ports }) => zmq_ready_ports.includes(ZMQ[2]));
  });

  test("port_alloc in time cancels it", async () => {
    const running = await start({ rlx1: patient });
    const { standing, log } = running;
    const last = await allocated(running, "be-1");
    await last.close();
    await log.status("disconnected");
    await allocated(running, "another");
    // What would have been due before this has not come.
    await (await allocated(running, "third")).close();
    standing.wait(ZMQ[0], "fourth");
    const fourth = await allocated(running, "fourth");
    await fourth.close();
    await log.status("ports_reaped");
    expect(standing.ports.size).toBe(10);
    expect(linesOf(log, "ports_reaped").map(({ id }) => id)).toEqual(["fourth"]);
  });

  test("another one's port_alloc does not keep what waits of those that are gone", async () => {
    const running = await start({ rlx1 });
    const { standing, log } = running;
    const [one, two] = [await allocated(running, "be-1"), await allocated(running, "be-2")];
    standing.wait(ZMQ[0], "be-1");
    standing.wait(ZMQ[1], "be-2");
    standing.wait(ZMQ[2], "somebody of old");
    const line = (status: string, id: string) =>
      log.lines.find((one) => one.status === status && one.id === id);
    for (const [client, id] of [[one, "be-1"], [two, "be-2"]] as const) {
      await client.close();
      await line("disconnected", id);
    }
    await allocated(running, "be-3");
    for (const id of ["be-1", "be-2"]) await line("ports_reaped", id);
    expect([...standing.ports.values()].flatMap(({ be }) => be?.id ?? [])).toEqual([
      "somebody of old",
    ]);
    expect(standing.ports.size).toBe(10);
  });

  test("back ends that never sent port_alloc are not reaped", async () => {
    const running = await start({ rlx1 });
    const { be, standing, log } = running;
    const old = await be("old");
    standing.wait(ZMQ[0], "old");
    standing.pair(ZMQ[0]);
    await old.close();
    await log.status("disconnected");
    const other = await allocated(running, "be-1");
    standing.wait(ZMQ[1], "be-1");
    const keeper = await allocated(running, "keeper");
    await other.close();
    await log.status("ports_reaped");
    expect(linesOf(log, "session_stop")).toEqual([]);
    await keeper.settled();
  });
});

describe("what the operator does", () => {
  test("a drain lets nobody new in, closes what is free, and is taken back", async () => {
    const running = await start({ admin: { port: 0 } });
    const { fe, connect, standing } = running;
    const front = await fe();
    standing.wait(ZMQ[0]);
    standing.pair(ZMQ[0]);
    standing.wait(ZMQ[1]);
    await front.states(({ zmq_busy }) => zmq_busy === 1);
    await order(running, "POST");
    await front.states((state) =>
      state.zmq_ready_ports.length + state.zmq_empty_ports.length === 0 && state.zmq_busy === 1
    );
    const refused = await front.acquire({ need_zmq: true });
    expect(refused.payload).toMatchObject({
      session_id: "",
      error: "draining",
      error_code: "DRAINING",
    });
    const late = await connect();
    late.send("register", { role: "FE", secret: SECRET });
    await late.ended();
    expect(late.all).toEqual([]);
    standing.over(ZMQ[0], "finished", "FE");
    await front.air.upcoming(
      "all closed",
      ({ type, payload }) =>
        type === "port_state" && payload.zmq_busy === 0 && payload.zmq_ready_ports.length === 0,
    );
    const back = front.air.upcoming(
      "all back",
      ({ type, payload }) => type === "port_state" && payload.zmq_empty_ports.length === 5,
    );
    await order(running, "DELETE");
    await back;
  });

  test("a reload changes limits, the reaper and the ranges around what runs", async () => {
    let next: Config = configOf();
    const running = await start({}, { load: () => next });
    const { gateway, fe, connect, standing, config, log } = running;
    const front = await fe();
    await front.next("port_alloc");
    standing.wait(ZMQ[3]);
    standing.pair(ZMQ[3]);
    await front.states(({ zmq_busy }) => zmq_busy === 1);
    next = structuredClone(config);
    Object.assign(next.rlx1!, { max_fe: 1, zmq_end_port: ZMQ[1], srt_end_port: SRT[4] + 2 });
    Object.assign(next.rlx1!, { reaper_timeout: 50, ring_buffer_size: 1_048_576 });
    expect(await gateway.reload("the test")).toEqual({
      applied: [
        "rlx1.max_fe",
        "rlx1.reaper_timeout",
        "rlx1.zmq_end_port",
        "rlx1.srt_end_port",
      ],
      needs_restart: ["rlx1.ring_buffer_size"],
    });
    expect((await front.next("port_alloc")).payload).toMatchObject({
      zmq_end_port: ZMQ[1],
      srt_end_port: SRT[4] + 2,
    });
    const state = await front.states(({ zmq_total, srt_empty_ports }) =>
      zmq_total === 2 && srt_empty_ports.length === 7
    );
    expect(state).toMatchObject({ zmq_busy: 1, zmq_empty_ports: ZMQ.slice(0, 2), srt_total: 7 });
    standing.over(ZMQ[3], "finished", "FE");
    await front.air.upcoming(
      "the last one is gone",
      ({ type, payload }) => type === "port_state" && payload.zmq_busy === 0,
    );
    while (standing.ports.has(ZMQ[3])) await turn();
    const late = await connect();
    late.send("register", { role: "FE", secret: SECRET });
    await late.ended();
    expect(linesOf(log, "limit_reached")[0].limit).toBe("rlx1.max_fe");
    const last = await allocated(running, "be-1");
    await last.close();
    expect((await log.status("ports_reaped")).timeout_ms).toBe(50);
  });

  test("a kick ends the peers of both generations that have the id", async () => {
    const running = await start({ admin: { port: 0 } });
    const { fe, v4, standing, log } = running;
    const [front, second] = [await fe("same"), await v4("client", "same")];
    standing.wait(ZMQ[0]);
    standing.pair(ZMQ[0], "same");
    const { admin_port } = await log.status("admin_serving");
    const url = `http://127.0.0.1:${admin_port}/api/v1/registrations/client/same?sessions=true`;
    const kick = () => fetch(url, { method: "DELETE" });
    expect(await (await kick()).json()).toEqual({ ended: 3 });
    await Promise.all([front.ended(), second.ended]);
    expect(linesOf(log, "session_stop")).toMatchObject([{ port: ZMQ[0], reason: "kicked" }]);
    expect((await kick()).status).toBe(404);
  });

  test("a ban ends registrations and, where that is asked for, the sessions that name them", async () => {
    const running = await start({ admin: { port: 0 } });
    const { fe, be, standing, log } = running;
    const [front, back] = [await fe("fe-1"), await be("be-1")];
    standing.wait(ZMQ[0], "be-1");
    standing.pair(ZMQ[0], "fe-1");
    standing.wait(ZMQ[1], "be-1");
    standing.pair(ZMQ[1], "fe-2");
    const { admin_port } = await log.status("admin_serving");
    const answer = await fetch(`http://127.0.0.1:${admin_port}/api/v1/bans`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ subject: "id:fe-1", sessions: true }),
    });
    expect(answer.status).toBe(200);
    await front.ended();
    expect(linesOf(log, "session_stop")).toMatchObject([{ port: ZMQ[0], reason: "revoked" }]);
    const again = await running.connect();
    again.send("register", { role: "FE", secret: SECRET, client_id: "fe-1" });
    await again.ended();
    expect(linesOf(log, "register_refused")[0]).toMatchObject({ reason: "banned" });
    await back.settled();
  });

  test("a drain that begins while a verdict is waited for counts", async () => {
    const key = makeKey("k");
    const provider = await KeySetServer.start([key]);
    try {
      // The key set comes when the drain has begun.
      const answer = provider.answer;
      const asked = new Promise<() => void>((resolve) => {
        provider.answer = (response) => resolve(() => answer(response));
      });
      const jwt = { jwks_url: provider.url, jwt_audience: "relay", jwt_role_claim: "" };
      const running = await start({ admin: { port: 0 }, auth: { mode: "jwt", ...jwt } });
      const front = await running.connect();
      const secret = signToken(key, { sub: "fe-1", aud: "relay", exp: inSeconds(60) });
      front.send("register", { role: "FE", client_id: "fe-1", secret });
      const letGo = await asked;
      await order(running, "POST");
      letGo();
      await front.ended();
      expect(front.all).toEqual([]);
      expect(linesOf(running.log, "register_refused")[0]).toMatchObject({
        code: "DRAINING",
        error: "draining",
      });
    } finally {
      await provider.close();
    }
  });

  test("v1 is not turned on or off by a reload", async () => {
    let next: Config = configOf();
    const { gateway, fe } = await start({}, { load: () => next });
    next = structuredClone(next);
    delete next.rlx1;
    expect((await gateway.reload("the test")).needs_restart).toContain("rlx1");
    await fe();
  });

  test("the end waits for sessions and cuts what is left", async () => {
    const { gateway, fe, standing, log } = await start({ gateway: { shutdown_timeout: 100 } });
    const front = await fe();
    for (const port of ZMQ.slice(0, 2)) {
      standing.wait(port);
      standing.pair(port);
    }
    await front.states(({ zmq_busy }) => zmq_busy === 2);
    const closed = gateway.close("the test");
    standing.over(ZMQ[0], "finished", "FE");
    await closed;
    expect(linesOf(log, "stopped")[0].sessions_cut).toBe(1);
    expect(linesOf(log, "session_stop").map(({ reason }) => reason)).toEqual([
      "finished",
      "released",
    ]);
    expect(standing.ports.size).toBe(0);
  });
});

describe("the admin side", () => {
  test("a session on a port of each range is one row with its rates, and a kick ends both", async () => {
    const { fe, standing, log } = await start({ admin: { port: 0 } });
    const front = await fe("fe-1");
    for (const port of [ZMQ[0], SRT[0]]) standing.wait(port, "be-1");
    await front.states(({ zmq_ready_ports, srt_ready_ports }) =>
      zmq_ready_ports.length + srt_ready_ports.length === 2
    );
    const { payload } = await front.acquire({ need_zmq: true, need_srt: true });
    for (const port of [ZMQ[0], SRT[0]]) standing.pair(port, "fe-1");
    const { admin_port } = await log.status("admin_serving");
    const url = `http://127.0.0.1:${admin_port}/api/v1`;
    const get = async (path: string) => (await fetch(`${url}/${path}`)).json();
    const measured = async (): Promise<SessionRow[]> => {
      for (;;) {
        standing.carry(SRT[0], 1_000_000, 10);
        const { sessions } = await get("sessions") as { sessions: SessionRow[] };
        if (sessions.some(({ ports }) => ports.some(({ bps_up }) => bps_up > 0))) return sessions;
      }
    };
    const sessions = await within("a rate", measured());
    expect(sessions).toMatchObject([{
      protocol: "rlx1",
      session_id: payload.session_id,
      ports: [{ port: ZMQ[0], bps_up: 0 }, { port: SRT[0], bps_up: expect.any(Number) }],
    }]);
    expect(await get("gateway")).toMatchObject({ sessions: 1, rlx1: { sessions: 1 } });
    const { sentences } = await get(`explain/${payload.session_id}`) as { sentences: string[] };
    expect(sentences.join("\n")).toContain(`Now: TCP port ${SRT[0]} (v1, srt) has carried`);
    expect(sentences.join("\n")).not.toContain("SRT port");
    const kicked = await fetch(`${url}/sessions/${payload.session_id}`, { method: "DELETE" });
    expect(await kicked.json()).toEqual({ ended: 1 });
    expect(linesOf(log, "session_stop").map(({ port }) => port)).toEqual([ZMQ[0], SRT[0]]);
    expect(await get("sessions")).toEqual({ sessions: [] });
  });
});

/** Orders a drain, or takes it back, as an operator does. */
async function order({ log }: Running, method: "POST" | "DELETE"): Promise<void> {
  const { admin_port } = await log.status("admin_serving");
  const answer = await fetch(`http://127.0.0.1:${admin_port}/api/v1/drain`, {
    method,
    headers: { "content-type": "application/json" },
    body: method === "POST" ? "{}" : undefined,
  });
  expect(answer.status).toBe(200);
}
