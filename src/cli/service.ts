/**
 * The gateway's life as a process: it starts, serves until a signal, drains and ends. A second
 * signal ends it at once, and SIGHUP has it read its configuration anew. A mistake of our own is
 * logged and ends it with a code of its own, so that a supervisor starts it afresh instead of keeping
 * a process in an unknown state.
 */
import { clearTimeout, setTimeout } from "node:timers";
import { ConfigError } from "../config/problem.ts";
import type { Log } from "../observe/log.ts";
import { EXIT } from "./exit-code.ts";

/** What is run. It logs itself that it serves, stops and has stopped. */
export interface Runnable {
  /** `gateway.shutdown_timeout` as it is now; a reload may change it. */
  readonly shutdown_timeout_ms: number;
  start(): Promise<unknown>;
  /** Lets sessions finish for `gateway.shutdown_timeout`, then closes them. */
  close(reason: string): Promise<void>;
  /** Ends everything at once. */
  abort(): Promise<void>;
  /** Reads the configuration anew; what is wrong with it is logged and thrown. */
  reload(by: string): Promise<unknown>;
}

/** The part of `process` that is used. */
export interface Host {
  on(event: string, listener: (...values: unknown[]) => void): unknown;
  off(event: string, listener: (...values: unknown[]) => void): unknown;
}

export interface ServiceOptions {
  gateway: Runnable;
  log: Log;
  host: Host;
  /** Writes a line where the operator sees it even when the log goes to a file. */
  complain: (message: string) => void;
  /** Told how things are; absent where nobody supervises. */
  notifier?: Notifier | null;
}

/** The part of `ServiceNotifier` that is used. */
export interface Notifier {
  start(): void;
  ready(): void;
  reloading(): void;
  stopping(): void;
  close(): void;
}

const SIGNALS = { SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated } as const;
type Signal = keyof typeof SIGNALS;

/** Closing may take this much longer than `gateway.shutdown_timeout` before it counts as stuck. */
const CLOSE_GRACE_MS = 5000;
/** How long an end "at once" waits for sockets to be closed with a farewell. */
const ABORT_MS = 200;

export class Service {
  readonly #options: ServiceOptions;
  readonly #listeners = new Map<string, (...values: unknown[]) => void>();
  #stopping: Signal | null = null;
  #serving = false;
  #broken = false;
  #end: (exit_code: number) => void = () => undefined;
  #stop: (signal: Signal) => void = () => undefined;

  constructor(options: ServiceOptions) {
    this.#options = options;
  }

  /** Serves, and resolves with the exit code when everything is closed, the log included. */
  async run(): Promise<number> {
    const { log, notifier } = this.#options;
    notifier?.start();
    const ended = new Promise<number>((resolve) => {
      this.#end = resolve;
    });
    this.#listen();
    void this.#serve().then((exit_code) => this.#end(exit_code));
    const exit_code = await ended;
    // Until here, so that nothing that goes wrong while closing is lost.
    this.#unlisten();
    notifier?.close();
    await log.close();
    return exit_code;
  }

  async #serve(): Promise<number> {
    const { gateway, log, complain, notifier } = this.#options;
    const stopped = new Promise<Signal>((resolve) => {
      this.#stop = resolve;
    });
    try {
      await gateway.start();
      this.#serving = true;
    } catch (error) {
      const { message, code } = describe(error);
      log.error({ status: "stopped", error, code }, "relayx cannot start");
      complain(`cannot start: ${message}`);
      await this.#abort();
      // Whatever carries a code is the world's doing (a port in use); the rest is ours.
      return code === undefined ? EXIT.internal : EXIT.failure;
    }
    notifier?.ready();
    const signal = await stopped;
    try {
      const limit_ms = gateway.shutdown_timeout_ms + CLOSE_GRACE_MS;
      const closing = gateway.close(signal);
      notifier?.stopping();
      if (await settled(closing, limit_ms)) return EXIT.ok;
      log.error({ status: "internal_error", limit_ms }, "closing does not come to an end");
    } catch (error) {
      log.error({ status: "internal_error", error }, "closing failed");
    }
    await this.#abort();
    return EXIT.internal;
  }

  #signalled(signal: Signal): void {
    if (this.#stopping === null) {
      this.#stopping = signal;
      // A signal while starting takes effect as soon as the start is over.
      this.#stop(signal);
      return;
    }
    this.#options.log.warn(
      { status: "stopping", reason: signal },
      "a second signal ends relayx at once",
    );
    void this.#abort().then(() => this.#end(SIGNALS[signal]));
  }

  async #reload(): Promise<void> {
    // A signal while starting is about the configuration that is just being read.
    if (!this.#serving || this.#stopping !== null) return;
    const { gateway, complain, notifier } = this.#options;
    notifier?.reloading();
    try {
      await gateway.reload("SIGHUP");
    } catch (error) {
      if (!(error instanceof ConfigError)) return this.#failed(error);
      complain(`the configuration is not reloaded:\n${error.message}`);
    }
    // With the new configuration or with the old one, it serves.
    notifier?.ready();
  }

  #failed(error: unknown): void {
    // One mistake brings others with it; the first has begun the end already.
    if (this.#broken) return;
    this.#broken = true;
    const { log, complain } = this.#options;
    log.error({ status: "internal_error", error }, "a mistake of relayx itself ends it");
    complain(`a mistake of relayx itself ends it: ${describe(error).message}`);
    void this.#abort().then(() => this.#end(EXIT.internal));
  }

  /** Ends everything at once; what goes wrong with that no longer matters to the exit code. */
  async #abort(): Promise<void> {
    try {
      await settled(this.#options.gateway.abort(), ABORT_MS);
    } catch (error) {
      this.#options.log.error({ status: "internal_error", error }, "closing at once failed");
    }
  }

  #listen(): void {
    const failed = (error: unknown) => this.#failed(error);
    this.#listeners.set("uncaughtException", failed);
    this.#listeners.set("unhandledRejection", failed);
    this.#listeners.set("SIGHUP", () => void this.#reload());
    for (const signal of Object.keys(SIGNALS) as Signal[]) {
      this.#listeners.set(signal, () => this.#signalled(signal));
    }
    for (const [event, listener] of this.#listeners) this.#options.host.on(event, listener);
  }

  #unlisten(): void {
    for (const [event, listener] of this.#listeners) this.#options.host.off(event, listener);
  }
}

function describe(error: unknown): { message: string; code: string | undefined } {
  if (!(error instanceof Error)) return { message: String(error), code: undefined };
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  return { message: error.message, code };
}

/** Waits for a promise up to a limit; true when it came to an end in time. Passes its error on. */
async function settled(promise: Promise<void>, limit_ms: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), limit_ms);
  });
  try {
    return await Promise.race([promise.then(() => true as const), late]);
  } finally {
    clearTimeout(timer);
  }
}
