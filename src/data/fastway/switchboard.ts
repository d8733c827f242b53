/**
 * The virtual connections: who dials whom, and where a frame goes. Everything it sends goes by the
 * batch, so that it stands in order with the frames around it.
 */
import {
  ACCEPT,
  ARGUMENT_BYTES,
  CLOSE,
  CONNECT,
  DIAL,
  HEAD_BYTES,
  PING,
  readU32,
  REFUSE,
} from "../../../clients/fastway/wire/frames.ts";
import type { Batch } from "./batch.ts";
import type { WorkerTotals } from "./counters.ts";
import type { Directory } from "./directory.ts";
import type { Ids } from "./ids.ts";
import type { Outlet, Route } from "./outlet.ts";
import { RouteTable } from "./route-table.ts";

/** An endpoint as it dials. */
export interface Dialler extends Outlet {
  /** A client's number, or a server's id. */
  readonly id: number;
  /** Virtual connections that it may have when it dials; 0 is no limit. */
  readonly virtual_max: number;
  /** It has fallen, or is over. */
  readonly is_over: boolean;
}

/** What there is to know of other workers. */
export interface Neighbours {
  /** A server dials a client; true where another worker answers, false where none can have it. */
  dialClient(from: Outlet, client_id: number): boolean;
  /**
   * A message, or a Close, for a virtual connection that this worker does not have. True where another
   * worker may have it, and is asked whose it is.
   */
  ask(from: Outlet, id: number, is_data: boolean): boolean;
}

const COMMAND_NAMES = ["Dial", "Accept", "Connect", "Refuse", "Close", "Ping"];

export interface SwitchboardOptions {
  batch: Batch;
  directory: Directory;
  totals: WorkerTotals;
  /** Whether new dials are taken. */
  isServing: () => boolean;
  /** Of virtual connections; they skip 0. */
  ids: Ids;
  /** Where there are several workers. */
  neighbours?: Neighbours;
}

export class Switchboard {
  readonly #batch: Batch;
  readonly #directory: Directory;
  readonly #totals: WorkerTotals;
  readonly #isServing: () => boolean;
  readonly #ids: Ids;
  readonly #neighbours: Neighbours | null;
  readonly #routes = new RouteTable();

  constructor(options: SwitchboardOptions) {
    this.#batch = options.batch;
    this.#directory = options.directory;
    this.#totals = options.totals;
    this.#isServing = options.isServing;
    this.#ids = options.ids;
    this.#neighbours = options.neighbours ?? null;
  }

  /** Where a frame of this virtual connection goes; null where it goes nowhere, which is seen to. */
  target(id: number, from: Outlet): Outlet | null {
    const route = this.#routes.get(id);
    if (route === null) {
      if (this.#neighbours?.ask(from, id, true)) return null;
      this.#totals.unknown_total++;
      this.#batch.command(from, CLOSE, id);
      return null;
    }
    if (route.client === from) return route.server;
    if (route.server === from) return route.client;
    from.fall("protocol_error", foreignMessage(id));
    return null;
  }

  /** Carries out a whole frame with ConnID 0 that stands at a place. */
  command(from: Dialler, bytes: Uint8Array, at: number, frame_bytes: number): void {
    const type = bytes[at + HEAD_BYTES];
    if (type !== DIAL && type !== CLOSE && type !== PING) {
      const name = COMMAND_NAMES[type] ?? "an unknown command";
      return from.fall("protocol_error", `command ${type} (${name}), which is not for the gateway`);
    }
    const wanted_bytes = ARGUMENT_BYTES[type];
    const argument_bytes = frame_bytes - HEAD_BYTES - 1;
    if (argument_bytes < wanted_bytes) {
      const found = `${COMMAND_NAMES[type]} with ${argument_bytes} bytes of arguments`;
      return from.fall("protocol_error", `${found}; ${wanted_bytes} are needed`);
    }
    if (type === PING) this.#batch.command(from, PING);
    else if (type === DIAL) this.dial(from, readU32(bytes, at + HEAD_BYTES + 1));
    else this.close(from, readU32(bytes, at + HEAD_BYTES + 1));
  }

  dial(from: Dialler, remote_id: number): void {
    const totals = this.#totals;
    const refuse = () => this.#batch.command(from, REFUSE, remote_id);
    if (!this.#isServing()) {
      totals.refused_draining++;
      return refuse();
    }
    const remote = this.#directory.find(from.side === "client" ? "server" : "client", remote_id);
    if (remote === null) {
      const may_be_elsewhere = from.is_local && from.side === "server";
      if (may_be_elsewhere && this.#neighbours?.dialClient(from, remote_id)) return;
      totals.refused_unknown++;
      return refuse();
    }
    // The original draws the id before it looks at the limit, and clients may count on the numbers.
    const id = this.#ids.take((id) => this.#routes.has(id));
    if (from.side === "client" && from.virtual_max > 0 && from.routes.size >= from.virtual_max) {
      totals.refused_limit++;
      return refuse();
    }
    this.adopt(
      from.side === "client"
        ? { id, client: from, server: remote }
        : { id, client: remote, server: from },
    );
    // The client's first: where the batch is full in between, that is the order they go out in.
    if (from.side === "server") this.#batch.command(remote, CONNECT, id, from.id);
    this.#batch.command(from, ACCEPT, id, remote_id);
    if (from.side === "client") this.#batch.command(remote, CONNECT, id, from.id);
  }

  /** Both sides are told; whoever names one that is no more says nothing new. */
  close(from: Outlet, id: number): void {
    const route = this.#routes.get(id);
    if (route === null) {
      this.#neighbours?.ask(from, id, false);
      return;
    }
    if (route.client !== from && route.server !== from) {
      return from.fall("protocol_error", foreignClose(id));
    }
    this.release(route);
    this.#batch.command(route.client, CLOSE, id);
    this.#batch.command(route.server, CLOSE, id);
  }

  /** Ends every virtual connection. */
  closeAll(): void {
    for (const { id, client } of this.#routes) this.close(client, id);
  }

  /** An endpoint is gone: every peer of it is told. */
  leave(outlet: Outlet): void {
    for (const route of [...outlet.routes]) {
      this.release(route);
      this.#batch.command(route.client === outlet ? route.server : route.client, CLOSE, route.id);
    }
  }

  route(id: number): Route | null {
    return this.#routes.get(id);
  }

  /** A virtual connection begins; whoever has made it has told both sides. */
  adopt(route: Route): void {
    this.#routes.add(route);
    route.client.routeAdded(route);
    route.server.routeAdded(route);
    // With several workers it is counted where its client is.
    if (!route.client.is_local) return;
    this.#totals.virtual++;
    this.#totals.virtual_total++;
  }

  /** A virtual connection is over; nobody is told of it here. */
  release(route: Route): void {
    this.#routes.delete(route.id);
    route.client.routeEnded(route);
    route.server.routeEnded(route);
    if (route.client.is_local) this.#totals.virtual--;
  }
}

export function foreignMessage(id: number): string {
  return `a message on virtual connection ${id}, which is somebody else's`;
}

export function foreignClose(id: number): string {
  return `Close of virtual connection ${id}, which is somebody else's`;
}
