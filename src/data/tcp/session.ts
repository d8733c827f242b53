/** Two connected ends of one port and what becomes of them. */
import type { CounterRow } from "../counters.ts";
import { type Connection, resetOnClose } from "./connection.ts";
import type { TcpContext } from "./context.ts";
import type { Flow } from "./flow.ts";
import type { TcpPort } from "./port.ts";
import { Tail } from "./tail.ts";
import { Traffic, type TrafficOwner } from "./traffic.ts";

export class TcpSession implements TrafficOwner {
  readonly #context: TcpContext;
  readonly #port: TcpPort;
  readonly #client: Connection;
  readonly #server: Connection;
  readonly #traffic: Traffic;
  /** What is left to deliver when the source has finished and then broken off. */
  #tail: Tail | null = null;
  #over = false;
  queued = false;

  constructor(options: {
    context: TcpContext;
    port: TcpPort;
    counters: CounterRow;
    rate_rows: readonly number[];
    client: Connection;
    server: Connection;
  }) {
    const { context, port, client, server } = options;
    this.#context = context;
    this.#port = port;
    this.#client = client;
    this.#server = server;
    this.#traffic = new Traffic({ ...options, owner: this, silence: port });
  }

  get bytes_up(): number {
    return this.#traffic.up.bytes;
  }

  get bytes_down(): number {
    return this.#traffic.down.bytes;
  }

  /** A byte rate holds it back. */
  get held(): boolean {
    return this.#traffic.held;
  }

  start(): void {
    this.#traffic.start();
  }

  connectionReady(connection: Connection): void {
    if (connection.broken) this.#broken(connection);
    if (!this.#over) this.#context.enqueue(this);
  }

  turn(): boolean {
    if (this.#over) return false;
    const more = this.#traffic.turn();
    if (this.#over) return false;
    if (this.#tail?.flow.finished) {
      this.#endTail(this.#tail);
      return false;
    }
    if (this.#isFinished) {
      this.#port.close("finished", this.#traffic.firstFinished);
      return false;
    }
    return more;
  }

  /** Ends both connections: in order where both directions have ended, else by a reset. */
  close(): void {
    if (this.#over) return;
    const { libc, poller } = this.#context;
    this.#end();
    for (const { fd } of [this.#client, this.#server]) {
      if (!this.#isFinished) resetOnClose(libc, fd);
      poller.forget(fd);
      libc.close(fd);
    }
  }

  sourceBroken(flow: Flow): void {
    this.#breakOff(flow.source);
  }

  sinkBroken(flow: Flow): void {
    this.#broken(flow.sink);
  }

  get #isFinished(): boolean {
    return this.#traffic.up.finished && this.#traffic.down.finished;
  }

  #broken(connection: Connection): void {
    if (this.#over) return;
    connection.broken = true;
    if (this.#tail) {
      // The one that was still to get the last bytes is gone as well.
      if (connection === this.#tail.flow.sink) this.#breakOff(connection);
      return;
    }
    const context = this.#context;
    if (!Tail.isOwed(connection, context)) return this.#breakOff(connection);
    const { up, down } = this.#traffic;
    const [flow, other] = connection === this.#client ? [up, down] : [down, up];
    other.close();
    const overdue = () => this.#breakOff(connection);
    this.#tail = new Tail({ context, flow, overdue });
    this.#traffic.only = flow;
  }

  #endTail(tail: Tail): void {
    this.#end();
    tail.deliver();
    this.#port.close("aborted", tail.flow.source.role);
  }

  /** One end broke off: the other is told likewise. */
  #breakOff(broken: Connection): void {
    if (!this.#over) this.#port.close("aborted", broken.role);
  }

  /** Lets go of everything but the connections. */
  #end(): void {
    this.#over = true;
    this.#tail?.cancel();
    this.#traffic.close();
  }
}
