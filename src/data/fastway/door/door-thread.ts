/** The control side's end of the door's thread. One that dies is for the owner to replace. */
import { clearTimeout, setTimeout } from "node:timers";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { workerUrl } from "../../../workers.ts";
import type { DoorOrder, DoorReport, DoorRules } from "./protocol.ts";

/** It has nothing to wait for when it is told to stop. */
const STOP_MS_MAX = 2000;

export interface DoorThreadOptions {
  /** What it starts with; all its changes are orders. */
  rules: DoorRules;
  /** See `newDoorFigures`. */
  table: Float64Array;
  onReport: (report: DoorReport) => void;
  /** Called once when the thread dies without having been told to stop. */
  onFailure: (error: string) => void;
}

export class DoorThread {
  readonly #options: DoorThreadOptions;
  #worker: Worker | null = null;
  #channel: MessagePort | null = null;
  #up = false;
  #stopping = false;
  #down = false;
  #pings: (() => void)[] = [];
  #settle: { resolve: () => void; reject: (error: Error) => void } | null = null;

  constructor(options: DoorThreadOptions) {
    this.#options = options;
  }

  /** Resolves when the thread has spoken; rejects when it dies before. */
  start(): Promise<void> {
    const { rules, table } = this.#options;
    const { port1, port2 } = new MessageChannel();
    this.#channel = port1;
    port1.on("message", (reports: DoorReport[]) => reports.forEach((one) => this.#hear(one)));
    this.#worker = new Worker(workerUrl("fastway-door"), {
      workerData: { channel: port2, rules, table },
      transferList: [port2],
    });
    this.#worker.on("error", (error: Error) => this.#fail(error.stack ?? String(error)));
    this.#worker.on("exit", (code: number) => this.#fail(`the thread ended with code ${code}`));
    return new Promise((resolve, reject) => this.#settle = { resolve, reject });
  }

  send(order: DoorOrder): void {
    if (!this.#down) this.#channel?.postMessage(order);
  }

  /** Resolves when the thread's event loop has turned, or when the thread is gone. */
  ping(): Promise<void> {
    if (this.#down) return Promise.resolve();
    return new Promise((resolve) => {
      this.#pings.push(resolve);
      this.send({ type: "ping" });
    });
  }

  /** Cuts every connection and ends the thread. */
  async close(): Promise<void> {
    if (this.#down || !this.#up) return this.#end();
    this.#stopping = true;
    const down = new Promise<void>((resolve) =>
      this.#settle = { resolve, reject: () => resolve() }
    );
    this.send({ type: "stop" });
    const late = setTimeout(() => this.#end(), STOP_MS_MAX);
    await down;
    clearTimeout(late);
  }

  #hear(report: DoorReport): void {
    if (report.type === "up") {
      this.#up = true;
      this.#settle?.resolve();
    } else if (report.type === "down") {
      this.#end();
    } else if (report.type === "pong") {
      this.#pings.shift()?.();
    } else {
      this.#options.onReport(report);
    }
  }

  #fail(error: string): void {
    if (this.#down) return;
    const unexpected = this.#up && !this.#stopping;
    this.#settle?.reject(new Error(`The thread of the TLS listeners failed: ${error}`));
    this.#end();
    if (unexpected) this.#options.onFailure(error);
  }

  #end(): void {
    if (this.#down) return;
    this.#down = true;
    for (const answer of this.#pings.splice(0)) answer();
    this.#channel?.close();
    void this.#worker?.terminate();
    this.#settle?.resolve();
  }
}
