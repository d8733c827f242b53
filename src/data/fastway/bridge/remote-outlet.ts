/**
 * The way to an endpoint of another worker: what the batch has for it goes into the ring to that
 * worker, which passes it on. There is one for each such endpoint that has virtual connections with
 * endpoints of this worker, and for a server while it dials one.
 */
import type { Batch } from "../batch.ts";
import type { Route } from "../outlet.ts";
import type { EndpointOver, FastwaySide } from "../protocol.ts";
import type { Dialler } from "../switchboard.ts";
import type { FarKey } from "./outbox.ts";
import { highWord, lowWord, sideWord } from "./records.ts";

/** The link that it belongs to. */
export interface RemoteOutletOwner {
  /** Sends what the batch has; false where there is no memory for what has to wait. */
  sendFrames(to: RemoteOutlet, batch: Batch): boolean;
  /** Nothing more can be sent to it: its virtual connections with this worker are to end. */
  fell(outlet: RemoteOutlet): void;
  /** A virtual connection of it has ended. */
  routeEnded(outlet: RemoteOutlet, route: Route): void;
}

export interface RemoteOutletOptions {
  owner: RemoteOutletOwner;
  side: FastwaySide;
  /** A client's id, or the number of a server's endpoint. */
  key: number;
  /** A client's or a server's id, by which it is known to its peers. */
  id: number;
}

export class RemoteOutlet implements Dialler, FarKey {
  readonly owner: RemoteOutletOwner;
  readonly side: FastwaySide;
  readonly key: number;
  readonly id: number;
  readonly side_word: number;
  readonly key_low: number;
  readonly key_high: number;
  /** Its own worker counts what it has. */
  readonly virtual_max = 0;
  readonly is_local = false;
  readonly routes = new Set<Route>();
  first_stretch = -1;
  last_stretch = -1;
  /** Set when something for it was lost, or its worker. */
  is_over = false;

  constructor({ owner, side, key, id }: RemoteOutletOptions) {
    this.owner = owner;
    this.side = side;
    this.key = key;
    this.id = id;
    this.side_word = sideWord(side);
    this.key_low = lowWord(key);
    this.key_high = highWord(key);
  }

  routeAdded(route: Route): void {
    this.routes.add(route);
  }

  routeEnded(route: Route): void {
    this.routes.delete(route);
    this.owner.routeEnded(this, route);
  }

  deliver(batch: Batch): void {
    if (this.is_over) return batch.discard(this);
    if (!this.owner.sendFrames(this, batch)) this.fall("memory_full", "");
  }

  /** What it is to its own worker is told there; here it only means that nothing more goes to it. */
  fall(_reason: EndpointOver, _detail: string): void {
    if (this.is_over) return;
    this.is_over = true;
    this.owner.fell(this);
  }
}
