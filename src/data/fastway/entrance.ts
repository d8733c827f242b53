/** One side's listeners and the stages behind them; see `stage.ts`. */
import { SO_SNDBUF, SOL_SOCKET } from "../../../ffi/libc/mod.ts";
import type { Accepted } from "../tcp/accept-loop.ts";
import { Arrivals, type SocketArrival } from "./arrivals.ts";
import type { Bridge } from "./bridge/bridge.ts";
import type { HandedReturn } from "./bridge/handed-return.ts";
import type { FastwayContext } from "./context.ts";
import type { Endpoints } from "./endpoints.ts";
import { Listener } from "./listener.ts";
import { PlainStream } from "./plain-stream.ts";
import type { FastwayListen, FastwaySide, FastwayTransport, ShedLimit } from "./protocol.ts";
import { ProxyStage } from "./proxy-stage.ts";
import { ServerHandshake } from "./server-handshake.ts";
import type { SnetContext } from "./snet/context.ts";
import type { SnetSessions } from "./snet/sessions.ts";
import { SnetStage } from "./snet/stage.ts";
import type { Arrival, NextStage } from "./stage.ts";
import { TokenStage } from "./token-stage.ts";

/**
 * What waits in a door's socket, which the kernel doubles, and cuts to twice net.core.wmem_max. A Unix
 * socket has room for 208 KiB by itself where TCP on the way to a peer grows to several MiB, so that a
 * burst would fill the send queue of somebody who reads, before the door has had its turn.
 */
const DOOR_SEND_BYTES = Int32Array.of(1024 * 1024);

export interface EntranceOptions {
  context: FastwayContext;
  side: FastwaySide;
  endpoints: Endpoints;
  snet: { context: SnetContext; sessions: SnetSessions };
  /** Where there are several workers. */
  bridge: Bridge | null;
}

export class Entrance {
  readonly #context: FastwayContext;
  readonly #side: FastwaySide;
  readonly #arrivals: Arrivals;
  readonly #listeners: Listener[] = [];
  readonly #proxy: ProxyStage;
  /** What an arrival goes through that is known to be where it says. */
  readonly #first: NextStage;
  readonly #snet: SnetStage | null;

  constructor(options: EntranceOptions) {
    const { context, side } = options;
    this.#context = context;
    this.#side = side;
    this.#arrivals = new Arrivals({ context, side });
    const next = proofStage(options);
    const snet = this.#snet = snetStage(options, next);
    this.#first = snet === null ? next : (arrival) => snet.enter(arrival);
    this.#proxy = new ProxyStage({ context, next: this.#first });
  }

  /** Throws a {@link SystemCallError} where it cannot listen; answers the port, 0 for a door. */
  listen(at: FastwayListen): number {
    const transport = at.kind === "door" ? "tls" : "tcp";
    const listener = new Listener({
      context: this.#context,
      at,
      take: (accepted) => this.#accept(accepted, transport),
      starved: () => this.#shed("descriptors", "unknown"),
    });
    this.#listeners.push(listener);
    return listener.port;
  }

  /** Somebody comes back to an snet session of this worker, by another one. */
  takeReturn({ fd, transport, remote, address, request }: HandedReturn): void {
    const { libc, poller, admission, dregs } = this.#context;
    const limit = this.#snet === null ? "descriptors" : admission.enter(address);
    if (limit !== null) {
      libc.close(fd);
      return this.#shed(limit, remote);
    }
    const socket = new PlainStream({ libc, poller, fd, dregs });
    const place = { remote, address, transport, counted_as: address, is_proxied: false };
    this.#snet!.resume(this.#arrivals.add(socket, place), request);
  }

  dropBanned(): void {
    this.#arrivals.dropBanned();
  }

  close(): void {
    for (const listener of this.#listeners.splice(0)) listener.close();
    this.#arrivals.close();
  }

  #accept({ fd, address, remote }: Accepted, transport: FastwayTransport): void {
    const { libc, poller, addresses, admission, dregs, settings } = this.#context;
    const is_proxied = transport === "tls" || addresses.isTrustedProxy(address);
    // A proxy's clients are banned one by one, once it has said who they are.
    const is_banned = !is_proxied && addresses.isBanned(address);
    // All of a door's connections come from one place, which says nothing of any of them.
    const counted_as = transport === "tls" ? `door ${fd}` : address;
    const limit = is_banned ? "banned" : admission.enter(counted_as);
    if (limit !== null) {
      libc.close(fd);
      return this.#shed(limit, remote);
    }
    if (transport === "tls") libc.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, DOOR_SEND_BYTES, 4);
    const socket = new PlainStream({ libc, poller, fd, dregs });
    const place = { remote, address, transport, counted_as, is_proxied };
    const arrival = this.#arrivals.add(socket, place);
    // With snet it may be somebody who comes back, which a gateway that drains has to let in.
    if (!this.#context.is_serving && settings[this.#side].snet === null) {
      return arrival.refuse("draining", "the gateway drains");
    }
    if (is_proxied) this.#proxy.enter(arrival);
    else this.#first(arrival);
  }

  #shed(limit: ShedLimit, remote: string): void {
    this.#context.report({ type: "shed", side: this.#side, limit, count: 1, remote });
  }
}

/** Null where the side has no snet. */
function snetStage(options: EntranceOptions, next: NextStage): SnetStage | null {
  const { context, side, bridge } = options;
  const settings = () => context.settings[side].snet;
  // Listeners have it or not for their whole life.
  if (settings() === null) return null;
  return new SnetStage({
    ...options.snet,
    settings: () => settings()!,
    is_serving: () => context.is_serving,
    next,
    elsewhere: (arrival, id, request) =>
      bridge !== null && bridge.handReturn(arrival as SocketArrival, id, request),
  });
}

/** Where servers prove themselves, and clients say who they are if they are asked. */
function proofStage({ context, side, endpoints }: EntranceOptions): NextStage {
  if (side === "server") {
    const handshake = new ServerHandshake({
      context,
      next: (arrival, id) => endpoints.takeServer(arrival, id),
    });
    return (arrival) => handshake.enter(arrival);
  }
  const token = new TokenStage({
    context,
    next: (arrival, text) => endpoints.awaitAdmission(arrival, text),
  });
  return (arrival: Arrival) => {
    if (context.settings.client_token) token.enter(arrival);
    else endpoints.takeClient(arrival);
  };
}
