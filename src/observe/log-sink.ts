/**
 * Between whoever logs and wherever the log goes: a bounded queue that never makes anybody wait.
 * A destination that fails is tried again every second; lines wait meanwhile, and those beyond the
 * bound are counted, and the count is logged as soon as writing works again.
 */
import { Buffer } from "node:buffer";
import { clearTimeout, setTimeout } from "node:timers";

/**
 * The least time between two writes, milliseconds: each costs two threads a waking, whatever its
 * size. The first line after a while is written at once.
 */
const GATHER_MS = 20;

/** Where lines end up. One `write` at a time is outstanding. */
export interface LogDestination {
  /** The most bytes one `write` should have. */
  readonly batch_bytes_max: number;
  /** Resolves when everything is written; rejects with a {@link LogWriteError}. */
  write(bytes: Buffer): Promise<void>;
  close(): Promise<void>;
}

/** A write that failed. */
export class LogWriteError extends Error {
  override name = "LogWriteError";
  /**
   * How many of the bytes written so far did not arrive, counted back from the end of this write;
   * the end of an earlier one can be among them, because a full disk shows itself late.
   */
  readonly missing_bytes: number;
  constructor(message: string, missing_bytes: number) {
    super(message);
    this.missing_bytes = missing_bytes;
  }
}

export interface LogSinkOptions {
  destination: LogDestination;
  /** Lines that wait may have this many bytes together. */
  queue_bytes_max: number;
  /** The pause after a failed write, milliseconds. */
  retry_ms: number;
  /** The least time between two complaints, milliseconds. */
  complain_ms: number;
  /** Tells the operator by another way than the log that the log does not work. */
  complain: (message: string) => void;
  /** Logs that lines were lost; called when writing works again. */
  report_lost: (count: number) => void;
}

export interface LogSinkSnapshot {
  queued_bytes: number;
  /** Lines that were lost since the start. */
  lines_lost: number;
}

interface Line {
  text: string;
  bytes: number;
}

export class LogSink {
  readonly #options: LogSinkOptions;
  #queue: Line[] = [];
  #queued_bytes = 0;
  /** The batch that was written before the present one; its end may turn out to be missing. */
  #previous: Line[] = [];
  #lost_total = 0;
  #lost_unreported = 0;
  #complained_at = Number.NEGATIVE_INFINITY;
  #failing = false;
  #closing = false;
  #closed = false;
  #written_at = Number.NEGATIVE_INFINITY;
  #draining: Promise<void> | null = null;
  #wake_from_pause: (() => void) | null = null;

  constructor(options: LogSinkOptions) {
    this.#options = options;
  }

  /** Takes a line, its newline included. Never waits and never throws. */
  write(text: string): void {
    // While closing, what the destination itself has to say is still written.
    if (this.#closed || (this.#closing && this.#draining === null)) return;
    const bytes = Buffer.byteLength(text);
    if (this.#queued_bytes + bytes > this.#options.queue_bytes_max) {
      this.#lose(1);
      return;
    }
    this.#push({ text, bytes });
  }

  snapshot(): LogSinkSnapshot {
    return { queued_bytes: this.#queued_bytes, lines_lost: this.#lost_total };
  }

  /** Writes what waits, for at most `deadline_ms`, and closes the destination. */
  async close(deadline_ms: number): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#wake_from_pause?.();
    await within(deadline_ms, this.#draining ?? Promise.resolve());
    this.#closed = true;
    if (this.#queue.length > 0) {
      this.#lost_unreported += this.#queue.length;
      this.#lost_total += this.#queue.length;
      this.#queue = [];
      this.#queued_bytes = 0;
    }
    if (this.#lost_unreported > 0) {
      this.#options.complain(`the log ends without ${this.#lost_unreported} lines`);
    }
    await within(deadline_ms, this.#options.destination.close().catch(() => undefined));
  }

  #push(line: Line): void {
    this.#queue.push(line);
    this.#queued_bytes += line.bytes;
    this.#draining ??= this.#drain();
  }

  async #drain(): Promise<void> {
    // Lines of the same turn of the event loop go out in one write.
    await Promise.resolve();
    try {
      while (this.#queue.length > 0 && !this.#closed) {
        // One attempt is made after closing has begun; the first may fail by chance.
        const is_last = this.#closing;
        const gather_ms = this.#written_at + GATHER_MS - performance.now();
        if (!is_last && gather_ms > 0) {
          await this.#pause(gather_ms);
          continue;
        }
        if (await this.#write_batch()) continue;
        if (is_last) return;
        if (!this.#closing) await this.#pause(this.#options.retry_ms);
      }
    } finally {
      // In the same step as the last look at the queue: a line that comes later starts anew.
      this.#draining = null;
    }
  }

  /** Writes the head of the queue; false where that failed and the lines wait again. */
  async #write_batch(): Promise<boolean> {
    const batch = this.#take();
    this.#written_at = performance.now();
    try {
      await this.#options.destination.write(Buffer.from(batch.map(({ text }) => text).join("")));
    } catch (error) {
      const missing = error instanceof LogWriteError ? error.missing_bytes : 0;
      this.#put_back([...this.#previous, ...batch], missing);
      this.#previous = [];
      this.#failing = true;
      this.#complain(error instanceof Error ? error.message : String(error));
      return false;
    }
    this.#previous = batch;
    this.#succeeded();
    return true;
  }

  #take(): Line[] {
    const limit = this.#options.destination.batch_bytes_max;
    let count = 0;
    let bytes = 0;
    while (count < this.#queue.length) {
      if (count > 0 && bytes + this.#queue[count].bytes > limit) break;
      bytes += this.#queue[count].bytes;
      count += 1;
    }
    this.#queued_bytes -= bytes;
    return this.#queue.splice(0, count);
  }

  /** Puts the lines whose last bytes did not arrive back to the head of the queue. */
  #put_back(lines: Line[], missing_bytes: number): void {
    let first = lines.length;
    let bytes = 0;
    while (first > 0 && bytes < missing_bytes) {
      first -= 1;
      bytes += lines[first].bytes;
    }
    this.#queue = [...lines.slice(first), ...this.#queue];
    this.#queued_bytes += bytes;
  }

  #succeeded(): void {
    this.#failing = false;
    if (this.#lost_unreported === 0 || this.#closing) return;
    const count = this.#lost_unreported;
    this.#lost_unreported = 0;
    this.#options.report_lost(count);
  }

  #lose(count: number): void {
    this.#lost_total += count;
    this.#lost_unreported += count;
    if (!this.#failing) this.#complain("the log is written more slowly than lines come in");
  }

  #complain(message: string): void {
    const now = performance.now();
    if (now - this.#complained_at < this.#options.complain_ms) return;
    this.#complained_at = now;
    this.#options.complain(
      `${message}; ${this.#queue.length} lines wait, ${this.#lost_unreported} are lost`,
    );
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#wake_from_pause = null;
        resolve();
      };
      const timer = setTimeout(end, ms);
      // A log that cannot be written is no reason to keep the process alive.
      timer.unref();
      this.#wake_from_pause = end;
    });
  }
}

/** Waits for a promise, but not for longer than a deadline. */
function within(deadline_ms: number, promise: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, deadline_ms);
    void promise.finally(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
