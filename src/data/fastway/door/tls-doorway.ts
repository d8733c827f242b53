/**
 * TLS in front of the workers, which do not speak it. The way in:
 *
 *   accept → [PROXY header] → TLS handshake → a worker's Unix socket, behind a PROXY header of ours
 *
 * Whoever is on it has proven nothing: it is counted, in all and by its address, and has the handshake
 * timeout from accept until a worker has it. From there on the worker counts it. Everything here runs
 * on an event loop of its own, so that neither a handshake nor a byte waits for the control side or
 * holds it up.
 */
import type { Buffer } from "node:buffer";
import type { Server, Socket } from "node:net";
import { setImmediate } from "node:timers";
import { normalizeNetwork } from "../../../config/address-set.ts";
import { readFirstBytes } from "../../first-bytes.ts";
import { readProxyHeader } from "../../proxy-header.ts";
import { TLS_HANDSHAKE_BYTE, TlsHandshakes, type TlsOutcome } from "../../tls-handshakes.ts";
import type { FastwaySide } from "../protocol.ts";
import { Arrival } from "./arrival.ts";
import { type ArrivalBound, Arrivals } from "./arrivals.ts";
import { listenForTls } from "./listener.ts";
import { Passage } from "./passage.ts";
import {
  type DoorFigures,
  type DoorOrder,
  type DoorRefusal,
  type DoorReport,
  type DoorRules,
  readDoorFigures,
  writeDoorFigures,
} from "./protocol.ts";

type ListenOrder = Extract<DoorOrder, { type: "listen" }>;

/** Silence after which the kernel asks whether the peer is still there. */
const KEEPALIVE_MS = 60_000;

export class TlsDoorway {
  readonly #report: (report: DoorReport) => void;
  readonly #table: Float64Array;
  readonly #figures: DoorFigures;
  readonly #handshakes = new TlsHandshakes();
  readonly #arrivals: Arrivals;
  readonly #servers: Server[] = [];
  /** Where a worker takes what has come to a side. */
  readonly #paths = new Map<FastwaySide, string>();
  readonly #passages = new Set<Passage>();
  #accepting = true;

  constructor(
    { rules, table, report }: {
      rules: DoorRules;
      table: Float64Array;
      report: (report: DoorReport) => void;
    },
  ) {
    this.#report = report;
    this.#table = table;
    // The totals go on from where a thread before this one has died.
    this.#figures = readDoorFigures(table);
    this.#arrivals = new Arrivals({ rules, onOverdue: (arrival) => this.#overdue(arrival) });
    this.#handshakes.apply(rules.tls);
    this.#count({});
  }

  /** For connections from now on; deadlines move for those on their way as well. */
  apply(rules: DoorRules): void {
    this.#arrivals.apply(rules);
    this.#handshakes.apply(rules.tls);
  }

  /** Whoever is on the way in from a network that is banned now is turned away. */
  changeBans(change: { added: readonly string[]; removed: readonly string[] }): void {
    for (const arrival of this.#arrivals.changeBans(change)) this.#turnAway(arrival, "banned");
  }

  listen({ side, at, path }: ListenOrder): void {
    this.#paths.set(side, path);
    this.#servers.push(listenForTls(at, {
      onListening: (port) => this.#report({ type: "listening", side, port }),
      onFailed: (code, message) => this.#report({ type: "listen_failed", side, code, message }),
      onTrouble: (error) => this.#report({ type: "accept_failed", side, error }),
      onAccept: (tcp, address) => this.#accept(side, tcp, address),
    }));
  }

  /** Cuts everybody at once. */
  close(): void {
    this.#accepting = false;
    for (const server of this.#servers) server.close();
    this.#arrivals.close();
    for (const passage of [...this.#passages]) passage.close();
  }

  #accept(side: FastwaySide, tcp: Socket, kernel_address: string): void {
    if (!this.#accepting) return void tcp.destroy();
    tcp.setNoDelay(true);
    tcp.setKeepAlive(true, KEEPALIVE_MS);
    const address = normalizeNetwork(kernel_address) ?? kernel_address;
    const arrival = new Arrival({ side, tcp, address });
    if (this.#arrivals.isTrustedProxy(address)) arrival.awaited = "PROXY header";
    if (this.#arrivals.admit(arrival) === null) return this.#welcome(arrival);
    // Connections that have just ended may still be counted: their ends are in the same batch of
    // events as this one. Once that batch is through, the count is right.
    setImmediate(() => {
      if (tcp.destroyed || !this.#accepting) return void tcp.destroy();
      const bound = this.#arrivals.admit(arrival);
      if (bound === null) this.#welcome(arrival);
      else this.#turnAway(arrival, bound);
    });
  }

  #welcome(arrival: Arrival): void {
    const { tcp } = arrival;
    this.#arrivals.add(arrival);
    this.#count({});
    tcp.once("close", () => {
      this.#leave(arrival);
      setImmediate(() => arrival.passage?.onTcpClosed());
    });
    readFirstBytes(tcp, (bytes) => this.#look(arrival, bytes), () => arrival.destroy());
  }

  #leave(arrival: Arrival): void {
    this.#arrivals.delete(arrival);
    this.#count({});
  }

  /** How many bytes it is through with; null: with all of them, and somebody else reads on. */
  #look(arrival: Arrival, bytes: Buffer): number | null {
    let header_bytes = 0;
    if (arrival.awaited === "PROXY header") {
      const header = readProxyHeader(bytes);
      if (header.type === "more") return 0;
      if (header.type === "header") {
        header_bytes = header.bytes;
        arrival.announce(header.source);
      } else if (header.type === "invalid" || this.#arrivals.proxy_header === "required") {
        const detail = header.type === "invalid"
          ? header.detail
          : "no PROXY header, which proxy_protocol.mode requires of a trusted address";
        this.#refuse(arrival, "proxy_error", detail);
        return null;
      }
      arrival.awaited = "first byte";
      const bound = this.#arrivals.admit(arrival);
      if (bound !== null) {
        this.#turnAway(arrival, bound);
        return null;
      }
    }
    const rest = bytes.subarray(header_bytes);
    if (rest.length === 0) return header_bytes;
    if (rest[0] !== TLS_HANDSHAKE_BYTE) {
      this.#refuse(arrival, "tls_failed", "the first byte is no TLS handshake");
    } else if (!this.#handshakes.isOpen) {
      this.#refuse(arrival, "tls_failed", "TLS is turned off");
    } else {
      arrival.awaited = "TLS handshake";
      this.#handshakes.take(arrival.tcp, rest, (outcome) => this.#onOutcome(arrival, outcome));
    }
    return null;
  }

  #onOutcome(arrival: Arrival, outcome: TlsOutcome): void {
    if (outcome.type === "failed") return this.#refuse(arrival, "tls_failed", outcome.error);
    const { socket: outer } = outcome;
    outer.on("error", () => {});
    if (outcome.type === "distrusted") {
      this.#refuse(arrival, "tls_refused", outcome.detail);
      return void outer.destroy();
    }
    arrival.awaited = "worker";
    const path = this.#paths.get(arrival.side)!;
    const header = arrival.header();
    const passage = arrival.passage = new Passage({
      outer,
      path,
      header,
      onOpen: () => this.#through(arrival, passage),
      onOver: () => this.#over(arrival, passage),
    });
    passage.open();
  }

  #through(arrival: Arrival, passage: Passage): void {
    this.#leave(arrival);
    this.#passages.add(passage);
    this.#count({ passed_total: 1 });
  }

  #over({ tcp }: Arrival, passage: Passage): void {
    tcp.destroy();
    if (this.#passages.delete(passage)) this.#count({});
  }

  #overdue(arrival: Arrival): void {
    const { awaited, passage } = arrival;
    if (awaited === "worker") {
      const detail = `the worker did not take it: ${passage?.error || "no answer"}`;
      return this.#refuse(arrival, "door_error", detail);
    }
    const status = awaited === "PROXY header" ? "proxy_error" : "tls_failed";
    this.#refuse(arrival, status, `no ${awaited} within fastway.tls_handshake_timeout`);
  }

  #turnAway(arrival: Arrival, limit: ArrivalBound): void {
    const { side, address } = arrival;
    this.#count({ shed_total: 1 });
    this.#report({ type: "shed", side, limit, address });
    this.#leave(arrival);
    arrival.destroy();
  }

  /** Closes the connection without a word of ours; what TLS itself has to say about it still goes out. */
  #refuse(arrival: Arrival, status: DoorRefusal, detail: string): void {
    const { side, remote, address, proxy } = arrival;
    this.#count({ refused_total: 1 });
    this.#report({ type: "refused", side, status, detail, remote, address, proxy });
    setImmediate(() => arrival.destroy());
  }

  #count(more: Partial<Pick<DoorFigures, "passed_total" | "refused_total" | "shed_total">>): void {
    const figures = this.#figures;
    figures.entering = this.#arrivals.size;
    figures.open = this.#passages.size;
    figures.passed_total += more.passed_total ?? 0;
    figures.refused_total += more.refused_total ?? 0;
    figures.shed_total += more.shed_total ?? 0;
    writeDoorFigures(this.#table, figures);
  }
}
