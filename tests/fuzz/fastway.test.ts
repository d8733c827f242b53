/** fastway against a simple model of it, in random runs that a seed repeats. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { oneBurst } from "../contract/fastway-burst.ts";
import { PeerRig } from "../contract/fastway-peer-rig.ts";
import { randomRun } from "../contract/fastway-runs.ts";
import { FastwayTrial, learnPlaces } from "../contract/fastway-trial.ts";
import { FastwayModel } from "../harness/fastway-model.ts";
import { announcedRandom, Random } from "../harness/random.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(60_000);

const STEPS = 14;
const CLIENT_CONN_MAX = 5;
/** Above what the gateway reads at once, so that frames come to it in parts. */
const PACKET_BYTES_MAX = 200_000;

for (
  const { subject, runs, workers = 1, first_id = 1 } of [
    { subject: "fastway's model", runs: 1000 },
    { subject: "fastway's model on three workers", runs: 150, workers: 3 },
    // Ids are of 32 bits, and begin again behind the last one.
    { subject: "fastway's model where ids wrap", runs: 40, first_id: 2 ** 32 - 30 },
  ]
) {
  describe(`one thing after another, by ${subject}`, () => {
    let rig: PeerRig;
    let model: FastwayModel;
    beforeAll(async () => {
      const keys = { ClientMaxConn: CLIENT_CONN_MAX, MaxPacket: `${PACKET_BYTES_MAX}B` };
      rig = await PeerRig.start(keys, { first_id, workers });
      model = new FastwayModel({
        client_conn_max: CLIENT_CONN_MAX,
        packet_bytes_max: PACKET_BYTES_MAX,
        first_id,
        workers,
      });
    });
    afterAll(() => rig.close());

    test(`${runs} runs: every peer gets what the model says, and nothing else`, async () => {
      const master = announcedRandom(subject);
      const places = workers === 1 ? undefined : await learnPlaces({ rig, model, workers });
      for (let run = 0; run < runs; run++) {
        const random = new Random(run === 0 ? master.seed : master.int(0, 2 ** 32 - 1));
        const trial = new FastwayTrial({ rig, model, places });
        try {
          await randomRun({ trial, random, steps: STEPS, frames_max: workers === 1 ? 8 : 1 });
        } catch (error) {
          const story = trial.story.join("\n  ");
          throw new Error(
            `run ${run}, RELAYX_SEED=${random.seed}: ${(error as Error).message}\n  ${story}`,
          );
        }
        rig.events.items.length = 0;
      }
      await rig.totalsUntil({ virtual: 0, ...model.counts });
      expect(model.virtual.size).toBe(0);
      // The runs have gone as far as they were to go.
      if (first_id > 1) expect(model.last_client_id).toBeLessThan(first_id);
      if (first_id > 1) expect(model.nextVirtualId()).toBeLessThan(first_id);
    });
  });
}

for (const [workers, bursts] of [[1, 20], [3, 15]]) {
  describe(`all at once, workers: ${workers}`, () => {
    const WRITES = 40;

    test(`${bursts} bursts: no message lost, repeated, reordered or changed`, async () => {
      const master = announcedRandom(`fastway's bursts, workers: ${workers}`);
      const rig = await PeerRig.start({ ClientSendChanSize: 100_000 }, { workers });
      try {
        for (let burst = 0; burst < bursts; burst++) {
          const random = new Random(burst === 0 ? master.seed : master.int(0, 2 ** 32 - 1));
          const found = await oneBurst({ rig, random, writes: WRITES });
          if (found.length > 0) {
            const where = `burst ${burst}, RELAYX_SEED=${random.seed}`;
            throw new Error(`${where}:\n  ${found.join("\n  ")}`);
          }
          rig.events.items.length = 0;
        }
      } finally {
        await rig.close();
      }
    });
  });
}
