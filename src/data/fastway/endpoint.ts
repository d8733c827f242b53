/** One client or server that takes part: its way in, its way out, its virtual connections, its end. */
import type { TurnTaker } from "../run-queue.ts";
import { Deadline } from "../timer-wheel.ts";
import type { Batch } from "./batch.ts";
import type { FastwayContext } from "./context.ts";
import { EndpointCounterRow } from "./counters.ts";
import { Inlet, READ_ALL, READ_FULL } from "./inlet.ts";
import type { Route } from "./outlet.ts";
import type { EndpointFacts, EndpointOver, FastwaySide, FastwaySideSettings } from "./protocol.ts";
import { Sender } from "./sender.ts";
import type { Stream, StreamOwner } from "./stream.ts";
import type { Dialler, Switchboard } from "./switchboard.ts";

/** Reads in one turn that come back short, until it is somebody else's. */
const SHORT_READS_MAX = 4;

/** Who the endpoints of a worker belong to. */
export interface EndpointOwner {
  /** It has to end when the batch is delivered. */
  fell(endpoint: Endpoint): void;
  /** Delivers the batch and ends those that have fallen. */
  settle(): void;
}

export interface EndpointOptions {
  context: FastwayContext;
  owner: EndpointOwner;
  switchboard: Switchboard;
  stream: Stream;
  facts: EndpointFacts;
}

export class Endpoint implements Dialler, StreamOwner, TurnTaker {
  readonly facts: EndpointFacts;
  readonly side: FastwaySide;
  readonly id: number;
  readonly counters: EndpointCounterRow;
  readonly routes = new Set<Route>();
  readonly stream: Stream;
  readonly is_local = true;
  first_stretch = -1;
  last_stretch = -1;
  queued = false;
  /** Why it is over; null while it is not. */
  over: { reason: EndpointOver; detail: string } | null = null;
  readonly #context: FastwayContext;
  readonly #owner: EndpointOwner;
  readonly #settings: FastwaySideSettings;
  readonly #inlet: Inlet;
  readonly #sender: Sender;
  readonly #idle = new Deadline((now_ms) => this.#idleOver(now_ms));
  #heard_ms = 0;
  /** It takes part; before that what it sends stays with the kernel. */
  #is_started = false;
  #is_away = false;
  /** Its memory is being worked with. */
  #is_receiving = false;
  #is_sending = false;

  constructor({ context, owner, switchboard, stream, facts }: EndpointOptions) {
    const { settings, batch, pool, pieces } = context;
    this.#context = context;
    this.#owner = owner;
    this.#settings = settings[facts.side];
    this.facts = facts;
    this.side = facts.side;
    this.id = facts.id;
    this.stream = stream;
    const counters = this.counters = new EndpointCounterRow(context.counters, facts.row);
    const limits = this.#settings;
    this.#sender = new Sender({ stream, pool, pieces, limits, counters });
    this.#inlet = new Inlet({
      endpoint: this,
      stream,
      switchboard,
      batch,
      pool,
      pieces,
      counters,
      limits: settings,
      part: limits,
    });
    stream.owner = this;
  }

  get virtual_max(): number {
    return this.#settings.virtual_max;
  }

  get is_over(): boolean {
    return this.over !== null;
  }

  /** What it holds of the worker's memory: what waits for it, and its frame that is not whole. */
  get held_bytes(): number {
    return this.#sender.queue.bytes + this.#inlet.held_bytes;
  }

  /**
   * It ends because the worker's memory is used up and nobody holds more of it, and gives that back at
   * once. False where it is in the middle of using it.
   */
  giveWay(): boolean {
    if (this.#is_receiving || this.#is_sending) return false;
    this.fall("memory_full", `it held ${this.held_bytes} bytes when there was no memory left`);
    this.#inlet.close();
    this.#sender.close();
    return true;
  }

  start(): void {
    this.#is_started = true;
    this.#heard_ms = this.#context.now_ms;
    this.watchIdleness();
    this.#context.enqueue(this);
  }

  turn(): boolean {
    if (this.over !== null) return false;
    const sender = this.#sender;
    if (sender.queue.bytes > 0) {
      const outcome = sender.drain();
      if (outcome !== null) this.fall(outcome, "");
    }
    const has_more = this.#receive();
    if (this.over !== null) this.#owner.settle();
    return has_more;
  }

  deliver(batch: Batch): void {
    if (this.over !== null) return batch.discard(this);
    this.#is_sending = true;
    const outcome = this.#sender.send(batch, this.first_stretch);
    this.#is_sending = false;
    if (outcome !== null) this.fall(outcome, this.#detailOf(outcome));
  }

  fall(reason: EndpointOver, detail: string): void {
    if (this.over !== null) return;
    this.over = { reason, detail };
    this.#owner.fell(this);
  }

  /** Lets go of everything; its owner has told its peers. */
  close(): void {
    this.#context.wheel.cancel(this.#idle);
    this.#inlet.close();
    this.#sender.close();
    this.stream.close();
  }

  routeAdded(route: Route): void {
    this.routes.add(route);
    this.counters.virtual(this.routes.size);
  }

  routeEnded(route: Route): void {
    this.routes.delete(route);
    this.counters.virtual(this.routes.size);
  }

  /** Sets the deadline anew by the present rules. */
  watchIdleness(): void {
    const { wheel } = this.#context;
    const { idle_timeout_ms } = this.#settings;
    if (idle_timeout_ms === 0 || this.#is_away || !this.#is_started) wheel.cancel(this.#idle);
    else wheel.schedule(this.#idle, this.#heard_ms + idle_timeout_ms);
  }

  streamReady(): void {
    if (this.#is_started && this.over === null) this.#context.enqueue(this);
  }

  streamAway(): void {
    this.#is_away = true;
    this.watchIdleness();
    this.#context.report({ type: "away", endpoint: this.facts.endpoint });
  }

  streamBack(remote: string, address: string): void {
    this.#is_away = false;
    this.#heard_ms = this.#context.now_ms;
    this.watchIdleness();
    this.#context.report({ type: "back", endpoint: this.facts.endpoint, remote, address });
    this.streamReady();
  }

  #receive(): boolean {
    const inlet = this.#inlet;
    for (let short = 0; short < SHORT_READS_MAX && this.over === null;) {
      if (this.#context.mustWait(this)) return false;
      this.#is_receiving = true;
      const outcome = inlet.receive();
      this.#is_receiving = false;
      if (inlet.has_frame) {
        inlet.has_frame = false;
        this.#heard_ms = this.#context.now_ms;
      }
      // The next read of anybody goes where these frames are.
      this.#owner.settle();
      if (outcome === READ_FULL) return true;
      if (outcome !== READ_ALL) return false;
      short++;
    }
    return this.over === null;
  }

  #idleOver(now_ms: number): void {
    const { idle_timeout_ms } = this.#settings;
    if (now_ms - this.#heard_ms < idle_timeout_ms) return this.watchIdleness();
    // With snet the peer may come back; its stream tells when it is away, and when it is over.
    if (this.stream.dropConnection()) return;
    this.fall("idle", `no whole frame for ${idle_timeout_ms} ms`);
  }

  #detailOf(outcome: EndpointOver): string {
    const { queue_messages_max, queue_bytes_max } = this.#settings;
    if (outcome === "memory_full") return "no memory for what waits for it";
    if (outcome !== "queue_full") return "";
    const { messages, bytes } = this.#sender.queue;
    return `${messages} messages of ${bytes} bytes wait for it; ` +
      `${queue_messages_max} messages and ${queue_bytes_max} bytes may`;
  }
}
