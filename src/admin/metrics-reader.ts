/** Reads everything that the metrics are made of, when they are asked for and not before. */
import type { Journal } from "../observe/journal.ts";
import type { LoopLag } from "../observe/loop-lag.ts";
import type { Readings } from "../observe/metric-readings.ts";
import type { Metrics } from "../observe/metrics.ts";
import { readProcessFigures } from "../observe/process-figures.ts";
import { RisingTotal } from "../observe/rising-total.ts";
import type { SetupTimes } from "../observe/setup-times.ts";
import type { MetricsPage } from "./routes/probes.ts";
import type { AdminSource } from "./source.ts";

export interface MetricsReaderOptions {
  source: AdminSource;
  journal: Journal;
  setup: SetupTimes;
  runtime: string;
  logLinesLost: () => number;
  lag: LoopLag;
  adminConnections: () => number;
}

export class MetricsReader {
  readonly #options: MetricsReaderOptions;
  readonly #stream_bytes = { in: new RisingTotal(), out: new RisingTotal() };
  #metrics: Promise<Metrics> | null = null;

  constructor(options: MetricsReaderOptions) {
    this.#options = options;
  }

  /** The library is loaded with the first page: a start must not wait for it. */
  async page(): Promise<MetricsPage> {
    const metrics = await (this.#metrics ??= this.#load());
    return { contentType: metrics.contentType, read: () => metrics.page(this.#readings()) };
  }

  async #load(): Promise<Metrics> {
    const { Metrics } = await import("../observe/metrics.ts");
    const { setup, source } = this.#options;
    return new Metrics({ setup, serves_fastway: source.gateway().fastway !== undefined });
  }

  #readings(): Readings {
    const { source, journal, runtime, lag } = this.#options;
    const gateway = source.gateway();
    const streams = source.streams();
    const registrations = { client: 0, server: 0 };
    for (const { role } of source.registrations()) registrations[role]++;
    const { events, bytes } = journal.snapshot();
    return {
      ...gateway,
      runtime,
      registrations,
      bans: source.bans().length,
      streams: {
        configured: streams.length,
        publishers: streams.filter(({ publisher }) => publisher !== null).length,
        viewers: streams.reduce((sum, { viewers }) => sum + viewers.length, 0),
      },
      stream_bytes: {
        in: this.#stream_bytes.in.update(streams.map((one) => [one.name, one.bytes_in])),
        out: this.#stream_bytes.out.update(streams.map((one) => [one.name, one.bytes_out])),
      },
      counts: journal.counts.all(),
      log_lines_lost: this.#options.logLinesLost(),
      recorded: { events, bytes },
      admin_connections: this.#options.adminConnections(),
      control_loop_lag_ms: lag.worst_ms(),
      process: readProcessFigures(),
    };
  }
}
