/**
 * A place for a worker. The worker in it may die of a mistake of ours, and is replaced then; whoever
 * takes its place is told of everything that has changed since the start.
 */
import { performance } from "node:perf_hooks";
import { clearTimeout, setTimeout } from "node:timers";
import type { Libc } from "../../ffi/libc/mod.ts";
import type { WorkerName } from "../workers.ts";
import { HANGS_AFTER_MS, longestTurn } from "./pulse.ts";
import type { ThreadAnswer, ThreadProbe } from "./thread-probe.ts";
import { WorkerHost } from "./worker-host.ts";
import type { SharedMemory, WorkerCommand, WorkerPlace, WorkerReport } from "./worker-protocol.ts";

/** A worker that keeps dying is given this much rest, so that a broken machine is not set on fire. */
const REPLACE_AFTER_MS = 500;

/** What somebody waits for who asks a seat that is closing. */
const NEVER = new Promise<void>(() => {});

/** What every worker of a plane works by at present. */
export interface WorkerRules {
  readonly settings: object;
  readonly bans: ReadonlySet<string>;
}

/** The plane that the worker belongs to. */
export interface WorkerSeatOwner {
  heard(report: WorkerReport): void;
  /** The worker has died, and all it carried with it. */
  lost(seat: WorkerSeat, error: string): void;
  /** A worker that was to take its place could not start; there will be another attempt. */
  stillLost(error: string): void;
}

export interface WorkerSeatOptions {
  worker: WorkerName;
  libc: Libc;
  memory: SharedMemory;
  place: WorkerPlace;
  /** What the shared clock is ahead of this thread's. */
  clock_offset_ms: number;
  rules: WorkerRules;
  owner: WorkerSeatOwner;
}

export class WorkerSeat {
  readonly place: WorkerPlace;
  /** Ports that the plane has given to the worker. */
  ports = 0;
  readonly #options: WorkerSeatOptions;
  #host: WorkerHost;
  #ready: Promise<void> = NEVER;
  #up = false;
  #closing = false;
  /** Cuts the rest between two workers short. */
  #endRest = () => {};

  constructor(options: WorkerSeatOptions) {
    this.#options = options;
    this.place = options.place;
    this.#host = this.#newHost();
  }

  /** Resolves when the worker can take commands; rejects when it cannot start. */
  start(): Promise<void> {
    return this.#ready = this.#bringUp();
  }

  /** The worker can take commands. */
  get up(): boolean {
    return this.#up;
  }

  /** Settles when the worker can take commands. */
  get ready(): Promise<void> {
    return this.#ready;
  }

  send(command: WorkerCommand): void {
    this.#host.send(command);
  }

  /** The rules have changed. A worker that is not up yet works by all of them when it is. */
  tell(command: WorkerCommand): void {
    if (this.#up) this.#host.send(command);
  }

  /** Resolves when the worker's loop, or that of whoever takes its place, has turned. */
  async ping(): Promise<void> {
    await this.#ready;
    await this.#host.ping();
  }

  /** Null where there is no worker, or it has died meanwhile. */
  async probe(probe: ThreadProbe): Promise<ThreadAnswer | null> {
    const { worker, place } = this.#options;
    const result = this.#up ? await this.#host.probe(probe) : null;
    return result && { thread: `${worker} ${place.seat}`, ...result };
  }

  /** The longest turn of the last second, ms; null where the worker hangs or is not there. */
  loopLag(): number | null {
    if (!this.#up || this.#host.silent_ms > HANGS_AFTER_MS) return null;
    const { memory, place, clock_offset_ms } = this.#options;
    return longestTurn(memory.pulses, place.seat, performance.now() + clock_offset_ms);
  }

  /** Lets the worker end what it carries; resolves when it is down. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#endRest();
    await this.#host.close();
  }

  #newHost(): WorkerHost {
    const { worker, libc, memory, place, rules, owner } = this.#options;
    return new WorkerHost({
      name: worker,
      libc,
      settings: rules.settings,
      memory,
      place,
      onReport: (report) => owner.heard(report),
      onFailure: (error) => this.#replace(error),
    });
  }

  async #bringUp(): Promise<void> {
    const host = this.#host;
    await host.start();
    const { settings, bans } = this.#options.rules;
    if (host.settings !== settings) host.send({ type: "settings", settings });
    if (bans.size > 0) host.send({ type: "bans", added: [...bans], removed: [] });
    this.#up = true;
  }

  #replace(error: string): void {
    this.#up = false;
    // From here on an open() waits for the next worker instead of speaking to the dead one.
    this.#ready = this.#revive();
    this.#options.owner.lost(this, error);
  }

  async #revive(): Promise<void> {
    while (!this.#closing) {
      await this.#rest();
      if (this.#closing) break;
      this.#host = this.#newHost();
      try {
        return await this.#bringUp();
      } catch (error) {
        this.#options.owner.stillLost((error as Error).message);
      }
    }
    return NEVER;
  }

  #rest(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, REPLACE_AFTER_MS);
      this.#endRest = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Whether the loops of all these threads turn within a time; false also where one cannot start. */
export async function haveTurned(
  threads: readonly Pick<WorkerSeat, "ping">[],
  within_ms: number,
): Promise<boolean> {
  const turned = Promise.all(threads.map((thread) => thread.ping()));
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => timer = setTimeout(() => resolve(false), within_ms));
  const answer = await Promise.race([turned.then(() => true, () => false), late]);
  clearTimeout(timer);
  return answer;
}
