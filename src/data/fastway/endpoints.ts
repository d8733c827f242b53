/**
 * Who takes part on this worker: takes arrivals that have passed every stage, gives them their numbers
 * and their places, and sees each of them to its end.
 */
import { CounterRows } from "../counter-rows.ts";
import { Deadline } from "../timer-wheel.ts";
import type { FastwayContext } from "./context.ts";
import type { Directory } from "./directory.ts";
import { Endpoint, type EndpointOwner } from "./endpoint.ts";
import type { Headcount } from "./headcount.ts";
import type { Ids } from "./ids.ts";
import type { EndpointFacts, EndpointOver } from "./protocol.ts";
import type { Arrival } from "./stage.ts";
import type { Switchboard } from "./switchboard.ts";

export interface EndpointsOptions {
  context: FastwayContext;
  switchboard: Switchboard;
  directory: Directory;
  rows: number;
  /** The numbers of this worker's endpoints are behind this one. */
  first_endpoint: number;
  /** The numbers of clients, by which servers dial them. */
  client_ids: Ids;
  headcount: Headcount;
}

export class Endpoints implements EndpointOwner {
  readonly #context: FastwayContext;
  readonly #switchboard: Switchboard;
  readonly #directory: Directory;
  readonly #client_ids: Ids;
  readonly #used_client_ids = new Set<number>();
  readonly #endpoints = new Map<number, Endpoint>();
  /** Those that are not admitted yet, with the time they have for it. */
  readonly #waiting = new Map<Endpoint, Deadline>();
  readonly #rows: CounterRows;
  readonly #headcount: Headcount;
  readonly #fallen: Endpoint[] = [];
  #last_endpoint: number;

  constructor(options: EndpointsOptions) {
    this.#context = options.context;
    this.#switchboard = options.switchboard;
    this.#directory = options.directory;
    this.#rows = new CounterRows({ size: options.rows });
    this.#last_endpoint = options.first_endpoint;
    this.#client_ids = options.client_ids;
    this.#headcount = options.headcount;
    this.#context.pool.reclaim = () => this.#endLargest();
  }

  /** The client takes part from now on. */
  takeClient(arrival: Arrival): void {
    const endpoint = this.#enter(arrival, null);
    if (endpoint !== null) this.#start(endpoint);
  }

  /** The server has proven itself and takes part from now on, under the id that it gave. */
  takeServer(arrival: Arrival, id: number): void {
    const endpoint = this.#enter(arrival, id);
    if (endpoint !== null) this.#start(endpoint);
  }

  /** The client has sent its token, and takes part when it is admitted. */
  awaitAdmission(arrival: Arrival, token: string): void {
    const context = this.#context;
    const endpoint = this.#enter(arrival, null);
    if (endpoint === null) return;
    const { handshake_timeout_ms } = context.settings;
    const late = new Deadline(() => {
      endpoint.fall("ended", "admission_timeout");
      this.settle();
    });
    context.wheel.schedule(late, context.now_ms + handshake_timeout_ms);
    this.#waiting.set(endpoint, late);
    context.report({ type: "token", facts: endpoint.facts, token });
  }

  /** Where it has not fallen. */
  get(number: number): Endpoint | null {
    const endpoint = this.#endpoints.get(number);
    return endpoint === undefined || endpoint.is_over ? null : endpoint;
  }

  admit(number: number): void {
    const endpoint = this.#endpoints.get(number);
    if (endpoint !== undefined && this.#stopWaiting(endpoint)) this.#start(endpoint);
  }

  end(number: number, reason: EndpointOver, detail: string): void {
    this.#endpoints.get(number)?.fall(reason, detail);
    this.settle();
  }

  /** The rules have changed. */
  apply(): void {
    for (const endpoint of this.#endpoints.values()) endpoint.watchIdleness();
  }

  fell(endpoint: Endpoint): void {
    this.#fallen.push(endpoint);
  }

  settle(): void {
    const { batch } = this.#context;
    batch.flush();
    // The ends of some are frames for others, whose queues may be full of them.
    while (this.#fallen.length > 0) {
      for (const endpoint of this.#fallen.splice(0)) this.#end(endpoint);
      batch.flush();
    }
  }

  /** Ends everybody. */
  close(reason: EndpointOver, detail: string): void {
    for (const endpoint of this.#endpoints.values()) endpoint.fall(reason, detail);
    this.settle();
  }

  #enter(arrival: Arrival, server_id: number | null): Endpoint | null {
    const { side, remote, address, transport } = arrival;
    const context = this.#context;
    if (!context.is_serving) {
      arrival.refuse("draining", "the gateway drains");
      return null;
    }
    const limit = this.#headcount.enter(side, address, context.settings[side]);
    if (limit !== null) {
      arrival.shed(limit);
      return null;
    }
    const row = this.#rows.take();
    if (row === null) {
      this.#headcount.leave(side, address);
      arrival.shed(`${side}s_max`);
      return null;
    }
    arrival.handOver();
    const id = server_id ?? this.#client_ids.take((id) => this.#used_client_ids.has(id));
    if (side === "client") this.#used_client_ids.add(id);
    const endpoint = ++this.#last_endpoint;
    const facts: EndpointFacts = { endpoint, side, id, remote, address, transport, row };
    const entered = new Endpoint({
      context,
      owner: this,
      switchboard: this.#switchboard,
      stream: arrival.stream,
      facts,
    });
    this.#endpoints.set(endpoint, entered);
    return entered;
  }

  #start(endpoint: Endpoint): void {
    this.#directory.enter(endpoint.id, endpoint);
    this.#context.report({ type: "endpoint", facts: endpoint.facts });
    endpoint.start();
  }

  /**
   * The memory is used up: whoever holds the most of it ends, as it is its slowness that costs the
   * others, and not whoever happens to need some next.
   */
  #endLargest(): boolean {
    let largest: Endpoint | null = null;
    let most_bytes = 0;
    for (const endpoint of this.#endpoints.values()) {
      // One that has ended meanwhile, and is not closed yet, gives its memory back as well.
      if (endpoint.held_bytes <= most_bytes) continue;
      largest = endpoint;
      most_bytes = endpoint.held_bytes;
    }
    return largest !== null && largest.giveWay();
  }

  #stopWaiting(endpoint: Endpoint): boolean {
    this.#context.wheel.cancel(this.#waiting.get(endpoint) ?? null);
    return this.#waiting.delete(endpoint);
  }

  #end(endpoint: Endpoint): void {
    const { side, row, address, endpoint: number } = endpoint.facts;
    const { reason, detail } = endpoint.over!;
    this.#stopWaiting(endpoint);
    this.#directory.leave(endpoint.id, endpoint);
    this.#switchboard.leave(endpoint);
    endpoint.close();
    const counters = endpoint.counters.read();
    this.#endpoints.delete(number);
    if (side === "client") this.#used_client_ids.delete(endpoint.id);
    this.#rows.giveBack(row);
    this.#headcount.leave(side, address);
    this.#context.report({ type: "endpoint_over", endpoint: number, reason, detail, counters });
  }
}
