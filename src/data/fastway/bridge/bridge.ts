/**
 * What makes several workers look like one: virtual connections between endpoints of different ones,
 * dials of servers and clients wherever they are, limits that hold for all together.
 *
 *   client ─► its worker ─► ring ─► the server's worker ─► server      (and the same way back)
 *
 * A virtual connection's worker is its client's: it draws the id, holds the client to its limit and
 * tells the client first. Each end's worker has a route to a {@link RemoteOutlet} in the place of the
 * other end, so everything else of the worker knows nothing of all this.
 *
 * Nothing blocks. Where a ring is full, what was read already waits in the worker's pool, and endpoints
 * that need the ring are not read until there is room: at most one turn's bytes and one frame of each.
 * What comes from others is always taken, whether or not there is room for the answers; answers are not
 * larger than what they answer, so that what waits of them is at most what a ring holds.
 */
import { CLOSE } from "../../../../clients/fastway/wire/frames.ts";
import { EPOLLET, EPOLLIN } from "../../../../ffi/libc/mod.ts";
import type { FastwayContext } from "../context.ts";
import type { WorkerTotals } from "../counters.ts";
import { Directory } from "../directory.ts";
import type { Endpoint } from "../endpoint.ts";
import { workerOfId } from "../ids.ts";
import type { Outlet } from "../outlet.ts";
import type { FastwaySide } from "../protocol.ts";
import { foreignClose, foreignMessage, type Neighbours, type Switchboard } from "../switchboard.ts";
import type { SocketArrival } from "../arrivals.ts";
import { Board } from "./board.ts";
import { CommonDirectory } from "./common-directory.ts";
import { encodeReturn, type HandedReturn } from "./handed-return.ts";
import { SharedHeadcount } from "./headcount.ts";
import { Link, type LinkContext } from "./link.ts";
import type { BridgeMemory, Relinked } from "./memory.ts";
import { ANSWER, ASK, DIAL, fromWords, OVER, RETURN, sideOf } from "./records.ts";
import { SharedDirectory } from "./shared-directory.ts";

/** The rest of the worker, which exists only after the bridge does. */
export interface BridgeHost {
  readonly switchboard: Switchboard;
  readonly totals: WorkerTotals;
  /** By the endpoint's number; one that takes part. */
  endpoint(number: number): Endpoint | null;
  /** A connection for an snet session of this worker's. */
  takeReturn(handed: HandedReturn): void;
}

export interface BridgeOptions {
  context: FastwayContext;
  memory: BridgeMemory;
  /** Its place among the workers. */
  worker: number;
}

export class Bridge implements Neighbours {
  readonly directory: Directory;
  readonly headcount: SharedHeadcount;
  readonly workers: number;
  readonly worker: number;
  readonly #context: FastwayContext;
  readonly #memory: BridgeMemory;
  readonly #board: Board;
  readonly #shared_directory: SharedDirectory;
  #links: readonly (Link | null)[] = [];
  #host: BridgeHost | null = null;

  constructor({ context, memory, worker }: BridgeOptions) {
    const { eventfds } = memory;
    this.#context = context;
    this.#memory = memory;
    this.worker = worker;
    this.workers = eventfds.length;
    this.#board = new Board({ memory: memory.board, libc: context.libc, eventfds });
    this.#shared_directory = new SharedDirectory({ memory: memory.directory, worker });
    const { workers } = this;
    this.headcount = new SharedHeadcount({ memory: memory.headcount, worker, workers });
    this.directory = new CommonDirectory({
      shared: this.#shared_directory,
      worker,
      remote: (other, endpoint, id) => this.#server(other, endpoint, id),
    });
  }

  /** From now on others may have something for this worker. */
  start(host: BridgeHost): void {
    this.#host = host;
    const shared: LinkContext = {
      context: this.#context,
      switchboard: host.switchboard,
      totals: host.totals,
      board: this.#board,
      endpoint: (number) => host.endpoint(number),
      local: (side, key) => this.#local(side, key),
      record: (link, type, words, at) => this.#record(link, type, words, at),
      takeReturn: (handed) => host.takeReturn(handed),
    };
    this.#links = this.#memory.rings.map((rings, worker) =>
      rings === null ? null : new Link({ shared, worker, rings })
    );
    this.#shared_directory.clear();
    this.headcount.clear();
    const fd = this.#memory.eventfds[this.worker];
    // Each writing of it is an event of its own, so that it need not be read.
    this.#context.poller.watch({ fd, ready() {} }, EPOLLIN | EPOLLET);
    this.#board.setUp(this.worker, this.#memory.incarnation);
  }

  /** Takes what others have for this worker and sends what waits for room. */
  turn(): void {
    for (const link of this.#links) {
      if (link === null) continue;
      link.drain();
      link.receive();
    }
  }

  /** Ends what has fallen since; true where others may have fallen by that. */
  settle(): boolean {
    let has_ended = false;
    for (const link of this.#links) if (link?.settle()) has_ended = true;
    return has_ended;
  }

  /** The worker is about to wait; false where there is something to do after all. */
  fallAsleep(): boolean {
    this.#board.fallAsleep(this.worker);
    if (!this.#links.some((link) => link?.hasWork())) return true;
    this.wakeUp();
    return false;
  }

  wakeUp(): void {
    this.#board.stayAwake(this.worker);
  }

  holds(endpoint: Endpoint): boolean {
    for (const link of this.#links) if (link?.holds(endpoint)) return true;
    return false;
  }

  /** Another worker has died, and these are the rings for the next one. */
  relink({ worker, rings }: Relinked): void {
    this.#links[worker]?.renew(rings);
  }

  /** Others find nobody here from now on. */
  close(): void {
    if (this.#links.length === 0) return;
    this.#board.setUp(this.worker, 0);
    this.#context.poller.forget(this.#memory.eventfds[this.worker]);
    for (const link of this.#links) link?.close();
    this.#links = [];
    this.#shared_directory.clear();
    this.headcount.clear();
  }

  dialClient(from: Outlet, client_id: number): boolean {
    const link = this.#links[workerOfId(client_id, this.workers)];
    if (link === undefined || link === null || !link.is_up) return false;
    link.dial(from as Endpoint, client_id);
    return true;
  }

  ask(from: Outlet, id: number, is_data: boolean): boolean {
    if (id === 0) return false;
    const link = this.#links[workerOfId(id, this.workers)];
    return link?.ask(from as Endpoint, id, is_data) ?? false;
  }

  /** Somebody comes back to an snet session that another worker may have. */
  handReturn(arrival: SocketArrival, id: number, request: Uint8Array): boolean {
    const link = this.#links[workerOfId(id, this.workers)];
    if (link === undefined || link === null || !link.is_up) return false;
    const { side, remote, address, socket } = arrival;
    const transport = arrival.transport === "tls" ? "tls" : "tcp";
    arrival.handOver();
    const fd = socket.release();
    link.send(RETURN, encodeReturn({ side, fd, transport, remote, address, request }));
    return true;
  }

  #server(worker: number, endpoint: number, id: number): Outlet | null {
    const link = this.#links[worker];
    return link?.is_up ? link.outlet("server", endpoint, id) : null;
  }

  #local(side: FastwaySide, key: number): Endpoint | null {
    if (side === "server") return this.#host!.endpoint(key);
    return this.directory.find("client", key) as Endpoint | null;
  }

  #record(link: Link, type: number, words: Uint32Array, at: number): void {
    const number = fromWords(words[at], words[at + 1]);
    switch (type) {
      case OVER: {
        const local = this.#local(sideOf(words[at]), fromWords(words[at + 1], words[at + 2]));
        if (local !== null) link.over(local);
        return;
      }
      case DIAL:
        return this.#dialled(link, { endpoint: number, id: words[at + 2], client: words[at + 3] });
      case ASK:
        return this.#asked(link, number, words.slice(at, at + 6));
      case ANSWER:
        link.heardAnswer();
        return this.#answered(number, words.slice(at, at + 6));
      default:
        throw new Error(`Another worker has sent a record of type ${type}`);
    }
  }

  /** A server of another worker's dials a client of this one's. */
  #dialled(
    link: Link,
    { endpoint, id, client }: { endpoint: number; id: number; client: number },
  ): void {
    const server = link.outlet("server", endpoint, id);
    this.#host!.switchboard.dial(server, client);
    if (server.routes.size === 0) link.unused(server);
  }

  /** The id is of this worker, and so is the client of its virtual connection. */
  #asked(link: Link, endpoint: number, [low, high, id, is_data]: Uint32Array): void {
    const route = this.#host!.switchboard.route(id);
    // A server's own, which its worker has forgotten just now, is as good as unknown.
    const is_own = route !== null && link.isOutlet(route.server) && route.server.key === endpoint;
    link.send(ANSWER, [low, high, id, is_data, Number(route !== null && !is_own), 0]);
  }

  #answered(number: number, [, , id, is_data, is_known]: Uint32Array): void {
    // It counts also where whoever has sent it is gone by now.
    if (is_known === 0 && is_data === 1) this.#host!.totals.unknown_total++;
    const endpoint = this.#host!.endpoint(number);
    if (endpoint === null || endpoint.is_over) return;
    if (is_known === 1) {
      endpoint.fall("protocol_error", is_data === 1 ? foreignMessage(id) : foreignClose(id));
    } else if (is_data === 1) this.#context.batch.command(endpoint, CLOSE, id);
  }
}
