/**
 * What has happened, for the log and for whoever asks what has become of somebody. Who comes and goes
 * is told one by one as long as there are few of them; more within a second than {@link LINES_MAX} are
 * told together at its end, so that strangers who connect again and again drown nobody.
 */
import type { LimitReached } from "../../access/limits.ts";
import type {
  EndpointFacts,
  EndpointOver,
  FastwayReport,
  FastwaySide,
} from "../../data/fastway/protocol.ts";
import type { Log, LogFields } from "../../observe/log.ts";
import type { RepeatedLines } from "../../observe/repeated-lines.ts";
import type { Endpoint } from "./endpoint.ts";

/** Lines about endpoints that come, go, are lost and are back, each second. */
const LINES_MAX = 200;
const SECOND_MS = 1000;

type Over = Extract<FastwayReport, { type: "endpoint_over" }>;
type Shed = Extract<FastwayReport, { type: "shed" }>;

export class Lines {
  readonly #log: Log;
  readonly #repeated: RepeatedLines;
  #second = 0;
  #lines = 0;

  constructor(options: { log: Log; repeated: RepeatedLines }) {
    this.#log = options.log;
    this.#repeated = options.repeated;
  }

  came({ facts, standing }: Endpoint): void {
    const { side, transport } = facts;
    const fields = { ...about(facts), transport, ...principalOf(standing) };
    if (side === "client") this.#tell({ status: "fastway_client", ...fields }, "a client is there");
    else this.#tell({ status: "fastway_server", ...fields }, "a server is there");
  }

  over({ facts, since_unix_ms, standing }: Endpoint, { reason, detail, counters }: Over): void {
    const { bytes_in, bytes_out, messages_in, messages_out } = counters;
    this.#tell(
      {
        status: "fastway_over",
        reason: reason === "ended" ? detail : reason,
        ...(reason === "ended" || detail === "" ? {} : { detail }),
        ...about(facts),
        ...principalOf(standing),
        messages_in,
        messages_out,
        bytes_in,
        bytes_out,
        lasted_ms: Date.now() - since_unix_ms,
      },
      "an endpoint is over",
      FAULTS.has(reason) ? "warn" : "info",
    );
  }

  away({ facts }: Endpoint): void {
    this.#tell(
      { status: "fastway_away", ...about(facts) },
      "an endpoint has lost its connection and may come back",
    );
  }

  back({ facts }: Endpoint): void {
    this.#tell({ status: "fastway_back", ...about(facts) }, "an endpoint has come back");
  }

  refused(
    { side, remote, reason, detail }: {
      side: FastwaySide;
      remote: string;
      reason: string;
      detail: string;
    },
  ): void {
    this.#repeated.warn(
      `fastway_refused ${side} ${reason}`,
      { status: "fastway_refused", protocol: "fastway", role: side, reason, detail, remote },
      "a connection is turned away",
    );
  }

  limit(facts: EndpointFacts, { limit, allowed, account }: LimitReached): void {
    this.#repeated.warn(
      `${limit} ${account}`,
      { status: "limit_reached", limit, allowed, account, ...about(facts) },
      "an endpoint is ended: its principal or its address has too much",
    );
  }

  /** The worker tells each kind at most once a second. */
  shed({ side, limit, count, remote }: Shed): void {
    const fields = { protocol: "fastway", role: side, count, remote };
    if (limit === "banned") {
      this.#log.warn(
        { status: "banned", ...fields },
        "connections were closed: their addresses are banned",
      );
      return;
    }
    this.#log.warn(
      { status: "limit_reached", limit: OURS.has(limit) ? `fastway.${limit}` : limit, ...fields },
      "connections were closed unheard",
    );
  }

  failed(error: string): void {
    this.#log.error(
      { status: "plane_failed", protocol: "fastway", error },
      "a worker of fastway died; its endpoints are gone and it is replaced",
    );
  }

  #tell(
    fields: LogFields & { status: string },
    message: string,
    level: "info" | "warn" = "info",
  ): void {
    const second = Math.floor(performance.now() / SECOND_MS);
    if (second !== this.#second) {
      this.#second = second;
      this.#lines = 0;
    }
    if (++this.#lines <= LINES_MAX) this.#log[level](fields, message);
    else this.#repeated[level](`${fields.status} ${String(fields.reason)}`, fields, message);
  }
}

/** Ends that are somebody's mistake, or a bound that may be too low. */
const FAULTS: ReadonlySet<EndpointOver> = new Set([
  "protocol_error",
  "queue_full",
  "memory_full",
  "plane_failed",
]);

/** Bounds that are in the section `fastway`; the others are in `data`. */
const OURS: ReadonlySet<string> = new Set([
  "clients_max",
  "clients_per_address_max",
  "servers_max",
  "servers_per_address_max",
]);

function about({ endpoint, side, id, remote }: EndpointFacts) {
  return { protocol: "fastway", role: side, id: String(id), endpoint, remote };
}

function principalOf(standing: Endpoint["standing"]): { principal?: string } {
  return standing === null ? {} : { principal: standing.principal.name };
}
