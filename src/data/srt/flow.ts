/**
 * One direction of a session: messages from one socket to the other, each whole; of a session in file
 * mode, pieces of a stream of bytes, which the sink may take in part. A message that the
 * sink has no room for is kept, the source is left alone meanwhile, and the sink is watched for room:
 * what is held here is one message, the rest waits in libsrt's buffers. So it does while a byte rate
 * has nothing left; what has grown too old there is dropped as if the network had been too slow.
 */
import {
  type Libsrt,
  SRT_EASYNCRCV,
  SRT_EASYNCSND,
  SRT_EPOLL_IN,
  SRT_EPOLL_OUT,
} from "../../../ffi/libsrt/mod.ts";
import type { SessionRates } from "../session-rates.ts";
import type { SrtConnection } from "./connection.ts";
import type { SrtMessage } from "./message.ts";

/** A source's messages per turn, 1.5 Mbit, before the other sockets get theirs. */
const TURN_MESSAGES = 128;

export type SrtFlowProgress =
  /** Nothing more now: the source has nothing, or the sink no room. */
  | "blocked"
  /** A byte rate has nothing left; the session is told when it has. */
  | "held"
  /** The turn is over; libsrt will tell of the rest again. */
  | "more"
  | "source_gone"
  | "sink_gone";

export class SrtFlow {
  /** Bytes handed to the sink so far. */
  bytes = 0;
  /** A byte rate has held it back since somebody looked last. */
  held = false;
  readonly source: SrtConnection;
  readonly sink: SrtConnection;
  readonly #libsrt: Libsrt;
  readonly #message: SrtMessage;
  readonly #rates: SessionRates | null;
  /** Waits for room in the sink. */
  #kept: Uint8Array | null = null;

  constructor(options: {
    libsrt: Libsrt;
    message: SrtMessage;
    /** What the session counts against; null for no bound. */
    rates: SessionRates | null;
    source: SrtConnection;
    sink: SrtConnection;
  }) {
    this.#libsrt = options.libsrt;
    this.#message = options.message;
    this.#rates = options.rates;
    this.source = options.source;
    this.sink = options.sink;
    this.#kept = options.source.firstMessage;
    options.source.firstMessage = null;
  }

  get blockedBySink(): boolean {
    return this.#kept !== null;
  }

  pump(now_ms: number): SrtFlowProgress {
    const libsrt = this.#libsrt;
    if (this.#kept && !this.#sendKept()) return this.#blocked();
    const message = this.#message;
    for (let i = 0; i < TURN_MESSAGES; i++) {
      if (this.#rates && this.#rates.room(now_ms) === 0) return this.#hold();
      const received = message.receive(this.source.socket);
      if (received <= 0) {
        // A stream of bytes ends with 0.
        const nothing = received < 0 && libsrt.lastError() === SRT_EASYNCRCV;
        return nothing ? "blocked" : "source_gone";
      }
      this.#rates?.use(received);
      const sent = message.send(this.sink.socket, received);
      if (sent < 0) {
        if (libsrt.lastError() !== SRT_EASYNCSND) return "sink_gone";
        this.#kept = message.bytes.slice(0, received);
        return this.#blocked();
      }
      this.bytes += sent;
      if (sent < received) {
        this.#kept = message.bytes.slice(sent, received);
        return this.#waitForRoom();
      }
    }
    return "more";
  }

  /** The byte rate that held it back has something left. */
  allowed(): void {
    if (!this.#kept) this.source.want(SRT_EPOLL_IN, true);
  }

  #hold(): SrtFlowProgress {
    this.held = true;
    this.source.want(SRT_EPOLL_IN, false);
    return "held";
  }

  /** True when the kept message is on its way. */
  #sendKept(): boolean {
    const kept = this.#kept!;
    const sent = this.#libsrt.srt_sendmsg2(this.sink.socket, kept, kept.length, null);
    if (sent < 0) return false;
    this.bytes += sent;
    if (sent < kept.length) {
      this.#kept = kept.subarray(sent);
      return this.#sendKept();
    }
    this.#kept = null;
    this.sink.want(SRT_EPOLL_OUT, false);
    this.source.want(SRT_EPOLL_IN, true);
    return true;
  }

  #blocked(): SrtFlowProgress {
    if (this.#libsrt.lastError() !== SRT_EASYNCSND) return "sink_gone";
    return this.#waitForRoom();
  }

  #waitForRoom(): SrtFlowProgress {
    this.source.want(SRT_EPOLL_IN, false);
    this.sink.want(SRT_EPOLL_OUT, true);
    return "blocked";
  }
}
