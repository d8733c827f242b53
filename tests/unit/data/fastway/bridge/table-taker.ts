/** A thread of a test: counts up and down under random keys; a key whose count is 0 is removed. */
import { parentPort, workerData } from "node:worker_threads";
import {
  SharedTable,
  type SharedTableShape,
} from "../../../../../src/data/fastway/bridge/shared-table.ts";
import { Random } from "../../../../harness/random.ts";

const { memory, shape, rounds, seed } = workerData as {
  memory: SharedArrayBuffer;
  shape: SharedTableShape;
  rounds: number;
  seed: number;
};
const table = new SharedTable({ memory, shape });
const random = new Random(seed);
const counts = Array<number>(20).fill(0);
const key = new Int32Array(2);
for (let i = 0; i < rounds; i++) {
  const one = random.int(0, counts.length - 1);
  const step = counts[one] > 0 && random.int(0, 1) === 0 ? -1 : 1;
  key[0] = one;
  counts[one] += step;
  table.lock();
  try {
    const slot = table.take(key);
    const value = table.value(slot, 0) + step;
    if (value === 0) table.remove(slot);
    else table.setValue(slot, 0, value);
  } finally {
    table.unlock();
  }
}
parentPort!.postMessage(counts);
