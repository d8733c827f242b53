/**
 * Deno opens a debugger on 127.0.0.1:9229 on SIGUSR1, beside whoever listens for the signal, through
 * which every user of this machine could take the process over. It is closed as soon as it is open;
 * one that was there before somebody has asked for.
 */
import { clearInterval, setInterval } from "node:timers";
import process from "node:process";

const LOOK_EVERY_MS = 10;
/** It opens within some milliseconds of the signal; so long after it none is expected any more. */
const WATCH_MS = 2000;

export class UnaskedDebugger {
  readonly #onClosed: (url: string) => void;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor({ onClosed }: { onClosed: (url: string) => void }) {
    this.#onClosed = onClosed;
  }

  /** To be called for every signal. */
  expect(): void {
    const inspector = process.getBuiltinModule("node:inspector");
    // Still that of an earlier signal, or one that is wanted.
    if (this.#timer !== undefined || inspector.url() !== undefined) return;
    const until = performance.now() + WATCH_MS;
    this.#timer = setInterval(() => {
      const url = inspector.url();
      if (url !== undefined) {
        inspector.close();
        this.#onClosed(url);
      }
      if (url !== undefined || performance.now() > until) this.close();
    }, LOOK_EVERY_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
