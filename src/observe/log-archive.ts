/**
 * The log files that were set aside: `gateway-20260131T120000.000Z.log` beside `gateway.log`. They
 * are compressed in the background, not while the log waits, and deleted when they are too old.
 * What an earlier run left half done is finished by the next.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { readdir, rename, unlink } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";

const DAY_MS = 86_400_000;

export interface LogArchiveOptions {
  /** The log file itself, absolute. */
  path: string;
  /** Files set aside longer ago than this many days are deleted; 0 keeps them for ever. */
  max_age: number;
  compress: boolean;
  /** Says that a file could not be compressed or deleted. */
  report: (error: Error) => void;
}

export class LogArchive {
  readonly #options: LogArchiveOptions;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: LogArchiveOptions) {
    this.#options = options;
  }

  /** The name for a file that is set aside; `index` counts from 1 where a name is taken. */
  static nameFor(path: string, time: Date, index: number): string {
    const stamp = time.toISOString().replaceAll("-", "").replaceAll(":", "");
    const extension = extname(path);
    const stem = basename(path, extension);
    return join(dirname(path), `${stem}-${stamp}${index > 1 ? `-${index}` : ""}${extension}`);
  }

  /** Deletes what is too old and compresses what is not compressed; runs follow each other. */
  tidy(): Promise<void> {
    this.#running = this.#running.then(() => this.#tidy()).catch((error) => {
      if (!this.#stop.signal.aborted) this.#options.report(error);
    });
    return this.#running;
  }

  /** Breaks off a compression that runs; its source stays for the next start. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #tidy(): Promise<void> {
    const { path, max_age, compress } = this.#options;
    const folder = dirname(path);
    const oldest = max_age === 0 ? Number.NEGATIVE_INFINITY : Date.now() - max_age * DAY_MS;
    for (const name of (await readdir(folder)).sort()) {
      if (this.#stop.signal.aborted) return;
      const found = this.#recognise(name);
      if (found === null) continue;
      const file = join(folder, name);
      if (found.set_aside_at < oldest) await unlink(file);
      else if (compress && !found.compressed) await this.#compress(file);
    }
  }

  /** Only names that relayx has made itself are ever touched. */
  #recognise(name: string): { set_aside_at: number; compressed: boolean } | null {
    const { path } = this.#options;
    const extension = extname(path);
    const stem = basename(path, extension);
    if (!name.startsWith(`${stem}-`)) return null;
    const rest = name.slice(stem.length + 1);
    const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)\.(\d{3})Z(?:-\d+)?(.*)$/.exec(rest);
    if (match === null) return null;
    const [, year, month, day, hour, minute, second, ms, tail] = match;
    if (tail !== extension && tail !== `${extension}.gz`) return null;
    const set_aside_at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`);
    return { set_aside_at, compressed: tail !== extension };
  }

  async #compress(file: string): Promise<void> {
    // Written under another name first: a `.gz` that is there is always a whole one.
    const unfinished = `${file}.gz.part`;
    try {
      await pipeline(createReadStream(file), createGzip(), createWriteStream(unfinished), {
        signal: this.#stop.signal,
      });
    } catch (error) {
      await unlink(unfinished).catch(() => undefined);
      throw error;
    }
    await rename(unfinished, `${file}.gz`);
    await unlink(file);
  }
}
