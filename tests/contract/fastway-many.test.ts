/** Whoever has thousands of virtual connections and leaves: each of them ends for its other end, once. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { Buffer } from "node:buffer";
import { dial, ping } from "../harness/fastway-frames.ts";
import type { FastwayPeer } from "../harness/fastway-peer.ts";
import { PeerRig } from "./fastway-peer-rig.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(60_000);

const VIRTUAL = 10_000;
/** As many dials as are answered without a queue of answers. */
const AT_ONCE = 500;

let rig: PeerRig;
beforeAll(async () => {
  rig = await PeerRig.start({ ClientMaxConn: 0 });
});
afterAll(() => rig.close());

async function dialAll(from: FastwayPeer, to: FastwayPeer, remote_id: number): Promise<void> {
  const dials = Buffer.concat(Array.from({ length: AT_ONCE }, () => dial(remote_id)));
  for (let dialled = 0; dialled < VIRTUAL; dialled += AT_ONCE) {
    await from.send(dials);
    await Promise.all([from, to].map((peer) => peer.reached(dialled + AT_ONCE)));
  }
}

/** What is open for a peer by what it has heard: nothing may be closed that is not. */
function openOf(peer: FastwayPeer): Set<number> {
  const open = new Set<number>();
  for (const frame of peer.frames.splice(0)) {
    if (frame.type === "accept" || frame.type === "connect") open.add(frame.conn_id);
    else if (frame.type !== "close" || !open.delete(frame.conn_id)) {
      throw new Error(`${peer.name}: ${JSON.stringify(frame)} where nothing of the kind was due`);
    }
  }
  return open;
}

for (const leaving of ["client", "server"] as const) {
  test(`a ${leaving} with ${VIRTUAL} of them leaves`, async () => {
    const [client, server] = [await rig.client(), await rig.server(1)];
    await dialAll(client, server, 1);
    await rig.totalsUntil({ virtual: VIRTUAL });
    const [gone, stays] = leaving === "client" ? [client, server] : [server, client];
    gone.destroy();
    await stays.reached(2 * VIRTUAL);
    expect(openOf(stays).size).toBe(0);
    await rig.totalsUntil({ virtual: 0, pool_used_bytes: 0 });
    await stays.settled();
    stays.destroy();
  });
}

test(`a server dials ${VIRTUAL} to one client, and the operator ends them all`, async () => {
  const [client, server] = [await rig.client(), await rig.server(2)];
  const { id } = await rig.facts(client);
  await dialAll(server, client, id);
  rig.plane.closeVirtual();
  for (const peer of [client, server]) {
    await peer.reached(2 * VIRTUAL);
    expect(openOf(peer).size).toBe(0);
    await peer.send(ping());
    await peer.take("ping");
    peer.destroy();
  }
  await rig.totalsUntil({ virtual: 0, pool_used_bytes: 0 });
});
