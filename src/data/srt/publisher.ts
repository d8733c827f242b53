/** The publisher of a stream: where its messages are read, and what it may send. */
import { type Libsrt, SRT_EASYNCRCV } from "../../../ffi/libsrt/mod.ts";
import type { SrtConnection } from "./connection.ts";
import type { SrtMessage } from "./message.ts";
import { LegMeter } from "./leg-meter.ts";

/** A publisher may be ahead of its rate by so much of a second's worth: key frames come in bursts. */
const BURST_S = 2;

export class Publisher {
  readonly connection: SrtConnection;
  readonly user: string;
  /** The key that it came with. */
  readonly key: string;
  readonly since_unix_ms = Date.now();
  readonly meter: LegMeter;
  bytes = 0;
  readonly #libsrt: Libsrt;
  #bytes_per_ms: number;
  #allowance: number;
  #at_ms: number;

  constructor(options: {
    libsrt: Libsrt;
    connection: SrtConnection;
    user: string;
    key: string;
    /** 0 is unlimited. */
    bitrate_max_bps: number;
    now_ms: number;
  }) {
    const { libsrt, connection, bitrate_max_bps, now_ms } = options;
    this.#libsrt = libsrt;
    this.connection = connection;
    this.user = options.user;
    this.key = options.key;
    this.meter = new LegMeter({ libsrt, socket: connection.socket, now_ms });
    this.#bytes_per_ms = bytesPerMs(bitrate_max_bps);
    this.#allowance = this.#most();
    this.#at_ms = now_ms;
  }

  /** The length of the next message, or what else there is to say instead. */
  receive(message: SrtMessage): number | "nothing" | "gone" {
    const received = message.receive(this.connection.socket);
    if (received > 0) {
      this.bytes += received;
      return received;
    }
    return received < 0 && this.#libsrt.lastError() === SRT_EASYNCRCV ? "nothing" : "gone";
  }

  /** False when the publisher has sent more than it may. */
  mayHaveSent(bytes: number, now_ms: number): boolean {
    if (this.#bytes_per_ms === Infinity) return true;
    const earned = (now_ms - this.#at_ms) * this.#bytes_per_ms;
    this.#allowance = Math.min(this.#most(), this.#allowance + earned) - bytes;
    this.#at_ms = now_ms;
    return this.#allowance >= 0;
  }

  /** Another bound from now on, with its whole burst. */
  limit(bitrate_max_bps: number): void {
    if (bytesPerMs(bitrate_max_bps) === this.#bytes_per_ms) return;
    this.#bytes_per_ms = bytesPerMs(bitrate_max_bps);
    this.#allowance = this.#most();
  }

  #most(): number {
    return this.#bytes_per_ms * 1000 * BURST_S;
  }
}

function bytesPerMs(bitrate_max_bps: number): number {
  return bitrate_max_bps === 0 ? Infinity : bitrate_max_bps / 8000;
}
