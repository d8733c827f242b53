/** The sessions' parts put together over two fake planes, without a control port. */
import type { Account } from "../../../src/access/account.ts";
import { Accounts } from "../../../src/access/accounts.ts";
import { IdPatterns } from "../../../src/access/id-patterns.ts";
import type { OwnLimits } from "../../../src/access/limits.ts";
import { Principal } from "../../../src/access/principal.ts";
import { Standing } from "../../../src/access/standing.ts";
import { type Config, configSchema } from "../../../src/config/schema.ts";
import { isStreamReport, type PlaneKind, type Role } from "../../../src/data/plane.ts";
import { BlockedPorts } from "../../../src/sessions/blocked-ports.ts";
import { Broker, type SrtRules } from "../../../src/sessions/broker.ts";
import type { Grant, PairRequest, Party, Refusal } from "../../../src/sessions/party.ts";
import { PortPool } from "../../../src/sessions/port-pool.ts";
import { Registry } from "../../../src/sessions/registry.ts";
import { type HelloProofRule, SessionTable } from "../../../src/sessions/session-table.ts";
import { EventList } from "./events.ts";
import { FakePlane } from "./fake-plane.ts";
import { RecordingLog } from "./recording-log.ts";

export interface FakePartyOptions {
  role: Role;
  id: string;
  max_conn?: number;
  /** Whom it may meet; everybody unless told otherwise. */
  peers?: string[];
  accounts?: readonly Account[];
}

export class FakeParty implements Party {
  readonly role: Role;
  readonly id: string;
  readonly max_conn: number;
  readonly grants = new EventList<Grant>();
  readonly refusals = new EventList<Refusal>();
  readonly remote = "192.0.2.1:1";
  readonly since_unix_ms = 0;
  readonly principal: string;
  readonly standing: Standing;
  readonly tls = false;
  /** Why it was dismissed; null while it was not. */
  dismissed: string | null = null;
  constructor(options: FakePartyOptions) {
    const { role, id, peers } = options;
    this.role = role;
    this.id = id;
    this.principal = id;
    this.max_conn = options.max_conn ?? 1;
    const rules = {
      roles: [role],
      ids: new IdPatterns([id]),
      peers: new IdPatterns(peers ?? ["*"]),
      limits: {},
      expires_unix_ms: null,
    };
    this.standing = new Standing({
      principal: new Principal({ name: id, rules }),
      role,
      id,
      address: "192.0.2.1",
      accounts: options.accounts ?? [],
      scope: peers === undefined ? "" : id,
      dismiss: (reason) => this.dismiss(reason),
    });
  }
  granted(grant: Grant): void {
    this.grants.push(grant);
  }
  refused(refusal: Refusal): void {
    this.refusals.push(refusal);
  }
  dismiss(reason: string): void {
    this.dismissed = reason;
  }
  grant(request_id: string): Promise<Grant> {
    return this.grants.find((grant) => grant.request_id === request_id);
  }
  refusal(request_id: string): Promise<Refusal> {
    return this.refusals.find((refusal) => refusal.request_id === request_id);
  }
}

export interface FixtureOptions {
  zmq_ports?: number;
  srt_ports?: number;
  reservation_ms?: number;
  pair_timeout_ms?: number;
  waiting_requests_max?: number;
  waiting_requests_per_client_max?: number;
  retry_ms?: number;
  srt?: Partial<SrtRules>;
  hello_proof?: HelloProofRule;
  encrypts_single_sessions?: boolean;
  quotas?: Partial<Config["quotas"]>;
}

export const ZMQ_FIRST = 2300;
export const SRT_FIRST = 2350;

export class Fixture {
  readonly log = new RecordingLog();
  readonly planes: Record<PlaneKind, FakePlane>;
  readonly pools: Record<PlaneKind, PortPool>;
  readonly registry = new Registry();
  readonly accounts: Accounts;
  readonly blocked: BlockedPorts;
  readonly sessions: SessionTable;
  readonly broker: Broker;

  constructor(options: FixtureOptions = {}) {
    const plane = (kind: PlaneKind) =>
      new FakePlane({
        kind,
        listener: (event) => {
          if (isStreamReport(event)) return;
          if (!this.blocked.onPlaneEvent(kind, event)) this.sessions.onPlaneEvent(kind, event);
        },
      });
    this.accounts = new Accounts({
      quotas: { ...configSchema.parse({}).quotas, ...options.quotas },
    });
    const { log, registry, accounts } = this;
    const planes = this.planes = { zmq: plane("zmq"), srt: plane("srt") };
    const pools = this.pools = {
      zmq: pool("zmq", ZMQ_FIRST, options.zmq_ports ?? 4),
      srt: pool("srt", SRT_FIRST, options.srt_ports ?? 4),
    };
    const onRoom = () => this.broker.wake();
    this.blocked = new BlockedPorts({ planes, pools, log, onRoom, retry_ms: options.retry_ms });
    this.sessions = new SessionTable({
      reservation_ms: options.reservation_ms ?? 30_000,
      hello_proof: options.hello_proof ?? "optional",
      planes,
      pools,
      registry,
      accounts,
      log,
      onRoom,
      onBlocked: (kind, error) => this.blocked.onBlocked(kind, error),
    });
    this.broker = new Broker({
      registry,
      pools,
      sessions: this.sessions,
      log,
      limits: {
        pair_timeout_ms: options.pair_timeout_ms ?? 250_000,
        waiting_requests_max: options.waiting_requests_max ?? 1000,
        waiting_requests_per_client_max: options.waiting_requests_per_client_max ?? 1000,
      },
      srt: { mode: "per_session", latency_min: 20, latency_max: 8000, ...options.srt },
      encrypts_single_sessions: () => options.encrypts_single_sessions ?? true,
    });
  }

  server(id: string, max_conn = 1): FakeParty {
    return this.online(new FakeParty({ role: "server", id, max_conn }));
  }

  client(id: string): FakeParty {
    return this.online(new FakeParty({ role: "client", id }));
  }

  online(party: FakeParty): FakeParty {
    this.registry.add(party);
    this.broker.onOnline(party);
    return party;
  }

  offline(party: FakeParty): void {
    this.registry.delete(party);
    this.broker.onOffline(party);
  }

  /** A party whose principal has these limits and peers; its sessions count for that principal. */
  guest(options: Omit<FakePartyOptions, "accounts"> & { limits?: OwnLimits }): FakeParty {
    const { limits = {}, ...rest } = options;
    const { principal } = new FakeParty(rest).standing;
    principal.rules = { ...principal.rules, limits };
    return this.online(
      new FakeParty({ ...rest, accounts: [this.accounts.ofPrincipal(principal)] }),
    );
  }

  ask(client: FakeParty, request_id: string, wants: Partial<PairRequest> = { need_zmq: true }) {
    this.broker.request(client, {
      request_id,
      trace_id: "",
      server_id: "",
      need_zmq: false,
      need_srt: false,
      srt: {},
      hello_proof: false,
      ...wants,
    });
  }

  close(): void {
    this.broker.stop();
    this.sessions.close();
    this.blocked.close();
  }
}

function pool(kind: PlaneKind, first: number, count: number): PortPool {
  return new PortPool({ kind, first, last: first + count - 1 });
}

/** Lets everything that is already under way without I/O come to its end. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

/** Runs a test over a fixture that is closed whatever happens. */
export async function withFixture(
  options: FixtureOptions,
  run: (fixture: Fixture) => Promise<void>,
) {
  const fixture = new Fixture(options);
  try {
    await run(fixture);
  } finally {
    fixture.close();
  }
}
