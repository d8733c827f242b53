/**
 * Tells the supervisor how the gateway is: that it is ready, reloads or stops, what it does at the
 * moment, and, as long as that is so, that all of it lives. The messages are sd_notify(3)'s:
 *
 *   READY=1, STATUS=…                              serving, and again after a reload
 *   RELOADING=1, MONOTONIC_USEC=…                  a reload has begun
 *   STOPPING=1, STATUS=…, EXTEND_TIMEOUT_USEC=…    ending; then again and again until the end
 *   WATCHDOG=1                                     both worlds live
 *
 * The watchdog is fed twice within the supervisor's time, and only after the main thread's loop has
 * turned and every data worker has answered a question. When a worker hangs, nothing is fed, and the
 * supervisor starts the gateway afresh.
 */
import { clearInterval, clearTimeout, setInterval, setTimeout } from "node:timers";
import type { Log } from "../observe/log.ts";

/** The way to the supervisor; `NotifySocket` is the real one. */
export interface NotifyChannel {
  start(): void;
  /** False where there is no room for it now. */
  send(text: string): boolean;
  monotonicUs(): bigint;
  close(): void;
}

export interface Watchdog {
  /** The supervisor's patience between two signs of life, ms. */
  patience_ms: number;
  /** Asks both worlds; true when everything has answered within the time, false when not. */
  alive: (within_ms: number) => Promise<boolean>;
}

export interface ServiceNotifierOptions {
  channel: NotifyChannel;
  log: Log;
  /** Null where the supervisor asks for no signs of life. */
  watchdog: Watchdog | null;
  /** What the gateway does, in one line. */
  describe: () => string;
}

/** How often the status line is looked at; it is sent only when it has changed. */
const STATUS_MS = 2000;
/** While stopping, each message asks for so much more time than the supervisor would give. */
const EXTEND_MS = 5 * STATUS_MS;
/** Messages that wait for a supervisor that takes none. The oldest gives way: newer ones say more. */
const UNSENT_MAX = 16;

export class ServiceNotifier {
  readonly #options: ServiceNotifierOptions;
  readonly #unsent: string[] = [];
  #status_timer: ReturnType<typeof setInterval> | undefined;
  #watchdog_timer: ReturnType<typeof setTimeout> | undefined;
  #described = "";
  #stopping = false;
  #open = false;
  #withheld = false;
  #failed = false;

  constructor(options: ServiceNotifierOptions) {
    this.#options = options;
  }

  /** From here on messages go out; a supervisor that cannot be reached is no reason not to serve. */
  start(): void {
    const { channel } = this.#options;
    try {
      channel.start();
      this.#open = true;
    } catch (error) {
      this.#complain(error);
    }
  }

  /** Peers are served, for the first time or after a reload. */
  ready(): void {
    // A reload that comes to its end while everything ends has nothing to say any more.
    if (this.#stopping) return;
    const { watchdog } = this.#options;
    if (watchdog !== null && this.#status_timer === undefined) void this.#watch(watchdog);
    this.#described = this.#options.describe();
    this.#send(`READY=1\nSTATUS=${this.#described}`);
    this.#status_timer ??= setInterval(() => this.#tellStatus(), STATUS_MS);
  }

  reloading(): void {
    if (!this.#open) return;
    this.#send(`RELOADING=1\nMONOTONIC_USEC=${this.#options.channel.monotonicUs()}`);
  }

  /** The end has begun; it may take as long as it needs while this process says that it lives. */
  stopping(): void {
    this.#stopping = true;
    this.#described = this.#options.describe();
    this.#send(`STOPPING=1\nSTATUS=${this.#described}\n${EXTENDED}`);
    this.#status_timer ??= setInterval(() => this.#tellStatus(), STATUS_MS);
  }

  close(): void {
    clearInterval(this.#status_timer);
    clearTimeout(this.#watchdog_timer);
    if (this.#open) this.#flush();
    this.#open = false;
    this.#options.channel.close();
  }

  #tellStatus(): void {
    const described = this.#options.describe();
    const lines: string[] = [];
    if (described !== this.#described) lines.push(`STATUS=${described}`);
    if (this.#stopping) lines.push(EXTENDED);
    this.#described = described;
    if (lines.length > 0) this.#send(lines.join("\n"));
    else this.#flush();
  }

  async #watch(watchdog: Watchdog): Promise<void> {
    const { patience_ms, alive } = watchdog;
    const living = await alive(patience_ms / 4).catch(() => false);
    if (!this.#open) return;
    if (living) this.#feed();
    else this.#withhold(patience_ms);
    // Whoever was only held up for a moment is asked again before the patience ends.
    const rest_ms = living ? patience_ms / 2 : patience_ms / 8;
    this.#watchdog_timer = setTimeout(() => void this.#watch(watchdog), rest_ms);
  }

  #feed(): void {
    this.#send("WATCHDOG=1");
    if (!this.#withheld) return;
    this.#withheld = false;
    this.#options.log.info({ status: "watchdog_fed" }, "the watchdog is fed again");
  }

  #withhold(watchdog_ms: number): void {
    if (this.#withheld) return;
    this.#withheld = true;
    this.#options.log.error(
      { status: "watchdog_withheld", watchdog_ms },
      "a data worker does not answer: the watchdog is not fed, so the supervisor may start relayx " +
        "afresh",
    );
  }

  #send(text: string): void {
    if (!this.#open) return;
    if (this.#unsent.push(text) > UNSENT_MAX) this.#unsent.shift();
    this.#flush();
  }

  #flush(): void {
    try {
      while (this.#unsent.length > 0 && this.#options.channel.send(this.#unsent[0])) {
        this.#unsent.shift();
        this.#failed = false;
      }
    } catch (error) {
      // What nobody was there to take is old news to whoever comes later.
      this.#unsent.length = 0;
      this.#complain(error);
    }
  }

  #complain(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#options.log.warn(
      { status: "notify_failed", error: error instanceof Error ? error.message : String(error) },
      "the supervisor that NOTIFY_SOCKET names cannot be told how relayx is",
    );
  }
}

const EXTENDED = `EXTEND_TIMEOUT_USEC=${EXTEND_MS * 1000}`;
