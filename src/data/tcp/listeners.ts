/**
 * The listening sockets of a worker. A port listens while it is granted, and closes with its session.
 * Only under a stream of short sessions does it go on for a moment: there the lowest ports are granted
 * again and again, and to bind one anew takes the kernel a look at every connection of it that is
 * still in TIME_WAIT, thousands by then.
 */
import type { Libc } from "../../../ffi/libc/mod.ts";
import type { AddressRules } from "../address-rules.ts";
import type { PlaneEvent } from "../plane.ts";
import { bannedEvent, exhaustedEvent, strangerEvent } from "../port-events.ts";
import { Deadline, type TimerWheel } from "../timer-wheel.ts";
import type { TcpWorkerSettings } from "../worker-protocol.ts";
import { type Accepted, AcceptLoop } from "./accept-loop.ts";
import { listenOnTcp, type SocketBuffers } from "./listening-socket.ts";
import type { Poller } from "./poller.ts";

/**
 * A port that is granted again within this time after its last session is in such a stream, and goes
 * on to listen for as long after the next.
 */
const REST_MS = 100;
/** Who takes what a listener accepts. */
export interface Acceptor {
  readonly port: number;
  /** Set once both ends are there. */
  readonly session: object | null;
  /** Of the sockets that it takes, bytes, instead of the configuration's; 0 is the kernel's own. */
  readonly buffers?: SocketBuffers;
  accept(accepted: Accepted): void;
}

export interface ListenersOptions {
  libc: Libc;
  poller: Poller;
  wheel: TimerWheel;
  settings: TcpWorkerSettings;
  addresses: AddressRules;
  event: (event: PlaneEvent) => void;
  /** The clock of this turn of the loop, ms. */
  now_ms: () => number;
}

export class TcpListeners {
  readonly #options: ListenersOptions;
  readonly #listeners = new Map<number, Listener>();
  /** When the ports were closed last, ms; at most one entry per port of the pool. */
  readonly #closed_ms = new Map<number, number>();

  constructor(options: ListenersOptions) {
    this.#options = options;
  }

  /** Has the port listen. Throws {@link SystemCallError} where it cannot be bound. */
  open(acceptor: Acceptor): void {
    const { port } = acceptor;
    const resting = this.#listeners.get(port);
    if (resting) return resting.serve(acceptor);
    const now_ms = this.#options.now_ms();
    const busy = now_ms - (this.#closed_ms.get(port) ?? -Infinity) < REST_MS;
    const closed = this.#onClosed;
    this.#listeners.set(port, new Listener(this.#options, { acceptor, busy, closed }));
  }

  readonly #onClosed = (port: number): void => {
    this.#listeners.delete(port);
    this.#closed_ms.set(port, this.#options.now_ms());
  };

  /** The acceptor's port is over. A reservation that never became a session is no part of a stream. */
  rest(acceptor: Acceptor): void {
    const listener = this.#listeners.get(acceptor.port);
    if (acceptor.session) listener?.rest();
    else listener?.close();
  }

  close(): void {
    for (const listener of [...this.#listeners.values()]) listener.close();
  }
}

class Listener {
  readonly #options: ListenersOptions;
  readonly #port: number;
  readonly #busy: boolean;
  readonly #closed: (port: number) => void;
  readonly #accepts: AcceptLoop;
  #restOver: Deadline | null = null;
  /** Null while it rests. */
  #acceptor: Acceptor | null;

  constructor(
    options: ListenersOptions,
    use: { acceptor: Acceptor; busy: boolean; closed: (port: number) => void },
  ) {
    this.#options = options;
    const port = this.#port = use.acceptor.port;
    this.#acceptor = use.acceptor;
    this.#busy = use.busy;
    this.#closed = use.closed;
    const { libc, poller, wheel, settings, now_ms, event } = options;
    const { bind_address: host } = settings;
    const buffers = use.acceptor.buffers ?? settings;
    this.#accepts = new AcceptLoop({
      libc,
      poller,
      wheel,
      fd: listenOnTcp(libc, { host, port, buffers }),
      now_ms,
      take: (accepted) => this.#hand(accepted),
      starved: () => event(exhaustedEvent(port)),
    });
  }

  serve(acceptor: Acceptor): void {
    this.#options.wheel.cancel(this.#restOver);
    this.#acceptor = acceptor;
  }

  rest(): void {
    if (!this.#busy) return this.close();
    const { wheel, now_ms } = this.#options;
    this.#acceptor = null;
    this.#restOver ??= new Deadline(() => this.close());
    wheel.schedule(this.#restOver, now_ms() + REST_MS);
  }

  close(): void {
    this.#options.wheel.cancel(this.#restOver);
    this.#accepts.close();
    this.#closed(this.#port);
  }

  #hand(accepted: Accepted): void {
    const { libc, addresses, event } = this.#options;
    const { address, remote } = accepted;
    // A proxy's clients are banned one by one, once it has said who they are.
    const banned = addresses.isBanned(address) && !addresses.isTrustedProxy(address);
    if (this.#acceptor && !banned) return this.#acceptor.accept(accepted);
    libc.close(accepted.fd);
    event(banned ? bannedEvent(this.#port, remote) : strangerEvent(this.#port, remote));
  }
}
