/**
 * The log on a descriptor that is open already: standard output, or standard error.
 *
 * It is written with `fs.write`, which runs on a thread of the runtime's pool. The streams of
 * `process.stdout` write on the calling thread on some runtimes, and a reader that has stopped
 * reading its pipe would stop the whole process with them.
 */
import { write } from "node:fs";
import type { Buffer } from "node:buffer";
import { type LogDestination, LogWriteError } from "./log-sink.ts";

export class LogConsole implements LogDestination {
  readonly batch_bytes_max = 65_536;
  readonly #descriptor: number;

  constructor(options: { descriptor: number }) {
    this.#descriptor = options.descriptor;
  }

  async write(bytes: Buffer): Promise<void> {
    let offset = 0;
    while (offset < bytes.length) {
      try {
        offset += await writeSome(this.#descriptor, bytes.subarray(offset));
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new LogWriteError(
          `the log cannot be written to the console (${reason})`,
          bytes.length - offset,
        );
      }
    }
  }

  close(): Promise<void> {
    // The descriptor belongs to the process, not to the log.
    return Promise.resolve();
  }
}

function writeSome(descriptor: number, bytes: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    write(descriptor, bytes, 0, bytes.length, null, (error, count) => {
      if (error === null || error === undefined) resolve(count);
      else reject(error);
    });
  });
}
