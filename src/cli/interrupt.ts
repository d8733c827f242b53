/** SIGINT and SIGTERM for a tool: the first asks it to end, the second ends the process at once. */
import process from "node:process";
import { EXIT } from "./exit-code.ts";

const EXIT_CODES = { SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated } as const;

export type InterruptSignal = keyof typeof EXIT_CODES;

export class Interrupt {
  readonly #abort = new AbortController();
  readonly #listeners = new Map<InterruptSignal, () => void>();
  #first: InterruptSignal | null = null;
  #tell: (signal: InterruptSignal) => void = () => undefined;
  /** Resolves with the first signal. */
  readonly told: Promise<InterruptSignal>;

  constructor() {
    this.told = new Promise((resolve) => this.#tell = resolve);
  }

  /** Aborted by the first signal. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** What the process should end with after an interrupted run, or null without a signal. */
  get exit_code(): number | null {
    return this.#first === null ? null : EXIT_CODES[this.#first];
  }

  start(): void {
    for (const signal of Object.keys(EXIT_CODES) as InterruptSignal[]) {
      // Listeners stay until close: one that is added while a signal is being handled hears that
      // same signal on some runtimes.
      const listener = () => this.#hear(signal);
      this.#listeners.set(signal, listener);
      process.on(signal, listener);
    }
  }

  close(): void {
    for (const [signal, listener] of this.#listeners) process.off(signal, listener);
    this.#listeners.clear();
  }

  #hear(signal: InterruptSignal): void {
    if (this.#first !== null) process.exit(EXIT_CODES[signal]);
    this.#first = signal;
    this.#tell(signal);
    this.#abort.abort(new Error("interrupted"));
  }
}
