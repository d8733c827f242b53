/**
 * The admin side as one part of the gateway: it serves what the source and the journal know on a port
 * of its own. Nothing of it is in the data's way, and nothing that goes wrong with it stops the
 * gateway.
 */
import type { Config } from "../config/schema.ts";
import type { Journal } from "../observe/journal.ts";
import { LoopLag } from "../observe/loop-lag.ts";
import type { SetupTimes } from "../observe/setup-times.ts";
import { AdminApplication, type Assets } from "./application.ts";
import { History } from "./history.ts";
import { MetricsReader } from "./metrics-reader.ts";
import { AdminServer } from "./server.ts";
import type { AdminSource } from "./source.ts";

export interface AdminOptions {
  config: Pick<Config, "admin" | "gateway" | "zeromq">;
  source: AdminSource;
  journal: Journal;
  setup: SetupTimes;
  /** The runtime and its version. */
  runtime: string;
  /** Lines of the log that could not be written since the start. */
  logLinesLost: () => number;
  assets: Assets;
  /** How often an address that cannot be had is tried again; usually every 5 s. */
  retry_ms?: number;
  /** Whether an address must not come in. */
  isBanned: (address: string) => boolean;
  /** Somebody came with a wrong token. */
  onUnauthorized: (address: string) => void;
}

export class Admin {
  readonly #server: AdminServer;
  readonly #application: AdminApplication;
  readonly #history: History;
  readonly #lag = new LoopLag();
  readonly #journal: Journal;

  constructor(options: AdminOptions) {
    const { config, source, journal, assets } = options;
    this.#journal = journal;
    this.#history = new History({ read: () => source.gateway() });
    const metrics = new MetricsReader({
      source,
      journal,
      setup: options.setup,
      runtime: options.runtime,
      logLinesLost: options.logLinesLost,
      lag: this.#lag,
      adminConnections: () => this.#server.snapshot().connections,
    });
    this.#application = new AdminApplication({
      source,
      journal,
      log: journal,
      history: this.#history,
      metrics: () => metrics.page(),
      assets,
      version: source.gateway().version,
      metrics_open: config.admin.metrics_open,
    });
    this.#server = new AdminServer({
      config,
      log: journal,
      application: this.#application,
      retry_ms: options.retry_ms,
      isBanned: options.isBanned,
      onUnauthorized: options.onUnauthorized,
    });
  }

  /** Resolves when it serves, or when it has been said why it does not. */
  async start(): Promise<void> {
    this.#history.start();
    this.#lag.start();
    await this.#server.start();
  }

  /** Everything but the address and the port, which need a restart. */
  apply(config: Pick<Config, "admin">): void {
    this.#application.apply(config.admin);
    this.#server.apply(config);
  }

  snapshot(): { port: number | null; connections: number } {
    return this.#server.snapshot();
  }

  async close(): Promise<void> {
    this.#history.close();
    this.#lag.close();
    // Whoever waits for events is answered before the port is closed.
    this.#journal.release();
    await this.#server.close();
  }
}
