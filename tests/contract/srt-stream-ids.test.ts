/** Ends of a session that say in their stream id who they are, on the session's own port. */
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
import { startSrt } from "./rig.ts";
import { joinById, type SrtRig, talk, turnedAway } from "./srt-callers.ts";
import type { SrtPeer } from "./srt-peers.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(40_000);

describe("a session's own port, by stream id", () => {
  let rig: SrtRig;
  beforeAll(async () => {
    rig = await startSrt();
  });
  afterEach(() => rig.reset());
  afterAll(() => rig.close());

  const parties = { client_id: "fe-1", server_id: "be-1" };

  for (const m of ["publish", "request", "bidirectional"] as const) {
    test(`u says who it is, whatever m=${m} says`, async () => {
      const { port, session_id } = await rig.open(undefined, parties);
      const server = await joinById(rig, { port, session_id, u: "be-1", m });
      expect(await rig.event("waiting", port)).toMatchObject({ role: "server", id: "be-1" });
      const client = await joinById(rig, { port, session_id, u: "fe-1", m });
      expect(await rig.event("paired", port)).toMatchObject({ role: "client", id: "fe-1" });
      await talk(client, server);
    });
  }

  test("without u, who publishes is the client and who requests the server", async () => {
    const { port, session_id } = await rig.open(undefined, parties);
    const client = await joinById(rig, { port, session_id, m: "publish" });
    expect(await rig.event("waiting", port)).toMatchObject({ role: "client", id: "client" });
    const server = await joinById(rig, { port, session_id, m: "request" });
    expect(await rig.event("paired", port)).toMatchObject({ role: "server", id: "server" });
    await talk(client, server);
  });

  test("without u, the second takes the seat that is free", async () => {
    const { port, session_id } = await rig.open(undefined, parties);
    const server = await joinById(rig, { port, session_id });
    expect(await rig.event("waiting", port)).toMatchObject({ role: "server" });
    const client = await joinById(rig, { port, session_id });
    expect(await rig.event("paired", port)).toMatchObject({ role: "client" });
    await talk(client, server);
  });

  test("an id that both parties have says nothing", async () => {
    const { port, session_id } = await rig.open(undefined, { client_id: "me", server_id: "me" });
    const server = await joinById(rig, { port, session_id, u: "me" });
    expect(await rig.event("waiting", port)).toMatchObject({ role: "server", id: "me" });
    const client = await joinById(rig, { port, session_id, u: "me" });
    expect(await rig.event("paired", port)).toMatchObject({ role: "client", id: "me" });
    await talk(client, server);
  });

  for (const by_id of ["client", "server"] as const) {
    const by_hello = by_id === "client" ? "server" : "client";
    for (const first of [by_id, by_hello] as const) {
      test(`the ${by_id} by stream id and the ${by_hello} by hello, the ${first} first`, async () => {
        const reservation = await rig.open(undefined, parties);
        const { port } = reservation;
        const u = by_id === "client" ? "fe-1" : "be-1";
        const join = (role: "client" | "server") =>
          role === by_id ? joinById(rig, { ...reservation, u }) : rig.join(reservation, role);
        const one = await join(first);
        expect(await rig.event("waiting", port)).toMatchObject({ role: first });
        const other = await join(first === "client" ? "server" : "client");
        await rig.event("paired", port);
        await talk(...(first === "client" ? [one, other] : [other, one]) as [SrtPeer, SrtPeer]);
      });
    }
  }

  test("what is said before the other comes waits for it", async () => {
    const { port, session_id } = await rig.open(undefined, parties);
    const client = await joinById(rig, { port, session_id, u: "fe-1", latency_ms: 3000 });
    await rig.event("waiting", port);
    client.message("V4HELLO is not looked for here\n");
    const server = await joinById(rig, { port, session_id, u: "be-1" });
    await server.reached(31);
    expect(server.text()).toBe("V4HELLO is not looked for here\n");
  });

  test.each<[string, { u?: string; session_id?: string }, string]>([
    ["another u", { u: "somebody" }, "alloc_mismatch"],
    ["another s", { session_id: "0123456789abcdef", u: "be-1" }, "alloc_mismatch"],
    ["another s and no u", { session_id: "x" }, "alloc_mismatch"],
  ])("turns away %s, and the session goes on", async (_, lie, status) => {
    const { port, session_id } = await rig.open(undefined, parties);
    const server = await joinById(rig, { port, session_id, u: "be-1" });
    await rig.event("waiting", port);
    await turnedAway(rig, {
      port,
      stream_id: formatStreamId({ s: lie.session_id ?? session_id, u: lie.u, m: "request" }),
    });
    expect(await rig.event("rejected", port)).toMatchObject({ status, session_id });
    const client = await joinById(rig, { port, session_id, u: "fe-1" });
    await rig.event("paired", port);
    await talk(client, server);
  });

  test("turns away a second of the same u, and whoever comes when both are there", async () => {
    const { port, session_id } = await rig.open(undefined, parties);
    const server = await joinById(rig, { port, session_id, u: "be-1" });
    await rig.event("waiting", port);
    await turnedAway(rig, {
      port,
      stream_id: formatStreamId({ s: session_id, u: "be-1", m: "request" }),
    });
    expect(await rig.event("rejected", port)).toMatchObject({ status: "server_dup" });
    const client = await joinById(rig, { port, session_id, u: "fe-1" });
    await rig.event("paired", port);
    for (const u of ["fe-1", "be-1", undefined]) {
      await turnedAway(rig, {
        port,
        stream_id: formatStreamId({ s: session_id, u, m: "request" }),
      });
      expect(await rig.event("rejected", port)).toMatchObject({ status: "port_occupied" });
    }
    await talk(client, server);
  });

  test.each([
    ["a stream", "#!::r=cam,m=publish"],
    ["a stream in the plain form", "publish:cam"],
    ["no key=value", "#!::hello"],
    ["neither s nor r", "#!::u=be-1"],
    ["a control character", "#!::s=\n"],
  ])("turns away %s", async (_, stream_id) => {
    const { port } = await rig.open(undefined, parties);
    await turnedAway(rig, { port, stream_id });
    expect(await rig.event("rejected", port)).toMatchObject({ status: "streamid_error" });
  });

  test("a stream id in no known form means nothing: the hello counts", async () => {
    const reservation = await rig.open(undefined, parties);
    const { port, session_id } = reservation;
    const server = await rig.peers!.join({
      port,
      stream_id: "whatever an encoder puts here",
      hello: { role: "server", session_id, id: "be-1" },
    });
    await rig.event("waiting", port);
    const client = await rig.join(reservation, "client");
    await rig.event("paired", port);
    await talk(client, server);
  });
});
