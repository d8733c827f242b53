/**
 * One worker's side of what it has in common with one other: a ring in each direction, and the other's
 * endpoints that have virtual connections with endpoints of this one. When the other worker dies the
 * link is made anew with fresh rings for whoever takes its place: what was between the two is over.
 */
import { CLOSE, REFUSE } from "../../../../clients/fastway/wire/frames.ts";
import { Batch } from "../batch.ts";
import type { FastwayContext } from "../context.ts";
import type { WorkerTotals } from "../counters.ts";
import type { Endpoint } from "../endpoint.ts";
import type { Outlet, Route } from "../outlet.ts";
import type { FastwaySide } from "../protocol.ts";
import type { Switchboard } from "../switchboard.ts";
import type { Board } from "./board.ts";
import { EndedRoutes } from "./ended-routes.ts";
import {
  decodeReturn,
  descriptorOfReturn,
  eachReturn,
  type HandedReturn,
} from "./handed-return.ts";
import { Inbox, type InboxOwner } from "./inbox.ts";
import type { RingPair } from "./memory.ts";
import { Outbox } from "./outbox.ts";
import { PendingDials } from "./pending-dials.ts";
import { ASK, DIAL, highWord, LATE, lowWord, OVER, RETURN } from "./records.ts";
import { RemoteOutlet, type RemoteOutletOwner } from "./remote-outlet.ts";
import { RingBlock, RingReader, RingWriter } from "./ring.ts";

/** Questions without an answer yet; see {@link Link.ask}. */
const ASKED_MAX = 1024;

/** What is the same for all links of a worker. */
export interface LinkContext {
  readonly context: FastwayContext;
  readonly switchboard: Switchboard;
  readonly totals: WorkerTotals;
  readonly board: Board;
  /** An endpoint of this worker's that takes part. */
  local(side: FastwaySide, key: number): Endpoint | null;
  /** By its number. */
  endpoint(number: number): Endpoint | null;
  takeReturn(handed: HandedReturn): void;
  /** A record that is none of the link's own. */
  record(link: Link, type: number, words: Uint32Array, at: number): void;
}

export interface LinkOptions {
  shared: LinkContext;
  /** The other worker's place. */
  worker: number;
  rings: RingPair;
}

export class Link implements InboxOwner, RemoteOutletOwner {
  readonly worker: number;
  readonly #shared: LinkContext;
  readonly #outlets: Readonly<Record<FastwaySide, Map<number, RemoteOutlet>>> = {
    client: new Map(),
    server: new Map(),
  };
  readonly #fallen: RemoteOutlet[] = [];
  readonly #dials = new PendingDials();
  readonly #ended = new EndedRoutes();
  /** Messages that came too late, and are to be told of. */
  #late_id = 0;
  #late_messages = 0;
  /** Who waits until the ring has room again. */
  readonly #held = new Set<Endpoint>();
  #asked = 0;
  #is_closed = false;
  #incarnation: number;
  /** The ring that this worker writes. */
  #out: SharedArrayBuffer;
  #writer: RingWriter;
  #outbox: Outbox;
  #inbox: Inbox;

  constructor({ shared, worker, rings }: LinkOptions) {
    this.#shared = shared;
    this.worker = worker;
    this.#incarnation = rings.incarnation;
    this.#out = rings.out;
    ({ writer: this.#writer, outbox: this.#outbox, inbox: this.#inbox } = this.#open(rings));
  }

  get is_up(): boolean {
    return this.#shared.board.isUp(this.worker, this.#incarnation);
  }

  /** Something waits for room in the ring. */
  get is_blocked(): boolean {
    return this.#outbox.is_blocked;
  }

  /** Whoever is behind a client's id or a server's endpoint there. */
  outlet(side: FastwaySide, key: number, id: number): RemoteOutlet {
    const outlets = this.#outlets[side];
    let outlet = outlets.get(key);
    if (outlet === undefined) {
      outlet = new RemoteOutlet({ owner: this, side, key, id });
      outlets.set(key, outlet);
    }
    return outlet;
  }

  /** A server of this worker's dials a client of the other's. */
  dial(from: Endpoint, client_id: number): void {
    const { endpoint } = from.facts;
    this.#dials.add(endpoint, client_id);
    this.send(DIAL, [lowWord(endpoint), highWord(endpoint), from.id, client_id, 0, 0, 0, 0, 0, 0]);
  }

  /**
   * Whether the id, which this worker does not know, is that of a virtual connection there. False
   * where it cannot be asked now: nobody is made to wait for an answer that only a fault needs.
   */
  ask(from: Endpoint, id: number, is_data: boolean): boolean {
    if (!this.is_up || this.#asked >= ASKED_MAX) return false;
    const { endpoint } = from.facts;
    const words = [lowWord(endpoint), highWord(endpoint), id, Number(is_data), 0, 0];
    if (!this.#outbox.tryRecord(ASK, words)) return false;
    this.#asked++;
    this.publish();
    return true;
  }

  /** A question of this worker's has been answered. */
  heardAnswer(): void {
    this.#asked--;
  }

  send(type: number, words: readonly number[]): void {
    this.#outbox.record(type, words);
    this.publish();
  }

  /** True where the endpoint has frames for a ring that is full, and is to wait until it is not. */
  holds(endpoint: Endpoint): boolean {
    if (!this.#outbox.is_blocked) return false;
    if (!this.#isNeededBy(endpoint)) return false;
    this.#held.add(endpoint);
    return true;
  }

  /** Takes what has come; false where there was nothing. */
  receive(): boolean {
    const { reader } = this.#inbox;
    if (!reader.waits) return false;
    this.#inbox.receive();
    this.#tellLate();
    this.#release();
    return true;
  }

  /** Sends what waits, as far as there is room now. */
  drain(): void {
    const outbox = this.#outbox;
    if (!outbox.is_blocked) return;
    do {
      outbox.drain();
      this.publish();
    } while (outbox.is_blocked && this.#writer.wantRoom());
    if (outbox.is_blocked) return;
    for (const endpoint of this.#held) this.#shared.context.enqueue(endpoint);
    this.#held.clear();
  }

  /** Before the worker sleeps: there is something to be done after all. */
  hasWork(): boolean {
    return this.#inbox.reader.waits || this.#outbox.is_blocked && this.#writer.wantRoom();
  }

  /** Ends what could not be sent to any more. True where there was something. */
  settle(): boolean {
    if (this.#fallen.length === 0) return false;
    for (const outlet of this.#fallen.splice(0)) this.#shared.switchboard.leave(outlet);
    return true;
  }

  /** The other worker has died; these are for the next one. */
  renew(rings: RingPair): void {
    if (rings.incarnation === this.#incarnation) return;
    const { switchboard, context, takeReturn } = this.#shared;
    this.#incarnation = rings.incarnation;
    this.#closeOutbox();
    this.#inbox.close();
    // Nobody else reads these two any more, and there may be descriptors in them.
    eachReturn(this.#inbox.reader, (words, at) => takeReturn(decodeReturn(words, at)));
    eachReturn(new RingReader(this.#out), this.#closeReturn);
    this.#out = rings.out;
    ({ writer: this.#writer, outbox: this.#outbox, inbox: this.#inbox } = this.#open(rings));
    this.#asked = 0;
    this.#late_messages = 0;
    this.#fallen.length = 0;
    const outlets = Object.values(this.#outlets).flatMap((known) => [...known.values()]);
    for (const outlet of outlets) outlet.is_over = true;
    for (const outlet of outlets) switchboard.leave(outlet);
    for (const known of Object.values(this.#outlets)) known.clear();
    for (const [endpoint, client_id] of this.#dials.takeAll()) {
      const server = this.#shared.local("server", endpoint);
      if (server !== null) context.batch.command(server, REFUSE, client_id);
    }
    for (const endpoint of this.#held) context.enqueue(endpoint);
    this.#held.clear();
  }

  close(): void {
    this.#is_closed = true;
    this.#closeOutbox();
    this.#inbox.close();
  }

  /** Lets the other worker see what has been written, and wakes it where it sleeps. */
  publish(): void {
    if (this.#writer.publish()) this.#shared.board.wake(this.worker);
  }

  sendFrames(to: RemoteOutlet, batch: Batch): boolean {
    if (this.#is_closed) {
      batch.discard(to);
      return true;
    }
    const is_sent = this.#outbox.frames(to, batch, to.first_stretch);
    this.publish();
    return is_sent;
  }

  fell(outlet: RemoteOutlet): void {
    // At once, because a frame may have begun that will not go on.
    this.send(OVER, [outlet.side_word, outlet.key_low, outlet.key_high, 0]);
    this.#fallen.push(outlet);
  }

  routeEnded(outlet: RemoteOutlet, route: Route): void {
    if (outlet.routes.size === 0) this.unused(outlet);
    const local = outlet === route.client ? route.server : route.client;
    this.#ended.add(route.id, (local as Endpoint).facts.endpoint);
  }

  /** It need not be known any more. */
  unused(outlet: RemoteOutlet): void {
    const outlets = this.#outlets[outlet.side];
    if (outlets.get(outlet.key) === outlet) outlets.delete(outlet.key);
  }

  isOutlet(outlet: Outlet): outlet is RemoteOutlet {
    return outlet instanceof RemoteOutlet && outlet.owner === this;
  }

  local(side: FastwaySide, key: number): Outlet | null {
    return this.#shared.local(side, key);
  }

  route(id: number, local: Outlet): Route | null {
    const route = this.#shared.switchboard.route(id);
    if (route === null) return null;
    if (route.client === local) return this.isOutlet(route.server) ? route : null;
    return route.server === local && this.isOutlet(route.client) ? route : null;
  }

  connected(id: number, client_id: number, server: Outlet): void {
    const client = this.outlet("client", client_id, client_id);
    this.#shared.switchboard.adopt({ id, client, server });
  }

  unconnected(id: number, client_id: number): void {
    const client = this.outlet("client", client_id, client_id);
    this.#shared.context.batch.command(client, CLOSE, id);
    if (client.routes.size === 0) this.unused(client);
  }

  closed(route: Route): void {
    this.#shared.switchboard.release(route);
  }

  answered(server_endpoint: number, client_id: number): void {
    this.#dials.remove(server_endpoint, client_id);
  }

  late(id: number): void {
    if (id !== this.#late_id) this.#tellLate();
    this.#late_id = id;
    this.#late_messages++;
  }

  record(type: number, words: Uint32Array, at: number): void {
    if (type === LATE) this.#heardLate(words[at], words[at + 1]);
    else if (type === RETURN) this.#takeReturn(words, at);
    else this.#shared.record(this, type, words, at);
  }

  /** Every virtual connection between an endpoint of this worker's and the other worker is over. */
  over(local: Endpoint): void {
    const { switchboard, context } = this.#shared;
    for (const route of [...local.routes]) {
      if (this.route(route.id, local) === null) continue;
      switchboard.release(route);
      context.batch.command(local, CLOSE, route.id);
    }
  }

  #takeReturn(words: Uint32Array, at: number): void {
    const handed = decodeReturn(words, at);
    // From here on the descriptor is this worker's: nobody else closes it, whatever happens.
    this.#release();
    this.#shared.takeReturn(handed);
  }

  #release(): void {
    if (this.#inbox.reader.release()) this.#shared.board.wake(this.worker);
  }

  readonly #closeReturn = (words: ArrayLike<number>, at: number): void => {
    this.#shared.context.libc.close(descriptorOfReturn(words, at));
  };

  /** What waits for the ring will never be sent. */
  #closeOutbox(): void {
    this.#outbox.close((type, words) => {
      if (type === RETURN) this.#closeReturn(words, 0);
    });
  }

  #tellLate(): void {
    if (this.#late_messages > 0) this.send(LATE, [this.#late_id, this.#late_messages]);
    this.#late_messages = 0;
  }

  /** Messages that an endpoint of this worker's has sent have met their virtual connection's end. */
  #heardLate(id: number, messages: number): void {
    const { context, totals, switchboard } = this.#shared;
    totals.unknown_total += messages;
    const endpoint = switchboard.route(id) === null ? this.#ended.find(id) : null;
    const sender = endpoint === null ? null : this.#shared.endpoint(endpoint);
    if (sender === null) return;
    for (let i = 0; i < messages; i++) context.batch.command(sender, CLOSE, id);
  }

  #isNeededBy(endpoint: Endpoint): boolean {
    if (this.#dials.has(endpoint.facts.endpoint)) return true;
    for (const { client, server } of endpoint.routes) {
      if (this.isOutlet(client === endpoint ? server : client)) return true;
    }
    return false;
  }

  #open({ out, back }: RingPair): { writer: RingWriter; outbox: Outbox; inbox: Inbox } {
    const { context } = this.#shared;
    const { pool } = context;
    const writer = new RingWriter(out);
    const reader = new RingReader(back);
    const batch = new Batch({ area: new RingBlock(reader), pool });
    return {
      writer,
      outbox: new Outbox({ writer, pool }),
      inbox: new Inbox({ reader, batch, own_batch: context.batch, pool, owner: this }),
    };
  }
}
