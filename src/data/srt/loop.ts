/**
 * The loop of the SRT worker, the only libsrt poller of the process: waits in libsrt's epoll, moves
 * messages, takes commands, fires deadlines.
 */
import { performance } from "node:perf_hooks";
import { type Libc, POLLIN } from "../../../ffi/libc/mod.ts";
import { type Libsrt, SrtError } from "../../../ffi/libsrt/mod.ts";
import { AddressRules } from "../address-rules.ts";
import { Admission } from "../admission.ts";
import { CounterRow } from "../counters.ts";
import { LineSampler } from "../line-sampler.ts";
import type { Pulse } from "../pulse.ts";
import type { RateGates } from "../rate-gate.ts";
import { ShedReports } from "../shed-reports.ts";
import type { TimerWheel } from "../timer-wheel.ts";
import type { WorkerChannel, WorkerLoop, WorkerOrders } from "../worker-channel.ts";
import type { OpenOrder, SharedMemory, SrtWorkerSettings } from "../worker-protocol.ts";
import type { SrtContext } from "./context.ts";
import type { Farewell } from "./farewell.ts";
import { PortTakenError, SrtListeners } from "./listeners.ts";
import { SrtMessage } from "./message.ts";
import { Passphrases, PassphrasesError } from "./passphrases.ts";
import { SrtPoller } from "./poller.ts";
import { SrtPort } from "./port.ts";
import { SharedPorts } from "./shared-ports.ts";
import { Streams } from "./streams.ts";

/**
 * The longest wait in libsrt, which cannot be woken by a descriptor and looks up every 10 ms anyway:
 * so long may a command have to wait while there are sockets. Without any, the loop waits on the
 * command's own descriptor and is woken at once.
 */
const POLL_MS = 10;

/** Holds any live message, and what a file session reads at once, 45 packets. */
const READ_BYTES = 65_536;

/** How long a stop waits for messages that are on their way; a usual latency fits in many times. */
const FAREWELLS_MAX_MS = 1000;

export class SrtLoop implements WorkerLoop, WorkerOrders {
  readonly #libc: Libc;
  readonly #memory: SharedMemory;
  readonly #pulse: Pulse;
  readonly #channel: WorkerChannel;
  readonly #poller: SrtPoller;
  readonly #wheel: TimerWheel;
  readonly #listeners: SrtListeners;
  readonly #ports = new Map<number, SrtPort>();
  readonly #sharedSessions = new Map<string, SrtPort>();
  readonly #streams: Streams;
  readonly #sharedPorts: SharedPorts;
  readonly #farewells = new Set<Farewell>();
  readonly #addresses: AddressRules;
  readonly #context: SrtContext;
  readonly #shed: ShedReports;
  readonly #commandPoll = new Int32Array(2);
  #stopping = false;

  constructor(options: {
    libc: Libc;
    libsrt: Libsrt;
    channel: WorkerChannel;
    settings: SrtWorkerSettings;
    memory: SharedMemory;
    pulse: Pulse;
    wheel: TimerWheel;
    rate_gates: RateGates;
  }) {
    const { libc, libsrt, channel, settings, memory } = options;
    this.#libc = libc;
    this.#memory = memory;
    this.#pulse = options.pulse;
    this.#wheel = options.wheel;
    this.#channel = channel;
    // struct pollfd is { i32 fd; i16 events; i16 revents }.
    this.#commandPoll.set([channel.eventfd, POLLIN]);
    this.#poller = new SrtPoller({ libsrt });
    const wheel = this.#wheel;
    this.#shed = new ShedReports({
      wheel,
      report: (event) => channel.event(event),
      place: ({ port }) => port,
    });
    this.#addresses = new AddressRules(settings);
    this.#listeners = new SrtListeners({
      libsrt,
      poller: this.#poller,
      wheel,
      settings,
      addresses: this.#addresses,
      event: (event) => this.#context.event(event),
      now_ms: () => this.#context.now_ms,
    });
    this.#context = {
      libsrt,
      settings,
      poller: this.#poller,
      wheel,
      sampler: new LineSampler({ wheel }),
      rate_gates: options.rate_gates,
      passphrases: new Passphrases({ ...settings, libsrt }),
      admission: new Admission(settings),
      addresses: this.#addresses,
      message: new SrtMessage({ libsrt, bytes_max: READ_BYTES }),
      now_ms: performance.now(),
      event: (event) => {
        if (event.type === "shed") this.#shed.add(event, this.#context.now_ms);
        else channel.event(event);
      },
      remove: (port, freed) => {
        this.#ports.delete(port.port);
        if (!this.#sharedSessions.delete(port.session_id)) {
          return this.#listeners.leave(port, freed);
        }
        this.#context.passphrases.delete("session", port.session_id);
        freed();
      },
    };
    this.#streams = new Streams({ context: this.#context });
    this.#sharedPorts = new SharedPorts({
      context: this.#context,
      listeners: this.#listeners,
      streams: this.#streams,
      sessions: this.#sharedSessions,
    });
    this.#sharedPorts.open();
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
    this.#pulse.turnBegins(this.#context.now_ms);
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
    const ended_ms = performance.now();
    this.#pulse.turnEnds(ended_ms);
    const delay_ms = this.#wheel.nextDelay(ended_ms);
    if (this.#poller.size === 0 && this.#farewells.size === 0) {
      this.#libc.poll(this.#commandPoll, 1, delay_ms);
      return 0;
    }
    return this.#poller.wait(delay_ms < 0 ? POLL_MS : Math.min(delay_ms, POLL_MS));
  }

  open(order: OpenOrder): void {
    const context = this.#context;
    const { port } = order;
    const counters = new CounterRow(this.#memory.counters, order.row);
    const opened = new SrtPort({ context, order, counters, farewells: this.#farewells });
    // Registered first: a release may come while an earlier listener is still leaving, and puts the
    // port's wish to listen to rest.
    this.#ports.set(port, opened);
    counters.clear();
    if (context.settings.sessions_shared) return this.#openShared(opened);
    this.#listeners.open(opened, (failure) => {
      if (!failure) return this.#channel.report({ type: "opened", port });
      if (!(failure instanceof SrtError || failure instanceof PortTakenError)) throw failure;
      this.#ports.delete(port);
      const { code, message } = failure;
      this.#channel.report({ type: "open_failed", port, code, message });
    });
  }

  #openShared(opened: SrtPort): void {
    const { port, session_id, wishes: { passphrase } } = opened;
    try {
      if (passphrase) this.#context.passphrases.set("session", session_id, passphrase);
    } catch (error) {
      if (!(error instanceof PassphrasesError)) throw error;
      this.#ports.delete(port);
      const { code, message } = error;
      return this.#channel.report({ type: "open_failed", port, code, message });
    }
    this.#sharedSessions.set(session_id, opened);
    this.#channel.report({ type: "opened", port });
  }

  release(port: number): void {
    this.#ports.get(port)?.close("released");
  }

  changeBans({ added, removed }: { added: readonly string[]; removed: readonly string[] }): void {
    this.#addresses.unban(removed);
    this.#addresses.ban(added);
    if (added.length === 0) return;
    for (const port of this.#ports.values()) port.dropBanned();
    this.#sharedPorts.dropBanned();
    this.#streams.dropBanned();
  }

  apply(settings: object): void {
    const { settings: present, addresses, passphrases } = this.#context;
    Object.assign(present, settings);
    addresses.apply(present);
    passphrases.apply(present);
    this.#streams.apply();
    this.#sharedPorts.apply();
    this.#listeners.apply();
  }

  stop(): void {
    this.#stopping = true;
  }

  #closeAll(reason: "released" | "plane_failed"): void {
    this.#streams.close();
    this.#sharedPorts.close();
    for (const port of [...this.#ports.values()]) port.close(reason);
    for (const farewell of [...this.#farewells]) farewell.close();
    this.#listeners.close();
    this.#context.passphrases.close();
    this.#poller.close();
  }
}
