/** Two connected ends of one SRT port and the two flows between them. */
import {
  decodeStats,
  emptyStats,
  SRT_EPOLL_ERR,
  SRT_EPOLL_IN,
  SRT_EPOLL_OUT,
  STATS_BYTES,
} from "../../../ffi/libsrt/mod.ts";
import type { CounterRow } from "../counters.ts";
import { Silence } from "../silence.ts";
import { Deadline } from "../timer-wheel.ts";
import type { SrtConnection } from "./connection.ts";
import type { SrtContext } from "./context.ts";
import { SrtFlow, type SrtFlowProgress } from "./flow.ts";
import type { SrtPort } from "./port.ts";

/** How often the messages of an end that is gone are looked for. */
const TAIL_LOOK_MS = 20;
/** Beyond the latency; what has not come due by then has a hole before it and never will. */
const TAIL_MARGIN_MS = 200;

const statsBytes = new Uint8Array(STATS_BYTES);
const statsView = new DataView(statsBytes.buffer);
const clientStats = emptyStats();
const serverStats = emptyStats();

export class SrtSession {
  readonly client: SrtConnection;
  readonly server: SrtConnection;
  readonly #context: SrtContext;
  readonly #port: SrtPort;
  readonly #counters: CounterRow;
  readonly #up: SrtFlow;
  readonly #down: SrtFlow;
  readonly #silence: Silence;
  readonly #tail = new Deadline(() => this.#moveTail());
  /** The end that is gone, while its last messages are still moved. */
  #left: SrtConnection | null = null;
  #tailUntil_ms = 0;
  #over = false;

  constructor(options: {
    context: SrtContext;
    port: SrtPort;
    counters: CounterRow;
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
    this.#up = new SrtFlow({ libsrt, message, source: client, sink: server });
    this.#down = new SrtFlow({ libsrt, message, source: server, sink: client });
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
    const { libsrt } = this.#context;
    const read = (into: typeof clientStats, socket: number) =>
      libsrt.srt_bistats(socket, statsBytes, 0, 1) === 0 && decodeStats(statsView, into);
    const client = read(clientStats, this.client.socket);
    const server = read(serverStats, this.server.socket);
    if (!client || !server) return;
    this.#counters.setQuality({
      rtt_ms: Math.max(client.msRTT, server.msRTT),
      packets_up: client.pktRecvTotal + server.pktSentTotal,
      packets_down: server.pktRecvTotal + client.pktSentTotal,
      packets_lost: lost(client) + lost(server),
      packets_retransmitted: client.pktRetransTotal + server.pktRetransTotal,
    });
  }

  /** Lets go of everything but the connections. */
  end(): void {
    this.#over = true;
    const { wheel, sampler } = this.#context;
    this.#silence.stop();
    sampler.forget(this);
    wheel.cancel(this.#tail);
  }

  #pump(flow: SrtFlow): void {
    if (this.#over || flow.sink.broken) return;
    let progress: SrtFlowProgress;
    // A source that is broken is not told of again, so all that is due is moved now.
    do progress = flow.pump(); while (progress === "more" && flow.source.broken);
    if (progress === "sink_gone") this.#port.endSession(flow.sink);
    else if (progress === "source_gone") this.#sourceGone(flow.source);
  }

  #sourceGone(source: SrtConnection): void {
    if (!this.#left) this.#lose(source);
    const { wheel, now_ms } = this.#context;
    if (source.receivedPackets() === 0 || now_ms >= this.#tailUntil_ms) {
      this.#port.endSession(source);
    } else {
      wheel.schedule(this.#tail, now_ms + TAIL_LOOK_MS);
    }
  }

  /**
   * An end is gone. What it had sent is still in libsrt, which hands it out as it comes due and says
   * between times that the connection is lost: so it is asked again until the latency has passed.
   * Its peer is not read any more, because there is nobody to send to.
   */
  #lose(connection: SrtConnection): void {
    connection.broken = true;
    connection.unwatch();
    const stays = connection === this.client ? this.server : this.client;
    stays.want(SRT_EPOLL_IN, false);
    this.#left = connection;
    const latency_ms = connection.receiveLatency();
    this.#tailUntil_ms = this.#context.now_ms + latency_ms + TAIL_MARGIN_MS;
  }

  #moveTail(): void {
    const flow = this.#left === this.client ? this.#up : this.#down;
    const before = this.#up.bytes + this.#down.bytes;
    this.#pump(flow);
    this.#note(before);
  }

  #note(before: number): void {
    if (this.#up.bytes + this.#down.bytes === before) return;
    const { sampler, now_ms } = this.#context;
    this.#counters.setBytes(this.#up.bytes, this.#down.bytes);
    this.#silence.heard(now_ms);
    if (!this.#over) sampler.moved(this, now_ms);
  }
}

/** Packets missing on one leg: those we found missing and those our peer did. */
function lost(stats: { pktRcvLossTotal: number; pktSndLossTotal: number }): number {
  return stats.pktRcvLossTotal + stats.pktSndLossTotal;
}
