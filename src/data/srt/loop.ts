/**
 * The loop of the SRT worker, the only libsrt poller of the process: waits in libsrt's epoll, moves
 * messages, takes commands, fires deadlines.
 */
import { performance } from "node:perf_hooks";
import { type Libc, POLLIN } from "../../../ffi/libc/mod.ts";
import { type Libsrt, SrtError } from "../../../ffi/libsrt/mod.ts";
import { Admission } from "../admission.ts";
import { CounterRow } from "../counters.ts";
import { LineSampler } from "../line-sampler.ts";
import { exhaustedEvent, strangerEvent } from "../port-events.ts";
import { ShedReports } from "../shed-reports.ts";
import { TimerWheel } from "../timer-wheel.ts";
import type { WorkerChannel, WorkerLoop, WorkerOrders } from "../worker-channel.ts";
import type { SrtWorkerSettings } from "../worker-protocol.ts";
import type { SrtContext } from "./context.ts";
import type { Farewell } from "./farewell.ts";
import { MESSAGE_BYTES, SrtListeners } from "./listeners.ts";
import { SrtPoller } from "./poller.ts";
import { SrtPort } from "./port.ts";

/**
 * The longest wait in libsrt, which cannot be woken by a descriptor and looks up every 10 ms anyway:
 * so long may a command have to wait while there are sockets. Without any, the loop waits on the
 * command's own descriptor and is woken at once.
 */
const POLL_MS = 10;

/** How long a stop waits for messages that are on their way; a usual latency fits in many times. */
const FAREWELLS_MAX_MS = 1000;

export class SrtLoop implements WorkerLoop, WorkerOrders {
  readonly #libc: Libc;
  readonly #counters: Float64Array;
  readonly #channel: WorkerChannel;
  readonly #poller: SrtPoller;
  readonly #wheel = new TimerWheel({ now_ms: performance.now() });
  readonly #listeners: SrtListeners;
  readonly #ports = new Map<number, SrtPort>();
  readonly #farewells = new Set<Farewell>();
  readonly #context: SrtContext;
  readonly #shed: ShedReports;
  readonly #commandPoll = new Int32Array(2);
  #stopping = false;

  constructor(options: {
    libc: Libc;
    libsrt: Libsrt;
    channel: WorkerChannel;
    settings: SrtWorkerSettings;
    counters: Float64Array;
  }) {
    const { libc, libsrt, channel, settings, counters } = options;
    this.#libc = libc;
    this.#counters = counters;
    this.#channel = channel;
    // struct pollfd is { i32 fd; i16 events; i16 revents }.
    this.#commandPoll.set([channel.eventfd, POLLIN]);
    this.#poller = new SrtPoller({ libsrt });
    const wheel = this.#wheel;
    this.#shed = new ShedReports({ wheel, report: (event) => channel.event(event) });
    this.#listeners = new SrtListeners({
      libsrt,
      poller: this.#poller,
      wheel,
      settings,
      stranger: (port, remote) => channel.event(strangerEvent(port, remote)),
      exhausted: (port) => this.#context.event(exhaustedEvent(port)),
    });
    this.#context = {
      libsrt,
      settings,
      poller: this.#poller,
      wheel,
      sampler: new LineSampler({ wheel }),
      admission: new Admission(settings),
      message: new Uint8Array(MESSAGE_BYTES),
      now_ms: performance.now(),
      event: (event) => {
        if (event.type === "shed") this.#shed.add(event, this.#context.now_ms);
        else channel.event(event);
      },
      remove: (port) => {
        this.#ports.delete(port.port);
        this.#listeners.rest(port, this.#context.now_ms);
      },
    };
  }

  run(): void {
    while (!this.#stopping) this.#turn();
    for (const port of [...this.#ports.values()]) port.close("released");
    // Those whose peer left a moment ago still get their last messages.
    const until_ms = performance.now() + FAREWELLS_MAX_MS;
    while (this.#farewells.size > 0 && performance.now() < until_ms) this.#turn();
    this.#closeAll("released");
  }

  #turn(): void {
    const ready = this.#wait();
    // The wait may have been long, and what is told now sets deadlines by this clock.
    this.#context.now_ms = performance.now();
    this.#poller.tell(ready);
    this.#channel.receive(this);
    this.#wheel.advance(this.#context.now_ms);
    this.#channel.flush();
  }

  abandon(): void {
    this.#closeAll("plane_failed");
  }

  /** Answers how many sockets are ready. */
  #wait(): number {
    const delay_ms = this.#wheel.nextDelay(performance.now());
    if (this.#poller.size === 0 && this.#farewells.size === 0) {
      this.#libc.poll(this.#commandPoll, 1, delay_ms);
      return 0;
    }
    return this.#poller.wait(delay_ms < 0 ? POLL_MS : Math.min(delay_ms, POLL_MS));
  }

  open(port: number, session_id: string, row: number): void {
    const context = this.#context;
    const farewells = this.#farewells;
    const counters = new CounterRow(this.#counters, row);
    const opened = new SrtPort({ context, port, session_id, counters, farewells });
    // Registered first: a release may come while an earlier listener is still leaving, and puts the
    // port's wish to listen to rest.
    this.#ports.set(port, opened);
    counters.clear();
    this.#listeners.open(port, context.now_ms, opened, (failure) => {
      if (!failure) return this.#channel.report({ type: "opened", port });
      if (!(failure instanceof SrtError)) throw failure;
      this.#ports.delete(port);
      const { code, message } = failure;
      this.#channel.report({ type: "open_failed", port, code, message });
    });
  }

  release(port: number): void {
    this.#ports.get(port)?.close("released");
  }

  stop(): void {
    this.#stopping = true;
  }

  #closeAll(reason: "released" | "plane_failed"): void {
    for (const port of [...this.#ports.values()]) port.close(reason);
    for (const farewell of [...this.#farewells]) farewell.close();
    this.#listeners.close();
    this.#poller.close();
  }
}
