/** Several fastway workers on the same ports, and the means to get at each of them. */
import { spyOn } from "bun:test";
import { type BridgeMemory, CommonMemory } from "../../src/data/fastway/bridge/memory.ts";
import { RingWriter } from "../../src/data/fastway/bridge/ring.ts";
import { FastwayRig } from "./fastway-rig.ts";
import type { FastwayChoice, FastwayPeer } from "./fastway-rig.ts";

/** No record is of this type: a worker that finds one has met a mistake of ours, and dies of it. */
const NO_TYPE = 99;

export class WorkersRig extends FastwayRig {
  readonly workers: number;
  /** What the workers were started with last, by their places. */
  readonly #memories: BridgeMemory[] = [];
  #server_id = 1000;

  constructor(workers: number, choice: FastwayChoice) {
    super({ ReusePort: true, ...choice }, { gateway: { tcp_workers: workers } });
    this.workers = workers;
  }

  async start(): Promise<this> {
    const make = CommonMemory.prototype.forWorker;
    const memories = this.#memories;
    const spy = spyOn(CommonMemory.prototype, "forWorker").mockImplementation(
      function (this: CommonMemory, worker: number) {
        return memories[worker] = make.call(this, worker);
      },
    );
    this.ports = await this.plane.start();
    spy.mockRestore();
    return this;
  }

  /** The place of the worker that a client has come to: its id tells. */
  placeOf(client: FastwayPeer): number {
    return (client.id + this.workers - 1) % this.workers;
  }

  /** A client of each worker. */
  clients(): Promise<FastwayPeer[]> {
    return this.#oneOfEach(() => this.client());
  }

  /** A server of each worker; they have different ids unless they are told one. */
  servers(id?: number): Promise<FastwayPeer[]> {
    return this.#oneOfEach(() => this.server(id ?? ++this.#server_id));
  }

  /** Has the worker of a place die. Once only: those who come after have other rings. */
  breakWorker(place: number): void {
    const { rings } = this.#memories[place];
    const { back } = rings.find((pair) => pair !== null)!;
    const writer = new RingWriter(back);
    writer.reserve(NO_TYPE, 0);
    writer.publish();
    // It looks when it turns.
    void this.plane.beat(1000);
  }

  /** Connects until every worker has one, which the kernel decides. */
  async #oneOfEach(connect: () => Promise<FastwayPeer>): Promise<FastwayPeer[]> {
    const found = new Map<number, FastwayPeer>();
    while (found.size < this.workers) {
      const peer = await connect();
      const worker = workerOf(peer);
      if (!found.has(worker)) {
        found.set(worker, peer);
        continue;
      }
      peer.end.destroy();
      await this.event("endpoint_over", ({ endpoint }) => endpoint === peer.endpoint);
    }
    return [...found].sort(([a], [b]) => a - b).map(([, peer]) => peer);
  }
}

/** Endpoints of one worker have numbers with the same upper half. */
export function workerOf({ endpoint }: FastwayPeer): number {
  return Math.floor(endpoint / 2 ** 32);
}

export async function withWorkers(
  workers: number,
  choice: FastwayChoice,
  use: (rig: WorkersRig) => Promise<void>,
): Promise<void> {
  const rig = new WorkersRig(workers, choice);
  try {
    await use(await rig.start());
  } finally {
    await rig.close();
  }
}
