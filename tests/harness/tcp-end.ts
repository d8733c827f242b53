/**
 * One end of a TCP data port: a front end or a back end as the field's clients behave, with the
 * misbehaviours a test needs. Everything it receives is counted and hashed; the first bytes are
 * kept so that a small test can look at them.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import net from "node:net";
import { deferred, patience_ms, within } from "./deadline.ts";
import type { ByteStream } from "./byte-stream.ts";

/** How much of what arrived is kept to be read; the rest is only counted and hashed. */
const kept_bytes_max = 1_048_576;

export type Role = "client" | "server";

export interface Hello {
  role: Role;
  session_id: string;
  id: string;
  hello_token?: string;
}

export function helloLine(hello: Hello): Buffer {
  return Buffer.from(`V4HELLO ${JSON.stringify(hello)}\n`);
}

/** How a connection came to its end, as this side saw it. */
export interface Closing {
  /** The peer had sent an orderly end (FIN) before the socket was closed. */
  ended: boolean;
  /** The error that broke the connection, or null: `ECONNRESET` where the peer aborted. */
  error: string | null;
}

interface BytesWaiter {
  bytes: number;
  resolve(): void;
  reject(error: Error): void;
}

export class TcpEnd {
  received_bytes = 0;
  sent_bytes = 0;
  readonly #socket: net.Socket;
  readonly #name: string;
  readonly #hash = createHash("sha256");
  readonly #kept: Buffer[] = [];
  #kept_bytes = 0;
  #waiters: BytesWaiter[] = [];
  #ended = false;
  #error: string | null = null;
  #closed = false;
  readonly #connected = deferred<void>();
  readonly #end = deferred<void>();
  readonly #closing = deferred<Closing>();

  constructor({ port, local_address, host = "127.0.0.1", name = `end of ${port}` }: {
    port: number;
    local_address?: string;
    host?: string;
    name?: string;
  }) {
    this.#name = name;
    this.#socket = net.connect({
      port,
      host,
      allowHalfOpen: true,
      noDelay: true,
      localAddress: local_address,
    });
    this.#socket.setNoDelay(true);
    this.#socket.on("connect", () => this.#connected.resolve());
    this.#socket.on("data", (data: Buffer) => this.#take(data));
    this.#socket.on("end", () => {
      this.#ended = true;
      this.#end.resolve();
    });
    this.#socket.on("error", (error: NodeJS.ErrnoException) => {
      this.#error = error.code ?? error.message;
      this.#connected.reject(error);
    });
    this.#socket.on("close", () => {
      this.#closed = true;
      const gone = new Error(
        `${this.#name}: closed (${this.#error ?? "orderly"}) after ${this.received_bytes} bytes`,
      );
      this.#connected.reject(gone);
      if (!this.#ended) this.#end.reject(gone);
      for (const waiter of this.#waiters) waiter.reject(gone);
      this.#waiters = [];
      this.#closing.resolve({ ended: this.#ended, error: this.#error });
    });
  }

  static async connect(options: ConstructorParameters<typeof TcpEnd>[0]): Promise<TcpEnd> {
    const end = new TcpEnd(options);
    await end.connected();
    return end;
  }

  /** Connects and sends the hello, with `behind` in the same segment. */
  static async join(
    { port, hello, behind, local_address }: {
      port: number;
      hello: Hello;
      behind?: Uint8Array;
      local_address?: string;
    },
  ): Promise<TcpEnd> {
    const end = await TcpEnd.connect({ port, local_address, name: `${hello.role} on ${port}` });
    await end.write(behind ? Buffer.concat([helloLine(hello), behind]) : helloLine(hello));
    return end;
  }

  get is_closed(): boolean {
    return this.#closed;
  }

  /** The peer has ended its direction in order. */
  get has_ended(): boolean {
    return this.#ended;
  }

  /** `address:port` as the gateway's log names this end. */
  get remote(): string {
    return `${this.#socket.localAddress}:${this.#socket.localPort}`;
  }

  connected(): Promise<void> {
    return within(`${this.#name}: connect`, this.#connected.promise);
  }

  /** Resolves once the kernel has the bytes. */
  write(bytes: Uint8Array | string): Promise<void> {
    const sent = new Promise<void>((resolve, reject) => {
      this.#socket.write(bytes, (error) => error ? reject(error) : resolve());
    });
    this.sent_bytes += bytes.length;
    return within(`${this.#name}: write of ${bytes.length} bytes`, sent);
  }

  /** Writes and looks away: for ends that are about to be cut off anyway. */
  writeCarelessly(bytes: Uint8Array | string): void {
    if (!this.#closed && !this.#socket.destroyed) this.#socket.write(bytes, () => {});
  }

  /** Sends the whole stream at the pace the other end takes it; resolves with its digest. */
  async pour(stream: ByteStream): Promise<string> {
    for (let chunk = stream.next(); chunk !== null; chunk = stream.next()) {
      this.sent_bytes += chunk.length;
      if (this.#socket.write(chunk)) continue;
      await Promise.race([
        new Promise<void>((resolve) => this.#socket.once("drain", resolve)),
        this.#closing.promise.then(({ error }) => {
          throw new Error(`${this.#name}: cut while sending (${error ?? "orderly"})`);
        }),
      ]);
    }
    return stream.digest();
  }

  /** Ends our direction in order; the other one stays open. */
  halfClose(): void {
    this.#socket.end();
  }

  /** Breaks off with a RST. */
  abort(): void {
    this.#socket.resetAndDestroy();
  }

  /** Lets go without caring for what is still under way. */
  destroy(): void {
    this.#socket.destroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Resolves when `bytes` have arrived in all. */
  reached(bytes: number, ms = patience_ms): Promise<void> {
    if (this.received_bytes >= bytes) return Promise.resolve();
    if (this.#closed) {
      return Promise.reject(
        new Error(`${this.#name}: closed after ${this.received_bytes} of ${bytes} bytes`),
      );
    }
    const arrival = new Promise<void>((resolve, reject) => {
      this.#waiters.push({ bytes, resolve, reject });
    });
    return within(`${this.#name}: ${bytes} bytes to arrive`, arrival, ms);
  }

  /** The first `bytes` bytes, once they are here. */
  async head(bytes: number): Promise<Buffer> {
    await this.reached(bytes);
    return Buffer.concat(this.#kept).subarray(0, bytes);
  }

  /** Everything that has arrived so far, as text. */
  text(): string {
    return Buffer.concat(this.#kept).toString("utf8");
  }

  digest(): string {
    return this.#hash.copy().digest("hex");
  }

  /** Resolves when the peer has ended its direction in order, with the digest of all it sent. */
  async ended(ms = patience_ms): Promise<string> {
    await within(`${this.#name}: the other side's end`, this.#end.promise, ms);
    return this.digest();
  }

  /** Resolves when the socket is gone, whichever way. */
  closed(ms = patience_ms): Promise<Closing> {
    return within(`${this.#name}: close`, this.#closing.promise, ms);
  }

  /**
   * Resolves when the peer has turned us away: an orderly end or a reset both count, and we close
   * our own half so that nothing is left behind.
   */
  async turnedAway(ms = patience_ms): Promise<Closing> {
    const gone = Promise.race([
      this.#end.promise.catch(() => {}),
      this.#closing.promise.then(() => {}),
    ]);
    await within(`${this.#name}: being turned away`, gone, ms);
    this.#socket.destroy();
    return await this.closed();
  }

  #take(data: Buffer): void {
    this.received_bytes += data.length;
    this.#hash.update(data);
    if (this.#kept_bytes < kept_bytes_max) {
      const kept = Buffer.from(data.subarray(0, kept_bytes_max - this.#kept_bytes));
      this.#kept.push(kept);
      this.#kept_bytes += kept.length;
    }
    if (this.#waiters.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => {
      if (this.received_bytes < waiter.bytes) return true;
      waiter.resolve();
      return false;
    });
  }
}
