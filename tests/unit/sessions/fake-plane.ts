/** A data plane without a network: the test says what happens on its ports. */
import {
  type CloseReason,
  type Plane,
  type PlaneKind,
  type PlaneListener,
  type PlaneSnapshot,
  type PortCounters,
  PortOpenError,
  type Reservation,
  type Role,
} from "../../../src/data/plane.ts";

export class FakePlane implements Plane {
  readonly kind: PlaneKind;
  /** Open ports and the session each belongs to. */
  readonly open_ports = new Map<number, string>();
  /** All that was asked for, in order. */
  readonly reservations: Reservation[] = [];
  /** Ports another program has. */
  readonly taken = new Set<number>();
  /** While set, `open` waits for {@link letGo}. */
  held = false;
  /** While set, `release` does not report `closed` until the test does. */
  slow_release = false;
  broken: Error | null = null;
  opened = 0;
  /** As they were set last. */
  bans: readonly string[] = [];
  closed = false;
  readonly #listener: PlaneListener;
  readonly #totals = new Map<number, PortCounters>();
  #waiting: (() => void)[] = [];

  constructor(options: { kind: PlaneKind; listener: PlaneListener }) {
    this.kind = options.kind;
    this.#listener = options.listener;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  publicPort(port: number): number {
    return port;
  }

  async open(reservation: Reservation): Promise<void> {
    const { port, session_id } = reservation;
    if (this.held) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.broken !== null) throw this.broken;
    if (this.taken.has(port)) {
      throw new PortOpenError(port, "EADDRINUSE", `port ${port} is in use`);
    }
    if (this.open_ports.has(port)) throw new Error(`port ${port} was opened twice`);
    this.opened++;
    this.reservations.push(reservation);
    this.open_ports.set(port, session_id);
  }

  setBans(networks: readonly string[]): void {
    this.bans = networks;
  }

  letGo(): void {
    this.held = false;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  release(port: number): void {
    if (!this.open_ports.has(port) || this.slow_release) return;
    queueMicrotask(() => this.end(port, "released"));
  }

  counters(port: number): PortCounters | null {
    return this.open_ports.has(port) ? this.totals(port) : null;
  }

  snapshot(): PlaneSnapshot {
    return {
      kind: this.kind,
      workers: 1,
      workers_replaced: 0,
      ports_open: this.open_ports.size,
      loop_lag_ms: [0],
    };
  }

  check(): void {}

  apply(): void {}

  beat(): Promise<boolean> {
    return Promise.resolve(true);
  }

  probe(): Promise<never[]> {
    return Promise.resolve([]);
  }

  close(): Promise<void> {
    this.closed = true;
    for (const port of [...this.open_ports.keys()]) this.end(port, "released");
    return Promise.resolve();
  }

  /** The totals of a port, for the test to change; the plane hands out this very object. */
  totals(port: number): PortCounters {
    let totals = this.#totals.get(port);
    if (totals === undefined) {
      totals = {
        bytes_up: 0,
        bytes_down: 0,
        rtt_ms: 0,
        packets_up: 0,
        packets_down: 0,
        packets_lost: 0,
        packets_retransmitted: 0,
        bottleneck_up: "unknown",
        bottleneck_down: "unknown",
      };
      this.#totals.set(port, totals);
    }
    return totals;
  }

  arrive(port: number, role: Role): void {
    this.#listener({ type: "waiting", port, session_id: this.#session(port), ...peer(role) });
  }

  leave(port: number, role: Role): void {
    const { remote } = peer(role);
    this.#listener({
      type: "waiting_gone",
      port,
      session_id: this.#session(port),
      role,
      remote,
    });
  }

  pair(port: number): void {
    this.#listener({ type: "paired", port, session_id: this.#session(port), ...peer("server") });
  }

  end(port: number, reason: CloseReason, bytes: { up?: number; down?: number } = {}): void {
    const session_id = this.open_ports.get(port);
    if (session_id === undefined) return;
    this.open_ports.delete(port);
    this.#totals.delete(port);
    this.#listener({
      type: "closed",
      port,
      session_id,
      reason,
      by: null,
      bytes_up: bytes.up ?? 0,
      bytes_down: bytes.down ?? 0,
    });
  }

  reject(port: number): void {
    this.#listener({
      type: "rejected",
      port,
      session_id: this.#session(port),
      status: "alloc_mismatch",
      detail: "found another session id; allowed is the one the port was granted for",
      remote: "192.0.2.1:1",
    });
  }

  /** The worker dies: every port is reported closed, then the death itself. */
  die(): void {
    for (const port of [...this.open_ports.keys()]) this.end(port, "plane_failed");
    this.#listener({ type: "failed", error: "the worker exited" });
  }

  #session(port: number): string {
    const session_id = this.open_ports.get(port);
    if (session_id === undefined) throw new Error(`port ${port} is not open`);
    return session_id;
  }
}

function peer(role: Role) {
  return { role, id: `${role}-on-the-wire`, remote: "192.0.2.1:1" };
}
