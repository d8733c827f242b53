/**
 * fastway on the control side: what it is made of, and how its parts hear of each other. Frames, dials
 * and closes never come here; what comes is who is there.
 *
 *   workers ─ token ──────────► registrar ─ admit, end ─► workers
 *           ─ endpoint ───────► roster, registrar (standing), log
 *           ─ away, back ─────► roster, log
 *           ─ endpoint_over ──► roster, meter (its last bytes), registrar, log
 *           ─ refused ────────► log, bans
 */
import { clearInterval, setInterval } from "node:timers";
import type { Access } from "../../access/access.ts";
import type { Config } from "../../config/schema.ts";
import type {
  FastwayEvent,
  FastwayListener,
  FastwayPlane,
  FastwayPorts,
} from "../../data/fastway/plane.ts";
import type { FastwayRefusal } from "../../data/fastway/protocol.ts";
import { hostOf } from "../../data/remote.ts";
import type { Probed, ThreadAnswer, ThreadProbe } from "../../data/thread-probe.ts";
import type { Log } from "../../observe/log.ts";
import { RepeatedLines } from "../../observe/repeated-lines.ts";
import type { DoorPorts, FastwayDoor } from "./door.ts";
import { Endpoint } from "./endpoint.ts";
import { Lines } from "./lines.ts";
import { Meter } from "./meter.ts";
import { Orders } from "./orders.ts";
import { Registrar } from "./registrar.ts";
import { Roster } from "./roster.ts";

/** How often the end of the last virtual connection is looked for where it is waited for. */
const EMPTY_MS = 100;

/** What may be somebody who tries keys. */
const FAILURES: ReadonlySet<FastwayRefusal> = new Set([
  "handshake_error",
  "snet_error",
  "token_missing",
]);

type Report<Type extends FastwayEvent["type"]> = Extract<FastwayEvent, { type: Type }>;

export interface FastwayOptions {
  access: Access;
  log: Log;
  /** Why nobody new is let in now; null while somebody is. */
  refusing: () => string | null;
  makePlane: (options: { listener: FastwayListener }) => FastwayPlane;
  /** The TLS listeners in front of the plane. */
  makeDoor: (options: { plane: FastwayPlane }) => FastwayDoor;
}

/** Where both sides are served, and where they are in TLS. */
export interface ServedFastway {
  ports: FastwayPorts;
  tls_ports: DoorPorts;
}

export class Fastway implements Probed {
  readonly plane: FastwayPlane;
  readonly orders: Orders;
  readonly #door: FastwayDoor;
  readonly #access: Access;
  readonly #roster = new Roster();
  readonly #repeated: RepeatedLines;
  readonly #lines: Lines;
  readonly #meter: Meter;
  readonly #registrar: Registrar;
  #ports: FastwayPorts = { client: 0, server: 0 };
  readonly #waits = new Set<ReturnType<typeof setInterval>>();

  constructor({ access, log, refusing, makePlane, makeDoor }: FastwayOptions) {
    this.#access = access;
    const plane = this.plane = makePlane({ listener: (event) => this.#onEvent(event) });
    this.#door = makeDoor({ plane });
    this.#repeated = new RepeatedLines({ log });
    const lines = this.#lines = new Lines({ log, repeated: this.#repeated });
    this.#registrar = new Registrar({ access, plane, lines, log, refusing });
    this.#meter = new Meter({
      plane,
      roster: this.#roster,
      accounts: access.accounts,
      log,
      onSpent: ({ facts }, limit) => plane.end(facts.endpoint, limit),
    });
    this.orders = new Orders({
      plane,
      roster: this.#roster,
      meter: this.#meter,
      door: this.#door,
      ports: () => this.#ports,
    });
  }

  /** Resolves when both sides can connect; see {@link FastwayPlane.start} and {@link FastwayDoor.start}. */
  async start(): Promise<ServedFastway> {
    const ports = this.#ports = await this.plane.start();
    const tls_ports = await this.#door.start();
    this.#meter.start();
    return { ports, tls_ports };
  }

  /** See `Plane.beat`. */
  async beat(within_ms: number): Promise<boolean> {
    const turned = await Promise.all([this.plane.beat(within_ms), this.#door.beat(within_ms)]);
    return turned.every(Boolean);
  }

  probe(probe: ThreadProbe): Promise<ThreadAnswer[]> {
    return this.plane.probe(probe);
  }

  /** See `Plane.setBans`. */
  setBans(networks: readonly string[]): void {
    this.plane.setBans(networks);
    this.#door.setBans(networks);
  }

  /** Lives by new limits, times and keys; to be called after the access has. */
  apply(config: Config): void {
    this.plane.apply(config);
    this.#door.apply(config);
    this.#registrar.recheck(this.#roster.all());
  }

  async close(): Promise<void> {
    for (const wait of this.#waits) clearInterval(wait);
    this.#waits.clear();
    this.#meter.close();
    await this.#door.close();
    await this.plane.close();
    this.#repeated.close();
  }

  /** Virtual connections. */
  get size(): number {
    return this.plane.totals().virtual;
  }

  /** Nobody new, and dials are refused; virtual connections that run go on. */
  stopServing(): void {
    this.plane.setServing(false);
  }

  /** Takes {@link stopServing} back. */
  serveAgain(): void {
    this.plane.setServing(true);
  }

  /** Resolves when no virtual connection runs; never once it is closed. */
  whenEmpty(): Promise<void> {
    if (this.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      // Workers count them in shared memory and tell nobody.
      const wait = setInterval(() => {
        if (this.size > 0) return;
        clearInterval(wait);
        this.#waits.delete(wait);
        resolve();
      }, EMPTY_MS);
      wait.unref();
      this.#waits.add(wait);
    });
  }

  /** Ends every virtual connection; both sides are told and stay connected. */
  endAll(): void {
    this.plane.closeVirtual();
  }

  #onEvent(event: FastwayEvent): void {
    if (event.type === "endpoint") this.#onEndpoint(event);
    else if (event.type === "endpoint_over") this.#onOver(event);
    else if (event.type === "token") this.#registrar.onToken(event.facts, event.token);
    else if (event.type === "refused") this.#onRefused(event);
    else if (event.type === "away") this.#onAway(event);
    else if (event.type === "back") this.#onBack(event);
    else if (event.type === "shed") this.#lines.shed(event);
    else this.#lines.failed(event.error);
  }

  #onEndpoint({ facts }: Report<"endpoint">): void {
    const endpoint = new Endpoint(facts, performance.now());
    this.#roster.add(endpoint);
    this.#registrar.register(endpoint);
    // Who may not stay is told of by the reason for that alone.
    if (endpoint.standing !== null) this.#lines.came(endpoint);
  }

  #onOver(event: Report<"endpoint_over">): void {
    const endpoint = this.#roster.get(event.endpoint);
    if (endpoint === undefined) {
      this.#onCandidateOver(event);
      return;
    }
    const added = this.#roster.look(endpoint, event.counters);
    this.#meter.count(endpoint, added.bytes_in + added.bytes_out);
    this.#roster.delete(endpoint);
    this.#lines.over(endpoint, event);
    if (endpoint.standing !== null) this.#access.leave(endpoint.standing);
  }

  /** A client that never took part: it has been refused, or has left before there was a verdict. */
  #onCandidateOver({ endpoint, reason, detail }: Report<"endpoint_over">): void {
    const facts = this.#registrar.forget(endpoint);
    if (facts === null) return;
    const { side, remote } = facts;
    this.#lines.refused({ side, remote, reason, detail: detail || "it left before a verdict" });
  }

  #onRefused({ side, status, detail, remote }: Report<"refused">): void {
    this.#lines.refused({ side, remote, reason: status, detail });
    if (FAILURES.has(status)) this.#access.noteFailure(hostOf(remote), status);
  }

  #onAway({ endpoint }: Report<"away">): void {
    const found = this.#roster.get(endpoint);
    if (found === undefined) return;
    this.#roster.setAway(found, true);
    this.#lines.away(found);
  }

  #onBack({ endpoint, remote, address }: Report<"back">): void {
    const found = this.#roster.get(endpoint);
    if (found === undefined) return;
    found.facts = { ...found.facts, remote, address };
    this.#roster.setAway(found, false);
    this.#registrar.move(found);
    this.#lines.back(found);
  }
}
