/** A session whose ends must prove themselves, on each plane. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { HelloProofs, Role } from "../../src/data/plane.ts";
import { formatStreamId, type StreamIdMode } from "../../src/data/srt/stream-id.ts";
import { type Rig, startPlane, startSrt } from "./rig.ts";
import type { SrtPeer } from "./srt-peers.ts";

const proofs: HelloProofs = { client: "c1".repeat(16), server: "5e".repeat(16) };
const other = (role: Role): Role => role === "client" ? "server" : "client";

for (const kind of ["zmq", "srt"] as const) {
  describe(`a proof in the hello on the ${kind} plane`, () => {
    let rig: Rig;
    beforeAll(async () => {
      rig = await startPlane(kind);
    });
    afterEach(() => rig.reset());
    afterAll(() => rig.close());

    /** An end that says a hello as it likes. */
    async function come(port: number, hello: Record<string, unknown>) {
      const end = await rig.connect(port);
      await end.write(`V4HELLO ${JSON.stringify({ id: "somebody", ...hello })}\n`);
      return end;
    }

    test("each end comes with its own, and carries on", async () => {
      const { port, session_id } = await rig.open(undefined, { proofs });
      const server = await come(port, { role: "server", session_id, hello_token: proofs.server });
      await rig.event("waiting", port);
      const client = await come(port, { role: "client", session_id, hello_token: proofs.client });
      await rig.event("paired", port);
      await client.write("up");
      await server.write("down");
      await Promise.all([server.reached(2), client.reached(4)]);
      expect([server.text(), client.text()]).toEqual(["up", "down"]);
    });

    for (const role of ["client", "server"] as const) {
      test(`a ${role} without it is turned away, and the seat is still free`, async () => {
        const { port, session_id } = await rig.open(undefined, { proofs });
        for (const hello_token of [undefined, "", proofs[other(role)], `${proofs[role]}0`]) {
          const stranger = await come(port, { role, session_id, hello_token });
          const rejected = await rig.event("rejected", port);
          expect(rejected.status).toBe("hello_unproven");
          expect(rejected.detail).not.toContain(proofs[role]);
          await stranger.turnedAway();
        }
        await come(port, { role, session_id, hello_token: proofs[role] });
        expect(await rig.event("waiting", port)).toMatchObject({ role });
      });
    }

    test("where none is asked for, one that is sent changes nothing", async () => {
      const { port, session_id } = await rig.open();
      await come(port, { role: "client", session_id, hello_token: proofs.client });
      expect(await rig.event("waiting", port)).toMatchObject({ role: "client" });
    });
  });
}

for (const sessions_shared of [false, true]) {
  const where = sessions_shared ? "a shared port" : "a port of its own";
  describe(`a proof in the stream id, on ${where}`, () => {
    let rig: Rig<SrtPeer>;
    beforeAll(async () => {
      rig = await startSrt({ sessions_shared, shared_ports: sessions_shared ? 1 : 0 });
    });
    afterEach(() => rig.reset());
    afterAll(() => rig.close());

    async function call(
      fields: { s: string; u?: string; relayx_token?: string; m: StreamIdMode },
      port: number,
    ) {
      return await rig.peers!.connect({
        port: rig.plane.publicPort(port),
        stream_id: formatStreamId(fields),
      });
    }

    test("it lets in, and says which end has come where nothing else does", async () => {
      const about = { client_id: "fe-1", server_id: "be-1", proofs };
      const { port, session_id: s } = await rig.open(undefined, about);
      // By its mode alone this one would be the server.
      await call({ s, relayx_token: proofs.client, m: "request" }, port);
      expect(await rig.event("waiting", port)).toMatchObject({ role: "client" });
      await call({ s, u: "be-1", relayx_token: proofs.server, m: "request" }, port);
      expect(await rig.event("paired", port)).toMatchObject({ role: "server", id: "be-1" });
    });

    test("without it, or with the other end's, the caller is turned away", async () => {
      const about = { client_id: "fe-1", server_id: "be-1", proofs };
      const { port, session_id: s } = await rig.open(undefined, about);
      const wrong = [
        { s, u: "fe-1", m: "publish" },
        { s, m: "publish", relayx_token: "0".repeat(32) },
        { s, u: "fe-1", m: "publish", relayx_token: proofs.server },
      ] as const;
      for (const fields of wrong) {
        // It may be turned away before it has seen that it was connected.
        await call(fields, port).catch(() => null);
        expect(await rig.event("rejected", port)).toMatchObject({ status: "hello_unproven" });
      }
      expect(rig.left("waiting", port)).toEqual([]);
    });
  });
}
