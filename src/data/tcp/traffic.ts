/**
 * What passes between the two ends of a session: a flow for each direction, a fair turn for both, and
 * who is told that bytes have moved. What an end's end means is the owner's affair.
 */
import type { CounterRow } from "../counters.ts";
import type { Role } from "../plane.ts";
import { SessionRates, type SessionRatesOwner } from "../session-rates.ts";
import { Silence, type SilenceOwner } from "../silence.ts";
import { Deadline } from "../timer-wheel.ts";
import type { Connection } from "./connection.ts";
import type { TurnTaker } from "../run-queue.ts";
import type { TcpContext } from "./context.ts";
import { Flow } from "./flow.ts";
import { lineQuality } from "./line-quality.ts";
import { PIPE_BYTES } from "./pipes.ts";

/**
 * What one direction may move before the others get their turn: one full pipe, about 0.4 ms of work,
 * so that 64 sessions busy both ways see each other's turns pass in some 50 ms. With turns four times
 * as long their senders took the pause for a loss and sent again.
 */
export const TURN_BYTES = PIPE_BYTES;
/** Until a flow without a pipe is tried again: descriptors have run out. */
const STARVED_MS = 20;

/** The session. A flow has come upon a break before epoll has told of it. */
export interface TrafficOwner extends TurnTaker {
  sourceBroken(flow: Flow): void;
  sinkBroken(flow: Flow): void;
}

export interface TrafficOptions {
  context: TcpContext;
  owner: TrafficOwner;
  /** Who ends it when both ends have gone silent. */
  silence: SilenceOwner;
  counters: Pick<CounterRow, "setBytes" | "setQuality">;
  rate_rows: readonly number[];
  client: Connection;
  server: Connection;
  /** What may be inside each flow; see {@link Flow}. */
  hold_bytes_max?: number;
}

export class Traffic implements SessionRatesOwner {
  readonly up: Flow;
  readonly down: Flow;
  /** Where it is set, the other direction stands still. */
  only: Flow | null = null;
  /** Which end finished sending first. */
  firstFinished: Role | null = null;
  readonly #context: TcpContext;
  readonly #owner: TrafficOwner;
  readonly #counters: TrafficOptions["counters"];
  readonly #client: Connection;
  readonly #server: Connection;
  /** The byte rates it counts against; null for nearly all sessions. */
  readonly #rates: SessionRates | null;
  /** Which direction comes first in a turn; where rates are, they take turns at that. */
  #downFirst = false;
  // A deadline that few sessions ever need is made when they do.
  #starved: Deadline | null = null;
  readonly #silence: Silence;
  #over = false;

  constructor(options: TrafficOptions) {
    const { context, client, server, hold_bytes_max } = options;
    const { libc, pipes, wheel, settings } = context;
    this.#context = context;
    this.#owner = options.owner;
    this.#counters = options.counters;
    this.#client = client;
    this.#server = server;
    this.#rates = SessionRates.of(options.rate_rows, { gates: context.rate_gates, owner: this });
    const rates = this.#rates;
    this.up = new Flow({ libc, pipes, rates, hold_bytes_max, source: client, sink: server });
    this.down = new Flow({ libc, pipes, rates, hold_bytes_max, source: server, sink: client });
    this.#silence = new Silence({
      wheel,
      timeout_ms: settings.session_idle_timeout_ms,
      owner: options.silence,
    });
  }

  /** A byte rate holds it back. */
  get held(): boolean {
    return this.#rates?.waits ?? false;
  }

  /** The byte rate that held it back has something left. */
  allowed(): void {
    this.#context.enqueue(this.#owner);
  }

  start(): void {
    // What came before the pairing has had its edges already.
    for (const connection of [this.#client, this.#server]) {
      connection.readable = true;
      connection.writable = true;
    }
    this.awaitSilence();
    this.#context.enqueue(this.#owner);
  }

  /** Counts the ends' silence from now on. */
  awaitSilence(): void {
    this.#silence.start(this.#context.now_ms);
  }

  /** One fair turn; true when there is more to do at once. */
  turn(): boolean {
    const before = this.up.bytes + this.down.bytes;
    const more = this.#takeTurn(this.#downFirst ? this.down : this.up);
    const moreSecond = this.#takeTurn(this.#downFirst ? this.up : this.down);
    if (this.#rates && !this.#over) this.#settle(this.#rates, more || moreSecond);
    if (this.up.bytes + this.down.bytes !== before) this.#note();
    return more || moreSecond;
  }

  /** Refreshes what the control side can read about the line. */
  sample(): void {
    const { libc } = this.#context;
    const client = lineQuality(libc, this.#client.fd);
    const server = lineQuality(libc, this.#server.fd);
    if (!client || !server) return;
    this.#counters.setQuality({
      rtt_ms: Math.max(client.rtt_ms, server.rtt_ms),
      packets_up: server.packets_out,
      packets_down: client.packets_out,
      // TCP repairs what it loses; what had to be sent again is below.
      packets_lost: 0,
      packets_retransmitted: client.packets_retransmitted + server.packets_retransmitted,
      bottleneck_up: this.up.held ? "rate" : "unknown",
      bottleneck_down: this.down.held ? "rate" : "unknown",
    });
    this.up.held = this.down.held = false;
  }

  /** Lets go of everything but the connections. */
  close(): void {
    this.#over = true;
    const { wheel, sampler, now_ms } = this.#context;
    this.#silence.stop();
    sampler.forget(this);
    wheel.cancel(this.#starved);
    this.up.close();
    this.down.close();
    this.#rates?.close(now_ms);
  }

  #takeTurn(flow: Flow): boolean {
    const stands = this.#over || (this.only !== null && this.only !== flow);
    return !stands && this.#pump(flow);
  }

  /** True when the flow has more to do at once. */
  #pump(flow: Flow): boolean {
    const already = flow.finished;
    const progress = flow.pump(TURN_BYTES, this.#context.now_ms);
    switch (progress) {
      case "more":
        return true;
      case "finished":
        if (!already) this.firstFinished ??= flow.source.role;
        return false;
      case "source_broken":
        this.#owner.sourceBroken(flow);
        return !this.#over;
      case "sink_broken":
        this.#owner.sinkBroken(flow);
        return !this.#over;
      case "starved":
        this.#starved ??= new Deadline(() => this.#context.enqueue(this.#owner));
        this.#context.wheel.schedule(this.#starved, this.#context.now_ms + STARVED_MS);
        return false;
      case "blocked":
      case "held":
        return false;
    }
  }

  /** What the turn has taken from the byte rates and not used goes back. */
  #settle(rates: SessionRates, more: boolean): void {
    this.#downFirst = !this.#downFirst;
    rates.settle(this.#context.now_ms, { more });
  }

  #note(): void {
    const { sampler, now_ms } = this.#context;
    this.#counters.setBytes(this.up.bytes, this.down.bytes);
    this.#silence.heard(now_ms);
    if (!this.#over) sampler.moved(this, now_ms);
  }
}
