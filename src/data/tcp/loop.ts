/**
 * The loop of a TCP worker: waits in epoll, carries out commands, gives every session that can move a
 * fair turn, and fires deadlines. It never awaits and allocates nothing per byte moved.
 */
import { performance } from "node:perf_hooks";
import { EPOLLIN, type Libc, SystemCallError } from "../../../ffi/libc/mod.ts";
import { AddressRules } from "../address-rules.ts";
import { Admission } from "../admission.ts";
import { CounterRow } from "../counters.ts";
import { LineSampler } from "../line-sampler.ts";
import type { Pulse } from "../pulse.ts";
import type { RateGates } from "../rate-gate.ts";
import { RunQueue } from "../run-queue.ts";
import { ShedReports } from "../shed-reports.ts";
import type { TimerWheel } from "../timer-wheel.ts";
import type { WorkerChannel, WorkerLoop, WorkerOrders } from "../worker-channel.ts";
import type {
  OpenOrder,
  SharedMemory,
  StandingOrder,
  TcpWorkerSettings,
} from "../worker-protocol.ts";
import type { TcpContext, WorkerPort } from "./context.ts";
import { TcpListeners } from "./listeners.ts";
import { PipePool } from "./pipes.ts";
import { Poller } from "./poller.ts";
import { TcpPort } from "./port.ts";
import { StandingPort } from "./standing-port.ts";

/** A hello is at most 4 KiB; a refused peer's leftovers are read away in pieces of this. */
const SCRATCH_BYTES = 64 * 1024;

export class TcpLoop implements WorkerLoop, WorkerOrders {
  readonly #memory: SharedMemory;
  readonly #pulse: Pulse;
  readonly #channel: WorkerChannel;
  readonly #poller: Poller;
  readonly #wheel: TimerWheel;
  readonly #pipes: PipePool;
  readonly #ports = new Map<number, WorkerPort>();
  readonly #context: TcpContext;
  readonly #listeners: TcpListeners;
  readonly #shed: ShedReports;
  readonly #runnable = new RunQueue();
  #stopping = false;

  constructor(options: {
    libc: Libc;
    channel: WorkerChannel;
    settings: TcpWorkerSettings;
    memory: SharedMemory;
    pulse: Pulse;
    wheel: TimerWheel;
    rate_gates: RateGates;
  }) {
    const { libc, channel, settings, memory } = options;
    this.#memory = memory;
    this.#pulse = options.pulse;
    this.#wheel = options.wheel;
    this.#channel = channel;
    this.#poller = new Poller({ libc });
    this.#pipes = new PipePool({ libc });
    this.#shed = new ShedReports({
      wheel: this.#wheel,
      report: (event) => channel.event(event),
      place: ({ port }) => port,
    });
    this.#context = {
      libc,
      settings,
      poller: this.#poller,
      wheel: this.#wheel,
      pipes: this.#pipes,
      sampler: new LineSampler({ wheel: this.#wheel }),
      rate_gates: options.rate_gates,
      admission: new Admission(settings),
      addresses: new AddressRules(settings),
      scratch: new Uint8Array(SCRATCH_BYTES),
      now_ms: performance.now(),
      event: (event) => {
        if (event.type === "shed") this.#shed.add(event, this.#context.now_ms);
        else channel.event(event);
      },
      standing: (event) => channel.standing(event),
      enqueue: (session) => this.#runnable.add(session),
      remove: (port) => {
        this.#ports.delete(port.port);
        this.#listeners.rest(port);
      },
    };
    this.#listeners = new TcpListeners({
      libc,
      poller: this.#poller,
      wheel: this.#wheel,
      settings,
      addresses: this.#context.addresses,
      event: (event) => this.#context.event(event),
      now_ms: () => this.#context.now_ms,
    });
  }

  run(): void {
    const context = this.#context;
    const commands = { fd: this.#channel.eventfd, ready: () => this.#channel.receive(this) };
    this.#poller.watch(commands, EPOLLIN);
    while (!this.#stopping) {
      const idle = this.#runnable.is_empty;
      const ended_ms = performance.now();
      this.#pulse.turnEnds(ended_ms);
      const ready = this.#poller.wait(idle ? this.#wheel.nextDelay(ended_ms) : 0);
      // The wait may have been long, and what is told now sets deadlines by this clock.
      context.now_ms = performance.now();
      this.#pulse.turnBegins(context.now_ms);
      this.#poller.tell(ready);
      // Before the turns, which may take a while, so that nobody waits for them to be granted a port.
      this.#channel.flush();
      this.#runnable.run();
      this.#wheel.advance(context.now_ms);
      this.#channel.flush();
    }
    for (const port of [...this.#ports.values()]) port.close("released");
    this.abandon();
  }

  abandon(): void {
    for (const port of [...this.#ports.values()]) port.close("plane_failed");
    this.#listeners.close();
    this.#pipes.close();
    this.#poller.close();
  }

  open(order: OpenOrder): void {
    const { port } = order;
    const counters = new CounterRow(this.#memory.counters, order.row);
    const options = { context: this.#context, order, counters };
    const opened = order.standing ? new StandingPort(options) : new TcpPort(options);
    try {
      this.#listeners.open(opened);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      const { code, message } = error;
      this.#channel.report({ type: "open_failed", port, code, message });
      return;
    }
    counters.clear();
    this.#ports.set(port, opened);
    this.#channel.report({ type: "opened", port });
  }

  release(port: number): void {
    this.#ports.get(port)?.close("released");
  }

  standing(order: StandingOrder): void {
    const port = this.#ports.get(order.port);
    if (!(port instanceof StandingPort)) return;
    if (order.type === "stop_session") port.stopSession(order.reason);
    else port.dropWaiting();
  }

  changeBans({ added, removed }: { added: readonly string[]; removed: readonly string[] }): void {
    const { addresses } = this.#context;
    addresses.unban(removed);
    addresses.ban(added);
    if (added.length > 0) { for (const port of this.#ports.values()) port.dropBanned(); }
  }

  apply(settings: object): void {
    const { settings: present, addresses } = this.#context;
    Object.assign(present, settings);
    addresses.apply(present);
  }

  stop(): void {
    this.#stopping = true;
  }
}
