/**
 * One viewer of a stream. It never holds anybody up: what it has no room for is left out and counted,
 * and one that makes no progress for too long is let go.
 */
import { type Libsrt, SRT_EASYNCSND, SRT_EPOLL_OUT } from "../../../ffi/libsrt/mod.ts";
import type { SrtConnection } from "./connection.ts";
import { type Leg, LegMeter } from "./leg-meter.ts";
import type { SrtMessage } from "./message.ts";

/** With `slow_viewer: skip`, the longest time without any progress at all, ms. */
const STUCK_MS_MAX = 30_000;
/**
 * libsrt throws away what has waited for longer than the latency, at least a second, and its sequence
 * numbers with it; a receiver that finds too many of them gone breaks the connection. So messages are
 * left out before that: from this share of that time in the buffer on, until it has come down to the
 * lower one.
 */
const HOLD_FROM_SHARE = 0.7;
const HOLD_TO_SHARE = 0.2;
const TOO_OLD_MS_MIN = 1000;
/** How often the buffer is looked at, ms: it fills by no more than this in between. */
const BUFFER_LOOK_MS = 100;
/** Messages of a viewer thrown away per turn, before the other sockets get theirs. */
const TURN_DISCARDS = 64;
/** With `slow_viewer: drop`, so many latencies without progress, and at least a second. */
const SLOW_LATENCIES = 3;
const SLOW_MS_MIN = 1000;

export class Viewer {
  readonly connection: SrtConnection;
  readonly user: string;
  /** The key that it came with. */
  readonly key: string;
  readonly since_unix_ms = Date.now();
  /** Bytes handed to libsrt. */
  bytes = 0;
  /** Messages left out because the viewer had no room: here, or in libsrt where they grew too old. */
  skipped = 0;
  readonly #libsrt: Libsrt;
  readonly #meter: LegMeter;
  #policy: "skip" | "drop";
  #patience_ms = 0;
  #left_out = 0;
  #blocked = false;
  /** Too much waits for the viewer already. */
  #holding = false;
  #buffer_looked_ms: number;
  readonly #latency_ms: number;
  readonly #too_old_ms: number;
  /** Since when it has been too slow for its policy; null while it is not. */
  #slow_since_ms: number | null = null;
  #too_old = 0;
  #sent = 0;

  constructor(options: {
    libsrt: Libsrt;
    connection: SrtConnection;
    user: string;
    key: string;
    slow_viewer: "skip" | "drop";
    now_ms: number;
  }) {
    const { libsrt, connection, now_ms } = options;
    this.#libsrt = libsrt;
    this.connection = connection;
    this.user = options.user;
    this.key = options.key;
    this.#meter = new LegMeter({ libsrt, socket: connection.socket, now_ms });
    this.#buffer_looked_ms = now_ms;
    this.#latency_ms = connection.sendLatency();
    this.#too_old_ms = Math.max(TOO_OLD_MS_MIN, this.#latency_ms);
    this.#policy = options.slow_viewer;
    this.treat(options.slow_viewer);
  }

  /** What becomes of it while it is slow. */
  treat(slow_viewer: "skip" | "drop"): void {
    this.#policy = slow_viewer;
    this.#patience_ms = slow_viewer === "skip"
      ? STUCK_MS_MAX
      : Math.max(SLOW_MS_MIN, SLOW_LATENCIES * this.#latency_ms);
  }

  /** Throws away what a viewer sends, which is for nobody and would fill libsrt's buffer, 24 MB. */
  discard(message: SrtMessage): void {
    for (let i = 0; i < TURN_DISCARDS; i++) {
      if (message.receive(this.connection.socket) <= 0) return;
    }
  }

  /** False when the viewer is gone. */
  send(message: SrtMessage, length: number, now_ms: number): boolean {
    const is_due = now_ms - this.#buffer_looked_ms >= BUFFER_LOOK_MS;
    if (is_due) this.#lookAtBuffer(now_ms);
    // At each look one goes out even so: by it the receiver finds out what is missing, and libsrt
    // throws away what is too old only when something is sent.
    if (this.#blocked || (this.#holding && !is_due)) {
      this.#left_out++;
      return true;
    }
    if (message.send(this.connection.socket, length) < 0) {
      if (this.#libsrt.lastError() !== SRT_EASYNCSND) return false;
      this.#blocked = true;
      this.#left_out++;
      this.connection.want(SRT_EPOLL_OUT, true);
      return true;
    }
    this.bytes += length;
    return true;
  }

  /** There is room again. */
  writable(): void {
    this.#blocked = false;
    this.connection.want(SRT_EPOLL_OUT, false);
  }

  /** Looks at the line; null when the viewer is gone, `slow` when it has been behind for too long. */
  look(now_ms: number): { leg: Leg; slow: boolean; blocked: boolean } | null {
    const leg = this.#meter.read(now_ms);
    if (!leg) return null;
    const { pktSndDropTotal: too_old, pktSentTotal, pktRetransTotal } = leg.totals;
    const sent = pktSentTotal - pktRetransTotal;
    const behind = this.#blocked || this.#holding || too_old > this.#too_old;
    // With "skip" whoever still takes something may stay.
    const is_slow = behind && (this.#policy === "drop" || sent === this.#sent);
    this.#too_old = too_old;
    this.#sent = sent;
    this.skipped = this.#left_out + too_old;
    if (!is_slow) this.#slow_since_ms = null;
    else this.#slow_since_ms ??= now_ms;
    const slow = this.#slow_since_ms !== null &&
      now_ms - this.#slow_since_ms >= this.#patience_ms;
    return { leg, slow, blocked: this.#blocked || this.#holding };
  }

  #lookAtBuffer(now_ms: number): void {
    this.#buffer_looked_ms = now_ms;
    const share = this.#holding ? HOLD_TO_SHARE : HOLD_FROM_SHARE;
    this.#holding = this.#meter.sendBufferMs() > share * this.#too_old_ms;
  }
}
