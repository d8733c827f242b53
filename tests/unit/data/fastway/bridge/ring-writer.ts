/** A thread of a test: fills a ring with records that its seed tells, as fast as there is room. */
import { workerData } from "node:worker_threads";
import { RingWriter } from "../../../../../src/data/fastway/bridge/ring.ts";
import { Random } from "../../../../harness/random.ts";

const { memory, records, seed } = workerData as {
  memory: SharedArrayBuffer;
  records: number;
  seed: number;
};
const writer = new RingWriter(memory);
const random = new Random(seed);
for (let i = 0; i < records; i++) {
  const size = random.int(0, random.pick([16, 200, 2000]));
  const first = random.int(0, 255);
  let at: number;
  while ((at = writer.reserve(i % 100 + 1, size)) < 0) writer.publish();
  for (let k = 0; k < size; k++) writer.bytes[at + k] = first + k;
  if (i % 7 === 0) writer.publish();
}
writer.publish();
