/** The control side's end of one data worker: starts it, wakes it, hears it, notices its death. */
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import type { Libc } from "../../ffi/libc/mod.ts";
import { type WorkerName, workerUrl } from "../workers.ts";
import type { WorkerCommand, WorkerReport } from "./worker-protocol.ts";

export interface WorkerHostOptions {
  name: WorkerName;
  libc: Libc;
  settings: object;
  counters: Float64Array;
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
  #settle: { resolve: () => void; reject: (error: Error) => void } | null = null;

  constructor(options: WorkerHostOptions) {
    this.#options = options;
  }

  /** Resolves when the worker has spoken; rejects when it dies before. */
  start(): Promise<void> {
    const { name, settings, counters } = this.#options;
    // The worker takes its commands from a real MessagePort: Deno's receiveMessageOnPort wants one.
    const { port1, port2 } = new MessageChannel();
    this.#channel = port1;
    port1.on("message", (reports: WorkerReport[]) => reports.forEach((one) => this.#hear(one)));
    this.#worker = new Worker(workerUrl(name), {
      workerData: { channel: port2, settings, counters },
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

  #flush(): void {
    const commands = this.#commands;
    this.#commands = [];
    if (this.#down || !this.#channel) return;
    this.#channel.postMessage(commands);
    this.#options.libc.write(this.#eventfd, this.#wake as unknown as Uint8Array, 8);
  }

  /** Lets the worker end what it carries; resolves when it is down. */
  async close(): Promise<void> {
    if (this.#down || this.#eventfd < 0) return this.#end();
    this.#stopping = true;
    const down = new Promise<void>((resolve) =>
      this.#settle = { resolve, reject: () => resolve() }
    );
    this.send({ type: "stop" });
    await down;
  }

  #hear(report: WorkerReport): void {
    if (report.type === "up") {
      this.#eventfd = report.eventfd;
      this.#settle?.resolve();
    } else if (report.type === "down") {
      if (report.error !== null) this.#fail(report.error);
      else this.#end();
    } else {
      this.#options.onReport(report);
    }
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
    this.#channel?.close();
    if (this.#eventfd >= 0) this.#options.libc.close(this.#eventfd);
    void this.#worker?.terminate();
    this.#settle?.resolve();
  }
}
