/**
 * The figures of every session with both ends there, once per interval: rates and losses from the
 * differences of the plane's running totals over the time that has really passed.
 *
 * Most sessions are idle most of the time. The JSON of a session is kept until one of its totals
 * moves, and the whole message until any of its parts does, so that thousands of idle sessions cost
 * reading their counters and nothing else.
 */
import type { Buffer } from "node:buffer";
import type { Bottleneck } from "../data/bottleneck.ts";
import type { Plane, PortCounters } from "../data/plane.ts";
import type { Log } from "../observe/log.ts";
import { BottleneckLog } from "../sessions/bottleneck-log.ts";
import type { PerPlane, SessionTable } from "../sessions/session-table.ts";
import type { SessionPort } from "../sessions/session.ts";
import { encodeRaw } from "./messages.ts";

/** The figures of one interval. */
export interface Figures {
  mbps_up: number;
  mbps_down: number;
  rtt_ms: number;
  loss_pct: number;
  retrans_pct: number;
  /** 0 to 100. */
  quality: number;
  /** What holds either direction back; absent on planes that do not tell. */
  bottleneck_up?: Bottleneck;
  bottleneck_down?: Bottleneck;
}

/** What is kept of one port between two readings. */
interface Row {
  /** The JSON up to the figures, which never changes. */
  readonly head: string;
  json: string;
  counters: PortCounters;
  /** Of the last interval; null before there was one. */
  figures: Figures | null;
  /** `performance.now()` of the last reading. */
  at: number;
  /** The JSON says that nothing moves, so it stays true while nothing does. */
  resting: boolean;
}

const NOTHING: Readonly<PortCounters> = Object.freeze({
  bytes_up: 0,
  bytes_down: 0,
  rtt_ms: 0,
  packets_up: 0,
  packets_down: 0,
  packets_lost: 0,
  packets_retransmitted: 0,
  bottleneck_up: "unknown",
  bottleneck_down: "unknown",
});

export class Telemetry {
  readonly #planes: PerPlane<Plane>;
  readonly #sessions: SessionTable;
  readonly #rows = new Map<SessionPort, Row>();
  readonly #bottlenecks: BottleneckLog;
  #message: Buffer = encodeRaw("telemetry", "[]");
  #occupied_revision = -1;

  constructor(options: { planes: PerPlane<Plane>; sessions: SessionTable; log: Log }) {
    this.#bottlenecks = new BottleneckLog({ log: options.log });
    this.#planes = options.planes;
    this.#sessions = options.sessions;
  }

  /** Reads all totals and returns the message; `now` is `performance.now()`. */
  read(now: number): Buffer {
    let changed = false;
    if (this.#occupied_revision !== this.#sessions.occupiedRevision) {
      this.#occupied_revision = this.#sessions.occupiedRevision;
      this.#forgetTheGone();
      changed = true;
    }
    for (const port of this.#sessions.occupied) {
      const counters = this.#planes[port.kind].counters(port.port);
      // The port has closed and its event is on the way.
      if (counters === null) continue;
      let row = this.#rows.get(port);
      if (row === undefined) {
        row = newRow(port);
        this.#rows.set(port, row);
      }
      if (refresh(row, counters, now)) changed = true;
      if (counters.bottleneck_up !== "unknown") this.#noteBottlenecks(port, counters);
    }
    if (changed) {
      const parts: string[] = [];
      for (const row of this.#rows.values()) parts.push(row.json);
      this.#message = encodeRaw("telemetry", `[${parts.join(",")}]`);
    }
    return this.#message;
  }

  /** The port's figures in the last interval; null before there was one. */
  figures(port: SessionPort): Figures | null {
    return this.#rows.get(port)?.figures ?? null;
  }

  #noteBottlenecks(
    { session, kind, public_port: port }: SessionPort,
    counters: PortCounters,
  ): void {
    const { id: session_id, server_id, client_id } = session;
    for (const direction of ["up", "down"] as const) {
      const fields = { session_id, kind, port, server_id, client_id, direction };
      const place = `${session_id} ${kind} ${direction}`;
      this.#bottlenecks.note(place, counters[`bottleneck_${direction}`], fields);
    }
  }

  #forgetTheGone(): void {
    for (const port of this.#rows.keys()) {
      if (this.#sessions.occupied.has(port)) continue;
      this.#rows.delete(port);
      for (const direction of ["up", "down"]) {
        this.#bottlenecks.forget(`${port.session.id} ${port.kind} ${direction}`);
      }
    }
  }
}

function newRow(port: SessionPort): Row {
  const nothing = { json: "", counters: NOTHING, figures: null, resting: false };
  return { head: head(port), at: port.paired_at, ...nothing };
}

/** The figures between two readings of one port. */
export function figures(
  before: Readonly<PortCounters>,
  after: Readonly<PortCounters>,
  elapsed_ms: number,
): Figures {
  const bits_per_mbps = 1000 * Math.max(1, elapsed_ms);
  const up = after.bytes_up - before.bytes_up;
  const down = after.bytes_down - before.bytes_down;
  const packets = after.packets_up + after.packets_down - before.packets_up - before.packets_down;
  const percent = (part: number) => packets > 0 ? Math.min(100, 100 * part / packets) : 0;
  const loss_pct = percent(after.packets_lost - before.packets_lost);
  const retrans_pct = percent(after.packets_retransmitted - before.packets_retransmitted);
  return {
    mbps_up: round(8 * up / bits_per_mbps),
    mbps_down: round(8 * down / bits_per_mbps),
    rtt_ms: round(after.rtt_ms),
    loss_pct: round(loss_pct),
    retrans_pct: round(retrans_pct),
    quality: round(quality({ loss_pct, rtt_ms: after.rtt_ms, flowed: up + down > 0 })),
    ...diagnosis(after),
  };
}

/** The plane's word for what holds each direction back, where it has one. */
function diagnosis({ bottleneck_up, bottleneck_down }: Readonly<PortCounters>): Partial<Figures> {
  const known = bottleneck_up !== "unknown" || bottleneck_down !== "unknown";
  return known ? { bottleneck_up, bottleneck_down } : {};
}

function quality(of: { loss_pct: number; rtt_ms: number; flowed: boolean }): number {
  const lost = Math.min(50, 2 * of.loss_pct);
  const late = Math.min(30, of.rtt_ms / 10);
  return Math.max(0, 100 - lost - late - (of.flowed ? 0 : 10));
}

/** Brings the row up to date; true when its JSON has changed. */
function refresh(row: Row, counters: PortCounters, now: number): boolean {
  const still = same(row.counters, counters);
  const before = row.counters;
  const elapsed_ms = now - row.at;
  row.at = now;
  // A copy: the plane may fill one object again and again.
  if (!still) row.counters = { ...counters };
  if (still && row.resting) return false;
  row.resting = still;
  row.figures = figures(before, counters, elapsed_ms);
  // The closing brackets of the figures' JSON close the whole.
  const json = row.head + JSON.stringify(row.figures).slice(1);
  if (json === row.json) return false;
  row.json = json;
  return true;
}

function same(a: Readonly<PortCounters>, b: Readonly<PortCounters>): boolean {
  return a.bytes_up === b.bytes_up && a.bytes_down === b.bytes_down && a.rtt_ms === b.rtt_ms &&
    a.packets_up === b.packets_up && a.packets_down === b.packets_down &&
    a.bottleneck_up === b.bottleneck_up && a.bottleneck_down === b.bottleneck_down &&
    a.packets_lost === b.packets_lost && a.packets_retransmitted === b.packets_retransmitted;
}

function head({ session, kind, public_port: port }: SessionPort): string {
  const { id: session_id, server_id, client_id } = session;
  const fixed = JSON.stringify({ kind, port, session_id, server_id, client_id });
  return `${fixed.slice(0, -1)},`;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
