/** The `status` and `port_state` broadcasts, and the page `GET /status`. */
import type { PortCounts, PortPool } from "../sessions/port-pool.ts";
import type { Registry } from "../sessions/registry.ts";
import type { PerPlane, SessionTable } from "../sessions/session-table.ts";
import { ProcessLoadMeter } from "./process-load.ts";

export type GatewayState = "Starting" | "Running" | "Stopping" | "Stopped";

/** One server online, as the `status` broadcast shows it. */
export interface ServerStatus {
  server_id: string;
  occupied_ports: number[];
  remaining_ports: number;
  cpu_percent: number;
  mem_mb: number;
}

/** The state of each plane's ports. */
export function portState(pools: PerPlane<PortPool>): PerPlane<PortCounts> {
  return { zmq: pools.zmq.counts(), srt: pools.srt.counts() };
}

export class ServerStatusReport {
  readonly #registry: Registry;
  readonly #sessions: SessionTable;
  readonly #load = new ProcessLoadMeter();
  #occupied_by_server: ReadonlyMap<string, number[]> = new Map();
  #occupied_revision = -1;

  constructor(options: { registry: Registry; sessions: SessionTable }) {
    this.#registry = options.registry;
    this.#sessions = options.sessions;
  }

  /** One entry per server online. Every entry carries the gateway process's own load. */
  read(): ServerStatus[] {
    const load = this.#load.read();
    const occupied = this.#occupied();
    const report: ServerStatus[] = [];
    for (const server of this.#registry.servers()) {
      report.push({
        server_id: server.id,
        occupied_ports: occupied.get(server.id) ?? [],
        remaining_ports: this.#registry.room(server),
        ...load,
      });
    }
    return report;
  }

  /** Grouped again only when a port was paired or closed since the last reading. */
  #occupied(): ReadonlyMap<string, number[]> {
    if (this.#occupied_revision === this.#sessions.occupiedRevision) {
      return this.#occupied_by_server;
    }
    const by_server = new Map<string, number[]>();
    for (const { session, public_port: port } of this.#sessions.occupied) {
      const ports = by_server.get(session.server_id);
      if (ports === undefined) by_server.set(session.server_id, [port]);
      else ports.push(port);
    }
    for (const ports of by_server.values()) ports.sort((a, b) => a - b);
    this.#occupied_by_server = by_server;
    this.#occupied_revision = this.#sessions.occupiedRevision;
    return by_server;
  }
}
