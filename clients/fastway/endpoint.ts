/** A client or a server at its gateway: one connection that carries many conversations. */
import { type DialOptions, Dials } from "./dials.ts";
import { abortedError, FastwayError } from "./errors.ts";
import { FrameReader } from "./frame-reader.ts";
import type { Greeting } from "./greeting.ts";
import { checkDialOptions, checkRemoteId, type EndpointSettings } from "./options.ts";
import { Outbox, rejected, type Sender } from "./outbox.ts";
import { Pings } from "./pings.ts";
import type { Transport } from "./transport.ts";
import {
  type ConnectionHost,
  type ReceiveOptions,
  VirtualConnection,
} from "./virtual-connection.ts";
import { WaitingQueue } from "./waiting-queue.ts";
import * as wire from "./wire/mod.ts";

/** What there is at a moment. */
export interface EndpointSnapshot {
  connections: number;
  /** Of them, those that others have dialled and nobody has accepted. */
  waiting_accepts: number;
  waiting_dials: number;
  waiting_send_bytes: number;
  /** snet: the connection is lost and looked for. */
  is_away: boolean;
  /** Reading is paused for a connection whose queue is full. */
  is_paused: boolean;
  /** Messages that came for connections closed on this side. */
  late_messages: number;
}

export class Endpoint implements AsyncIterable<VirtualConnection> {
  /**
   * Resolves when the endpoint is over, with null after `close` and with the reason otherwise. It
   * never rejects.
   */
  readonly closed: Promise<FastwayError | null>;
  readonly #settings: EndpointSettings;
  readonly #transport: Transport;
  readonly #greeting: Greeting;
  readonly #outbox: Outbox;
  readonly #pings: Pings;
  readonly #reader: FrameReader;
  readonly #connections = new Map<number, VirtualConnection>();
  readonly #dials = new Dials<VirtualConnection>();
  readonly #incoming = new WaitingQueue<VirtualConnection>();
  readonly #full = new Set<VirtualConnection>();
  readonly #ended: (error: FastwayError | null) => void;
  #challenge: Uint8Array | null = new Uint8Array(0);
  #ready: { resolve(): void; reject(error: FastwayError): void } | null = null;
  #over: FastwayError | null = null;
  #is_away = false;
  #late_messages = 0;

  /** Use `connectClient` and `connectServer`. */
  constructor(
    { transport, greeting, settings }: {
      transport: Transport;
      greeting: Greeting;
      settings: EndpointSettings;
    },
  ) {
    this.#settings = settings;
    this.#transport = transport;
    this.#greeting = greeting;
    this.#outbox = new Outbox({ transport, settings, leaving: () => this.#pingIfDue() });
    this.#reader = new FrameReader({
      owner: {
        frame: (id, bytes, from, to) => this.#frame(id, bytes, from, to),
        badLength: (length) => this.#fault(`a frame with Length ${length}`),
      },
      length_max: settings.packet_bytes_max,
    });
    this.#pings = new Pings({
      interval_ms: settings.ping_interval_ms,
      silence_timeout_ms: settings.silence_timeout_ms,
      send: () => {
        this.#outbox.command(wire.PING);
        return this.#outbox.position;
      },
      acknowledged: (position) => transport.acknowledge(position),
      silent: (silent_ms) =>
        transport.suspect(
          new FastwayError("gateway_silent", `Nothing came from the gateway for ${silent_ms} ms`),
        ),
    });
    let ended!: (error: FastwayError | null) => void;
    this.closed = new Promise((resolve) => ended = resolve);
    this.#ended = ended;
  }

  get isClosed(): boolean {
    return this.#over !== null;
  }

  /** For `connectClient` and `connectServer`: resolves when the gateway has answered a first ping. */
  open(): Promise<void> {
    const { signal, connect_timeout_ms } = this.#settings;
    if (signal?.aborted) return rejected(abortedError(signal));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() =>
        this.#end(
          new FastwayError(
            "connect_timeout",
            `The gateway had not answered after ${connect_timeout_ms} ms`,
          ),
        ), connect_timeout_ms);
      const settle = () => {
        clearTimeout(timer);
        this.#ready = null;
      };
      this.#ready = {
        resolve: () => (settle(), resolve()),
        reject: (error) => (settle(), reject(error)),
      };
      signal?.addEventListener("abort", this.#aborted, { once: true });
      this.#transport.start({
        transportOpen: () => this.#opened(),
        transportBytes: (bytes) => this.#take(bytes),
        transportDrained: () => this.#outbox.drained(),
        transportAway: () => this.#setAway(true),
        transportBack: () => this.#setAway(false),
        transportOver: (error) => this.#end(error),
      });
    });
  }

  /**
   * A conversation with a server of this id, or for a server with the client of this number. Rejects
   * with `dial_refused`, `dial_timeout`, `dial_too_many`, `aborted`, or with the reason why the
   * endpoint is over.
   */
  dial(remoteId: number, options: DialOptions = {}): Promise<VirtualConnection> {
    checkRemoteId(remoteId);
    checkDialOptions(options);
    const why_not = this.#over ?? this.#dials.whyNot(options);
    if (why_not) return Promise.reject(why_not);
    this.#outbox.command(wire.DIAL, remoteId);
    return this.#dials.wait(remoteId, options);
  }

  /** The next conversation that somebody else has begun; null when the endpoint is over. */
  accept({ signal }: ReceiveOptions = {}): Promise<VirtualConnection | null> {
    const connection = this.#incoming.shift();
    return connection ? Promise.resolve(connection) : this.#incoming.next(signal);
  }

  /** Conversations that others begin, until the endpoint is over. */
  async *[Symbol.asyncIterator](): AsyncGenerator<VirtualConnection, void, void> {
    for (;;) {
      const connection = await this.accept();
      if (connection === null) return;
      yield connection;
    }
  }

  /** Sends what is waiting, closes every connection and ends; resolves when the socket is gone. */
  async close(): Promise<void> {
    if (this.#over) return;
    // With snet the gateway would keep them for a while, in case that we come back.
    for (const id of this.#connections.keys()) this.#outbox.command(wire.CLOSE, id);
    this.#outbox.flush();
    const gone = this.#transport.end();
    this.#finish(new FastwayError("endpoint_closed", "This endpoint was closed"), true);
    await gone;
  }

  snapshot(): EndpointSnapshot {
    return {
      connections: this.#connections.size,
      waiting_accepts: this.#incoming.size,
      waiting_dials: this.#dials.count,
      waiting_send_bytes: this.#outbox.waiting_bytes,
      is_away: this.#is_away,
      is_paused: this.#full.size > 0,
      late_messages: this.#late_messages,
    };
  }

  readonly #aborted = () => this.#end(abortedError(this.#settings.signal!));

  readonly #host: ConnectionHost = {
    send: (sender: Sender, id: number, bytes: Uint8Array, transfer: boolean) =>
      this.#outbox.message(sender, id, bytes, transfer),
    hangUp: (connection) => {
      this.#connections.delete(connection.id);
      this.#outbox.command(wire.CLOSE, connection.id);
    },
    queueFull: (connection) => {
      if (this.#full.size === 0) this.#transport.pause();
      this.#full.add(connection);
      this.#listen();
    },
    queueRoomy: (connection) => {
      if (!this.#full.delete(connection) || this.#full.size > 0) return;
      this.#transport.resume();
      this.#listen();
    },
  };

  #opened(): void {
    if (this.#greeting.challenge_bytes === 0) this.#greet(new Uint8Array(0));
  }

  #greet(challenge: Uint8Array): void {
    this.#challenge = null;
    const first = this.#greeting.answer(challenge);
    if (first.length > 0) this.#outbox.raw(first);
    // Nothing else shows that the gateway has taken us: it does not answer a proof or a token.
    this.#pings.send();
    this.#outbox.flush();
  }

  #take(bytes: Uint8Array): void {
    this.#pings.heard();
    if (!this.#challenge) return this.#reader.read(bytes);
    const missing = this.#greeting.challenge_bytes - this.#challenge.length;
    const challenge = new Uint8Array(this.#challenge.length + Math.min(missing, bytes.length));
    challenge.set(this.#challenge);
    challenge.set(bytes.subarray(0, missing), this.#challenge.length);
    this.#challenge = challenge;
    if (bytes.length < missing) return;
    this.#greet(challenge);
    if (bytes.length > missing) this.#reader.read(bytes.subarray(missing));
  }

  #frame(id: number, bytes: Uint8Array, from: number, to: number): void {
    if (id === 0) return this.#command(bytes, from, to);
    const connection = this.#connections.get(id);
    // One that we have closed while this was on its way: the gateway knows by now.
    if (connection) connection.deliver(bytes, from, to);
    else this.#late_messages++;
  }

  #command(bytes: Uint8Array, from: number, to: number): void {
    if (from === to) return this.#fault("a command without a type");
    const type = bytes[from];
    const arguments_bytes = wire.ARGUMENT_BYTES[type];
    if (arguments_bytes === undefined || type === wire.DIAL) {
      return this.#fault(`a command of type ${type}`);
    }
    if (to - from - 1 < arguments_bytes) {
      return this.#fault(`a command of type ${type} without all its arguments`);
    }
    const first = arguments_bytes >= 4 ? wire.readU32(bytes, from + 1) : 0;
    const second = arguments_bytes >= 8 ? wire.readU32(bytes, from + 5) : 0;
    if (type === wire.ACCEPT) this.#accepted(first, second);
    else if (type === wire.CONNECT) this.#connected(first, second);
    else if (type === wire.REFUSE) this.#dials.take(first)?.failed(refused(first));
    else if (type === wire.CLOSE) this.#closed(first);
    // A ping that we did not ask for gets no answer: the gateway would answer that one too.
    else if (this.#pings.answered()) this.#becomeReady();
  }

  #accepted(id: number, remoteId: number): void {
    const dial = this.#dials.take(remoteId);
    // Nobody waits for it any more.
    if (!dial?.accepted) return this.#outbox.command(wire.CLOSE, id);
    const connection = this.#add(id, remoteId);
    if (connection) dial.accepted(connection);
  }

  #connected(id: number, remoteId: number): void {
    const { accept_max } = this.#settings;
    const has_room = this.#incoming.has_takers || this.#incoming.size < accept_max;
    if (!has_room) return this.#outbox.command(wire.CLOSE, id);
    const connection = this.#add(id, remoteId);
    if (connection) this.#incoming.push(connection);
  }

  #add(id: number, remoteId: number): VirtualConnection | null {
    if (id === 0 || this.#connections.has(id)) {
      this.#fault(`a new connection with the number ${id}, which it cannot have`);
      return null;
    }
    const connection = new VirtualConnection({
      id,
      remoteId,
      host: this.#host,
      settings: this.#settings,
    });
    this.#connections.set(id, connection);
    return connection;
  }

  #closed(id: number): void {
    const connection = this.#connections.get(id);
    this.#connections.delete(id);
    connection?.end("remote", null);
  }

  #becomeReady(): void {
    if (!this.#ready) return;
    this.#pings.start();
    this.#ready.resolve();
  }

  /** Where room comes by the answers of pings, the gateway is asked before there is none. */
  #pingIfDue(): void {
    if (this.#transport.unacknowledged_max === Infinity) return;
    const since = this.#outbox.position - this.#pings.last_position;
    if (since >= this.#outbox.roomy_bytes / 2) this.#pings.send();
  }

  #setAway(is_away: boolean): void {
    this.#is_away = is_away;
    this.#listen();
    if (is_away) this.#settings.onAway();
    else this.#settings.onBack();
  }

  #listen(): void {
    this.#pings.setDeaf(this.#is_away || this.#full.size > 0);
  }

  #fault(what: string): void {
    this.#end(
      new FastwayError("protocol_error", `The gateway sent ${what}, which the protocol has not`),
    );
  }

  #end(error: FastwayError): void {
    if (this.#over) return;
    this.#transport.destroy();
    const is_refusal = this.#ready !== null && error.code === "gateway_gone";
    this.#finish(is_refusal ? connectRefused(error) : error, false);
  }

  /** Everybody who waits for something is told. */
  #finish(error: FastwayError, in_order: boolean): void {
    this.#over = error;
    this.#settings.signal?.removeEventListener("abort", this.#aborted);
    this.#reader.end();
    this.#pings.close();
    this.#outbox.end(error);
    this.#dials.end(error);
    for (const connection of [...this.#connections.values()]) {
      connection.end("endpoint", in_order ? null : error);
    }
    this.#connections.clear();
    this.#incoming.clear();
    this.#incoming.end();
    this.#ready?.reject(error);
    this.#ended(in_order ? null : error);
  }
}

function refused(remoteId: number): FastwayError {
  return new FastwayError(
    "dial_refused",
    `The gateway refuses the dial to ${remoteId}: nobody there has this id, this client has all the ` +
      "connections that it may have, or the gateway is draining",
  );
}

function connectRefused(cause: FastwayError): FastwayError {
  return new FastwayError(
    "connect_refused",
    "The gateway has ended the connection before it answered: a wrong key or token, a ban, a limit, " +
      "or one side speaks TLS or snet and the other does not",
    { cause },
  );
}
