/**
 * What becomes of the ports when back ends go. It is about those that have sent `port_alloc`: when such
 * a control connection is gone,
 *
 * - at once, the sessions stop whose hello names its `client_id`;
 * - after `reaper_timeout`, unless it is back by then, its connections that wait are closed.
 *
 * That another one asks for the ports in the meantime changes neither: behind the connections of one
 * that has crashed nobody may be left, and front ends would be paired with it.
 *
 * Old back ends name nobody in their hellos, or somebody who is not registered. What is theirs, and the
 * listeners, goes in the same two steps when the last back end that has sent `port_alloc` is gone, and
 * comes back with the next `port_alloc`.
 */
import { clearTimeout, setTimeout } from "node:timers";
import type { StandingPlane } from "../../data/standing.ts";
import type { Log } from "../../observe/log.ts";
import type { Peer } from "./peer.ts";
import type { PortTable } from "./port-table.ts";

/** What a `reaper_timeout` of 0 means, as it always has. */
const TIMEOUT_MS = 2000;

export class Reaper {
  readonly #plane: StandingPlane;
  readonly #table: PortTable;
  readonly #peers: () => Iterable<Peer>;
  readonly #setServing: (is_serving: boolean) => void;
  readonly #log: Log;
  #timeout_ms: number;
  /** By the `client_id` whose waiting connections are at stake. */
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  #last: ReturnType<typeof setTimeout> | null = null;
  #has_reaped = false;

  constructor(options: {
    plane: StandingPlane;
    table: PortTable;
    /** Everybody who is registered. */
    peers: () => Iterable<Peer>;
    setServing: (is_serving: boolean) => void;
    timeout_ms: number;
    log: Log;
  }) {
    this.#plane = options.plane;
    this.#table = options.table;
    this.#peers = options.peers;
    this.#setServing = options.setServing;
    this.#timeout_ms = options.timeout_ms;
    this.#log = options.log;
  }

  /** Holds for the next back end that goes. */
  apply(options: { timeout_ms: number }): void {
    this.#timeout_ms = options.timeout_ms;
  }

  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    if (this.#last !== null) clearTimeout(this.#last);
    this.#last = null;
  }

  /** A back end has sent `port_alloc`: nothing is taken away, and what was is back. */
  onAlloc({ client_id }: Peer): void {
    this.#cancel(client_id);
    if (this.#last !== null) clearTimeout(this.#last);
    this.#last = null;
    if (!this.#has_reaped) return;
    this.#has_reaped = false;
    this.#log.info(
      { status: "ports_reopened", protocol: "rlx1", id: client_id },
      "a back end has asked for the ports; they listen again",
    );
    this.#setServing(true);
  }

  /** A registered back end is gone, and stands among the others no longer. */
  onGone({ client_id, has_allocated }: Peer): void {
    if (!has_allocated) return;
    const named = this.#namedByPeers();
    const others = [...this.#peers()].some((one) => one.role === "BE" && one.has_allocated);
    const is_lost = (id: string) =>
      (id !== "" && id === client_id && !named.has(id)) || (!others && !named.has(id));
    this.#stopSessions(is_lost);
    if (client_id !== "" && !named.has(client_id) && this.#waits(client_id)) this.#arm(client_id);
    if (!others) this.#armLast();
  }

  /** The ids of the back ends that are registered. */
  #namedByPeers(): Set<string> {
    const named = new Set<string>();
    for (const { role, client_id } of this.#peers()) {
      if (role === "BE" && client_id !== "") named.add(client_id);
    }
    return named;
  }

  #stopSessions(is_lost: (id: string) => boolean): void {
    for (const { port, state, be } of this.#table.all()) {
      if (state === "busy" && be !== null && is_lost(be.id)) {
        this.#plane.stopSession(port, "back_end_left");
      }
    }
  }

  #waits(client_id: string): boolean {
    for (const { state, be } of this.#table.all()) {
      if (state === "ready" && be?.id === client_id) return true;
    }
    return false;
  }

  get #delay_ms(): number {
    return this.#timeout_ms === 0 ? TIMEOUT_MS : this.#timeout_ms;
  }

  #arm(client_id: string): void {
    this.#cancel(client_id);
    const timer = setTimeout(() => {
      this.#timers.delete(client_id);
      if (this.#namedByPeers().has(client_id)) return;
      for (const { port, state, be } of this.#table.all()) {
        if (state === "ready" && be?.id === client_id) this.#plane.dropWaiting(port);
      }
      this.#tell(client_id, "the back end has not come back; its waiting connections are closed");
    }, this.#delay_ms);
    timer.unref();
    this.#timers.set(client_id, timer);
  }

  #armLast(): void {
    if (this.#last !== null) clearTimeout(this.#last);
    this.#last = setTimeout(() => {
      this.#last = null;
      this.#has_reaped = true;
      this.#setServing(false);
      this.#tell("", "no back end has come back; the ports are closed until one asks for them");
    }, this.#delay_ms);
    this.#last.unref();
  }

  #cancel(client_id: string): void {
    const timer = this.#timers.get(client_id);
    if (timer !== undefined) clearTimeout(timer);
    this.#timers.delete(client_id);
  }

  #tell(id: string, message: string): void {
    const fields = { timeout_ms: this.#delay_ms, ...(id === "" ? {} : { id }) };
    this.#log.info({ status: "ports_reaped", protocol: "rlx1", ...fields }, message);
  }
}
