/** Two connected ends of one SRT port and the two flows between them. */
import { SRT_EPOLL_ERR, SRT_EPOLL_IN, SRT_EPOLL_OUT } from "../../../ffi/libsrt/mod.ts";
import { type Bottleneck, findBottleneck } from "../bottleneck.ts";
import type { CounterRow } from "../counters.ts";
import { SessionRates, type SessionRatesOwner } from "../session-rates.ts";
import { Silence } from "../silence.ts";
import { Deadline } from "../timer-wheel.ts";
import { type SrtConnection, TAIL_LOOK_MS } from "./connection.ts";
import type { SrtContext } from "./context.ts";
import { SrtFlow, type SrtFlowProgress } from "./flow.ts";
import { type Leg, LegMeter, packetsMissing } from "./leg-meter.ts";
import type { SrtPort } from "./port.ts";

export class SrtSession implements SessionRatesOwner {
  readonly client: SrtConnection;
  readonly server: SrtConnection;
  readonly #context: SrtContext;
  readonly #port: SrtPort;
  readonly #counters: CounterRow;
  /** The byte rates it counts against; null for nearly all sessions. */
  readonly #rates: SessionRates | null;
  /** Which direction goes on first when there is something left again: in turns. */
  #downFirst = false;
  /** Something is left to be moved at once, of this turn. */
  #more = false;
  readonly #up: SrtFlow;
  readonly #down: SrtFlow;
  readonly #silence: Silence;
  readonly #clientMeter: LegMeter;
  readonly #serverMeter: LegMeter;
  /** What had been carried when the lines were looked at last. */
  #sampledBytes = -1;
  readonly #tail = new Deadline(() => this.#moveTail());
  /** The end that is gone, while its last messages are still moved. */
  #left: SrtConnection | null = null;
  #over = false;

  constructor(options: {
    context: SrtContext;
    port: SrtPort;
    counters: CounterRow;
    rate_rows: readonly number[];
    client: SrtConnection;
    server: SrtConnection;
  }) {
    const { context, client, server } = options;
    const { libsrt, message, wheel, settings } = context;
    this.#context = context;
    this.#port = options.port;
    this.#counters = options.counters;
    this.client = client;
    this.server = server;
    this.#rates = SessionRates.of(options.rate_rows, { gates: context.rate_gates, owner: this });
    const rates = this.#rates;
    this.#up = new SrtFlow({ libsrt, message, rates, source: client, sink: server });
    this.#down = new SrtFlow({ libsrt, message, rates, source: server, sink: client });
    const { now_ms } = context;
    this.#clientMeter = new LegMeter({ libsrt, socket: client.socket, now_ms });
    this.#serverMeter = new LegMeter({ libsrt, socket: server.socket, now_ms });
    this.#silence = new Silence({
      wheel,
      timeout_ms: settings.session_idle_timeout_ms,
      owner: this.#port,
    });
  }

  get bytes_up(): number {
    return this.#up.bytes;
  }

  get bytes_down(): number {
    return this.#down.bytes;
  }

  /** A byte rate holds it back. */
  get held(): boolean {
    return this.#rates?.waits ?? false;
  }

  /** The byte rate that held it back has something left. */
  allowed(): void {
    if (this.#over) return;
    this.#downFirst = !this.#downFirst;
    const before = this.#up.bytes + this.#down.bytes;
    const [first, second] = this.#downFirst ? [this.#down, this.#up] : [this.#up, this.#down];
    for (const flow of [first, second]) {
      // An end that is gone is told of no more, and its peer is not read any more.
      if (this.#left && this.#left !== flow.source) continue;
      if (!this.#left) flow.allowed();
      this.#pump(flow);
    }
    this.#note(before);
  }

  start(): void {
    this.#silence.start(this.#context.now_ms);
    // What waited in libsrt is told again now; what came behind a hello is ours to move.
    for (const connection of [this.client, this.server]) connection.want(SRT_EPOLL_IN, true);
    for (const flow of [this.#up, this.#down]) this.#pump(flow);
    this.#note(0);
  }

  connectionReady(connection: SrtConnection, events: number): void {
    if (this.#over) return;
    const [from, to] = connection === this.client ? [this.#up, this.#down] : [this.#down, this.#up];
    const before = from.bytes + to.bytes;
    if (events & SRT_EPOLL_ERR) {
      // The one that was still to get the last messages is gone as well.
      if (this.#left && this.#left !== connection) return this.#port.endSession(this.#left);
      if (!this.#left) this.#lose(connection);
    }
    if (events & SRT_EPOLL_OUT && !connection.broken) this.#pump(to);
    if (events & (SRT_EPOLL_IN | SRT_EPOLL_ERR)) this.#pump(from);
    this.#note(before);
  }

  /** Refreshes what the control side can read about both lines. */
  sample(): void {
    const { now_ms, sampler } = this.#context;
    const client = this.#clientMeter.read(now_ms);
    const server = this.#serverMeter.read(now_ms);
    if (!client || !server) return;
    this.#counters.setQuality({
      rtt_ms: Math.max(client.totals.msRTT, server.totals.msRTT),
      packets_up: client.totals.pktRecvTotal + server.totals.pktSentTotal,
      packets_down: server.totals.pktRecvTotal + client.totals.pktSentTotal,
      packets_lost: lost(client) + lost(server),
      packets_retransmitted: client.totals.pktRetransTotal + server.totals.pktRetransTotal,
      bottleneck_up: this.#bottleneck(this.#up, client, server),
      bottleneck_down: this.#bottleneck(this.#down, server, client),
    });
    // Looked at once more after the last byte, to see that it rests, and as long as somebody waits.
    const bytes = this.#up.bytes + this.#down.bytes;
    const stuck = this.#up.blockedBySink || this.#down.blockedBySink;
    if (bytes !== this.#sampledBytes || stuck) sampler.moved(this, now_ms);
    this.#sampledBytes = bytes;
  }

  #bottleneck(flow: SrtFlow, from: Leg, to: Leg): Bottleneck {
    const { held } = flow;
    flow.held = false;
    if (held) return "rate";
    return findBottleneck({
      incoming: from.received,
      outgoing: to.sent,
      incoming_latency_ms: flow.source.receiveLatency(),
      outgoing_latency_ms: flow.sink.sendLatency(),
      blocked: flow.blockedBySink,
    });
  }

  /** Lets go of everything but the connections. */
  end(): void {
    this.#over = true;
    const { wheel, sampler, now_ms } = this.#context;
    this.#silence.stop();
    sampler.forget(this);
    wheel.cancel(this.#tail);
    this.#rates?.close(now_ms);
  }

  #pump(flow: SrtFlow): void {
    if (this.#over || flow.sink.broken) return;
    const { now_ms } = this.#context;
    let progress: SrtFlowProgress;
    // A source that is broken is not told of again, so all that is due is moved now.
    do progress = flow.pump(now_ms); while (progress === "more" && flow.source.broken);
    if (progress === "more") this.#more = true;
    if (progress === "sink_gone") this.#port.endSession(flow.sink);
    else if (progress === "source_gone") this.#sourceGone(flow.source);
  }

  #sourceGone(source: SrtConnection): void {
    if (!this.#left) this.#lose(source);
    const { wheel, now_ms } = this.#context;
    // A stream of bytes has nothing that is still to come due.
    const is_file = this.#port.wishes.transtype === "file";
    if (is_file || !source.hasTail(now_ms)) {
      this.#port.endSession(source);
    } else {
      wheel.schedule(this.#tail, now_ms + TAIL_LOOK_MS);
    }
  }

  /** An end is gone. Its peer is not read any more, because there is nobody to send to. */
  #lose(connection: SrtConnection): void {
    connection.lose(this.#context.now_ms);
    const stays = connection === this.client ? this.server : this.client;
    stays.want(SRT_EPOLL_IN, false);
    this.#left = connection;
  }

  #moveTail(): void {
    const flow = this.#left === this.client ? this.#up : this.#down;
    const before = this.#up.bytes + this.#down.bytes;
    this.#pump(flow);
    this.#note(before);
  }

  #note(before: number): void {
    if (!this.#over) this.#rates?.settle(this.#context.now_ms, { more: this.#more });
    this.#more = false;
    if (this.#up.bytes + this.#down.bytes === before) return;
    const { sampler, now_ms } = this.#context;
    this.#counters.setBytes(this.#up.bytes, this.#down.bytes);
    this.#silence.heard(now_ms);
    if (!this.#over) sampler.moved(this, now_ms);
  }
}

/** Packets missing on one leg: those we found missing and those our peer did. */
function lost({ totals }: Leg): number {
  return Math.max(0, packetsMissing(totals)) + totals.pktSndLossTotal;
}
