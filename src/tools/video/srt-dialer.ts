/** The main thread's side of SRT: owns the worker, and gives each connection the transport's shape. */
import { lookup } from "node:dns/promises";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { workerUrl } from "../../workers.ts";
import {
  type SrtCommand,
  type SrtReport,
  type SrtWorkerStart,
  WRITE_HIGH_BYTES,
} from "./srt-protocol.ts";
import {
  type DialOptions,
  type LineStats,
  type Transport,
  TransportError,
  type TransportListener,
} from "./transport.ts";

/** The gateway's default, `gosrt.latency`; the larger of both ends is what counts. */
export const SRT_LATENCY_MS = 120;

/** How long the worker may take to open libsrt, and to stop, milliseconds. */
const WORKER_TIMEOUT_MS = 5000;

interface SrtTransportOptions {
  listener: TransportListener;
  send: (command: SrtCommand) => void;
  line: number;
}

class SrtTransport implements Transport {
  readonly kind = "srt";
  readonly #options: SrtTransportOptions;
  #unaccepted = 0;
  #full = false;
  #paused = false;
  #held: Uint8Array[] = [];
  #told = false;
  #ended: { error: TransportError | null } | null = null;
  #stats: LineStats | null = null;
  #finishing = false;

  constructor(options: SrtTransportOptions) {
    this.#options = options;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#ended !== null || this.#finishing) return false;
    this.#unaccepted += bytes.length;
    this.#send({ op: "write", line: this.#options.line, bytes: new Uint8Array(bytes).buffer });
    if (this.#unaccepted < WRITE_HIGH_BYTES) return true;
    this.#full = true;
    return false;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    while (!this.#paused) {
      const bytes = this.#held.shift();
      if (bytes === undefined) break;
      this.#deliver(bytes);
    }
    if (!this.#paused) this.#tellEnd();
  }

  finish(): void {
    if (this.#ended !== null || this.#finishing) return;
    this.#finishing = true;
    this.#send({ op: "finish", line: this.#options.line });
  }

  abort(): void {
    if (this.#ended === null) this.#send({ op: "abort", line: this.#options.line });
    // Nobody waits for what was held back any more, only for the end.
    this.#held = [];
    this.resume();
  }

  line(): LineStats | null {
    return this.#stats;
  }

  /** What the worker reports about this line after it was connected. */
  hear(report: SrtReport): void {
    switch (report.type) {
      case "bytes":
        if (this.#paused) this.#held.push(new Uint8Array(report.bytes));
        else this.#deliver(new Uint8Array(report.bytes));
        return;
      case "accepted":
        this.#unaccepted -= report.bytes;
        if (this.#full && this.#unaccepted <= WRITE_HIGH_BYTES / 2) {
          this.#full = false;
          this.#options.listener.onDrain();
        }
        return;
      case "stats":
        this.#stats = report.stats;
        return;
      case "closed":
        this.#stats = report.stats;
        this.end(report.code === null ? null : new TransportError(report.code, report.text));
        return;
    }
  }

  end(error: TransportError | null): void {
    if (this.#ended !== null) return;
    this.#ended = { error };
    if (!this.#paused) this.#tellEnd();
  }

  #deliver(bytes: Uint8Array): void {
    this.#options.listener.onBytes(bytes);
    this.#send({ op: "consumed", line: this.#options.line, bytes: bytes.length });
  }

  #tellEnd(): void {
    if (this.#ended === null || this.#told) return;
    this.#told = true;
    const { error } = this.#ended;
    // Live mode has no half-close and no end of its own: a peer that closed in order and one that
    // died are both a lost line, so the end is told as one and judged by what had arrived.
    const orderly = error === null || error.code === "SRT_ECONNLOST";
    this.#options.listener.onClose(orderly ? null : error);
  }

  #send(command: SrtCommand): void {
    this.#options.send(command);
  }
}

interface Dialing {
  resolve(transport: Transport): void;
  reject(error: TransportError): void;
  listener: TransportListener;
}

export class SrtDialer {
  readonly #latency_ms: number;
  readonly #doorbell = new Int32Array(new SharedArrayBuffer(4));
  readonly #dialing = new Map<number, Dialing>();
  readonly #transports = new Map<number, SrtTransport>();
  #worker: Worker | null = null;
  #channel: MessagePort | null = null;
  #lines = 0;
  #libsrt = "";
  #settle: { resolve(): void; reject(error: Error): void } | null = null;

  constructor(options: { latency_ms: number }) {
    this.#latency_ms = options.latency_ms;
  }

  /** Starts the worker; rejects when libsrt cannot be opened. */
  async start(): Promise<void> {
    const { port1, port2 } = new MessageChannel();
    this.#channel = port1;
    port1.on("message", (report: SrtReport) => this.#hear(report));
    const data: SrtWorkerStart = { channel: port2, doorbell: this.#doorbell };
    const worker = new Worker(workerUrl("video-srt"), { workerData: data, transferList: [port2] });
    this.#worker = worker;
    worker.on("error", (error: Error) => this.#down(error.message));
    worker.on("exit", (code: number) => this.#down(`the worker ended with code ${code}`));
    await this.#settled("start");
  }

  /** Whether the worker runs; a dead one does not come back. */
  get alive(): boolean {
    return this.#worker !== null;
  }

  snapshot(): { libsrt: string; lines: number } {
    return { libsrt: this.#libsrt, lines: this.#transports.size };
  }

  /** Connects and sends the hello; rejects with {@link TransportError}. */
  async dial(options: DialOptions): Promise<Transport> {
    const { address } = await lookup(options.host).catch((error: Error & { code?: string }) => {
      throw new TransportError(error.code ?? "EAI", error.message);
    });
    if (this.#worker === null) throw new TransportError("SRT_WORKER", "the SRT worker is down");
    this.#lines += 1;
    const line = this.#lines;
    return await new Promise((resolve, reject) => {
      this.#dialing.set(line, { resolve, reject, listener: options.listener });
      this.#send({
        op: "dial",
        line,
        address,
        port: options.port,
        hello: options.hello,
        latency_ms: this.#latency_ms,
      });
    });
  }

  /** Ends every connection and the worker. */
  async close(): Promise<void> {
    if (this.#worker === null) return;
    const stopped = this.#settled("stop");
    this.#send({ op: "stop" });
    // A worker that does not stop is ended anyhow, and that is all that was wanted.
    await stopped.catch(() => {});
    this.#down("closed by this end");
  }

  #settled(what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => settle.reject(new Error(`no answer to ${what} within ${WORKER_TIMEOUT_MS} ms`)),
        WORKER_TIMEOUT_MS,
      );
      const settle = {
        resolve: () => {
          clearTimeout(timer);
          this.#settle = null;
          resolve();
        },
        reject: (error: Error) => {
          clearTimeout(timer);
          this.#settle = null;
          reject(new Error(`The SRT worker failed: ${error.message}`));
        },
      };
      this.#settle = settle;
    });
  }

  #send(command: SrtCommand): void {
    this.#channel?.postMessage(command);
    Atomics.add(this.#doorbell, 0, 1);
    Atomics.notify(this.#doorbell, 0);
  }

  #hear(report: SrtReport): void {
    if (report.type === "ready") {
      this.#libsrt = report.libsrt;
      this.#settle?.resolve();
      return;
    }
    if (report.type === "stopped") {
      if (report.error === null) this.#settle?.resolve();
      else this.#down(report.error);
      return;
    }
    const { line } = report;
    const dialing = this.#dialing.get(line);
    if (dialing !== undefined) {
      this.#dialing.delete(line);
      if (report.type === "connected") {
        const transport = new SrtTransport({
          line,
          listener: dialing.listener,
          send: (command) => this.#send(command),
        });
        this.#transports.set(line, transport);
        dialing.listener.onOpen(transport);
        dialing.resolve(transport);
      } else if (report.type === "closed") {
        dialing.reject(new TransportError(report.code ?? "SRT_EUNKNOWN", report.text));
      }
      return;
    }
    this.#transports.get(line)?.hear(report);
    if (report.type === "closed") this.#transports.delete(line);
  }

  #down(error: string): void {
    if (this.#worker === null) return;
    const worker = this.#worker;
    this.#worker = null;
    this.#channel?.close();
    this.#channel = null;
    void worker.terminate();
    const failure = new TransportError("SRT_WORKER", error);
    for (const dialing of this.#dialing.values()) dialing.reject(failure);
    this.#dialing.clear();
    for (const transport of this.#transports.values()) transport.end(failure);
    this.#transports.clear();
    this.#settle?.reject(failure);
  }
}
