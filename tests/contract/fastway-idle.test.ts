/** Who says nothing whole for the idle timeout is let go; here the time itself is what is tested. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Buffer } from "node:buffer";
import type { EndpointFacts } from "../../src/data/fastway/protocol.ts";
import { data, frameOfLength } from "../harness/fastway-frames.ts";
import { type FastwayPeer, virtualConnection } from "../harness/fastway-peer.ts";
import { PeerRig } from "./fastway-peer-rig.ts";
import { timePasses } from "./rig.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(60_000);

const IDLE_MS = 1000;
/** How far the gateway's clock of deadlines may be off. */
const TICK_MS = 60;
const SERVER = 1;

for (const side of ["client", "server"] as const) {
  describe(`idle ${side}s`, () => {
    let rig: PeerRig;
    beforeAll(async () => {
      const own = side === "client" ? "ClientIdleTimeout" : "ServerIdleTimeout";
      const other = side === "client" ? "ServerIdleTimeout" : "ClientIdleTimeout";
      rig = await PeerRig.start({ [own]: `${IDLE_MS}ms`, [other]: 0 });
    });
    afterAll(() => rig.close());

    let number = SERVER;
    const idler = () => side === "client" ? rig.client() : rig.server(++number);
    const talker = () => side === "client" ? rig.server(++number) : rig.client();

    /** How long the endpoint lasts, from before its last whole frame. */
    async function idleAfter(peer: FastwayPeer, facts: EndpointFacts): Promise<number> {
      await peer.settled();
      const from = performance.now();
      expect((await rig.over(facts)).reason).toBe("idle");
      await peer.closed();
      return performance.now() - from;
    }

    test("silence, parts of frames and what is received do not count; whole frames do", async () => {
      const awake = await idler();
      const never = await talker();
      const facts = await rig.facts(awake);
      let is_over = false;
      const keptAwake = (async () => {
        while (!is_over) {
          await awake.settled();
          await timePasses(50);
        }
      })();

      const silent = async () => {
        const peer = await idler();
        const lasted_ms = await idleAfter(peer, await rig.facts(peer));
        expect(lasted_ms).toBeGreaterThan(IDLE_MS - TICK_MS);
      };
      const partial = async () => {
        const peer = await idler();
        const ended = idleAfter(peer, await rig.facts(peer));
        trickle(peer, frameOfLength(400_000, 5, new Uint8Array(0)));
        expect(await ended).toBeGreaterThan(IDLE_MS - TICK_MS);
      };
      const listening = async () => {
        const [peer, other] = await Promise.all([idler(), talker()]);
        const facts = await rig.facts(peer);
        const conn_id = await virtualConnection(other, peer, facts.id);
        const ended = idleAfter(peer, facts);
        let heard = 0;
        while (!peer.is_closed) {
          other.sendCarelessly(data(conn_id, `${heard++}`));
          await timePasses(50);
        }
        await ended;
        expect(await other.take("close")).toEqual({ type: "close", conn_id });
        await other.settled();
      };
      await Promise.all([silent(), partial(), listening()]);
      is_over = true;
      await keptAwake;
      expect(awake.is_closed).toBe(false);
      expect(rig.plane.counters(facts.endpoint)).not.toBeNull();
      // The other side has no deadline at all.
      await never.settled();
      awake.destroy();
      never.destroy();
    });
  });
}

/** A byte every now and then until the peer is closed. */
async function trickle(peer: FastwayPeer, head: Buffer): Promise<void> {
  peer.sendCarelessly(head);
  while (!peer.is_closed) {
    peer.sendCarelessly(new Uint8Array([0]));
    await timePasses(50);
  }
}
