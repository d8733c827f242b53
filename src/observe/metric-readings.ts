/**
 * What a scrape reads, and what a metric is made of. Labels have few values and all of them are
 * relayx's own words: what peers choose (ids, addresses) is never among them, because every new value
 * would be kept for ever.
 */
import type { ProcessFigures } from "./process-figures.ts";
import type { StatusCount } from "./status-counts.ts";

interface Bytes {
  up: number;
  down: number;
}
interface PerProtocol<T> {
  zmq: T;
  srt: T;
}

interface Workers {
  workers: number;
  workers_replaced: number;
  loop_lag_ms: (number | null)[];
}

interface FastwayWays {
  bytes_in: number;
  bytes_out: number;
  messages_in: number;
  messages_out: number;
}

/** Everything that is read for one scrape. */
export interface Readings {
  version: string;
  protocol: string;
  runtime: string;
  state: string;
  started_at_unix_ms: number;
  connections: { registered: number; unproven: number; open: number };
  registrations: { client: number; server: number };
  sessions: number;
  waiting_requests: number;
  bans: number;
  port_state: PerProtocol<{ idle: number; reserved: number; occupied: number; blocked: number }>;
  bytes: PerProtocol<Bytes>;
  /** Relay_X v1, where it is served. */
  rlx1?: {
    front_ends: number;
    back_ends: number;
    leases: number;
    ports: PerProtocol<{ empty: number; ready: number; busy: number; closed: number }>;
  };
  /** fastway, where it is served. */
  fastway?: Workers & {
    clients: number;
    servers: number;
    away: number;
    virtual: number;
    virtual_total: number;
    refused: { unknown: number; limit: number; draining: number };
    unknown_total: number;
    carried: Record<typeof ROLES[number], FastwayWays>;
    queue_messages: number;
    queue_bytes: number;
    pool_bytes: number;
    pool_used_bytes: number;
    /** Where there are TLS listeners. */
    tls?: {
      entering: number;
      open: number;
      passed_total: number;
      refused_total: number;
      shed_total: number;
      threads_replaced: number;
    };
  };
  planes: (Workers & { kind: string; ports_open: number })[];
  streams: { configured: number; publishers: number; viewers: number };
  stream_bytes: { in: number; out: number };
  counts: readonly StatusCount[];
  log_lines_lost: number;
  recorded: { events: number; bytes: number };
  admin_connections: number;
  control_loop_lag_ms: number;
  process: ProcessFigures;
}

export interface Sample {
  labels: Record<string, string | number>;
  value: number;
}

export interface Family {
  name: string;
  type: "gauge" | "counter";
  help: string;
  labels: readonly string[];
  read: (readings: Readings) => Sample[];
}

export const PROTOCOLS = ["zmq", "srt"] as const;
export const ROLES = ["client", "server"] as const;

/** The one sample of a metric without labels. */
export function one(value: number): Sample[] {
  return [{ labels: {}, value }];
}

/** The counts of some statuses, added up by labels. */
export function tally(
  readings: Readings,
  statuses: readonly string[],
  labels: (count: StatusCount) => Sample["labels"] | null,
): Sample[] {
  const sums = new Map<string, Sample>();
  for (const count of readings.counts) {
    if (!statuses.includes(count.status)) continue;
    const named = labels(count);
    if (named === null) continue;
    const key = Object.values(named).join(" ");
    const sum = sums.get(key);
    if (sum === undefined) sums.set(key, { labels: named, value: count.count });
    else sum.value += count.count;
  }
  return [...sums.values()];
}

/** What has happened so often; 0 is told as well, so that a rate has a beginning. */
export function total(readings: Readings, statuses: readonly string[]): number {
  return tally(readings, statuses, () => ({}))[0]?.value ?? 0;
}
