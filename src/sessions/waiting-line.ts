/**
 * Pair requests that cannot be served yet, first come first served.
 *
 * Requests that wait for exactly the same thing, one target server (or any) and one set of planes,
 * by those who may meet the same servers, stand in one lane: while its first cannot be served, none behind it can, so a pass looks at lanes
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
  /** `performance.now()` when it came. */
  readonly asked_at: number;
  /** It has waited for as long as is allowed. */
  timed_out: boolean;
}

type PlaneSet = "zmq" | "srt" | "both";

/** Requests that wait for the same thing, by turn. */
export class Lane {
  readonly key: string;
  readonly server_id: string;
  /** Turn → ticket; kept in the order of turns. */
  #tickets = new Map<number, Ticket>();
  #newest_turn = -1;

  constructor(options: { key: string; server_id: string }) {
    this.key = options.key;
    this.server_id = options.server_id;
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
  /** The lanes of each server that is waited for by name. */
  readonly #lanes_of = new Map<string, Set<Lane>>();
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
    this.#laneFor(ticket).add(ticket);
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
    const lane = this.#lanes.get(laneKey(ticket));
    if (lane === undefined || !lane.delete(ticket)) return false;
    this.#size--;
    this.#chars -= charsOf(ticket.request);
    if (lane.size === 0) this.#drop(lane);
    const own = this.#per_asker.get(ticket.asker);
    own?.delete(ticket);
    if (own?.size === 0) this.#per_asker.delete(ticket.asker);
    return true;
  }

  /** The server came online or left: its own lanes wake or rest. */
  onServer(server_id: string, online: boolean): void {
    for (const lane of this.#lanes_of.get(server_id) ?? []) {
      if (online) this.#awake.add(lane);
      else this.#awake.delete(lane);
    }
  }

  /** Goes through those who may be served; no lane may be added before it is over. */
  pass(): LanePass {
    return new LanePass(this.#awake);
  }

  #laneFor(ticket: Ticket): Lane {
    const key = laneKey(ticket);
    const known = this.#lanes.get(key);
    if (known !== undefined) return known;
    const { server_id } = ticket.request;
    const lane = new Lane({ key, server_id });
    this.#lanes.set(key, lane);
    if (server_id === "" || this.#isOnline(server_id)) this.#awake.add(lane);
    if (server_id === "") return lane;
    const beside = this.#lanes_of.get(server_id);
    if (beside === undefined) this.#lanes_of.set(server_id, new Set([lane]));
    else beside.add(lane);
    return lane;
  }

  #drop(lane: Lane): void {
    this.#lanes.delete(lane.key);
    this.#awake.delete(lane);
    const beside = this.#lanes_of.get(lane.server_id);
    beside?.delete(lane);
    if (beside?.size === 0) this.#lanes_of.delete(lane.server_id);
  }
}

/**
 * The first requests of all lanes in the order of their turns. There may be as many lanes as clients,
 * so they stand in a heap: the next one is found without looking at all of them again.
 */
export class LanePass {
  /** Each not before the one at half its place, counted from 1. */
  readonly #heap: { turn: number; lane: Lane }[] = [];

  constructor(lanes: Iterable<Lane>) {
    for (const lane of lanes) this.#push(lane);
  }

  /** The lane whose first request came first, and takes it out; undefined when none is left. */
  next(): Lane | undefined {
    const [top] = this.#heap;
    const last = this.#heap.pop();
    if (last !== undefined && this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#sink();
    }
    return top?.lane;
  }

  /** Puts a lane back whose first request has been served. */
  again(lane: Lane): void {
    this.#push(lane);
  }

  #push(lane: Lane): void {
    const turn = lane.first?.turn;
    if (turn === undefined) return;
    let place = this.#heap.push({ turn, lane }) - 1;
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (this.#heap[above].turn <= this.#heap[place].turn) return;
      this.#swap(above, place);
      place = above;
    }
  }

  #sink(): void {
    let place = 0;
    for (;;) {
      const [left, right] = [2 * place + 1, 2 * place + 2];
      let first = place;
      for (const below of [left, right]) {
        if (below < this.#heap.length && this.#heap[below].turn < this.#heap[first].turn) {
          first = below;
        }
      }
      if (first === place) return;
      this.#swap(first, place);
      place = first;
    }
  }

  #swap(a: number, b: number): void {
    [this.#heap[a], this.#heap[b]] = [this.#heap[b], this.#heap[a]];
  }
}

function planeSet(request: PairRequest): PlaneSet {
  if (request.need_zmq && request.need_srt) return "both";
  return request.need_zmq ? "zmq" : "srt";
}

function charsOf(request: PairRequest): number {
  return request.request_id.length + request.server_id.length;
}

/** Ids may hold any character, so they are told apart as JSON tells them. */
function laneKey({ asker, request }: Ticket): string {
  return JSON.stringify([planeSet(request), request.server_id, asker.standing.scope]);
}
