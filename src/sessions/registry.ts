/**
 * Who is online, per role, and how much room each server has.
 *
 * A server's room is its `max_conn` minus its ports in use, Reserved and Occupied alike. The ports
 * are counted by id and outlive the control connection, because sessions do: a server that comes
 * back finds the room it really has.
 */
import type { Role } from "../data/plane.ts";
import type { Party } from "./party.ts";

/** Room that waiting requests with an earlier turn have laid a hand on. */
export type ClaimedRoom = ReadonlyMap<Party, number>;

/**
 * All ids online together may have so many characters. One id may be as long as a message allows,
 * but each `status` broadcast names every server.
 */
export const ID_CHARS_IN_ALL_MAX = 4 * 1024 * 1024;

/** What is looked for in a server. */
export interface ServerChoice {
  /** A certain one, or empty for any. */
  server_id: string;
  ports: number;
  claimed: ClaimedRoom;
  /** Whether it may be this one at all; absent: any may. */
  accepts?: (server: Party) => boolean;
}

export class Registry {
  readonly #servers = new Map<string, Party>();
  readonly #clients = new Map<string, Party>();
  readonly #ports_in_use = new Map<string, number>();
  #room_in_all = 0;
  #id_chars = 0;

  /** Registered connections of both roles. */
  get size(): number {
    return this.#servers.size + this.#clients.size;
  }

  /** The room of all servers online together; at 0 no request can be served. */
  get roomInAll(): number {
    return this.#room_in_all;
  }

  /** A server and a client may share an id; two of one role may not. */
  has(role: Role, id: string): boolean {
    return this.#of(role).has(id);
  }

  /** Whether one more id of this length may come online. */
  hasSpaceFor(id: string): boolean {
    return this.#id_chars + id.length <= ID_CHARS_IN_ALL_MAX;
  }

  find(role: Role, id: string): Party | undefined {
    return this.#of(role).get(id);
  }

  *parties(): Generator<Party> {
    yield* this.#servers.values();
    yield* this.#clients.values();
  }

  portsInUse(server_id: string): number {
    return this.#ports_in_use.get(server_id) ?? 0;
  }

  server(id: string): Party | undefined {
    return this.#servers.get(id);
  }

  servers(): IterableIterator<Party> {
    return this.#servers.values();
  }

  add(party: Party): void {
    if (this.has(party.role, party.id)) throw new Error(`${party.role} id is already online`);
    this.#of(party.role).set(party.id, party);
    this.#id_chars += party.id.length;
    if (party.role === "server") this.#room_in_all += this.room(party);
  }

  /** False when the party was not online, for instance because it left before. */
  delete(party: Party): boolean {
    if (this.#of(party.role).get(party.id) !== party) return false;
    this.#id_chars -= party.id.length;
    if (party.role === "server") this.#room_in_all -= this.room(party);
    return this.#of(party.role).delete(party.id);
  }

  isOnline(party: Party): boolean {
    return this.#of(party.role).get(party.id) === party;
  }

  /** Ports a server can still carry. */
  room(server: Party): number {
    return Math.max(0, server.max_conn - (this.portsInUse(server.id)));
  }

  /** Counts ports of a server as in use, or with a negative number as free again. */
  usePorts(server_id: string, ports: number): void {
    const server = this.#servers.get(server_id);
    if (server !== undefined) this.#room_in_all -= this.room(server);
    const in_use = this.portsInUse(server_id) + ports;
    if (in_use > 0) this.#ports_in_use.set(server_id, in_use);
    else this.#ports_in_use.delete(server_id);
    if (server !== undefined) this.#room_in_all += this.room(server);
  }

  /**
   * The room a request for so many ports must find. Less than it asks for where the server carries
   * fewer in all: otherwise a server that names no `max_conn` could never serve both planes.
   */
  static roomNeeded(server: Party, ports: number): number {
    return Math.min(ports, server.max_conn);
  }

  /**
   * The server that would take a request now: the named one, else the one with most room and of
   * those the lowest id. Undefined when none has enough.
   */
  choose(
    options: ServerChoice,
  ): Party | undefined {
    return this.#best(
      options,
      (server, room) => room >= Registry.roomNeeded(server, options.ports),
    );
  }

  /** The server nearest to taking a request that {@link choose} finds none for: some room, too little. */
  nearest(options: ServerChoice): Party | undefined {
    return this.#best(options, (_server, room) => room > 0);
  }

  #best(
    { server_id, claimed, accepts }: ServerChoice,
    fits: (server: Party, room: number) => boolean,
  ): Party | undefined {
    if (server_id !== "") {
      const server = this.#servers.get(server_id);
      if (server === undefined || accepts?.(server) === false) return undefined;
      return fits(server, this.room(server) - (claimed.get(server) ?? 0)) ? server : undefined;
    }
    let best: Party | undefined;
    let best_room = 0;
    for (const server of this.#servers.values()) {
      const room = this.room(server) - (claimed.get(server) ?? 0);
      if (room < best_room || room <= 0 || !fits(server, room)) continue;
      if (best !== undefined && room === best_room && server.id > best.id) continue;
      if (accepts?.(server) === false) continue;
      best = server;
      best_room = room;
    }
    return best;
  }

  #of(role: Role): Map<string, Party> {
    return role === "server" ? this.#servers : this.#clients;
  }
}
