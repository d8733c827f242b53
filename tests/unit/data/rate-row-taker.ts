/** A thread of a test: takes from a row, always at the same instant, until there is nothing left. */
import { parentPort, workerData } from "node:worker_threads";
import { type RateMemory, RateRow } from "../../../src/data/rate-row.ts";

interface Task {
  memory: RateMemory;
  worker: number;
  /** How many threads have arrived; they begin together. */
  arrived: Int32Array;
  threads: number;
}

const { memory, worker, arrived, threads } = workerData as Task;
const row = new RateRow({ memory, row: 0, worker });
Atomics.add(arrived, 0, 1);
while (Atomics.load(arrived, 0) < threads);
let sum = 0;
for (;;) {
  // Every one of them is a few milliseconds of the rate, and so a swap.
  const taken = row.take(2, 0);
  if (taken === 0) break;
  sum += taken;
}
parentPort!.postMessage(sum);
