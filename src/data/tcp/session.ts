/** Two connected ends of one port and the two flows between them. */
import type { CounterRow } from "../counters.ts";
import type { Role } from "../plane.ts";
import { Silence } from "../silence.ts";
import { SessionRates, type SessionRatesOwner } from "../session-rates.ts";
import { Deadline } from "../timer-wheel.ts";
import { type Connection, resetOnClose } from "./connection.ts";
import type { TcpContext } from "./context.ts";
import { Flow } from "./flow.ts";
import { LingeringClose } from "./lingering-close.ts";
import { lineQuality } from "./line-quality.ts";
import { PIPE_BYTES } from "./pipes.ts";
import type { TcpPort } from "./port.ts";

/**
 * What one direction may move before the others get their turn: one full pipe, about 0.4 ms of work,
 * so that 64 sessions busy both ways see each other's turns pass in some 50 ms. With turns four times
 * as long their senders took the pause for a loss and sent again.
 */
const TURN_BYTES = PIPE_BYTES;
/** Until a flow without a pipe is tried again: descriptors have run out. */
const STARVED_MS = 20;
/** How long the last bytes of an end that is gone may take to reach its peer's kernel. */
const TAIL_MS = 10_000;

export class TcpSession implements SessionRatesOwner {
  readonly #context: TcpContext;
  readonly #port: TcpPort;
  readonly #counters: CounterRow;
  readonly #client: Connection;
  readonly #server: Connection;
  /** The byte rates it counts against; null for nearly all sessions. */
  readonly #rates: SessionRates | null;
  /** Which direction comes first in a turn; where rates are, they take turns at that. */
  #downFirst = false;
  readonly #up: Flow;
  readonly #down: Flow;
  // Deadlines that few sessions ever need are made when they do.
  #tailDue: Deadline | null = null;
  #starved: Deadline | null = null;
  readonly #silence: Silence;
  #firstFinished: Role | null = null;
  /** What is left to deliver when the source has finished and then broken off. */
  #tail: Flow | null = null;
  #over = false;
  /** In the loop's run queue. */
  queued = false;

  constructor(options: {
    context: TcpContext;
    port: TcpPort;
    counters: CounterRow;
    rate_rows: readonly number[];
    client: Connection;
    server: Connection;
  }) {
    const { context, client, server } = options;
    const { libc, pipes, wheel, settings } = context;
    this.#context = context;
    this.#port = options.port;
    this.#counters = options.counters;
    this.#client = client;
    this.#server = server;
    this.#rates = SessionRates.of(options.rate_rows, { gates: context.rate_gates, owner: this });
    const rates = this.#rates;
    this.#up = new Flow({ libc, pipes, rates, source: client, sink: server });
    this.#down = new Flow({ libc, pipes, rates, source: server, sink: client });
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
    this.#context.enqueue(this.#port);
  }

  start(): void {
    // What came before the pairing has had its edges already.
    for (const connection of [this.#client, this.#server]) {
      connection.readable = true;
      connection.writable = true;
    }
    this.#silence.start(this.#context.now_ms);
    this.#context.enqueue(this.#port);
  }

  connectionReady(connection: Connection): void {
    if (connection.broken) this.#broken(connection);
    if (!this.#over) this.#context.enqueue(this.#port);
  }

  /** One fair turn; true when there is more to do at once. */
  turn(): boolean {
    if (this.#over) return false;
    const before = this.#up.bytes + this.#down.bytes;
    const more = this.#takeTurn(this.#downFirst ? this.#down : this.#up);
    const moreSecond = this.#takeTurn(this.#downFirst ? this.#up : this.#down);
    if (this.#rates && !this.#over) this.#settle(this.#rates, more || moreSecond);
    if (this.#up.bytes + this.#down.bytes !== before) this.#note();
    if (this.#over) return false;
    if (this.#tail?.finished) {
      this.#endTail(this.#tail);
      return false;
    }
    if (this.#up.finished && this.#down.finished) {
      this.#port.close("finished", this.#firstFinished);
      return false;
    }
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
      bottleneck_up: this.#up.held ? "rate" : "unknown",
      bottleneck_down: this.#down.held ? "rate" : "unknown",
    });
    this.#up.held = this.#down.held = false;
  }

  /** Ends both connections: in order where both directions have ended, else by a reset. */
  close(): void {
    if (this.#over) return;
    const { libc, poller } = this.#context;
    this.#end();
    const orderly = this.#up.finished && this.#down.finished;
    for (const { fd } of [this.#client, this.#server]) {
      if (!orderly) resetOnClose(libc, fd);
      poller.forget(fd);
      libc.close(fd);
    }
  }

  /** True when the flow has more to do at once. */
  #pump(flow: Flow): boolean {
    const already = flow.finished;
    const progress = flow.pump(TURN_BYTES, this.#context.now_ms);
    switch (progress) {
      case "more":
        return true;
      case "finished":
        if (!already) this.#firstFinished ??= flow.source.role;
        return false;
      case "source_broken":
        this.#breakOff(flow.source);
        return false;
      case "sink_broken":
        this.#broken(flow.sink);
        return !this.#over;
      case "starved":
        this.#starved ??= new Deadline(() => this.#context.enqueue(this.#port));
        this.#context.wheel.schedule(this.#starved, this.#context.now_ms + STARVED_MS);
        return false;
      case "blocked":
      case "held":
        return false;
    }
  }

  #takeTurn(flow: Flow): boolean {
    const stands = this.#over || (this.#tail !== null && this.#tail !== flow);
    return !stands && this.#pump(flow);
  }

  /** What the turn has taken from the byte rates and not used goes back. */
  #settle(rates: SessionRates, more: boolean): void {
    this.#downFirst = !this.#downFirst;
    rates.settle(this.#context.now_ms, { more });
  }

  #note(): void {
    const { sampler, now_ms } = this.#context;
    this.#counters.setBytes(this.#up.bytes, this.#down.bytes);
    this.#silence.heard(now_ms);
    if (!this.#over) sampler.moved(this, now_ms);
  }

  /**
   * An end is broken. One that had finished sending before, a process that closed its socket while
   * its peer was still talking, owes its peer the bytes it sent: they are delivered first, however
   * long that takes. Of one that broke off in the middle, `zeromq.linger` says how long.
   */
  #broken(connection: Connection): void {
    if (this.#over) return;
    connection.broken = true;
    if (this.#tail) {
      // The one that was still to get the last bytes is gone as well.
      if (connection === this.#tail.sink) this.#breakOff(connection);
      return;
    }
    const { wheel, now_ms, settings } = this.#context;
    if (!connection.finished && settings.linger_ms === 0) return this.#breakOff(connection);
    const [flow, other] = connection === this.#client
      ? [this.#up, this.#down]
      : [this.#down, this.#up];
    other.close();
    connection.readable = true;
    this.#tail = flow;
    if (connection.finished) return;
    flow.passesEnd = false;
    this.#tailDue = new Deadline(() => this.#breakOff(flow.source));
    wheel.schedule(this.#tailDue, now_ms + settings.linger_ms);
  }

  /** The last bytes are in the kernel's hands; it gets a while to deliver them before the abort. */
  #endTail(tail: Flow): void {
    const { libc, poller, wheel, now_ms } = this.#context;
    const linger_ms = this.#tailDue ? this.#tailDue.at_ms - now_ms : TAIL_MS;
    const { source, sink } = tail;
    this.#end();
    for (const { fd } of [source, sink]) poller.forget(fd);
    libc.close(source.fd);
    new LingeringClose({ libc, wheel, fd: sink.fd }).start(now_ms, linger_ms);
    this.#port.close("aborted", source.role);
  }

  /** One end broke off: the other is told likewise. */
  #breakOff(broken: Connection): void {
    if (!this.#over) this.#port.close("aborted", broken.role);
  }

  /** Lets go of everything but the connections. */
  #end(): void {
    this.#over = true;
    const { wheel, sampler, now_ms } = this.#context;
    this.#silence.stop();
    sampler.forget(this);
    wheel.cancel(this.#starved);
    wheel.cancel(this.#tailDue);
    this.#up.close();
    this.#down.close();
    this.#rates?.close(now_ms);
  }
}
