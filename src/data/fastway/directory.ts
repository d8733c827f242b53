/**
 * Who can be dialled. Clients and servers have ids of their own: a client's dial looks up a server, a
 * server's dial a client.
 */
import type { Outlet } from "./outlet.ts";
import type { FastwaySide } from "./protocol.ts";

export class Directory {
  readonly #known = { client: new Map<number, Outlet>(), server: new Map<number, Outlet>() };

  /** A server that comes under an id that is there already is dialled from now on instead. */
  enter(id: number, outlet: Outlet): void {
    this.#known[outlet.side].set(id, outlet);
  }

  /** Where a newer one has the id, it stays; where the newer one leaves, nobody is dialled. */
  leave(id: number, outlet: Outlet): void {
    const known = this.#known[outlet.side];
    if (known.get(id) === outlet) known.delete(id);
  }

  find(side: FastwaySide, id: number): Outlet | null {
    return this.#known[side].get(id) ?? null;
  }
}
