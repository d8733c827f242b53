/**
 * Who is paired with whom.
 *
 *   pair_request → a server with room → a port of each pool asked for → opened on its plane → grant
 *
 * What cannot be served at once waits in turn and is served the moment a server or a port is there.
 * First come, first served, in two senses: a new request never takes what an older one could use,
 * and an older one that lacks only part of what it needs lays a claim on the part that is there, so
 * that a stream of smaller requests cannot starve it. A claim is at most one request's worth per
 * lane, so it never idles more than that.
 *
 * A request holds nothing before its turn, and whatever an attempt took it gives back when it fails:
 * a port that cannot be bound is Blocked and another one tried, a server that left is replaced by
 * the next choice, an asker that left is forgotten.
 */
import type { LimitReached } from "../access/limits.ts";
import { mayMeet } from "../access/standing.ts";
import type { Config } from "../config/schema.ts";
import type { Log } from "../observe/log.ts";
import { RepeatedLines } from "../observe/repeated-lines.ts";
import type { PlaneKind, PortOpenError } from "../data/plane.ts";
import { DeadlineLine } from "../data/deadline-line.ts";
import { type PairRequest, type Party, type Refusal, traced } from "./party.ts";
import type { PortPool } from "./port-pool.ts";
import { Registry } from "./registry.ts";
import type { Session, SessionPort } from "./session.ts";
import type { PerPlane, SessionTable } from "./session-table.ts";
import { type Ticket, WaitingLine } from "./waiting-line.ts";

/** The ids of all waiting requests together may have so many characters. */
const WAITING_CHARS_MAX = 16 * 1024 * 1024;

/** What a request may ask of its SRT port. */
export interface SrtRules {
  mode: "per_session" | "shared";
  /** Milliseconds. */
  latency_min: number;
  latency_max: number;
}

/** How an attempt to open a session's ports ended. */
type Opened = "open" | "no_port" | "plane_failed";

export class Broker {
  readonly #registry: Registry;
  readonly #pools: PerPlane<PortPool>;
  readonly #sessions: SessionTable;
  readonly #log: Log;
  readonly #repeated: RepeatedLines;
  #waiting_max: number;
  #waiting_per_client_max: number;
  #srt: SrtRules;
  readonly #encrypts_single_sessions: () => boolean;
  readonly #onGranted: (setup_ms: number) => void;
  readonly #line: WaitingLine;
  /** Every request that waits or has waited and is being opened; the time runs on for both. */
  readonly #patience: DeadlineLine<Ticket>;
  #next_turn = 0;
  /** Why there are no new sessions now; null while there are. */
  #refusing: string | null = null;
  #serving = false;

  constructor(
    options: {
      registry: Registry;
      pools: PerPlane<PortPool>;
      sessions: SessionTable;
      log: Log;
      limits: {
        waiting_requests_max: number;
        waiting_requests_per_client_max: number;
        pair_timeout_ms: number;
      };
      srt: SrtRules;
      /** Whether a session can have a passphrase of its own; the plane knows once it has started. */
      encrypts_single_sessions: () => boolean;
      /** Hears how long each request took from its coming to its grant. */
      onGranted?: (setup_ms: number) => void;
    },
  ) {
    const { registry, limits } = options;
    this.#registry = registry;
    this.#pools = options.pools;
    this.#sessions = options.sessions;
    this.#log = options.log;
    this.#repeated = new RepeatedLines({ log: options.log });
    this.#srt = options.srt;
    this.#encrypts_single_sessions = options.encrypts_single_sessions;
    this.#onGranted = options.onGranted ?? (() => {});
    this.#waiting_max = limits.waiting_requests_max;
    this.#waiting_per_client_max = limits.waiting_requests_per_client_max;
    this.#line = new WaitingLine({ isOnline: (id) => registry.server(id) !== undefined });
    this.#patience = new DeadlineLine({
      period_ms: limits.pair_timeout_ms,
      onDue: (ticket) => this.#onTimeout(ticket),
    });
  }

  /** Takes a front end's request; the answer, if there is one, comes through the asker. */
  request(asker: Party, request: PairRequest): void {
    const { request_id, server_id } = request;
    const ticket: Ticket = {
      turn: this.#next_turn++,
      asker,
      request,
      asked_at: performance.now(),
      timed_out: false,
    };
    const mistake = this.#mistakeOf(request);
    if (mistake !== null) {
      this.#repeated.warn(
        `mistaken_request ${asker.id}`,
        { status: "pair_refused", ...about(ticket), code: 502, error: mistake },
        "a request asked for what cannot be had",
      );
      asker.refused({ request_id, code: 502, error: mistake }, request.trace_id);
      return;
    }
    if (this.#refusing !== null) {
      this.#refuse(ticket, 504, this.#refusing);
      return;
    }
    const { standing } = asker;
    const reached = standing.takePairRequest(performance.now()) ?? standing.sessionLimit();
    if (reached !== null) {
      this.#limit(ticket, reached);
      return;
    }
    if (this.#isForbidden(ticket)) {
      this.#forbid(ticket);
      return;
    }
    if (this.#line.asleep && this.#attempt(ticket, NO_CLAIMS)) return;
    // It may still be served: those who wait may wait for something else.
    this.#line.add(ticket);
    this.wake();
    if (!this.#line.has(ticket) || !this.#mayWait(ticket)) return;
    this.#patience.add(ticket);
    this.#log.info(
      { status: "pair_waiting", ...about(ticket), server_id },
      "no server, room or port for the request yet; it waits for its turn",
    );
  }

  /** A party has registered; a server may be what somebody waits for. */
  onOnline(party: Party): void {
    if (party.role !== "server") return;
    this.#line.onServer(party.id, true);
    this.wake();
  }

  /** A party's control connection has ended: its waiting requests go with it, its sessions stay. */
  onOffline(party: Party): void {
    if (party.role === "server") {
      this.#line.onServer(party.id, false);
      // Whoever had a claim on its room had one on ports as well, which may now serve others.
      this.wake();
      return;
    }
    const tickets = this.#line.ticketsOf(party);
    for (const ticket of tickets) {
      this.#line.delete(ticket);
      this.#patience.delete(ticket);
      this.#log.info(
        { status: "pair_refused", ...about(ticket), reason: "asker_left" },
        "the waiting request is dropped: its client has left",
      );
    }
    // What the dropped ones had a claim on may now serve others.
    if (tickets.length > 0) this.wake();
  }

  /** Serves whoever can be served: called whenever a server, room or a port has come free. */
  wake(): void {
    // Giving something back inside a pass comes round here; the pass that runs sees it.
    if (this.#serving || this.#refusing !== null) return;
    this.#serving = true;
    try {
      this.#serve();
    } finally {
      this.#serving = false;
    }
  }

  /** Why there are no new sessions now; null while there are. */
  get refusing(): string | null {
    return this.#refusing;
  }

  /** No more grants, for this reason: whoever waits is told so, and so is whoever asks from now on. */
  refuseAll(reason: string): void {
    this.#refusing = reason;
    for (const ticket of this.#line.all()) {
      this.#line.delete(ticket);
      this.#refuse(ticket, 504, reason);
    }
  }

  /** Takes {@link refuseAll} back. */
  serveAgain(): void {
    this.#refusing = null;
  }

  stop(): void {
    this.refuseAll("the gateway is stopping");
    this.#patience.close();
    this.#repeated.close();
  }

  /** Takes new bounds; requests that wait already stay, and their time is counted anew. */
  apply({ limits, gosrt }: Pick<Config, "limits" | "gosrt">): void {
    this.#waiting_max = limits.waiting_requests_max;
    this.#waiting_per_client_max = limits.waiting_requests_per_client_max;
    this.#srt = gosrt;
    this.#patience.setPeriod(limits.pair_timeout_ms);
  }

  snapshot(): { waiting: number } {
    return { waiting: this.#line.size };
  }

  /** What is wrong with a request whatever is free; null where nothing is. */
  #mistakeOf({ need_zmq, need_srt, srt, hello_proof }: PairRequest): string | null {
    if (!need_zmq && !need_srt) return "need_zmq/need_srt both false";
    if (hello_proof && this.#sessions.hello_proof === "off") {
      return "qos.hello_proof: this gateway has auth.hello_proof off";
    }
    if (!need_srt) return null;
    const { mode, latency_min, latency_max } = this.#srt;
    const { latency_ms } = srt;
    if (mode === "shared" && (srt.transtype !== undefined || latency_ms !== undefined)) {
      return "qos.srt: this gateway's sessions share a port, whose transtype and latency are the " +
        "same for all; only encrypt can be asked for";
    }
    if (srt.encrypt && !this.#encrypts_single_sessions()) {
      return "qos.srt.encrypt: this gateway's sessions share a port, and its libsrt knows one " +
        "passphrase for all of them";
    }
    if (latency_ms !== undefined && (latency_ms < latency_min || latency_ms > latency_max)) {
      return `qos.srt.latency: found ${latency_ms}; allowed: ${latency_min} to ${latency_max} ms`;
    }
    if (srt.transtype === "file" && latency_ms !== undefined) {
      return "qos.srt.latency: files have none; leave it out with transtype file";
    }
    return null;
  }

  #serve(): void {
    if (!this.#hasRoom()) return;
    const pass = this.#line.pass();
    const claims: Claims = { room: new Map(), ports: { zmq: 0, srt: 0 } };
    while (this.#hasRoom()) {
      const lane = pass.next();
      const ticket = lane?.first;
      if (lane === undefined || ticket === undefined) return;
      const reached = ticket.asker.standing.sessionLimit();
      if (reached !== null) {
        // It was within its limit when it asked, and those that it has got since have used it up.
        this.#line.delete(ticket);
        this.#limit(ticket, reached);
        pass.again(lane);
      } else if (this.#attempt(ticket, claims)) {
        this.#line.delete(ticket);
        pass.again(lane);
      } else {
        this.#claim(ticket, claims);
      }
    }
  }

  /** Whether anybody at all could be served. */
  #hasRoom(): boolean {
    return this.#registry.roomInAll > 0 && this.#pools.zmq.idle + this.#pools.srt.idle > 0;
  }

  /** True when the request has got its server and its ports and is being opened. */
  #attempt(ticket: Ticket, claims: Readonly<Claims>): boolean {
    const { asker, request } = ticket;
    if (request.need_zmq && this.#pools.zmq.idle <= claims.ports.zmq) return false;
    if (request.need_srt && this.#pools.srt.idle <= claims.ports.srt) return false;
    const server = this.#registry.choose({
      server_id: request.server_id,
      ports: portsAsked(request),
      claimed: claims.room,
      accepts: acceptedBy(asker),
    });
    if (server === undefined) return false;
    const session = this.#sessions.reserve(request, server, asker);
    if (session === null) return false;
    this.#open(session).then((opened) => this.#settle(ticket, server, session, opened));
    return true;
  }

  /** Keeps for a request that cannot be served what of its needs is there. */
  #claim({ asker, request }: Ticket, claims: Claims): void {
    const ports = portsAsked(request);
    const { server_id } = request;
    const target = { server_id, ports, claimed: claims.room, accepts: acceptedBy(asker) };
    const server = this.#registry.choose(target);
    // A server with some room but too little is the one whose room must be left to add up.
    const claimed = server ?? this.#registry.nearest(target);
    if (claimed === undefined) return;
    const room = claims.room.get(claimed) ?? 0;
    claims.room.set(claimed, room + Registry.roomNeeded(claimed, ports));
    if (server === undefined) return;
    if (request.need_zmq) claims.ports.zmq++;
    if (request.need_srt) claims.ports.srt++;
  }

  /** Opens every port of the session, each with another one in its place while it cannot be bound. */
  async #open(session: Session): Promise<Opened> {
    const [first, second] = [...session.ports];
    if (second === undefined) return await this.#openPort(first);
    const [a, b] = await Promise.all([this.#openPort(first), this.#openPort(second)]);
    return a === "open" ? b : a;
  }

  async #openPort(first: SessionPort): Promise<Opened> {
    let port: SessionPort | null = first;
    while (port !== null) {
      let failure: PortOpenError | null;
      try {
        failure = await this.#sessions.open(port);
      } catch (error) {
        const { session, kind, port: number } = port;
        this.#log.error(
          {
            status: "plane_failed",
            session_id: session.id,
            kind,
            port: number,
            error: String(error),
          },
          "the plane could not open a port",
        );
        return "plane_failed";
      }
      if (failure === null) return port.phase === "reserved" ? "open" : "plane_failed";
      // One that was ended meanwhile needs no other port.
      if (port.session.ended !== null) return "no_port";
      port = this.#roomIsLeft(port.session)
        ? this.#sessions.takePort(port.session, port.kind)
        : null;
    }
    return "no_port";
  }

  /**
   * Whether a port may be replaced: the room that it gave back may have been taken meanwhile. A server
   * that carries one port may have a session on two, so what is the session's own does not count.
   */
  #roomIsLeft({ server_id, ports }: Session): boolean {
    const in_use = this.#registry.portsInUse(server_id);
    const max_conn = this.#registry.server(server_id)?.max_conn ?? 0;
    return in_use < max_conn || in_use === ports.length;
  }

  #settle(ticket: Ticket, server: Party, session: Session, opened: Opened): void {
    const { asker, request } = ticket;
    // The first port may have been lost while the second was still being opened.
    const complete = opened === "open" && session.ports.length === portsAsked(request) &&
      session.ports.every((port) => port.phase === "reserved");
    const asker_online = this.#registry.isOnline(asker);
    // What the two may do is asked again: it may have been changed while the ports were opened.
    const allowed = mayMeet(asker.standing, server.standing);
    const both_online = asker_online && this.#registry.isOnline(server);
    const { ended } = session;
    if (complete && both_online && allowed && ended === null && this.#refusing === null) {
      this.#patience.delete(ticket);
      this.#grant(server, asker, session);
      this.#onGranted(performance.now() - ticket.asked_at);
      return;
    }
    this.#sessions.release(session);
    if (!asker_online) {
      this.#patience.delete(ticket);
      this.#log.info(
        {
          status: "pair_refused",
          ...about(ticket),
          session_id: session.id,
          reason: "asker_left",
        },
        "the ports are given back: the client left before its grant",
      );
    } else if (this.#refusing !== null) {
      this.#refuse(ticket, 504, this.#refusing);
    } else if (ended !== null) {
      this.#refuse(ticket, 504, `the session was ended before its grant: ${ended}`);
    } else if (opened === "plane_failed" || (opened === "open" && !complete)) {
      this.#refuse(ticket, 500, "the data plane failed while it opened the port; ask again");
    } else if (ticket.timed_out) {
      this.#refuse(ticket, 505, "no port available");
    } else if (this.#isForbidden(ticket)) {
      this.#forbid(ticket);
    } else {
      // The line knows the turn and puts the request back where it was.
      this.#line.add(ticket);
      // Its time began when it first had to wait; one that never had begins now.
      if (this.#mayWait(ticket) && !this.#patience.has(ticket)) this.#patience.add(ticket);
    }
    this.wake();
  }

  #grant(server: Party, client: Party, session: Session): void {
    const grant = session.grant("client");
    this.#sessions.startReservation(session);
    client.granted(grant, session.trace_id);
    server.granted(session.grant("server"), session.trace_id);
    const { request_id, session_id, server_id, client_id, zmq_port, srt_port } = grant;
    this.#log.info(
      {
        status: "pair_granted",
        request_id,
        session_id,
        server_id,
        client_id,
        zmq_port,
        srt_port,
        srt_encrypted: grant.srt_passphrase !== undefined,
        hello_proof: grant.hello_token !== undefined,
        ...traced(session.trace_id),
      },
      "a session is granted to both ends",
    );
  }

  /** Checks the bounds with the ticket in the line; beyond one it is taken out, refused and logged. */
  #mayWait(ticket: Ticket): boolean {
    const { asker, request } = ticket;
    const limit = this.#line.sizeOf(asker) > this.#waiting_per_client_max
      ? {
        name: "waiting_requests_per_client_max",
        reached: `${this.#waiting_per_client_max} requests of this client`,
      }
      : this.#line.size > this.#waiting_max
      ? { name: "waiting_requests_max", reached: `${this.#waiting_max} requests` }
      : this.#line.chars > WAITING_CHARS_MAX
      ? {
        name: "waiting_chars_max",
        reached: `requests with ids of ${WAITING_CHARS_MAX} characters in all`,
      }
      : null;
    if (limit === null) return true;
    this.#line.delete(ticket);
    const code = 504;
    const error = `nothing is free and ${limit.reached} wait already, the most allowed; ` +
      "ask again later";
    this.#repeated.warn(
      `${limit.name} ${asker.id}`,
      { status: "limit_reached", limit: limit.name, ...about(ticket), code, error },
      "the request may not wait: too many do already",
    );
    this.#patience.delete(ticket);
    asker.refused({ request_id: request.request_id, code, error }, request.trace_id);
    return false;
  }

  #onTimeout(ticket: Ticket): void {
    ticket.timed_out = true;
    // One that is being opened just now is answered when that has ended.
    if (!this.#line.delete(ticket)) return;
    this.#refuse(ticket, 505, "no port available");
    this.wake();
  }

  /**
   * Whether the client asks for a server that it may not have, by its own rules: that is said at once
   * and is no news to it, whether there is such a server or not. A server that does not want this
   * client is to it as one that is not there.
   */
  #isForbidden({ asker, request: { server_id } }: Ticket): boolean {
    return server_id !== "" && !asker.standing.principal.mayMeet(server_id);
  }

  #forbid(ticket: Ticket): void {
    const { request_id, server_id, trace_id } = ticket.request;
    const code = 501;
    const error = "501 not authorised";
    this.#patience.delete(ticket);
    this.#repeated.warn(
      `pair_refused ${code} ${ticket.asker.id}`,
      { status: "pair_refused", ...about(ticket), server_id, code, error },
      "the request is refused: its client may not meet this server",
    );
    ticket.asker.refused({ request_id, code, error }, trace_id);
  }

  #limit(ticket: Ticket, { limit, allowed, account, sentence }: LimitReached): void {
    const { request_id, trace_id } = ticket.request;
    const code = 504;
    this.#patience.delete(ticket);
    this.#repeated.warn(
      `${limit} ${account}`,
      { status: "limit_reached", limit, allowed, account, ...about(ticket), code },
      "the request is refused: its client has reached a limit",
    );
    ticket.asker.refused({ request_id, code, error: sentence }, trace_id);
  }

  #refuse(ticket: Ticket, code: Refusal["code"], error: string): void {
    const { request_id, trace_id } = ticket.request;
    this.#patience.delete(ticket);
    this.#log.info(
      { status: "pair_refused", ...about(ticket), code, error },
      "the request is refused",
    );
    ticket.asker.refused({ request_id, code, error }, trace_id);
  }
}

/** What requests with an earlier turn keep for themselves within one pass. */
interface Claims {
  room: Map<Party, number>;
  ports: Record<PlaneKind, number>;
}

const NO_CLAIMS: Readonly<Claims> = Object.freeze({
  room: new Map<Party, number>(),
  ports: Object.freeze({ zmq: 0, srt: 0 }),
});

/** Which servers a client may get: those that may meet it, and may have one more session. */
function acceptedBy(client: Party): (server: Party) => boolean {
  return ({ standing }) => mayMeet(client.standing, standing) && standing.sessionLimit() === null;
}

/** What every line of the log about a request has. */
function about({ asker, request: { request_id, trace_id } }: Ticket) {
  return { client_id: asker.id, request_id, ...traced(trace_id) };
}

function portsAsked(request: PairRequest): number {
  return Number(request.need_zmq) + Number(request.need_srt);
}
