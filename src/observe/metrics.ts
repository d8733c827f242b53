/**
 * The page `/metrics`, in Prometheus' text format. Everything is read when somebody asks and nothing
 * in between, so metrics cost the data path nothing.
 */
import { Counter, Gauge, Registry } from "prom-client";
import { EVENTS } from "./metric-events.ts";
import { FASTWAY } from "./metric-fastway.ts";
import { GATEWAY } from "./metric-gateway.ts";
import { PROCESS } from "./metric-process.ts";
import type { Family, Readings } from "./metric-readings.ts";
import { TRAFFIC } from "./metric-traffic.ts";
import type { SetupTimes } from "./setup-times.ts";

const SETUP = "relayx_setup_seconds";
const SETUP_HELP = "From a pair request to its grant.";

interface Exposed {
  family: Family;
  metric: Counter | Gauge;
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #exposed: Exposed[];
  readonly #setup: SetupTimes;

  /** `serves_fastway`: a gateway that does not has none of its metrics, not even empty ones. */
  constructor(options: { setup: SetupTimes; serves_fastway: boolean }) {
    this.#setup = options.setup;
    const fastway = options.serves_fastway ? FASTWAY : [];
    this.#exposed = [...TRAFFIC, ...fastway, ...EVENTS, ...GATEWAY, ...PROCESS].map((family) => {
      const { name, help, labels } = family;
      const options = { name, help, labelNames: [...labels], registers: [this.#registry] };
      const metric = family.type === "counter" ? new Counter(options) : new Gauge(options);
      return { family, metric };
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  async page(readings: Readings): Promise<string> {
    for (const { family, metric } of this.#exposed) {
      metric.reset();
      for (const { labels, value } of family.read(readings)) {
        if (metric instanceof Gauge) metric.set(labels, value);
        else metric.inc(labels, value);
      }
    }
    // The values are taken before anything is awaited, so two pages at once do not mix.
    return `${await this.#registry.metrics()}\n${this.#setupPage()}`;
  }

  #setupPage(): string {
    const { buckets, sum_s, count } = this.#setup.snapshot();
    return [
      `# HELP ${SETUP} ${SETUP_HELP}`,
      `# TYPE ${SETUP} histogram`,
      ...buckets.map(({ le, count }) => `${SETUP}_bucket{le="${le}"} ${count}`),
      `${SETUP}_bucket{le="+Inf"} ${count}`,
      `${SETUP}_sum ${sum_s}`,
      `${SETUP}_count ${count}`,
      "",
    ].join("\n");
  }
}
