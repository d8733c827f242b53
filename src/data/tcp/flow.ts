/**
 * One direction of a session: socket → pipe → socket, by splice, so the bytes never enter our memory.
 *
 * The pipe is filled only when it is empty. That makes EAGAIN on the filling side mean one thing, "the
 * source has nothing", and bounds what a stalled reader can make us hold to one pipe.
 */
import { EAGAIN, type Libc, SHUT_WR } from "../../../ffi/libc/mod.ts";
import { SPLICE_F_MOVE, SPLICE_F_NONBLOCK } from "../../../ffi/libc/mod.ts";
import type { SessionRates } from "../session-rates.ts";
import type { Connection } from "./connection.ts";
import { type Pipe, PIPE_BYTES, type PipePool } from "./pipes.ts";

export type FlowProgress =
  /** Nothing more can be done until epoll says so. */
  | "blocked"
  /** The budget is used up; there is more. */
  | "more"
  /** The source has ended and every byte and the FIN have been passed on. */
  | "finished"
  /** One of the two ends is broken. */
  | "source_broken"
  | "sink_broken"
  /** No pipe can be had; to be tried again later. */
  | "starved"
  /** A byte rate has nothing left; the session is told when it has. */
  | "held";

export class Flow {
  /** Bytes handed to the sink's socket so far. */
  bytes = 0;
  finished = false;
  /** A byte rate has held it back since somebody looked last. */
  held = false;
  /** Whether the source's end is told to the sink as a FIN; not where the source broke off. */
  passesEnd = true;
  readonly source: Connection;
  readonly sink: Connection;
  readonly #libc: Libc;
  readonly #pipes: PipePool;
  readonly #rates: SessionRates | null;
  readonly #hold_bytes_max: number;
  #pipe: Pipe | null = null;
  #inPipe = 0;
  #sourceEnded = false;

  constructor(options: {
    libc: Libc;
    pipes: PipePool;
    /** What the session counts against; null for no bound. */
    rates: SessionRates | null;
    /** What may be inside at most; a whole pipe unless it is said. */
    hold_bytes_max?: number;
    source: Connection;
    sink: Connection;
  }) {
    this.#libc = options.libc;
    this.#pipes = options.pipes;
    this.#rates = options.rates;
    this.#hold_bytes_max = options.hold_bytes_max ?? PIPE_BYTES;
    this.source = options.source;
    this.sink = options.sink;
  }

  /** Bytes that have left the source and not reached the sink's socket. */
  get holds_bytes(): number {
    return this.#inPipe;
  }

  /** Moves up to about `budget_bytes`. */
  pump(budget_bytes: number, now_ms: number): FlowProgress {
    if (this.finished) return "finished";
    const { source, sink } = this;
    const enough = this.bytes + budget_bytes;
    while (this.bytes < enough) {
      if (this.#inPipe > 0) {
        if (!sink.writable) return "blocked";
        if (!this.#drain()) return sink.writable ? "sink_broken" : "blocked";
      } else if (this.#sourceEnded) {
        return this.#finish();
      } else if (source.readable) {
        const progress = this.#fill(now_ms);
        if (progress) return progress;
      } else {
        this.#returnPipe();
        return "blocked";
      }
    }
    return "more";
  }

  /** Ends the flow wherever it is; what is inside is dropped. */
  close(): void {
    if (!this.#pipe) return;
    if (this.#inPipe > 0) this.#pipes.discard(this.#pipe);
    else this.#pipes.giveBack(this.#pipe);
    this.#pipe = null;
    this.#inPipe = 0;
  }

  /** Socket → pipe. Null means go on. */
  #fill(now_ms: number): FlowProgress | null {
    let most = this.#hold_bytes_max;
    if (this.#rates) {
      most = Math.min(most, this.#rates.room(now_ms));
      if (most === 0) {
        this.held = true;
        this.#returnPipe();
        return "held";
      }
    }
    if (!this.#pipe) {
      const pipe = this.#pipes.borrow();
      if (pipe instanceof Error) return "starved";
      this.#pipe = pipe;
    }
    const moved = splice(this.#libc, this.source.fd, this.#pipe.write, most);
    if (moved > 0) {
      this.#inPipe = moved;
      this.#rates?.use(moved);
      // Fewer bytes than the pipe has slots, and than were asked for, cannot have been cut short by a
      // full pipe: the source is drained, and the call that would say EAGAIN is saved, a third of
      // what a small message costs. With a FIN behind the bytes no further edge would come to read it
      // by.
      const cut = Math.min(most, this.#pipe.slots);
      if (moved < cut && !this.source.finished) this.source.readable = false;
    } else if (moved === 0) {
      this.#sourceEnded = true;
    } else if (this.#libc.errno() === EAGAIN) {
      this.source.readable = false;
    } else {
      return "source_broken";
    }
    return null;
  }

  /** Pipe → socket. False when nothing could be moved. */
  #drain(): boolean {
    const moved = splice(this.#libc, this.#pipe!.read, this.sink.fd, this.#inPipe);
    if (moved >= 0) {
      this.#inPipe -= moved;
      this.bytes += moved;
      return true;
    }
    if (this.#libc.errno() === EAGAIN) this.sink.writable = false;
    return false;
  }

  #finish(): FlowProgress {
    this.#returnPipe();
    this.finished = true;
    // The half-close: the other direction goes on for as long as its source likes.
    if (this.passesEnd && this.#libc.shutdown(this.sink.fd, SHUT_WR) < 0) return "sink_broken";
    return "finished";
  }

  #returnPipe(): void {
    if (this.#pipe) this.#pipes.giveBack(this.#pipe);
    this.#pipe = null;
  }
}

function splice(libc: Libc, from: number, to: number, bytes: number): number {
  return libc.splice(from, null, to, null, bytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}
