/** Ends of an SRT data port, driven from a test: the calls themselves happen on the SRT thread. */
import { Buffer } from "node:buffer";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { deferred, patience_ms, within } from "./deadline.ts";
import { Inbox } from "./inbox.ts";
import type { SrtCommand, SrtEvent, SrtManner, Totals } from "./srt-wire.ts";
import { type Hello, helloLine } from "./tcp-end.ts";

export interface SrtConnect extends SrtManner {
  port: number;
  host?: string;
  latency_ms?: number;
  /** Largest message this end sends; 1316 is what most senders in the field use. */
  payload_bytes?: number;
  quiet?: boolean;
}

/** The SRT thread of a test file. */
export class SrtThread {
  readonly #worker: Worker;
  readonly #commands: MessagePort;
  readonly #up = deferred<void>();
  readonly #down = deferred<void>();
  readonly #ends = new Map<number, SrtEnd>();
  #made = 0;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.#commands = port1;
    this.#worker = new Worker(new URL("./srt-worker.ts", import.meta.url), {
      workerData: { commands: port2 },
      transferList: [port2],
    });
    this.#worker.on("message", (word: string) => {
      if (word === "up") this.#up.resolve();
      else this.#down.resolve();
    });
    this.#worker.on("error", (error: Error) => {
      this.#up.reject(error);
      for (const end of this.#ends.values()) end.events.end(error);
    });
    port1.on("message", (event: SrtEvent) => this.#ends.get(event.id)?.events.push(event));
  }

  static async start(): Promise<SrtThread> {
    const thread = new SrtThread();
    await within("the SRT thread", thread.#up.promise);
    return thread;
  }

  /** Begins to connect; see {@link SrtEnd.connected} and {@link SrtEnd.turnedAway}. */
  dial(
    {
      port,
      host = "127.0.0.1",
      latency_ms = 120,
      payload_bytes = 1316,
      quiet = false,
      ...manner
    }: SrtConnect,
  ): SrtEnd {
    const id = ++this.#made;
    const end = new SrtEnd({ id, port, order: (command) => this.#commands.postMessage(command) });
    this.#ends.set(id, end);
    const where = { id, host, port, latency_ms, payload_bytes, quiet };
    this.#commands.postMessage({ op: "connect", ...where, ...manner } satisfies SrtCommand);
    return end;
  }

  async connect(options: SrtConnect): Promise<SrtEnd> {
    const end = this.dial(options);
    await end.connected();
    return end;
  }

  /** Connects and says the hello, as a message of its own or with `behind` in the same one. */
  async join(
    { hello, behind, ...options }: SrtConnect & { hello: Hello; behind?: Uint8Array },
  ): Promise<SrtEnd> {
    const end = await this.connect(options);
    end.send(behind ? Buffer.concat([helloLine(hello), behind]) : helloLine(hello));
    return end;
  }

  async close(): Promise<void> {
    this.#commands.postMessage({ op: "quit" } satisfies SrtCommand);
    await within("the SRT thread's end", this.#down.promise);
    this.#commands.close();
    await this.#worker.terminate();
  }
}

export class SrtEnd {
  readonly events = new Inbox<SrtEvent>();
  readonly #id: number;
  readonly #name: string;
  readonly #order: (command: SrtCommand) => void;

  constructor(
    { id, port, order }: { id: number; port: number; order: (command: SrtCommand) => void },
  ) {
    this.#id = id;
    this.#name = `SRT end of ${port}`;
    this.#order = order;
  }

  async connected(): Promise<void> {
    const event = await this.events.see(
      `${this.#name}: connect`,
      ({ type }) => type === "connected" || type === "refused",
    );
    if (event.type === "refused") throw new Error(`${this.#name}: refused, ${event.reason}`);
  }

  /** How many bytes came before we were turned away, at the handshake or after it. */
  async turnedAway(): Promise<number> {
    const event = await this.events.see(
      `${this.#name}: being turned away`,
      ({ type }) => type === "refused" || type === "closed",
    );
    return event.type === "closed" ? event.totals.bytes : 0;
  }

  send(bytes: Uint8Array | string): void {
    this.#order({ op: "send", id: this.#id, bytes: Uint8Array.from(Buffer.from(bytes)) });
  }

  /** Sends numbered messages of noise; resolves with the digest of all of them. */
  async pour(
    { messages, message_bytes, mbps, seed = 3 }: {
      messages: number;
      message_bytes: number;
      mbps: number;
      seed?: number;
    },
  ): Promise<string> {
    this.#order({ op: "pour", id: this.#id, messages, message_bytes, mbps, seed });
    const event = await this.events.take(
      `${this.#name}: ${messages} messages to be sent`,
      ({ type }) => type === "poured",
      60_000,
    );
    return event.type === "poured" ? event.sha256 : "";
  }

  /** The next message, whole. */
  async message(): Promise<Buffer> {
    const event = await this.events.take(
      `${this.#name}: a message`,
      ({ type }) => type === "message",
    );
    return Buffer.from(event.type === "message" ? event.bytes : []);
  }

  /** What has arrived when `bytes` are here; the failure says how far it came. */
  async reached(bytes: number, ms = patience_ms): Promise<Totals> {
    this.#order({ op: "expect", id: this.#id, bytes });
    try {
      const event = await this.events.take(
        `${this.#name}: ${bytes} bytes`,
        ({ type }) => type === "reached",
        ms,
      );
      return (event as Extract<SrtEvent, { type: "reached" }>).totals;
    } catch (error) {
      const totals = await this.tally();
      throw new Error(`${(error as Error).message}; arrived: ${JSON.stringify(totals)}`);
    }
  }

  /** Reads no more: what arrives stays in libsrt, until its buffers are full. */
  pause(): void {
    this.#order({ op: "read", id: this.#id, reading: false });
  }

  resume(): void {
    this.#order({ op: "read", id: this.#id, reading: true });
  }

  async tally(): Promise<Totals | null> {
    this.#order({ op: "tally", id: this.#id });
    const event = await this.events.take(`${this.#name}: a tally`, ({ type }) => type === "tally");
    return event.type === "tally" ? event.totals : null;
  }

  /** The other side, or the gateway, has closed this connection; what came before it. */
  async closed(ms = patience_ms): Promise<Totals> {
    const event = await this.events.see(
      `${this.#name}: close`,
      ({ type }) => type === "closed",
      ms,
    );
    return (event as Extract<SrtEvent, { type: "closed" }>).totals;
  }

  /** Closes at once, as a crash-free program does when it has had enough. */
  async close(): Promise<void> {
    this.#order({ op: "close", id: this.#id });
    await this.closed();
  }
}
