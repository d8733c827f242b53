/**
 * The loop of a TCP worker: waits in epoll, carries out commands, gives every session that can move a
 * fair turn, and fires deadlines. It never awaits and allocates nothing per byte moved.
 */
import { performance } from "node:perf_hooks";
import { EPOLLIN, type Libc, SystemCallError } from "../../../ffi/libc/mod.ts";
import { Admission } from "../admission.ts";
import { clearRow } from "../counters.ts";
import { ShedReports } from "../shed-reports.ts";
import { Deadline, TimerWheel } from "../timer-wheel.ts";
import type { WorkerChannel, WorkerLoop } from "../worker-channel.ts";
import type { TcpWorkerSettings, WorkerCommand } from "../worker-protocol.ts";
import type { TcpContext } from "./context.ts";
import { PipePool } from "./pipes.ts";
import { Poller } from "./poller.ts";
import { TcpPort } from "./port.ts";

/** How often the lines of busy sessions are sampled; telemetry is sent as often. */
const SAMPLE_MS = 1000;
/** A hello is at most 4 KiB; a refused peer's leftovers are read away in pieces of this. */
const SCRATCH_BYTES = 64 * 1024;

export class TcpLoop implements WorkerLoop {
  readonly #libc: Libc;
  readonly #channel: WorkerChannel;
  readonly #poller: Poller;
  readonly #wheel = new TimerWheel({ now_ms: performance.now() });
  readonly #pipes: PipePool;
  readonly #ports = new Map<number, TcpPort>();
  readonly #context: TcpContext;
  readonly #shed: ShedReports;
  readonly #sample = new Deadline(() => this.#sampleLines());
  #runnable: TcpPort[] = [];
  #busy: TcpPort[] = [];
  #stopping = false;

  constructor(options: {
    libc: Libc;
    channel: WorkerChannel;
    settings: TcpWorkerSettings;
    counters: Float64Array;
  }) {
    const { libc, channel, settings, counters } = options;
    this.#libc = libc;
    this.#channel = channel;
    this.#poller = new Poller({ libc });
    this.#pipes = new PipePool({ libc });
    this.#shed = new ShedReports({
      wheel: this.#wheel,
      report: (event) => channel.event(event),
    });
    this.#context = {
      libc,
      settings,
      counters,
      poller: this.#poller,
      wheel: this.#wheel,
      pipes: this.#pipes,
      admission: new Admission(settings),
      scratch: new Uint8Array(SCRATCH_BYTES),
      now_ms: performance.now(),
      event: (event) => {
        if (event.type === "shed") this.#shed.add(event, this.#context.now_ms);
        else channel.event(event);
      },
      enqueue: (port) => this.#enqueue(port),
      moved: (port) => this.#moved(port),
      remove: (port) => this.#ports.delete(port.port),
    };
  }

  run(): void {
    const context = this.#context;
    const take = () => this.#channel.receive((command) => this.#carryOut(command));
    const commands = { fd: this.#channel.eventfd, ready: take };
    this.#poller.watch(commands, EPOLLIN);
    while (!this.#stopping) {
      const idle = this.#runnable.length === 0;
      const ready = this.#poller.wait(idle ? this.#wheel.nextDelay(performance.now()) : 0);
      // The wait may have been long, and what is told now sets deadlines by this clock.
      context.now_ms = performance.now();
      this.#poller.tell(ready);
      this.#runTurns();
      this.#wheel.advance(context.now_ms);
    }
    for (const port of [...this.#ports.values()]) port.close("released");
    this.abandon();
  }

  abandon(): void {
    for (const port of [...this.#ports.values()]) port.close("plane_failed");
    this.#pipes.close();
    this.#poller.close();
  }

  #carryOut(command: WorkerCommand): void {
    switch (command.type) {
      case "open":
        return this.#open(command);
      case "release":
        return this.#ports.get(command.port)?.close("released");
      case "stop":
        this.#stopping = true;
        return;
      default:
        throw new Error(`Unknown command ${JSON.stringify(command satisfies never)}`);
    }
  }

  #open({ port, session_id, row }: { port: number; session_id: string; row: number }): void {
    const opened = new TcpPort({ context: this.#context, port, session_id, row });
    try {
      opened.open();
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      const { code, message } = error;
      this.#channel.report({ type: "open_failed", port, code, message });
      return;
    }
    clearRow(this.#context.counters, row);
    this.#ports.set(port, opened);
    this.#channel.report({ type: "opened", port });
  }

  #enqueue(port: TcpPort): void {
    const session = port.session;
    if (!session || session.queued) return;
    session.queued = true;
    this.#runnable.push(port);
  }

  /** Everyone who could move at the start of the turn moves once. */
  #runTurns(): void {
    const turn = this.#runnable;
    if (turn.length === 0) return;
    this.#runnable = [];
    for (const port of turn) {
      const session = port.session!;
      session.queued = false;
      if (session.turn()) this.#enqueue(port);
    }
  }

  #moved(port: TcpPort): void {
    this.#busy.push(port);
    if (!this.#sample.set) this.#wheel.schedule(this.#sample, this.#context.now_ms + SAMPLE_MS);
  }

  #sampleLines(): void {
    const busy = this.#busy;
    this.#busy = [];
    for (const port of busy) {
      if (this.#ports.get(port.port) === port) port.session!.sample(this.#libc);
    }
  }
}
