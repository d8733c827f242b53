/** The connections of one side that are no endpoints yet, each of them counted and with its time. */
import { Deadline } from "../timer-wheel.ts";
import type { FastwayContext } from "./context.ts";
import type { PlainStream } from "./plain-stream.ts";
import type { FastwayRefusal, FastwaySide, FastwayTransport, ShedLimit } from "./protocol.ts";
import type { Arrival } from "./stage.ts";
import { NOBODY, type Stream } from "./stream.ts";

export class Arrivals {
  readonly side: FastwaySide;
  readonly context: FastwayContext;
  readonly #there = new Set<SocketArrival>();

  constructor({ context, side }: { context: FastwayContext; side: FastwaySide }) {
    this.context = context;
    this.side = side;
  }

  /** Counts one more; the caller has asked {@link FastwayContext.admission} about its address. */
  add(socket: PlainStream, from: ArrivalPlace): SocketArrival {
    const arrival = new SocketArrival({ arrivals: this, socket, from });
    this.#there.add(arrival);
    return arrival;
  }

  remove(arrival: SocketArrival): void {
    this.#there.delete(arrival);
    this.context.admission.leave(arrival.counted_as);
  }

  /** Closes whoever comes from where nobody may come from now. */
  dropBanned(): void {
    const { addresses } = this.context;
    for (const arrival of this.#there) {
      if (!arrival.is_proxied && addresses.isBanned(arrival.address)) arrival.shed("banned");
    }
  }

  close(): void {
    for (const arrival of this.#there) arrival.drop();
  }
}

interface ArrivalPlace {
  remote: string;
  address: string;
  transport: FastwayTransport;
  /** What it is counted by until it is known where it comes from. */
  counted_as: string;
  /** A trusted proxy's, whose header has not been read yet. */
  is_proxied: boolean;
}

export class SocketArrival implements Arrival {
  readonly side: FastwaySide;
  readonly socket: PlainStream;
  stream: Stream;
  remote: string;
  address: string;
  transport: FastwayTransport;
  counted_as: string;
  is_proxied: boolean;
  is_over = false;
  readonly #arrivals: Arrivals;
  #late: Deadline | null = null;
  #time: { status: FastwayRefusal; detail: string } | null = null;

  constructor(options: { arrivals: Arrivals; socket: PlainStream; from: ArrivalPlace }) {
    const { arrivals, socket, from } = options;
    this.#arrivals = arrivals;
    this.side = arrivals.side;
    this.socket = socket;
    this.stream = socket;
    this.remote = from.remote;
    this.address = from.address;
    this.transport = from.transport;
    this.counted_as = from.counted_as;
    this.is_proxied = from.is_proxied;
  }

  allow(ms: number, status: FastwayRefusal, detail: string): void {
    const { wheel, now_ms } = this.#arrivals.context;
    this.#time = { status, detail };
    this.#late ??= new Deadline(() => this.refuse(this.#time!.status, this.#time!.detail));
    wheel.schedule(this.#late, now_ms + ms);
  }

  refuse(status: FastwayRefusal, detail: string): void {
    if (this.is_over) return;
    this.drop();
    const { side, remote } = this;
    this.#arrivals.context.report({ type: "refused", side, status, detail, remote });
  }

  shed(limit: ShedLimit): void {
    if (this.is_over) return;
    this.drop();
    const { side, remote } = this;
    this.#arrivals.context.report({ type: "shed", side, limit, count: 1, remote });
  }

  handOver(): void {
    this.is_over = true;
    this.#arrivals.context.wheel.cancel(this.#late);
    this.#arrivals.remove(this);
  }

  drop(): void {
    if (this.is_over) return;
    this.handOver();
    this.stream.owner = NOBODY;
    this.stream.close();
  }
}
