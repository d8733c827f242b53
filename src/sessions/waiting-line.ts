/**
 * Pair requests that cannot be served yet, first come first served.
 *
 * Requests that wait for exactly the same thing, one target server (or any) and one set of planes,
 * stand in one lane: while its first cannot be served, none behind it can, so a pass looks at lanes
 * and not at thousands of requests. Lanes of a server that is not online rest apart and cost a pass
 * nothing.
 */
import type { PairRequest, Party } from "./party.ts";

/** One request on its way to a grant or a refusal. */
export interface Ticket {
  /** Its place among all requests; the lowest came first. */
  readonly turn: number;
  readonly asker: Party;
  readonly request: PairRequest;
  /** It has waited for as long as is allowed. */
  timed_out: boolean;
}

type PlaneSet = "zmq" | "srt" | "both";

/** Requests that wait for the same thing, by turn. */
export class Lane {
  readonly server_id: string;
  readonly planes: PlaneSet;
  /** Turn → ticket; kept in the order of turns. */
  #tickets = new Map<number, Ticket>();
  #newest_turn = -1;

  constructor(options: { server_id: string; planes: PlaneSet }) {
    this.server_id = options.server_id;
    this.planes = options.planes;
  }

  get size(): number {
    return this.#tickets.size;
  }

  get first(): Ticket | undefined {
    for (const ticket of this.#tickets.values()) return ticket;
    return undefined;
  }

  add(ticket: Ticket): void {
    this.#tickets.set(ticket.turn, ticket);
    if (ticket.turn > this.#newest_turn) {
      this.#newest_turn = ticket.turn;
      return;
    }
    // A request that comes back after a failed attempt is older than those behind it. That is rare,
    // and sorting the lane for it keeps the common case simple.
    this.#tickets = new Map([...this.#tickets].sort(([a], [b]) => a - b));
  }

  delete(ticket: Ticket): boolean {
    return this.#tickets.delete(ticket.turn);
  }

  tickets(): IterableIterator<Ticket> {
    return this.#tickets.values();
  }
}

export class WaitingLine {
  readonly #lanes = new Map<string, Lane>();
  /** Lanes whose target may be served: any server, or one that is online. */
  readonly #awake = new Set<Lane>();
  readonly #isOnline: (server_id: string) => boolean;
  readonly #per_asker = new Map<Party, Set<Ticket>>();
  #size = 0;
  #chars = 0;

  constructor(options: { isOnline: (server_id: string) => boolean }) {
    this.#isOnline = options.isOnline;
  }

  get size(): number {
    return this.#size;
  }

  /** The length of all ids in the requests that wait. */
  get chars(): number {
    return this.#chars;
  }

  /** Nobody waits who could be served if there were room. */
  get asleep(): boolean {
    return this.#awake.size === 0;
  }

  sizeOf(asker: Party): number {
    return this.#per_asker.get(asker)?.size ?? 0;
  }

  ticketsOf(asker: Party): Ticket[] {
    return [...this.#per_asker.get(asker) ?? []];
  }

  all(): Ticket[] {
    return [...this.#lanes.values()].flatMap((lane) => [...lane.tickets()])
      .sort((a, b) => a.turn - b.turn);
  }

  add(ticket: Ticket): void {
    const { server_id } = ticket.request;
    const planes = planeSet(ticket.request);
    const key = laneKey(server_id, planes);
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      lane = new Lane({ server_id, planes });
      this.#lanes.set(key, lane);
      if (server_id === "" || this.#isOnline(server_id)) this.#awake.add(lane);
    }
    lane.add(ticket);
    this.#size++;
    this.#chars += charsOf(ticket.request);
    const own = this.#per_asker.get(ticket.asker);
    if (own === undefined) this.#per_asker.set(ticket.asker, new Set([ticket]));
    else own.add(ticket);
  }

  has(ticket: Ticket): boolean {
    return this.#per_asker.get(ticket.asker)?.has(ticket) ?? false;
  }

  /** False when the ticket does not stand in the line. */
  delete(ticket: Ticket): boolean {
    const key = laneKey(ticket.request.server_id, planeSet(ticket.request));
    const lane = this.#lanes.get(key);
    if (lane === undefined || !lane.delete(ticket)) return false;
    this.#size--;
    this.#chars -= charsOf(ticket.request);
    if (lane.size === 0) {
      this.#lanes.delete(key);
      this.#awake.delete(lane);
    }
    const own = this.#per_asker.get(ticket.asker);
    own?.delete(ticket);
    if (own?.size === 0) this.#per_asker.delete(ticket.asker);
    return true;
  }

  /** The server came online or left: its own lanes wake or rest. */
  onServer(server_id: string, online: boolean): void {
    for (const planes of ["zmq", "srt", "both"] as const) {
      const lane = this.#lanes.get(laneKey(server_id, planes));
      if (lane === undefined) continue;
      if (online) this.#awake.add(lane);
      else this.#awake.delete(lane);
    }
  }

  /** The lane whose first request came first, of those not passed over; undefined when none is. */
  next(passed_over: ReadonlySet<Lane>): Lane | undefined {
    let next: Lane | undefined;
    let turn = Infinity;
    for (const lane of this.#awake) {
      if (passed_over.has(lane)) continue;
      const first = lane.first;
      if (first === undefined || first.turn >= turn) continue;
      next = lane;
      turn = first.turn;
    }
    return next;
  }
}

function planeSet(request: PairRequest): PlaneSet {
  if (request.need_zmq && request.need_srt) return "both";
  return request.need_zmq ? "zmq" : "srt";
}

function charsOf(request: PairRequest): number {
  return request.request_id.length + request.server_id.length;
}

function laneKey(server_id: string, planes: PlaneSet): string {
  return `${planes}:${server_id}`;
}
