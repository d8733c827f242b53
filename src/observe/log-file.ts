/** The log in a file that is set aside when it has reached its size. */
import type { Buffer } from "node:buffer";
import { open, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { createStream, type RotatingFileStream } from "rotating-file-stream";
import { LogArchive } from "./log-archive.ts";
import { type LogDestination, LogWriteError } from "./log-sink.ts";

/** After a failed rotation the file grows on for this long before rotating is tried again. */
const ROTATION_RETRY_MS = 60_000;

export interface LogFileOptions {
  path: string;
  /** Bytes at which the file is set aside. */
  max_size: number;
  /** Days after which files set aside are deleted; 0 is never. */
  max_age: number;
  compress: boolean;
  /** Says that rotating, compressing or deleting did not work; the log itself goes on. */
  report: (error: Error) => void;
}

/** The log file cannot be opened at the start. */
export class LogOpenError extends Error {
  override name = "LogOpenError";
  /** The kernel's name, `EACCES` and the like. */
  readonly code: string;
  readonly path: string;
  constructor(path: string, code: string) {
    super(`the log file ${JSON.stringify(path)} cannot be opened for writing (${code})`);
    this.path = path;
    this.code = code;
  }
}

export class LogFile implements LogDestination {
  readonly batch_bytes_max: number;
  readonly #options: LogFileOptions;
  readonly #path: string;
  readonly #archive: LogArchive;
  #stream: RotatingFileStream | null = null;
  /** The size that the file must have if everything acknowledged has arrived. */
  #size = 0;
  #rotating = false;
  #rotates = true;
  #rotation_failed_at = Number.NEGATIVE_INFINITY;

  constructor(options: LogFileOptions) {
    this.#options = options;
    this.#path = resolve(options.path);
    this.batch_bytes_max = Math.min(65_536, options.max_size);
    this.#archive = new LogArchive({
      path: this.#path,
      max_age: options.max_age,
      compress: options.compress,
      report: options.report,
    });
  }

  /** Opens the file; rejects with a {@link LogOpenError}. */
  async start(): Promise<void> {
    try {
      await this.#reopen();
    } catch (error) {
      throw new LogOpenError(this.#path, errorWord(error));
    }
    void this.#archive.tidy();
  }

  async write(bytes: Buffer): Promise<void> {
    const before = this.#size;
    try {
      if (this.#stream === null) await this.#reopen();
      else if (!this.#rotates && this.#rotation_is_due()) await this.#reopen();
    } catch (error) {
      throw new LogWriteError(this.#complaint(error), bytes.length);
    }
    try {
      await append(this.#stream!, bytes);
      // A rotation in between has begun a new file with a size of its own.
      if (!this.#rotating) this.#size += bytes.length;
    } catch (error) {
      this.#stream = null;
      if (this.#rotating) {
        // Rotation begins when everything is written: nothing is missing, only the old file stays.
        this.#rotation_failed(error);
        return;
      }
      const arrived = (await sizeOf(this.#path)) - before;
      throw new LogWriteError(this.#complaint(error), Math.max(0, bytes.length - arrived));
    } finally {
      this.#rotating = false;
    }
  }

  async close(): Promise<void> {
    await this.#archive.close();
    await this.#end();
  }

  #rotation_is_due(): boolean {
    return performance.now() - this.#rotation_failed_at >= ROTATION_RETRY_MS;
  }

  #rotation_failed(error: unknown): void {
    this.#rotation_failed_at = performance.now();
    this.#options.report(
      new Error(
        `the log file cannot be set aside and grows beyond logging.max_size (${errorWord(error)})`,
      ),
    );
  }

  async #reopen(): Promise<void> {
    await this.#end();
    this.#rotates = this.#rotation_is_due();
    try {
      await this.#open();
    } catch (error) {
      // A file that is full already is set aside when it is opened, and that may fail as well.
      if (!this.#rotating) throw error;
      this.#rotation_failed(error);
      this.#rotates = false;
      await this.#open();
    } finally {
      this.#rotating = false;
    }
  }

  async #open(): Promise<void> {
    this.#rotating = false;
    const unlimited = `${Number.MAX_SAFE_INTEGER}B` as const;
    const stream = createStream(
      (time, index) =>
        time === null || typeof time === "number"
          ? this.#path
          : LogArchive.nameFor(this.#path, time, index ?? 1),
      { size: this.#rotates ? `${this.#options.max_size}B` : unlimited },
    );
    stream.on("rotation", () => {
      this.#rotating = true;
    });
    stream.on("rotated", () => {
      this.#size = 0;
      void this.#archive.tidy();
    });
    await new Promise<void>((opened, failed) => {
      stream.once("open", () => opened());
      // Stays for good: an error without a listener would end the process. Writes hear of it too.
      stream.on("error", failed);
    });
    this.#stream = stream;
    this.#size = await sizeOf(this.#path);
    if (this.#size > 0 && !(await endsWithNewline(this.#path, this.#size))) {
      // A full disk or a crash has left part of a line; the next one must not be glued to it.
      await append(stream, "\n");
      this.#size += 1;
    }
  }

  #end(): Promise<void> {
    const stream = this.#stream;
    this.#stream = null;
    if (stream === null || stream.destroyed) return Promise.resolve();
    return new Promise((ended) => {
      stream.once("close", ended);
      stream.end();
    });
  }

  #complaint(error: unknown): string {
    return `the log cannot be written to ${JSON.stringify(this.#path)} (${errorWord(error)})`;
  }
}

function append(stream: RotatingFileStream, bytes: Buffer | string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(bytes, (error) => {
      if (error === null || error === undefined) resolve();
      else reject(error);
    });
  });
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0;
}

async function endsWithNewline(path: string, size: number): Promise<boolean> {
  const file = await open(path, "r").catch(() => null);
  // A file that may be written but not read is taken as it is.
  if (file === null) return true;
  try {
    const last = new Uint8Array(1);
    const { bytesRead } = await file.read(last, 0, 1, size - 1);
    return bytesRead === 0 || last[0] === 0x0a;
  } finally {
    await file.close();
  }
}

/** The kernel's name of an error where there is one, else its message. */
function errorWord(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}
