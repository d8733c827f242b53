/**
 * Clients and servers of the plane that all talk at once, so that only what cannot be is known; of one
 * worker or of several.
 */
import type { EndpointFacts } from "../../src/data/fastway/protocol.ts";
import { patience_ms } from "../harness/deadline.ts";
import type { FastwayPeer } from "../harness/fastway-peer.ts";
import { discrepancies, Talker } from "../harness/fastway-talker.ts";
import { Random } from "../harness/random.ts";
import type { PeerRig } from "./fastway-peer-rig.ts";

export interface BurstOptions {
  rig: PeerRig;
  random: Random;
  /** Of each talker. */
  writes: number;
}

/**
 * What is found once everything has arrived. An echo says that what its peer said has been dealt with
 * by the worker that has the peer; how long it is on its way to another worker nobody tells.
 */
async function settled(talkers: readonly Talker[], find: () => string[]): Promise<string[]> {
  const until_ms = performance.now() + patience_ms;
  for (;;) {
    await Promise.all(talkers.map(({ peer }) => peer.settled()));
    const found = find();
    if (found.length === 0 || performance.now() > until_ms) return found;
  }
}

/** Clients and servers that talk at once; then some leave at once, and the others must be told. */
export async function oneBurst(
  { rig, random, writes }: BurstOptions,
): Promise<string[]> {
  const server_ids = Array.from({ length: random.int(1, 3) }, (_, i) => i + 1);
  const body_bytes_max = random.pick([20, 400, 400, 10_000]);
  const talkers = new Map<Talker, EndpointFacts>();
  const join = async (remotes: number[], connect: (of: Talker) => Promise<FastwayPeer>) => {
    const seed = random.int(0, 2 ** 32 - 1);
    const talker = new Talker({ random: new Random(seed), remotes, body_bytes_max });
    talker.start(await connect(talker));
    await talker.peer.settled();
    const facts = await rig.facts(talker.peer);
    talkers.set(talker, facts);
    return facts.id;
  };
  const client_ids: number[] = [];
  for (let left = random.int(1, 5); left > 0; left--) {
    // Nobody has the id 99.
    const id = await join([...server_ids, 99], ({ listener }) => rig.client({ listener }));
    client_ids.push(id);
  }
  for (const id of server_ids) {
    await join([...client_ids, 0], ({ listener }) => rig.server(id, { listener }));
  }
  const all = [...talkers.keys()];
  await Promise.all(all.map((talker) => talker.talk(writes)));
  const found = await settled(all, () => discrepancies(all));
  await rig.totalsUntil({ virtual: all.flatMap(({ open }) => open).length / 2 });

  const leaving = all.filter(() => random.next() < 0.5);
  const staying = all.filter((talker) => !leaving.includes(talker));
  const ended = new Set(leaving.flatMap(({ open }) => open));
  const due = new Map(staying.map((talker) => [talker, talker.open.filter((id) => ended.has(id))]));
  for (const { peer } of leaving) peer.destroy();
  for (const talker of leaving) await rig.over(talkers.get(talker)!);
  const closesOf = (talker: Talker) =>
    due.get(talker)!.map((id) => [id, talker.accounts.get(id)!.closes])
      .filter(([, closes]) => closes !== 1)
      .map(([id, closes]) => `${talker.peer.name}: ${closes} closes of ${id}, whose end is gone`);
  found.push(...await settled(staying, () => staying.flatMap(closesOf)));
  for (const { peer } of staying) peer.destroy();
  for (const talker of staying) await rig.over(talkers.get(talker)!);
  await rig.totalsUntil({ virtual: 0 });
  return found;
}
