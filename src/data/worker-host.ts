/** The control side's end of one data worker: starts it, wakes it, hears it, notices its death. */
import { performance } from "node:perf_hooks";
import { clearTimeout, setTimeout } from "node:timers";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import type { Libc } from "../../ffi/libc/mod.ts";
import { type WorkerName, workerUrl } from "../workers.ts";
import type { ProbeResult, ThreadProbe } from "./thread-probe.ts";
import type { SharedMemory, WorkerCommand, WorkerPlace, WorkerReport } from "./worker-protocol.ts";

/** A worker that has been told to stop does so within a second or two: SRT has last messages to send. */
const STOP_MS_MAX = 5000;

export interface WorkerHostOptions {
  name: WorkerName;
  libc: Libc;
  settings: object;
  memory: SharedMemory;
  place: WorkerPlace;
  onReport: (report: WorkerReport) => void;
  /** Called once when the worker dies without having been told to stop. */
  onFailure: (error: string) => void;
}

export class WorkerHost {
  readonly #options: WorkerHostOptions;
  readonly #wake = new BigUint64Array([1n]);
  #worker: Worker | null = null;
  #channel: MessagePort | null = null;
  #eventfd = -1;
  #commands: WorkerCommand[] = [];
  #stopping = false;
  #down = false;
  #ping: { asked_ms: number; answered: Promise<void>; answer: () => void } | null = null;
  /** Who waits for an answer, in the order of their asking, in which the worker answers. */
  readonly #probing: ((result: ProbeResult | null) => void)[] = [];
  #settle: { resolve: () => void; reject: (error: Error) => void } | null = null;

  constructor(options: WorkerHostOptions) {
    this.#options = options;
  }

  /** Resolves when the worker has spoken; rejects when it dies before. */
  start(): Promise<void> {
    const { name, settings, memory, place } = this.#options;
    // The worker takes its commands from a real MessagePort: Deno's receiveMessageOnPort wants one.
    const { port1, port2 } = new MessageChannel();
    this.#channel = port1;
    port1.on("message", (reports: WorkerReport[]) => reports.forEach((one) => this.#hear(one)));
    this.#worker = new Worker(workerUrl(name), {
      workerData: { channel: port2, settings, memory, place },
      transferList: [port2],
    });
    this.#worker.on("error", (error: Error) => this.#fail(error.stack ?? String(error)));
    this.#worker.on("exit", (code: number) => this.#fail(`the worker ended with code ${code}`));
    return new Promise((resolve, reject) => this.#settle = { resolve, reject });
  }

  /** Commands of one step of the event loop go out together: each waking of the worker has its price. */
  send(command: WorkerCommand): void {
    if (this.#commands.push(command) === 1) queueMicrotask(() => this.#flush());
  }

  /** What the worker was started with. */
  get settings(): object {
    return this.#options.settings;
  }

  /** Resolves when the worker's loop has turned, or when the worker has died. */
  ping(): Promise<void> {
    if (this.#down) return Promise.resolve();
    if (!this.#ping) {
      let answer = () => {};
      const answered = new Promise<void>((resolve) => answer = resolve);
      this.#ping = { asked_ms: performance.now(), answered, answer };
      this.send({ type: "ping" });
    }
    return this.#ping.answered;
  }

  /** Resolves with null when the worker has died. */
  probe(probe: ThreadProbe): Promise<ProbeResult | null> {
    if (this.#down) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.#probing.push(resolve);
      this.send({ type: "probe", probe });
    });
  }

  /** How long the worker has owed an answer to {@link ping}, ms; 0 where it owes none. */
  get silent_ms(): number {
    return this.#ping ? performance.now() - this.#ping.asked_ms : 0;
  }

  #flush(): void {
    const commands = this.#commands;
    this.#commands = [];
    if (this.#down || !this.#channel) return;
    this.#channel.postMessage(commands);
    this.#options.libc.write(this.#eventfd, this.#wake as unknown as Uint8Array, 8);
  }

  /** Lets the worker end what it carries; resolves when it is down, or hangs. */
  async close(): Promise<void> {
    if (this.#down || this.#eventfd < 0) return this.#end();
    this.#stopping = true;
    const down = new Promise<void>((resolve) =>
      this.#settle = { resolve, reject: () => resolve() }
    );
    this.send({ type: "stop" });
    const late = setTimeout(() => this.#giveUp(), STOP_MS_MAX);
    await down;
    clearTimeout(late);
  }

  /** The worker hangs. What it holds goes with the process; its eventfd is still its own. */
  #giveUp(): void {
    this.#eventfd = -1;
    this.#end();
  }

  #hear(report: WorkerReport): void {
    if (report.type === "up") {
      this.#eventfd = report.eventfd;
      this.#settle?.resolve();
    } else if (report.type === "down") {
      if (report.error !== null) this.#fail(report.error);
      else this.#end();
    } else if (report.type === "pong") {
      this.#answered();
    } else if (report.type === "probed") {
      this.#probing.shift()?.(report.result);
    } else {
      this.#options.onReport(report);
    }
  }

  #answered(): void {
    this.#ping?.answer();
    this.#ping = null;
  }

  #fail(error: string): void {
    if (this.#down) return;
    const started = this.#eventfd >= 0;
    const unexpected = !this.#stopping;
    this.#settle?.reject(new Error(`The ${this.#options.name} worker failed: ${error}`));
    this.#end();
    if (started && unexpected) this.#options.onFailure(error);
  }

  #end(): void {
    if (this.#down) return;
    this.#down = true;
    this.#answered();
    for (const answer of this.#probing.splice(0)) answer(null);
    this.#channel?.close();
    if (this.#eventfd >= 0) this.#options.libc.close(this.#eventfd);
    void this.#worker?.terminate();
    this.#settle?.resolve();
  }
}
