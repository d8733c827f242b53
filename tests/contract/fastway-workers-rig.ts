/** Several fastway workers on the same ports, and the means to get at each of them. */
import { spyOn } from "bun:test";
import { WorkerSeat } from "../../src/data/worker-seat.ts";
import { FastwayRig } from "./fastway-rig.ts";
import type { FastwayChoice, FastwayPeer } from "./fastway-rig.ts";

export class WorkersRig extends FastwayRig {
  readonly workers: number;
  /** By their places. */
  readonly #seats: WorkerSeat[] = [];
  #server_id = 1000;

  constructor(workers: number, choice: FastwayChoice) {
    super({ ReusePort: true, ...choice }, { gateway: { tcp_workers: workers } });
    this.workers = workers;
  }

  async start(): Promise<this> {
    const start = WorkerSeat.prototype.start;
    const seats = this.#seats;
    const spy = spyOn(WorkerSeat.prototype, "start").mockImplementation(
      function (this: WorkerSeat) {
        seats[this.place.seat] = this;
        return start.call(this);
      },
    );
    try {
      this.ports = await this.plane.start();
    } finally {
      spy.mockRestore();
    }
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

  /** Has the worker of a place die of a mistake, as one of ours would be; the event `failed` tells. */
  breakWorker(place: number): void {
    this.#seats[place].send({ type: "fastway", order: { type: "nonsense" } as never });
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
