/** A gateway as the admin side sees it, made of plain values that a test can change. */
import type {
  BanOrder,
  BanRow,
  EndpointRow,
  EndpointsAnswer,
  GatewayAnswer,
  PortsAnswer,
  RegistrationRow,
  ReloadAnswer,
  SessionRow,
} from "../../../src/admin/answers.ts";
import { type AdminSource, type EndpointQuery, OrderError } from "../../../src/admin/source.ts";
import { ConfigError } from "../../../src/config/problem.ts";
import type { Role, StreamListing } from "../../../src/data/plane.ts";

const COUNTS = { total: 4, idle: 3, reserved: 1, occupied: 0, blocked: 0 };
const MAP = { first: 2300, last: 2303, shared: false, counts: COUNTS, states: "riii" };

export class FakeSource implements AdminSource {
  state: GatewayAnswer["state"] = "Running";
  draining: GatewayAnswer["drain"] = null;
  bytes: GatewayAnswer["bytes"] = { zmq: { up: 0, down: 0 }, srt: { up: 0, down: 0 } };
  rows: SessionRow[] = [];
  registered: RegistrationRow[] = [];
  listings: StreamListing[] = [];
  banned: BanRow[] = [];
  /** Null: fastway is not served. */
  fastway: NonNullable<GatewayAnswer["fastway"]> | null = null;
  endpoint_rows: EndpointRow[] = [];
  reasons: string[] = [];
  reload_problem: string | null = null;
  /** Set, every reading fails with it, as a mistake of ours would. */
  broken: Error | null = null;
  /** What was ordered, with who ordered it. */
  readonly orders: unknown[][] = [];

  gateway(): GatewayAnswer {
    if (this.broken !== null) throw this.broken;
    return {
      state: this.state,
      version: "1.2.3",
      protocol: "1.4",
      started_at_unix_ms: 1_700_000_000_000,
      now_unix_ms: Date.now(),
      drain: this.draining,
      connections: { registered: this.registered.length, unproven: 1, open: 7 },
      sessions: this.rows.length,
      waiting_requests: 2,
      port_state: { zmq: COUNTS, srt: COUNTS },
      planes: [
        { kind: "zmq", workers: 2, workers_replaced: 1, ports_open: 3, loop_lag_ms: [1.5, null] },
        { kind: "srt", workers: 1, workers_replaced: 0, ports_open: 4, loop_lag_ms: [0.25] },
      ],
      bytes: this.bytes,
      ...(this.fastway === null ? {} : { fastway: this.fastway }),
    };
  }

  ports(): PortsAnswer {
    return { zmq: MAP, srt: { ...MAP, shared: true } };
  }

  registrations(): RegistrationRow[] {
    return this.registered;
  }

  sessions(): SessionRow[] {
    return this.rows;
  }

  session(session_id: string): SessionRow | null {
    return this.rows.find((row) => row.session_id === session_id) ?? null;
  }

  streams(): StreamListing[] {
    return this.listings;
  }

  bans(): BanRow[] {
    return this.banned;
  }

  endpoints({ side, id, after, limit }: EndpointQuery): EndpointsAnswer | null {
    if (this.fastway === null) return null;
    const found = this.endpoint_rows.filter((row) =>
      (side === undefined || row.side === side) && (id === undefined || row.id === id)
    );
    const behind = found.filter(({ endpoint }) => endpoint > after);
    const endpoints = behind.slice(0, limit);
    const next = behind.length > limit ? endpoints.at(-1)?.endpoint ?? null : null;
    return { endpoints, next, total: found.length };
  }

  kickEndpoint(endpoint: number): boolean {
    this.orders.push(["kickEndpoint", endpoint]);
    return this.endpoint_rows.some((row) => row.endpoint === endpoint);
  }

  kickSession(session_id: string, by: string): boolean {
    this.orders.push(["kickSession", session_id, by]);
    const before = this.rows.length;
    this.rows = this.rows.filter((row) => row.session_id !== session_id);
    return this.rows.length < before;
  }

  kickRegistration(
    role: Role,
    id: string,
    { sessions, by }: { sessions: boolean; by: string },
  ): number | null {
    this.orders.push(["kickRegistration", role, id, sessions, by]);
    return this.registered.some((one) => one.role === role && one.id === id) ? 1 : null;
  }

  ban(order: BanOrder, by: string): BanRow {
    this.orders.push(["ban", order, by]);
    if (!/^(?:address|id):/.test(order.subject)) {
      throw new OrderError("bad_subject", order.subject, "address:… or id:…");
    }
    const { subject, reason } = order;
    const row = { subject, reason, since_unix_ms: 1, until_unix_ms: null, automatic: false };
    this.banned.push(row);
    return row;
  }

  unban(subject: string, by: string): boolean {
    this.orders.push(["unban", subject, by]);
    return this.banned.some((ban) => ban.subject === subject);
  }

  drain(deadline_ms: number | null, by: string): void {
    this.orders.push(["drain", deadline_ms, by]);
    this.state = "Draining";
    this.draining = { since_unix_ms: 1, deadline_unix_ms: deadline_ms };
  }

  undrain(by: string): void {
    this.orders.push(["undrain", by]);
    this.state = "Running";
    this.draining = null;
  }

  reload(by: string): Promise<ReloadAnswer> {
    this.orders.push(["reload", by]);
    if (this.reload_problem !== null) {
      const problem = {
        file: "config.yaml",
        line: 3,
        column: 1,
        key: "gateway.tcp_port",
        code: "wrong_value",
        found: this.reload_problem,
        allowed: "a port",
      };
      return Promise.reject(new ConfigError([problem]));
    }
    return Promise.resolve({ applied: ["logging.level"], needs_restart: [] });
  }

  notReady(): string[] {
    return this.reasons;
  }
}

/** A session that carries something over TCP. */
export function sessionRow(session_id: string, names: Partial<SessionRow> = {}): SessionRow {
  return {
    session_id,
    request_id: "r1",
    client_id: "fe-1",
    server_id: "be-1",
    trace_id: null,
    since_unix_ms: 1_700_000_001_000,
    ports: [{
      kind: "zmq",
      port: 2300,
      phase: "occupied",
      waiting: null,
      paired_unix_ms: 1_700_000_002_000,
      client_remote: "192.0.2.1:1000",
      server_remote: "192.0.2.2:2000",
      bytes_up: 1_500_000,
      bytes_down: 20,
      bps_up: 8_000_000,
      bps_down: 0,
      rtt_ms: 1,
      loss_pct: 0,
      retrans_pct: 0,
      bottleneck_up: "reader",
      bottleneck_down: "idle",
    }],
    ...names,
  };
}

export function registrationRow(role: Role, id: string): RegistrationRow {
  return {
    role,
    id,
    remote: "192.0.2.1:999",
    since_unix_ms: 1_700_000_000_500,
    max_conn: 4,
    ports_in_use: 1,
    principal: id,
    tls: false,
  };
}

/** Nothing has happened on fastway yet. */
export function fastwayFigures(): NonNullable<GatewayAnswer["fastway"]> {
  const nothing = { bytes_in: 0, bytes_out: 0, messages_in: 0, messages_out: 0 };
  return {
    ports: { client: 8880, server: 8881 },
    clients: 0,
    servers: 0,
    away: 0,
    virtual: 0,
    virtual_total: 0,
    refused: { unknown: 0, limit: 0, draining: 0 },
    unknown_total: 0,
    carried: { client: { ...nothing }, server: { ...nothing } },
    queue_messages: 0,
    queue_bytes: 0,
    pool_bytes: 0,
    pool_used_bytes: 0,
    workers: 1,
    workers_replaced: 0,
    loop_lag_ms: [0.5],
  };
}

export function endpointRow(endpoint: number, more: Partial<EndpointRow> = {}): EndpointRow {
  return {
    endpoint,
    side: "client",
    id: endpoint,
    remote: `192.0.2.1:${10_000 + endpoint}`,
    principal: "fastway-client",
    transport: "tcp",
    since_unix_ms: 1_700_000_000_000,
    is_away: false,
    bytes_in: 0,
    bytes_out: 0,
    messages_in: 0,
    messages_out: 0,
    bps_in: 0,
    bps_out: 0,
    mps_in: 0,
    mps_out: 0,
    virtual: 0,
    queue_messages: 0,
    queue_bytes: 0,
    ...more,
  };
}
