/**
 * Who can be dialled, wherever it is: servers by the table that all workers share, clients on this
 * worker alone. A client of another worker's is told by its id, and that worker is asked; see
 * {@link Bridge.dial}.
 */
import { Directory } from "../directory.ts";
import type { Endpoint } from "../endpoint.ts";
import type { Outlet } from "../outlet.ts";
import type { FastwaySide } from "../protocol.ts";
import type { SharedDirectory } from "./shared-directory.ts";

export interface CommonDirectoryOptions {
  shared: SharedDirectory;
  worker: number;
  /** The way to a server's endpoint on another worker; null where that worker is not there. */
  remote(worker: number, endpoint: number, id: number): Outlet | null;
}

export class CommonDirectory extends Directory {
  readonly #shared: SharedDirectory;
  readonly #worker: number;
  readonly #remote: CommonDirectoryOptions["remote"];

  constructor({ shared, worker, remote }: CommonDirectoryOptions) {
    super();
    this.#shared = shared;
    this.#worker = worker;
    this.#remote = remote;
  }

  override enter(id: number, endpoint: Endpoint): void {
    super.enter(id, endpoint);
    if (endpoint.side === "server") this.#shared.announce(id, endpoint.facts.endpoint);
  }

  override leave(id: number, endpoint: Endpoint): void {
    super.leave(id, endpoint);
    if (endpoint.side === "server") this.#shared.withdraw(id, endpoint.facts.endpoint);
  }

  override find(side: FastwaySide, id: number): Outlet | null {
    if (side === "client") return super.find(side, id);
    const shared = this.#shared;
    if (!shared.find(id)) return null;
    // Of those that are here it is the one that came last, which is the one that the table names.
    if (shared.worker === this.#worker) return super.find(side, id);
    return this.#remote(shared.worker, shared.endpoint, id);
  }
}
