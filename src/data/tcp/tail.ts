/**
 * What an end that is broken still owes its peer. One that had finished sending before, a process that
 * closed its socket while its peer was still talking, owes the bytes it sent: they are delivered first,
 * however long that takes. Of one that broke off in the middle, `zeromq.linger` says how long.
 */
import { Deadline } from "../timer-wheel.ts";
import type { Connection } from "./connection.ts";
import type { TcpContext } from "./context.ts";
import type { Flow } from "./flow.ts";
import { LingeringClose } from "./lingering-close.ts";

/** How long the last bytes of an end that is gone may take to reach its peer's kernel. */
const TAIL_MS = 10_000;

export class Tail {
  readonly flow: Flow;
  readonly #context: TcpContext;
  #due: Deadline | null = null;

  /** `flow` is the one from the broken end, and the only one that still moves. */
  constructor(options: { context: TcpContext; flow: Flow; overdue: () => void }) {
    const { context, flow } = options;
    this.#context = context;
    this.flow = flow;
    flow.source.readable = true;
    if (flow.source.finished) return;
    flow.passesEnd = false;
    this.#due = new Deadline(options.overdue);
    context.wheel.schedule(this.#due, context.now_ms + context.settings.linger_ms);
  }

  static isOwed(broken: Connection, { settings }: TcpContext): boolean {
    return broken.finished || settings.linger_ms > 0;
  }

  cancel(): void {
    this.#context.wheel.cancel(this.#due);
  }

  /**
   * The last bytes are in the kernel's hands; it gets a while to deliver them before the abort. Both
   * connections are closed by it.
   */
  deliver(): void {
    const { libc, poller, wheel, now_ms } = this.#context;
    const linger_ms = this.#due ? this.#due.at_ms - now_ms : TAIL_MS;
    const { source, sink } = this.flow;
    this.cancel();
    for (const { fd } of [source, sink]) poller.forget(fd);
    libc.close(source.fd);
    new LingeringClose({ libc, wheel, fd: sink.fd }).start(now_ms, linger_ms);
  }
}
