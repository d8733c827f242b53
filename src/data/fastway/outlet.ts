/**
 * What frames go out by: an endpoint of this worker, or, where there are several workers, the way to
 * another one. A virtual connection is a route between two of them.
 */
import type { Batch } from "./batch.ts";
import type { EndpointOver, FastwaySide } from "./protocol.ts";

/** One virtual connection, as the worker has it whose endpoint has dialled or is dialled. */
export interface Route {
  readonly id: number;
  readonly client: Outlet;
  readonly server: Outlet;
}

export interface Outlet {
  /** The side whose peers it leads to. */
  readonly side: FastwaySide;
  /** An endpoint of this worker. */
  readonly is_local: boolean;
  /** The batch's own notes: what waits there for this outlet; -1 is nothing. */
  first_stretch: number;
  last_stretch: number;
  /** The virtual connections that end here. */
  readonly routes: ReadonlySet<Route>;
  routeAdded(route: Route): void;
  routeEnded(route: Route): void;
  /** Takes all that the batch has for it, from `first_stretch` on. It adds nothing to the batch. */
  deliver(batch: Batch): void;
  /** It is to end, which it does as soon as the batch is delivered. */
  fall(reason: EndpointOver, detail: string): void;
}
