/**
 * Standing ports on TCP workers of their own: a mistake of ours that ends one of these workers leaves
 * the sessions of the other ports alone, and the other way round.
 */
import type { Config } from "../../config/schema.ts";
import type { PlaneEvent, PlaneSnapshot } from "../plane.ts";
import type { RateBook } from "../rate-book.ts";
import type {
  StandingCounters,
  StandingEnd,
  StandingListener,
  StandingPlane,
  StandingSettings,
} from "../standing.ts";
import type { ThreadAnswer, ThreadProbe } from "../thread-probe.ts";
import { WorkerPlane } from "../worker-plane.ts";
import type { StandingReport } from "../worker-protocol.ts";
import { tcpSettings } from "./plane.ts";
import { RING_BYTES_MIN } from "./ring.ts";

/** A port as the last report has it, so that its end can be told in full where its worker died. */
interface KnownPort {
  be: StandingEnd | null;
  fe: StandingEnd | null;
  /** Carried by sessions that are over. */
  before_up: number;
  before_down: number;
}

export class TcpStandingPlane implements StandingPlane {
  readonly #workers: WorkerPlane;
  readonly #listener: StandingListener;
  readonly #ports = new Map<number, KnownPort>();

  constructor(options: {
    config: Config;
    /** Ports that are open at most at a time; memory is taken for twice as many, 64 bytes each. */
    ports_max: number;
    listener: StandingListener;
    rates?: RateBook;
  }) {
    const { config, ports_max, listener, rates } = options;
    const workers = config.gateway.tcp_workers;
    this.#listener = listener;
    this.#workers = new WorkerPlane({
      kind: "zmq",
      worker: "tcp",
      workers,
      config,
      ports: () => ({ first: 1, last: ports_max }),
      settings: (config) => tcpSettings(config, { workers }),
      listener: (event) => this.#hear(event),
      onStanding: (event) => this.#hearStanding(event),
      rates,
    });
  }

  start(): Promise<void> {
    return this.#workers.start();
  }

  async openStanding(port: number, settings: StandingSettings): Promise<void> {
    const { ring_bytes_max, rates, label } = settings;
    if (!(ring_bytes_max >= RING_BYTES_MIN)) {
      throw new RangeError(
        `Cannot hold ${ring_bytes_max} bytes per direction: at least ${RING_BYTES_MIN} are needed`,
      );
    }
    const standing = { ring_bytes_max, label };
    await this.#workers.open({ port, session_id: "", standing, rates });
  }

  closeStanding(port: number): void {
    this.#workers.release(port);
  }

  stopSession(port: number, reason: string): void {
    this.#workers.order({ type: "stop_session", port, reason });
  }

  dropWaiting(port: number): void {
    this.#workers.order({ type: "drop_waiting", port });
  }

  counters(port: number): StandingCounters | null {
    const found = this.#workers.counters(port);
    return found && { bytes_up: found.bytes_up, bytes_down: found.bytes_down };
  }

  setBans(networks: readonly string[]): void {
    this.#workers.setBans(networks);
  }

  apply(config: Config): void {
    this.#workers.apply(config);
  }

  snapshot(): PlaneSnapshot {
    return this.#workers.snapshot();
  }

  beat(within_ms: number): Promise<boolean> {
    return this.#workers.beat(within_ms);
  }

  probe(probe: ThreadProbe): Promise<ThreadAnswer[]> {
    return this.#workers.probe(probe);
  }

  close(): Promise<void> {
    return this.#workers.close();
  }

  #hearStanding(event: StandingReport): void {
    if (event.type === "standing") {
      const known = this.#known(event.port);
      known.be = event.be;
      known.fe = event.fe;
    } else if (event.type === "standing_over") {
      const known = this.#known(event.port);
      known.before_up += event.bytes_up;
      known.before_down += event.bytes_down;
      known.fe = null;
    }
    this.#listener(event);
  }

  #hear(event: PlaneEvent): void {
    if (event.type === "closed") {
      const { port, bytes_up, bytes_down } = event;
      const known = this.#known(port);
      this.#ports.delete(port);
      // A worker that died at once has not told of what it carried.
      if (known.fe) this.#lost(known, { port, bytes_up, bytes_down });
      if (known.be) this.#listener({ type: "standing", port, state: "empty", be: null, fe: null });
      const reason = event.reason === "plane_failed" ? "plane_failed" : "released";
      this.#listener({ type: "standing_closed", port, reason });
    } else if (event.type === "shed" || event.type === "failed") {
      this.#listener(event);
    }
  }

  #lost(
    { be, fe, before_up, before_down }: KnownPort,
    now: { port: number; bytes_up: number; bytes_down: number },
  ): void {
    this.#listener({
      type: "standing_over",
      port: now.port,
      reason: "plane_failed",
      by: null,
      be,
      fe,
      bytes_up: now.bytes_up - before_up,
      bytes_down: now.bytes_down - before_down,
      detail: "",
    });
  }

  #known(port: number): KnownPort {
    let known = this.#ports.get(port);
    if (!known) {
      known = { be: null, fe: null, before_up: 0, before_down: 0 };
      this.#ports.set(port, known);
    }
    return known;
  }
}
