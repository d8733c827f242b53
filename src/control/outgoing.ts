/**
 * What one peer is sent. Answers and grants must arrive, so they queue, up to a bound, and a peer
 * beyond it is cut off. Broadcasts age: while the peer is behind, only the newest of each topic is
 * kept, as a reference to the one buffer all peers share, and goes out when the peer has caught up.
 * A peer that takes nothing at all for a while is cut off too.
 */
import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";

export type Topic = "status" | "port_state" | "telemetry";

/** Why a peer is cut off; the names stand in the log as `limit`. */
export type Overrun = "control_queue_bytes_max" | "control_stall_ms_max";

/** A peer that has not taken what was queued after this time is taken for dead. */
const STALL_MS_MAX = 30_000;

export class Outgoing {
  readonly #socket: Socket;
  readonly #queue_bytes_max: number;
  readonly #onOverrun: (limit: Overrun) => void;
  readonly #newest = new Map<Topic, Buffer>();
  /** Bytes of broadcasts in the socket's queue, which do not count: a large one must not be fatal. */
  #broadcast_bytes = 0;
  #behind_since: number | null = null;
  #corked = false;

  constructor(
    options: { socket: Socket; queue_bytes_max: number; onOverrun: (limit: Overrun) => void },
  ) {
    this.#socket = options.socket;
    this.#queue_bytes_max = options.queue_bytes_max;
    this.#onOverrun = options.onOverrun;
    this.#socket.on("drain", () => this.#onDrain());
  }

  /** Bytes that wait for the peer. */
  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  send(message: Buffer): void {
    if (!this.#socket.writable) return;
    const queued = this.#socket.writableLength;
    if (queued === 0) this.#broadcast_bytes = 0;
    if (queued - this.#broadcast_bytes + message.length > this.#queue_bytes_max) {
      this.#onOverrun("control_queue_bytes_max");
      return;
    }
    this.#write(message);
  }

  /** `now` is the tick's `performance.now()`. */
  broadcast(topic: Topic, message: Buffer, now: number): void {
    if (!this.#socket.writable) return;
    if (this.#behind_since === null) {
      this.#writeBroadcast(message);
      return;
    }
    this.#newest.set(topic, message);
    if (now - this.#behind_since > STALL_MS_MAX) this.#onOverrun("control_stall_ms_max");
  }

  #onDrain(): void {
    this.#behind_since = null;
    this.#broadcast_bytes = 0;
    for (const [topic, message] of this.#newest) {
      if (this.#behind_since !== null) return;
      this.#newest.delete(topic);
      this.#writeBroadcast(message);
    }
  }

  #writeBroadcast(message: Buffer): void {
    if (this.#socket.writableLength === 0) this.#broadcast_bytes = 0;
    this.#write(message);
    // What the kernel took at once does not wait.
    if (this.#socket.writableLength > 0) this.#broadcast_bytes += message.length;
  }

  /** What is written in one step of the event loop goes out as one segment and one system call. */
  #write(message: Buffer): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      queueMicrotask(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    if (!this.#socket.write(message)) this.#behind_since ??= performance.now();
  }
}
