/**
 * libsrt's listeners, kept for the next session on their port. libsrt closes in the background (a
 * collector that ticks each second, longer for what broke), and a port that is bound again before the
 * old listener is really gone may attach to its dead multiplexer. So a listener rests when its session
 * is over, is used again if the port is granted again, and is only closed when nobody wanted it.
 */
import { decodeAddress, formatAddress, SOCKADDR_BYTES } from "../../../ffi/libc/mod.ts";
import {
  type Libsrt,
  SRT_EASYNCRCV,
  SRT_EPOLL_IN,
  SRT_ERROR,
  SRTS_NONEXIST,
} from "../../../ffi/libsrt/mod.ts";
import type { AddressRules } from "../address-rules.ts";
import type { PlaneEvent } from "../plane.ts";
import { bannedEvent, exhaustedEvent, strangerEvent } from "../port-events.ts";
import { Deadline, type TimerWheel } from "../timer-wheel.ts";
import type { SrtWorkerSettings } from "../worker-protocol.ts";
import { BACKLOG, listenerOptions, type ListenerTerms, openListener } from "./listener-options.ts";
import type { SrtPoller, SrtWatched } from "./poller.ts";

/** A listener nobody needs is closed after this; until then its port answers handshakes. */
const REST_MS = 30_000;
/** Rest of a listener whose connections cannot be taken. */
const PAUSE_MS = 100;
/** Between two looks whether a closed listener is gone. */
const GONE_LOOK_MS = 100;
/** libsrt's collector needs up to about 4 s; after this the port counts as taken. */
const GONE_MAX_MS = 6_000;

/** An accepted socket and where it comes from. */
export interface Accepted {
  socket: number;
  /** The host alone. */
  address: string;
  /** `host:port`. */
  remote: string;
}

/** Somebody else of this program listens there. */
export class PortTakenError extends Error {
  override name = "PortTakenError";
  readonly code = "EADDRINUSE";
  constructor(port: number) {
    super(`port ${port} still has a session of its own; it is free when that is over`);
  }
}

/** Who takes what a listener accepts. */
export interface Acceptor extends ListenerTerms {
  readonly port: number;
  /** Makes a new listener its own before it listens; may throw. */
  prepare?(listener: number): void;
  accept(accepted: Accepted): void;
}

interface Listener {
  socket: number;
  /** The options that it was made with, which libsrt lets nobody change. */
  terms: string;
  /** Null while it rests. */
  acceptor: Acceptor | null;
  rest: Deadline;
}

export interface SrtListenersOptions {
  libsrt: Libsrt;
  poller: SrtPoller;
  wheel: TimerWheel;
  settings: SrtWorkerSettings;
  addresses: AddressRules;
  event: (event: PlaneEvent) => void;
  /** The clock of this turn of the loop, ms. */
  now_ms: () => number;
}

export class SrtListeners {
  readonly #options: SrtListenersOptions;
  readonly #listeners = new Map<number, Listener>();
  /** Those who wait for an earlier listener to be gone, and their next look. */
  readonly #looks = new Map<Acceptor, Deadline>();
  /** Closed and perhaps not gone yet: the socket by its port. */
  readonly #leaving = new Map<number, number>();
  /** Who is told that a port is free again, and the next look. */
  readonly #retiring = new Map<() => void, Deadline>();
  readonly #peer = new Uint8Array(SOCKADDR_BYTES);
  readonly #peerBytes = new Int32Array(1);

  constructor(options: SrtListenersOptions) {
    this.#options = options;
  }

  /**
   * Has the port listen and calls back once with null, or with the error; at once where that is
   * possible, later where an earlier listener is still leaving. Nobody is called back who has been
   * put to {@link leave} by then.
   */
  open(acceptor: Acceptor, done: (failure: Error | null) => void): void {
    const { wheel, now_ms } = this.#options;
    const { port } = acceptor;
    const until_ms = now_ms() + GONE_MAX_MS;
    const attempt = (then_ms: number) => {
      const there = this.#listeners.get(port);
      if (there?.acceptor) {
        this.#looks.delete(acceptor);
        return done(new PortTakenError(port));
      }
      if (there && isOrdinary(acceptor) && there.terms === this.#terms(acceptor)) {
        this.#looks.delete(acceptor);
        wheel.cancel(there.rest);
        there.acceptor = acceptor;
        return done(null);
      }
      if (there) this.#close(port);
      if (this.#isLeaving(port) && then_ms < until_ms) {
        this.#looks.set(acceptor, look);
        wheel.schedule(look, then_ms + GONE_LOOK_MS);
        return;
      }
      this.#looks.delete(acceptor);
      try {
        this.#listen(acceptor);
      } catch (error) {
        return done(error as Error);
      }
      done(null);
    };
    const look = new Deadline(attempt);
    attempt(now_ms());
  }

  /**
   * The acceptor's session is over. Its listener, if it has got one, rests, and `freed` is called at
   * once; one with wishes is closed, and `freed` is called when libsrt has let go of the port.
   */
  leave(acceptor: Acceptor, freed: () => void): void {
    const { wheel, now_ms } = this.#options;
    const { port } = acceptor;
    this.#stopLooking(acceptor);
    const listener = this.#listeners.get(port);
    if (listener?.acceptor !== acceptor) return freed();
    if (isOrdinary(acceptor) && listener.terms === this.#ordinaryTerms()) {
      listener.acceptor = null;
      wheel.schedule(listener.rest, now_ms() + REST_MS);
      return freed();
    }
    this.#close(port);
    if (isOrdinary(acceptor)) return freed();
    const until_ms = now_ms() + GONE_MAX_MS;
    const retired = new Deadline((then_ms) => {
      if (this.#isLeaving(port) && then_ms < until_ms) {
        return wheel.schedule(retired, then_ms + GONE_LOOK_MS);
      }
      this.#retiring.delete(freed);
      freed();
    });
    this.#retiring.set(freed, retired);
    wheel.schedule(retired, now_ms() + GONE_LOOK_MS);
  }

  /** The acceptor needs its listener no more, nor does anybody like it: it is closed and not kept. */
  drop(acceptor: Acceptor): void {
    this.#stopLooking(acceptor);
    const { port } = acceptor;
    if (this.#listeners.get(port)?.acceptor === acceptor) this.#close(port);
  }

  /** New options for listeners to come: those that rest and have other ones are of no more use. */
  apply(): void {
    const ordinary = this.#ordinaryTerms();
    for (const [port, { acceptor, terms }] of [...this.#listeners]) {
      if (!acceptor && terms !== ordinary) this.#close(port);
    }
  }

  /** Whether a listener that is made now would be another one than the acceptor has. */
  isOutdated(acceptor: Acceptor): boolean {
    const listener = this.#listeners.get(acceptor.port);
    if (listener?.acceptor !== acceptor) return false;
    const { wishes } = acceptor;
    const passphrase = wishes.passphrase ?? this.#options.settings.passphrase;
    return listener.terms !== this.#terms({ wishes, passphrase });
  }

  close(): void {
    for (const port of [...this.#listeners.keys()]) this.#close(port);
    for (const [freed, look] of [...this.#retiring]) {
      this.#options.wheel.cancel(look);
      this.#retiring.delete(freed);
      freed();
    }
  }

  #terms(acceptor: ListenerTerms): string {
    return JSON.stringify(listenerOptions(this.#options.settings, acceptor));
  }

  #ordinaryTerms(): string {
    return this.#terms({ wishes: {}, passphrase: this.#options.settings.passphrase });
  }

  #stopLooking(acceptor: Acceptor): void {
    this.#options.wheel.cancel(this.#looks.get(acceptor) ?? null);
    this.#looks.delete(acceptor);
  }

  #listen(acceptor: Acceptor): void {
    const { port } = acceptor;
    const terms = this.#terms(acceptor);
    const socket = openListener(this.#options, acceptor);
    const rest = new Deadline(() => this.#close(port));
    const listener: Listener = { socket, terms, acceptor, rest };
    this.#listeners.set(port, listener);
    const watched = { socket, ready: () => this.#accept(port, listener, watched) };
    this.#options.poller.watch(watched, SRT_EPOLL_IN);
  }

  #accept(port: number, listener: Listener, watched: SrtWatched): void {
    const { libsrt, addresses, event } = this.#options;
    for (let i = 0; i < BACKLOG; i++) {
      this.#peerBytes[0] = SOCKADDR_BYTES;
      const socket = libsrt.srt_accept(listener.socket, this.#peer, this.#peerBytes);
      if (socket === SRT_ERROR) {
        if (libsrt.lastError() !== SRT_EASYNCRCV) this.#pause(port, watched);
        return;
      }
      const from = decodeAddress(this.#peer);
      const remote = formatAddress(from);
      if (addresses.isBanned(from.host)) {
        libsrt.srt_close(socket);
        event(bannedEvent(port, remote));
      } else if (listener.acceptor) {
        listener.acceptor.accept({ socket, address: from.host, remote });
      } else {
        libsrt.srt_close(socket);
        event(strangerEvent(port, remote));
      }
    }
  }

  /** Told of the same connection again and again, the loop would spin. */
  #pause(port: number, watched: SrtWatched): void {
    const { poller, wheel, event, now_ms } = this.#options;
    event(exhaustedEvent(port));
    poller.rewatch(watched, 0);
    const resume = new Deadline(() => {
      if (this.#listeners.get(port)?.socket !== watched.socket) return;
      poller.rewatch(watched, SRT_EPOLL_IN);
    });
    wheel.schedule(resume, now_ms() + PAUSE_MS);
  }

  #close(port: number): void {
    const { libsrt, poller, wheel } = this.#options;
    const listener = this.#listeners.get(port)!;
    this.#listeners.delete(port);
    wheel.cancel(listener.rest);
    poller.forget(listener.socket);
    libsrt.srt_close(listener.socket);
    this.#leaving.set(port, listener.socket);
  }

  #isLeaving(port: number): boolean {
    const socket = this.#leaving.get(port);
    if (socket === undefined) return false;
    if (this.#options.libsrt.srt_getsockstate(socket) !== SRTS_NONEXIST) return true;
    this.#leaving.delete(port);
    return false;
  }
}

function isOrdinary({ wishes }: Acceptor): boolean {
  return Object.keys(wishes).length === 0;
}
