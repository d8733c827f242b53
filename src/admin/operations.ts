/** The gateway as the admin side sees it: what is there as plain rows, and the orders it carries out. */
import { BanError } from "../access/bans.ts";
import type { Plane, PlaneSnapshot, PortCounters } from "../data/plane.ts";
import type { Role } from "../data/plane.ts";
import type { Broker } from "../sessions/broker.ts";
import type { Drain } from "../sessions/drain.ts";
import type { PortPool } from "../sessions/port-pool.ts";
import type { Registry } from "../sessions/registry.ts";
import type { Session, SessionPort } from "../sessions/session.ts";
import type { PerPlane, SessionTable } from "../sessions/session-table.ts";
import type { StreamBoard } from "../sessions/stream-board.ts";
import type {
  BanOrder,
  BanRow,
  EndpointsAnswer,
  GatewayAnswer,
  PortMap,
  PortsAnswer,
  RegistrationRow,
  ReloadAnswer,
  SessionPortRow,
  SessionRow,
} from "./answers.ts";
import { type AdminSource, type EndpointQuery, OrderError } from "./source.ts";

/** The figures of a session's port in the last interval; rates in Mbit/s, as V4 has them. */
interface PortFigures {
  mbps_up: number;
  mbps_down: number;
  rtt_ms: number;
  loss_pct: number;
  retrans_pct: number;
}

/** Who is kept out; orders that cannot be carried out are thrown as a {@link BanError}. */
export interface BanBook {
  bans(): BanRow[];
  ban(order: BanOrder, by: string): BanRow;
  unban(subject: string, by: string): boolean;
}

/** What of relay_X v1 is shown and ordered here. */
export interface FirstGeneration {
  snapshot(): NonNullable<GatewayAnswer["rlx1"]>;
  carried(): GatewayAnswer["bytes"];
  planeSnapshot(): PlaneSnapshot;
  registrationRows(): RegistrationRow[];
  sessionRows(): SessionRow[];
  end(session_id: string, order: { reason: string; by: string }): boolean;
  /** How many registrations there were, or null, and how many sessions of theirs have ended. */
  kick(role: Role, id: string, order: { sessions: boolean; by: string }): number | null;
}

/** What of fastway is shown and ordered here. */
export interface FastwayOrders {
  snapshot(): NonNullable<GatewayAnswer["fastway"]>;
  page(query: EndpointQuery): EndpointsAnswer;
  kick(endpoint: number): boolean;
}

export interface OperationsOptions {
  version: string;
  protocol: string;
  planes: PerPlane<Plane>;
  pools: PerPlane<PortPool>;
  registry: Registry;
  sessions: SessionTable;
  broker: Broker;
  drain: Drain;
  streams: StreamBoard;
  bans: BanBook;
  /** Sessions are on shared SRT ports. */
  srt_shared: boolean;
  state: () => Exclude<GatewayAnswer["state"], "Draining">;
  started_at_unix_ms: () => number;
  connections: () => GatewayAnswer["connections"];
  /** Null before the first interval is over. */
  figures: (port: SessionPort) => PortFigures | null;
  reload: (by: string) => Promise<ReloadAnswer>;
  /** Null where v1 is not served. */
  rlx1?: FirstGeneration | null;
  /** Null where fastway is not served. */
  fastway?: FastwayOrders | null;
}

export class Operations implements AdminSource {
  readonly #options: OperationsOptions;

  constructor(options: OperationsOptions) {
    this.#options = options;
  }

  gateway(): GatewayAnswer {
    const { version, protocol, planes, sessions, broker, drain } = this.#options;
    const state = this.#options.state();
    const draining = drain.snapshot();
    const rlx1 = this.#options.rlx1?.snapshot();
    const fastway = this.#options.fastway?.snapshot();
    return {
      state: state === "Running" && draining !== null ? "Draining" : state,
      version,
      protocol,
      started_at_unix_ms: this.#options.started_at_unix_ms(),
      now_unix_ms: Date.now(),
      drain: draining,
      connections: this.#options.connections(),
      sessions: sessions.size + (rlx1?.sessions ?? 0),
      waiting_requests: broker.snapshot().waiting,
      port_state: { zmq: this.#map("zmq").counts, srt: this.#map("srt").counts },
      planes: [
        withWorkers(planes.zmq.snapshot(), this.#options.rlx1?.planeSnapshot()),
        planes.srt.snapshot(),
      ],
      bytes: sumOf(sessions.carried(), this.#options.rlx1?.carried()),
      ...(rlx1 === undefined ? {} : { rlx1 }),
      ...(fastway === undefined ? {} : { fastway }),
    };
  }

  ports(): PortsAnswer {
    return { zmq: this.#map("zmq"), srt: this.#map("srt") };
  }

  registrations(): RegistrationRow[] {
    const { registry } = this.#options;
    const second = [...registry.parties()].map((party) => ({
      role: party.role,
      id: party.id,
      remote: party.remote,
      since_unix_ms: party.since_unix_ms,
      max_conn: party.max_conn,
      ports_in_use: party.role === "server" ? registry.portsInUse(party.id) : 0,
      principal: party.principal,
      tls: party.tls,
    }));
    return [...second, ...this.#options.rlx1?.registrationRows() ?? []];
  }

  sessions(): SessionRow[] {
    const second = [...this.#options.sessions.all()].map((session) => this.#row(session));
    return [...second, ...this.#options.rlx1?.sessionRows() ?? []];
  }

  session(session_id: string): SessionRow | null {
    const session = this.#options.sessions.get(session_id);
    if (session !== undefined) return this.#row(session);
    const first = this.#options.rlx1?.sessionRows() ?? [];
    return first.find((one) => one.session_id === session_id) ?? null;
  }

  streams() {
    return this.#options.streams.list();
  }

  bans(): BanRow[] {
    return this.#options.bans.bans();
  }

  endpoints(query: EndpointQuery): EndpointsAnswer | null {
    return this.#options.fastway?.page(query) ?? null;
  }

  kickEndpoint(endpoint: number): boolean {
    return this.#options.fastway?.kick(endpoint) ?? false;
  }

  kickSession(session_id: string, by: string): boolean {
    const order = { reason: "kicked", by } as const;
    return this.#options.sessions.end(session_id, order) ||
      (this.#options.rlx1?.end(session_id, order) ?? false);
  }

  kickRegistration(
    role: Role,
    id: string,
    { sessions: also_sessions, by }: { sessions: boolean; by: string },
  ): number | null {
    const { registry, sessions, rlx1 } = this.#options;
    const party = registry.find(role, id);
    const first = rlx1?.kick(role, id, { sessions: also_sessions, by }) ?? null;
    if (party === undefined) return first;
    party.dismiss("kicked by an operator");
    const ended = 1 + (first ?? 0);
    if (!also_sessions) return ended;
    const theirs = [...sessions.all()].filter((one) =>
      (role === "server" ? one.server_id : one.client_id) === id
    );
    for (const session of theirs) this.kickSession(session.id, by);
    return ended + theirs.length;
  }

  ban(order: BanOrder, by: string): BanRow {
    return orderly(() => this.#options.bans.ban(order, by));
  }

  unban(subject: string, by: string): boolean {
    return orderly(() => this.#options.bans.unban(subject, by));
  }

  drain(deadline_ms: number | null, by: string): void {
    this.#refuseWhileStopping();
    this.#options.drain.start(deadline_ms, by);
  }

  undrain(by: string): void {
    this.#refuseWhileStopping();
    this.#options.drain.stop(by);
  }

  reload(by: string): Promise<ReloadAnswer> {
    return this.#options.reload(by);
  }

  notReady(): string[] {
    const { state, drain, planes, rlx1, fastway } = this.#options;
    const reasons: string[] = [];
    if (state() !== "Running") reasons.push(`the gateway is ${state().toLowerCase()}`);
    if (drain.snapshot() !== null) reasons.push("the gateway drains");
    for (const { kind, loop_lag_ms } of [planes.zmq.snapshot(), planes.srt.snapshot()]) {
      if (loop_lag_ms.every((lag) => lag === null)) {
        reasons.push(`no worker of the ${kind} plane moves`);
      }
    }
    if (rlx1?.planeSnapshot().loop_lag_ms.every((lag) => lag === null)) {
      reasons.push("no worker of relay_X v1 moves");
    }
    if (fastway?.snapshot().loop_lag_ms.every((lag) => lag === null)) {
      reasons.push("no worker of fastway moves");
    }
    return reasons;
  }

  #refuseWhileStopping(): void {
    const state = this.#options.state();
    if (state === "Running" || state === "Starting") return;
    throw new OrderError(
      "stopping",
      `a gateway that is ${state.toLowerCase()}`,
      "draining while it runs",
    );
  }

  #map(kind: "zmq" | "srt"): PortMap {
    const pool = this.#options.pools[kind];
    return {
      first: pool.first,
      last: pool.last,
      shared: kind === "srt" && this.#options.srt_shared,
      counts: pool.counts(),
      states: pool.letters(),
    };
  }

  #row(session: Session): SessionRow {
    return {
      session_id: session.id,
      request_id: session.request_id,
      client_id: session.client_id,
      server_id: session.server_id,
      trace_id: session.trace_id || null,
      since_unix_ms: session.since_unix_ms,
      ports: session.ports.map((port) => this.#portRow(port)),
    };
  }

  #portRow(port: SessionPort): SessionPortRow {
    const counters: PortCounters | null = this.#options.planes[port.kind].counters(port.port);
    const figures = this.#options.figures(port);
    return {
      kind: port.kind,
      port: port.public_port,
      // A closed port has left its session.
      phase: port.phase as SessionPortRow["phase"],
      waiting: port.waiting,
      paired_unix_ms: port.paired_unix_ms || null,
      client_remote: port.remotes.client,
      server_remote: port.remotes.server,
      bytes_up: counters?.bytes_up ?? 0,
      bytes_down: counters?.bytes_down ?? 0,
      bps_up: Math.round((figures?.mbps_up ?? 0) * 1e6),
      bps_down: Math.round((figures?.mbps_down ?? 0) * 1e6),
      rtt_ms: counters?.rtt_ms ?? 0,
      loss_pct: figures?.loss_pct ?? 0,
      retrans_pct: figures?.retrans_pct ?? 0,
      bottleneck_up: counters?.bottleneck_up ?? "unknown",
      bottleneck_down: counters?.bottleneck_down ?? "unknown",
    };
  }
}

/** One plane's figures with the workers of v1's ports, which are TCP as well, behind its own. */
function withWorkers(own: PlaneSnapshot, first: PlaneSnapshot | undefined): PlaneSnapshot {
  if (first === undefined) return own;
  return {
    kind: own.kind,
    workers: own.workers + first.workers,
    workers_replaced: own.workers_replaced + first.workers_replaced,
    ports_open: own.ports_open + first.ports_open,
    loop_lag_ms: [...own.loop_lag_ms, ...first.loop_lag_ms],
  };
}

/** What both generations have carried. */
function sumOf(
  second: GatewayAnswer["bytes"],
  first: GatewayAnswer["bytes"] | undefined,
): GatewayAnswer["bytes"] {
  if (first === undefined) return second;
  const sum = (kind: "zmq" | "srt") => ({
    up: second[kind].up + first[kind].up,
    down: second[kind].down + first[kind].down,
  });
  return { zmq: sum("zmq"), srt: sum("srt") };
}

/** What is wrong with a ban is the mistake of whoever ordered it. */
function orderly<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof BanError)) throw error;
    throw new OrderError(error.code, error.found, error.allowed);
  }
}
