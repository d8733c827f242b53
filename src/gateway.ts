/**
 * The composition root: what the gateway is made of, and what starts and stops in which order.
 *
 * The way of the data, from `data/`:
 *
 *   accept → hello → join the session → relay
 *
 * Beside it and never in its way, from `control/` and `sessions/`:
 *
 *   register → who is it, may it? → pair → reserve ports → grant
 *   counters → telemetry
 *
 * Start: the planes, then the control port; nobody can ask for a port before there are any.
 * Stop: no new connections and grants, reservations taken back, sessions that run get
 * `gateway.shutdown_timeout` to finish, and the control connections end last, so that peers see the
 * state of things until there is nothing left to see.
 */
import { clearTimeout, setTimeout } from "node:timers";
import { Access } from "./access/access.ts";
import { type AccessFiles, readAccessFiles } from "./access/access-files.ts";
import type { Admin } from "./admin/admin.ts";
import type { ReloadAnswer } from "./admin/answers.ts";
import { Operations } from "./admin/operations.ts";
import { isLoopback } from "./config/loopback.ts";
import type { Config } from "./config/schema.ts";
import { Broadcasts } from "./control/broadcasts.ts";
import { ControlServer } from "./control/server.ts";
import { type GatewayState, portState, ServerStatusReport } from "./control/status.ts";
import { Telemetry } from "./control/telemetry.ts";
import type { FastwaySnapshot } from "./data/fastway/plane.ts";
import {
  isStreamReport,
  type Plane,
  type PlaneKind,
  type PlaneListener,
  type PlaneSnapshot,
  type RejectStatus,
} from "./data/plane.ts";
import { RateBook } from "./data/rate-book.ts";
import { hostOf } from "./data/remote.ts";
import { srtPortRange } from "./data/srt/plane.ts";
import type { ThreadAnswer, ThreadProbe } from "./data/thread-probe.ts";
import { DataSide } from "./gateway/data-side.ts";
import { journalLimits } from "./gateway/journal-limits.ts";
import { type PlaneFactories, PLANES } from "./gateway/plane-factories.ts";
import { Reloads } from "./gateway/reloads.ts";
import { servedPorts } from "./gateway/served-ports.ts";
import { startAdmin } from "./gateway/start-admin.ts";
import { startAccess, startControl, startFastway, startPlanes } from "./gateway/start-order.ts";
import { Journal } from "./observe/journal.ts";
import type { Log } from "./observe/log.ts";
import { SetupTimes } from "./observe/setup-times.ts";
import { Fastway } from "./planes/fastway/fastway.ts";
import { FastwayTlsDoor } from "./planes/fastway/tls-door.ts";
import { Rlx1 } from "./planes/rlx1/rlx1.ts";
import { BlockedPorts } from "./sessions/blocked-ports.ts";
import { Broker } from "./sessions/broker.ts";
import { Drain, type DrainState, type OtherSessions } from "./sessions/drain.ts";
import { type PortCounts, PortPool } from "./sessions/port-pool.ts";
import { Registry } from "./sessions/registry.ts";
import { SessionMeter } from "./sessions/session-meter.ts";
import { type PerPlane, SessionTable } from "./sessions/session-table.ts";
import { StreamBoard } from "./sessions/stream-board.ts";

/** How long ports that were told to end at shutdown are waited for. */
const RELEASE_MS_MAX = 2000;

/** What a data port turns away that may be somebody who tries keys and ids, or a machine gone mad. */
const FAILURES: ReadonlySet<RejectStatus> = new Set([
  "hello_error",
  "alloc_mismatch",
  "hello_unproven",
  "streamid_error",
  "stream_denied",
  "encryption_error",
]);

export interface GatewaySnapshot {
  state: GatewayState;
  /** Null while it does not drain. */
  drain: DrainState | null;
  version: string;
  started_at_unix_ms: number;
  connections: { registered: number; unproven: number; open: number };
  sessions: number;
  waiting_requests: number;
  port_state: PerPlane<PortCounts>;
  planes: PlaneSnapshot[];
  /** The planes of front doors; null where they are not served. */
  rlx1: PlaneSnapshot | null;
  fastway: FastwaySnapshot | null;
}

export class Gateway {
  #config: Config;
  readonly #log: Log;
  readonly #setLogLevel: (level: Config["logging"]["level"]) => void;
  readonly #version: string;
  readonly #planes: PerPlane<Plane>;
  readonly #pools: PerPlane<PortPool>;
  readonly #access: Access;
  readonly #rates: RateBook;
  readonly #sessions: SessionTable;
  readonly #meter: SessionMeter;
  readonly #blocked: BlockedPorts;
  readonly #broker: Broker;
  readonly #streams: StreamBoard;
  readonly #control: ControlServer;
  readonly #broadcasts: Broadcasts;
  /** The first generation, where it is configured. */
  readonly #rlx1: Rlx1 | null;
  /** Likewise. */
  readonly #fastway: Fastway | null;
  readonly #data: DataSide;
  /** What runs beside V4's sessions. */
  readonly #others: readonly OtherSessions[];
  readonly #operations: Operations;
  readonly #journal: Journal;
  readonly #setup = new SetupTimes();
  readonly #runtime: string;
  readonly #logLinesLost: () => number;
  /** Null where there is none, and until it is loaded. */
  #admin: Admin | null = null;
  #state: GatewayState = "Starting";
  readonly #drain: Drain;
  readonly #reloads: Reloads;
  #started_at_unix_ms = 0;
  #closing: Promise<void> | null = null;

  constructor(
    options: {
      config: Config;
      log: Log;
      version: string;
      /** Others can stand in for the real ones in tests. */
      planes?: PlaneFactories["planes"];
      standing_plane?: PlaneFactories["standing"];
      fastway_plane?: PlaneFactories["fastway"];
      /** The files that `auth` names; read here unless that has been done. */
      files?: AccessFiles;
      /** Reads the configuration anew, or throws a `ConfigError`; absent: it cannot change. */
      load?: () => Config;
      setLogLevel?: (level: Config["logging"]["level"]) => void;
      /** The version of the protocol, and what runs this program; for the admin side. */
      protocol?: string;
      runtime?: string;
      /** Lines that the log could not write so far. */
      logLinesLost?: () => number;
    },
  ) {
    const { config } = options;
    const log = this.#journal = new Journal({ log: options.log, ...journalLimits(config) });
    this.#runtime = options.runtime ?? "";
    this.#logLinesLost = options.logLinesLost ?? (() => 0);
    const make = options.planes ?? PLANES.planes;
    const makeStanding = options.standing_plane ?? PLANES.standing;
    const makeFastway = options.fastway_plane ?? PLANES.fastway;
    this.#config = config;
    this.#log = log;
    this.#version = options.version;
    this.#setLogLevel = options.setLogLevel ?? (() => {});
    const rates = this.#rates = new RateBook({
      // And the one of SRT; v1 has TCP workers of its own.
      workers_max: config.gateway.tcp_workers * (config.rlx1 === undefined ? 1 : 2) + 1,
    });
    this.#planes = {
      zmq: make.zmq({ config, listener: this.#listener("zmq"), rates }),
      srt: make.srt({ config, listener: this.#listener("srt"), rates }),
    };
    const planes = this.#planes;
    const pools = this.#pools = {
      zmq: new PortPool({ kind: "zmq", ...config.zeromq.port_range }),
      srt: new PortPool({ kind: "srt", ...srtPortRange(config) }),
    };
    this.#streams = new StreamBoard({ log, streams: config.streams });
    const registry = new Registry();
    const onRoom = () => this.#broker.wake();
    this.#blocked = new BlockedPorts({ planes, pools, log, onRoom });
    const access = this.#access = new Access({
      config,
      files: options.files ?? readAccessFiles(config),
      log,
      endSessions: (of, by, alone) => {
        for (const session of [...this.#sessions.all()]) {
          if (!of(session.client, session.server)) continue;
          this.#sessions.end(session.id, { reason: "revoked", by });
        }
        this.#rlx1?.orders.endSessions(alone, by);
      },
      onBannedNetworks: (networks) => this.#data.setBans(networks),
    });
    const { accounts } = access;
    const sessions = this.#sessions = new SessionTable({
      reservation_ms: config.gateway.auth_timeout,
      hello_proof: config.auth.hello_proof,
      planes,
      pools,
      registry,
      accounts,
      log,
      onRoom,
      onBlocked: (kind, error) => {
        this.#blocked.onBlocked(kind, error);
        this.#control.announceConflict(kind, error);
      },
    });
    this.#meter = new SessionMeter({ planes, sessions, accounts, log, onRoom });
    this.#broker = new Broker({
      registry,
      pools,
      sessions,
      log,
      limits: config.limits,
      srt: config.gosrt,
      encrypts_single_sessions: () => planes.srt.encrypts_single_sessions ?? true,
      onGranted: (setup_ms) => this.#setup.add(setup_ms),
    });
    this.#control = new ControlServer({
      config,
      access,
      registry,
      broker: this.#broker,
      log,
      pages: {
        "/status": { read: () => this.#status() },
        "/streams": { read: () => this.#streams.list(), local_only: true },
      },
    });
    this.#rlx1 = config.rlx1 === undefined ? null : new Rlx1({
      config,
      access,
      host: this.#control,
      log,
      refusing: () => this.#broker.refusing,
      makePlane: ({ ports_max, listener }) => makeStanding({ config, ports_max, listener, rates }),
    });
    if (this.#rlx1 !== null) this.#control.invite(this.#rlx1);
    this.#fastway = config.fastway === undefined ? null : new Fastway({
      access,
      log,
      refusing: () => this.#broker.refusing,
      makePlane: ({ listener }) => makeFastway({ config, listener }),
      makeDoor: ({ plane }) => new FastwayTlsDoor({ config, plane, log }),
    });
    this.#data = new DataSide({ planes, rlx1: this.#rlx1, fastway: this.#fastway });
    const others = this.#others = [this.#rlx1, this.#fastway].filter((one) => one !== null);
    this.#drain = new Drain({ broker: this.#broker, sessions, log, others });
    const telemetry = new Telemetry({ planes, sessions, log });
    this.#broadcasts = new Broadcasts({
      audience: this.#control,
      pools,
      status: new ServerStatusReport({ registry, sessions }),
      telemetry,
    });
    this.#reloads = new Reloads({
      log,
      load: options.load ?? null,
      running: () => this.#config,
      check: (config) => {
        for (const plane of Object.values(planes)) plane.check(config);
        this.#rlx1?.check(config);
      },
      apply: (config, files) => this.#apply(config, files),
    });
    this.#operations = new Operations({
      version: options.version,
      protocol: options.protocol ?? "",
      planes,
      pools,
      registry,
      sessions,
      broker: this.#broker,
      drain: this.#drain,
      streams: this.#streams,
      bans: access,
      srt_shared: config.gosrt.mode === "shared",
      state: () => this.#state,
      started_at_unix_ms: () => this.#started_at_unix_ms,
      connections: () => this.#control.snapshot(),
      figures: (port) => telemetry.figures(port),
      reload: (by) => this.#reloads.reload(by),
      rlx1: this.#rlx1?.orders ?? null,
      fastway: this.#fastway?.orders ?? null,
    });
  }

  /** Resolves when peers can connect, with the port they can connect to. */
  async start(): Promise<{ control_port: number }> {
    const config = this.#config;
    this.#started_at_unix_ms = Date.now();
    try {
      startAccess(this.#access, config);
      await startPlanes(this.#planes, this.#rlx1);
      const fastway = this.#fastway && await startFastway(this.#fastway, config);
      const { control_port, tls_port } = await startControl(this.#control, config);
      this.#blocked.start();
      this.#broadcasts.start();
      this.#meter.start();
      // Somebody may have asked for the end while it began.
      if (this.#state === "Starting") this.#state = "Running";
      this.#log.info(
        {
          status: "serving",
          version: this.#version,
          bind_address: config.gateway.bind_address,
          control_port,
          auth: config.auth.mode,
          ...(tls_port === null ? {} : { tls_port }),
          ...servedPorts(config, fastway),
        },
        "the gateway serves",
      );
      await startAdmin({
        config,
        source: this.#operations,
        journal: this.#journal,
        setup: this.#setup,
        runtime: this.#runtime,
        logLinesLost: this.#logLinesLost,
        // From this machine an operator can always come, to take back a ban of this machine as well.
        isBanned: (address) => !isLoopback(address) && this.#access.isBanned(address),
        onUnauthorized: (address) => this.#access.noteFailure(address, "admin_refused"),
      }, {
        isWanted: () => this.#state === "Running",
        onMade: (admin) => this.#admin = admin,
      });
      return { control_port };
    } catch (error) {
      await this.abort();
      throw error;
    }
  }

  /** Ends in order; see the head of this file. A second call waits for the first. */
  close(reason: string): Promise<void> {
    return this.#closing ??= this.#close(reason);
  }

  /** See {@link Reloads}. */
  reload(by: string): Promise<ReloadAnswer> {
    return this.#reloads.reload(by);
  }

  /** Ends everything at once. */
  async abort(): Promise<void> {
    this.#state = "Stopped";
    this.#control.abort();
    await this.#end();
  }

  snapshot(): GatewaySnapshot {
    return {
      state: this.#state,
      version: this.#version,
      started_at_unix_ms: this.#started_at_unix_ms,
      connections: this.#control.snapshot(),
      drain: this.#drain.snapshot(),
      sessions: this.#running(),
      waiting_requests: this.#broker.snapshot().waiting,
      port_state: portState(this.#pools),
      planes: [this.#planes.zmq.snapshot(), this.#planes.srt.snapshot()],
      rlx1: this.#rlx1?.plane.snapshot() ?? null,
      fastway: this.#fastway?.plane.snapshot() ?? null,
    };
  }

  /** How long an orderly end lets sessions go on; a reload may change it. */
  get shutdown_timeout_ms(): number {
    return this.#config.gateway.shutdown_timeout;
  }

  /** For the watchdog; see {@link DataSide}. */
  beat(within_ms: number): Promise<boolean> {
    return this.#data.beat(within_ms);
  }

  probe(probe: ThreadProbe): Promise<ThreadAnswer[]> {
    return this.#data.probe(probe);
  }

  #listener(kind: PlaneKind): PlaneListener {
    return (event) => {
      if (isStreamReport(event)) this.#streams.onReport(event);
      else if (!this.#blocked.onPlaneEvent(kind, event)) this.#sessions.onPlaneEvent(kind, event);
      if (event.type === "rejected" && FAILURES.has(event.status)) {
        this.#access.noteFailure(hostOf(event.remote), event.status);
      }
    };
  }

  #apply(config: Config, files: AccessFiles): void {
    this.#config = config;
    this.#setLogLevel(config.logging.level);
    this.#journal.apply(journalLimits(config));
    this.#admin?.apply(config);
    this.#streams.apply(config);
    this.#pools.zmq.resize(config.zeromq.port_range.first, config.zeromq.port_range.last);
    const srt = srtPortRange(config);
    this.#pools.srt.resize(srt.first, srt.last);
    for (const plane of Object.values(this.#planes)) plane.apply(config);
    this.#sessions.apply(config);
    this.#control.apply(config);
    this.#rlx1?.apply(config);
    this.#access.apply(config, files);
    this.#fastway?.apply(config);
    for (const rate of this.#access.accounts.rates()) this.#rates.set(rate);
    this.#broker.apply(config);
    // There may be more ports and more room than before.
    this.#broker.wake();
  }

  async #close(reason: string): Promise<void> {
    this.#state = "Stopping";
    const { shutdown_timeout } = this.#config.gateway;
    this.#log.info(
      {
        status: "stopping",
        reason,
        sessions: this.#running(),
        shutdown_timeout,
      },
      "the gateway stops: no new connections, running sessions may finish",
    );
    this.#control.stopAccepting();
    this.#broker.stop();
    this.#sessions.releaseUnpaired();
    for (const other of this.#others) other.stopServing();
    await within(this.#whenEmpty(), shutdown_timeout);
    const cut = this.#running();
    this.#sessions.releaseAll();
    for (const other of this.#others) other.endAll("released");
    await within(this.#whenEmpty(), RELEASE_MS_MAX);
    this.#state = "Stopped";
    await this.#control.close();
    await this.#end();
    this.#log.info({ status: "stopped", sessions_cut: cut }, "the gateway has stopped");
  }

  async #end(): Promise<void> {
    this.#broadcasts.close();
    this.#meter.close();
    this.#drain.close();
    this.#blocked.close();
    this.#broker.stop();
    this.#sessions.close();
    this.#journal.release();
    await Promise.allSettled([
      this.#planes.zmq.close(),
      this.#planes.srt.close(),
      this.#rlx1?.close(),
      this.#fastway?.close(),
      this.#admin?.close(),
    ]);
    // Last, so that what sessions have carried until their end is kept.
    await this.#access.close();
  }

  /** Sessions that run, of every protocol. */
  #running(): number {
    return this.#others.reduce((sum, { size }) => sum + size, this.#sessions.size);
  }

  /** No session is left, of any protocol. */
  async #whenEmpty(): Promise<void> {
    await Promise.all([this.#sessions, ...this.#others].map((one) => one.whenEmpty()));
  }

  /** The page `GET /status`. */
  #status() {
    return {
      status: this.#state,
      started_at_unix_ms: this.#started_at_unix_ms,
      now_unix_ms: Date.now(),
      connections: this.#control.size,
      broadcast_unix_ms: this.#broadcasts.lastUnixMs,
      port_state: portState(this.#pools),
    };
  }
}

/** Resolves with the promise or after the time, whichever is first. */
async function within(promise: Promise<void>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const time = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
  await Promise.race([promise, time]);
  clearTimeout(timer);
}
