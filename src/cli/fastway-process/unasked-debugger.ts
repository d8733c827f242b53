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
  #is_wanted = false;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor({ onClosed }: { onClosed: (url: string) => void }) {
    this.#onClosed = onClosed;
  }

  /** Before any signal. */
  start(): void {
    this.#is_wanted = urlOf() !== undefined;
  }

  /** To be called for every signal; the debugger may be open already, or open soon. */
  expect(): void {
    if (this.#is_wanted) return;
    this.close();
    const until = performance.now() + WATCH_MS;
    this.#timer = setInterval(() => {
      const url = urlOf();
      if (url !== undefined) {
        process.getBuiltinModule("node:inspector").close();
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

/** Undefined where no debugger is open. */
function urlOf(): string | undefined {
  return process.getBuiltinModule("node:inspector").url();
}
