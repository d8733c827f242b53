/**
 * relay_X v1 (RLX1), the first generation: what it is made of, and how its parts hear of each other.
 *
 *   control port ─ register FE|BE ─► registrar ─► hub ◄─► leases, reaper
 *                                                  ▲ port_state      │ open, close, stop
 *   data ports ─ RLX1HELLO ─► standing ports ─ events ─► port table ─┘
 */
import { clearImmediate, clearInterval, setImmediate, setInterval } from "node:timers";
import type { Access } from "../../access/access.ts";
import { FileProblem } from "../../config/bounded-file.ts";
import { portCount } from "../../config/port-range.ts";
import { ConfigError } from "../../config/problem.ts";
import { readSignatureKeys } from "../../config/rlx1-keys.ts";
import { type Rlx1Config, rlx1Ranges } from "../../config/rlx1-section.ts";
import type { Config } from "../../config/schema.ts";
import type { ControlConnection } from "../../control/connection.ts";
import type { Frame, Guest, GuestHost } from "../../control/guest.ts";
import type { Envelope } from "../../control/messages.ts";
import { rowsFor } from "../../data/counter-rows.ts";
import type { StandingListener, StandingPlane } from "../../data/standing.ts";
import type { Log } from "../../observe/log.ts";
import { RepeatedLines } from "../../observe/repeated-lines.ts";
import { DataReports } from "./data-reports.ts";
import { DataSessions } from "./data-sessions.ts";
import { Hub } from "./hub.ts";
import { Leases } from "./leases.ts";
import { asksForV1 } from "./messages.ts";
import { Orders } from "./orders.ts";
import { about } from "./peer.ts";
import { PortTable } from "./port-table.ts";
import { Post } from "./post.ts";
import { Reaper } from "./reaper.ts";
import { Registrar } from "./registrar.ts";
import { Requests } from "./requests.ts";
import { Signatures } from "./signatures.ts";
import { Speed } from "./speed.ts";

/** How often leases and the bytes of sessions are looked at. */
const SWEEP_MS = 1000;

export interface Rlx1Options {
  config: Config;
  access: Access;
  host: GuestHost;
  log: Log;
  /** Why nobody new is let in or granted anything now; null while somebody is. */
  refusing: () => string | null;
  makePlane: (options: { ports_max: number; listener: StandingListener }) => StandingPlane;
}

export class Rlx1 implements Guest {
  readonly plane: StandingPlane;
  readonly orders: Orders;
  readonly #reports: DataReports;
  readonly #log: Log;
  readonly #repeated: RepeatedLines;
  readonly #table: PortTable;
  readonly #leases: Leases;
  readonly #sessions: DataSessions;
  readonly #reaper: Reaper;
  readonly #registrar: Registrar;
  readonly #signatures: Signatures;
  readonly #speed: Speed;
  readonly #hub: Hub;
  /** As many can be counted as long as the plane lives. */
  readonly #ports_max: number;
  #rlx1: Rlx1Config;
  #is_reaped = false;
  #is_draining = false;
  #sweep: ReturnType<typeof setInterval> | null = null;
  #due: ReturnType<typeof setImmediate> | null = null;

  constructor(options: Rlx1Options) {
    const { config, access, host, log, refusing } = options;
    const rlx1 = this.#rlx1 = sectionOf(config);
    this.#log = log;
    const repeated = this.#repeated = new RepeatedLines({ log });
    const ports_max = portsOf(rlx1);
    this.#ports_max = rowsFor(ports_max);
    const plane = this.plane = options.makePlane({
      ports_max,
      listener: (event) => this.#reports.onEvent(event),
    });
    const signatures = this.#signatures = new Signatures(signing(rlx1));
    const table = this.#table = new PortTable({
      plane,
      ranges: rlx1Ranges(rlx1),
      ring_bytes_max: rlx1.ring_buffer_size,
      log,
      onChange: () => this.#stateSoon(),
      onGone: (port) => this.#sessions.onClosed(port),
    });
    const leases = this.#leases = new Leases({
      table,
      accounts: access.accounts,
      onOver: (lease, reason) => this.#hub.onLeaseOver(lease, reason),
    });
    const sessions = this.#sessions = new DataSessions({
      plane,
      table,
      leases,
      standingsOf: (role, client_id) => this.#hub.standingsOf(role, client_id),
      log,
    });
    this.#reports = new DataReports({ access, table, sessions, log, repeated });
    const reaper = this.#reaper = new Reaper({
      plane,
      table,
      peers: () => this.#hub.peers(),
      setServing: (is_serving) => {
        this.#is_reaped = !is_serving;
        this.#serve();
      },
      timeout_ms: rlx1.reaper_timeout,
      log,
    });
    const registrar = this.#registrar = new Registrar({
      config,
      access,
      host,
      log,
      repeated,
      refusing,
      countOf: (role) => this.#hub.countOf(role),
      onPeer: (peer, msg_id) => this.#hub.admit(peer, msg_id),
    });
    const speed = this.#speed = new Speed({
      plane,
      table,
      onSpeed: (current_speed, now) => this.#hub.broadcastSpeed(current_speed, now),
    });
    const post = new Post({ signatures });
    const ranges = () => rlx1Ranges(this.#rlx1);
    const requests = new Requests({
      table,
      leases,
      reaper,
      speed,
      post,
      log,
      repeated,
      refusing,
      ranges,
      tell: (role, message) => this.#hub.tell(role, message),
    });
    this.#hub = new Hub({
      access,
      table,
      leases,
      reaper,
      registrar,
      requests,
      signatures,
      speed,
      post,
      log,
      ranges,
    });
    this.orders = new Orders({ plane, table, leases, sessions, hub: this.#hub, host, log });
  }

  /** Resolves when the ports listen, or have been found taken. */
  async start(): Promise<void> {
    await this.plane.start();
    await this.#table.start();
    this.#sweep = setInterval(() => {
      this.#leases.sweep(Date.now());
      this.#sessions.look(performance.now());
    }, SWEEP_MS);
    this.#sweep.unref();
  }

  /** Throws a {@link ConfigError} where a configuration cannot be lived by without a restart. */
  check(config: Config): void {
    const ports = portsOf(sectionOf(config));
    if (ports <= this.#ports_max) return;
    throw new ConfigError([{
      file: null,
      line: null,
      column: null,
      key: "rlx1.zmq_end_port",
      code: "range_too_great",
      found: `${ports} ports in both ranges`,
      allowed: `at most ${this.#ports_max} without a restart`,
    }]);
  }

  /** Lives by new limits, ranges and keys. What waits for a restart is as it was. */
  apply(config: Config): void {
    const before = JSON.stringify(rlx1Ranges(this.#rlx1));
    const rlx1 = this.#rlx1 = sectionOf(config);
    this.#registrar.apply(config);
    this.#reaper.apply({ timeout_ms: rlx1.reaper_timeout });
    this.#renewKeys(rlx1);
    this.plane.apply(config);
    const ranges = rlx1Ranges(rlx1);
    if (JSON.stringify(ranges) === before) return;
    this.#table.resize(ranges);
    this.#hub.broadcastRanges();
  }

  async close(): Promise<void> {
    if (this.#sweep !== null) clearInterval(this.#sweep);
    this.#sweep = null;
    if (this.#due !== null) clearImmediate(this.#due);
    this.#due = null;
    this.#speed.close();
    this.#reaper.close();
    this.#table.close();
    this.#repeated.close();
    await this.plane.close();
  }

  greets({ type, payload }: Envelope): boolean {
    return type === "register" && asksForV1(payload);
  }

  onMessage(connection: ControlConnection, message: Envelope, frame: Frame): void {
    this.#hub.onMessage(connection, message, frame);
  }

  onGone(connection: ControlConnection, reason: string): void {
    this.#hub.onGone(connection, reason);
  }

  describe(connection: ControlConnection): Record<string, unknown> {
    const peer = this.#hub.peerOf(connection);
    return peer === undefined ? { protocol: "rlx1", remote: connection.remote } : about(peer);
  }

  /** Sessions that run. */
  get size(): number {
    return this.#sessions.size;
  }

  /** Ports without a session are closed, the others when it is over; nobody is granted anything. */
  stopServing(): void {
    this.#is_draining = true;
    this.#serve();
  }

  /** Takes {@link stopServing} back. */
  serveAgain(): void {
    this.#is_draining = false;
    this.#serve();
  }

  /** Resolves when no session runs. */
  whenEmpty(): Promise<void> {
    return this.#table.whenQuiet();
  }

  /** Ends every session; `reason` is the log's word. */
  endAll(reason: string): void {
    for (const { port } of [...this.#sessions.all()]) this.plane.stopSession(port, reason);
  }

  /** The files were right when the configuration was read; should they not be now, the keys stay. */
  #renewKeys(rlx1: Rlx1Config): void {
    try {
      this.#signatures.apply(signing(rlx1));
    } catch (error) {
      if (!(error instanceof FileProblem)) throw error;
      this.#log.error(
        { status: "signature_keys_error", protocol: "rlx1", error: error.message },
        "the keys of signatures cannot be read; those before stay",
      );
    }
  }

  #serve(): void {
    this.#table.setServing(!this.#is_reaped && !this.#is_draining);
  }

  /** Whatever changes in one turn of the event loop is told together. */
  #stateSoon(): void {
    this.#due ??= setImmediate(() => {
      this.#due = null;
      this.#hub.broadcastStates();
    });
  }
}

function sectionOf({ rlx1 }: Config): Rlx1Config {
  if (rlx1 === undefined) throw new Error("v1 is served only where it is configured");
  return rlx1;
}

/** In both ranges. */
function portsOf(rlx1: Rlx1Config): number {
  const { zmq, srt } = rlx1Ranges(rlx1);
  return portCount(zmq) + portCount(srt);
}

function signing(rlx1: Rlx1Config) {
  return { mode: rlx1.signatures, keys: readSignatureKeys(rlx1) };
}
