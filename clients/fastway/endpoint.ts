/** A client or a server at its gateway: one connection that carries many conversations. */
import { setImmediate } from "node:timers";
import { readCommand } from "./commands.ts";
import { type DialOptions, Dials } from "./dials.ts";
import { abortedError, connectRefused, dialRefused, FastwayError } from "./errors.ts";
import { FrameReader } from "./frame-reader.ts";
import type { Greeting } from "./greeting.ts";
import { Opening } from "./opening.ts";
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
  readonly #opening: Opening;
  readonly #outbox: Outbox;
  readonly #pings: Pings;
  readonly #reader: FrameReader;
  readonly #connections = new Map<number, VirtualConnection>();
  readonly #dials = new Dials<VirtualConnection>();
  readonly #incoming = new WaitingQueue<VirtualConnection>();
  readonly #full = new Set<VirtualConnection>();
  readonly #ended: (error: FastwayError | null) => void;
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
    this.#opening = new Opening({ greeting, timeout_ms: settings.connect_timeout_ms });
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
    const { signal } = this.#settings;
    if (signal?.aborted) return rejected(abortedError(signal));
    const answered = this.#opening.wait((error) => this.#end(error));
    signal?.addEventListener("abort", this.#aborted, { once: true });
    this.#transport.start({
      // A client is not challenged, and greets at once.
      transportOpen: () => this.#greet(new Uint8Array(0)),
      transportBytes: (bytes) => this.#take(bytes),
      transportDrained: () => this.#outbox.drained(),
      transportAway: () => this.#setAway(true),
      transportBack: () => this.#setAway(false),
      transportOver: (error) => this.#end(error),
    });
    return answered;
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
      if (this.#settings.when_full === "pause") return;
      // Several reads may come in one turn, and a program that takes everything at once had none yet.
      setImmediate(() => connection.overflow());
    },
    queueRoomy: (connection) => {
      if (!this.#full.delete(connection) || this.#full.size > 0) return;
      this.#transport.resume();
      this.#listen();
    },
  };

  #take(bytes: Uint8Array): void {
    this.#pings.heard();
    const rest = this.#opening.is_challenged ? this.#greet(bytes) : bytes;
    if (rest.length > 0) this.#reader.read(rest);
  }

  /** Sends the greeting when all that it needs has come; answers what came behind that. */
  #greet(bytes: Uint8Array): Uint8Array {
    const { hello, from } = this.#opening.take(bytes);
    if (hello !== null) {
      if (hello.length > 0) this.#outbox.raw(hello);
      // Nothing else shows that the gateway has taken us: it does not answer a proof or a token.
      this.#pings.send();
      this.#outbox.flush();
    }
    return bytes.subarray(from);
  }

  #frame(id: number, bytes: Uint8Array, from: number, to: number): void {
    if (id === 0) return this.#command(bytes, from, to);
    const connection = this.#connections.get(id);
    // One that we have closed while this was on its way: the gateway knows by now.
    if (connection) connection.deliver(bytes, from, to);
    else this.#late_messages++;
  }

  #command(bytes: Uint8Array, from: number, to: number): void {
    const command = readCommand(bytes, from, to);
    if (typeof command === "string") return this.#fault(command);
    const { type, first, second } = command;
    if (type === wire.ACCEPT) this.#accepted(first, second);
    else if (type === wire.CONNECT) this.#connected(first, second);
    else if (type === wire.REFUSE) this.#dials.take(first)?.failed(dialRefused(first));
    else if (type === wire.CLOSE) this.#closed(first);
    // A ping that we did not ask for gets no answer: the gateway would answer that one too.
    else if (this.#pings.answered() && this.#opening.is_waited_for) {
      this.#pings.start();
      this.#opening.done();
    }
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
    const is_refusal = this.#opening.is_waited_for && error.code === "gateway_gone";
    this.#finish(is_refusal ? connectRefused(error) : error, false);
  }

  /** Everybody who waits for something is told. */
  #finish(error: FastwayError, in_order: boolean): void {
    this.#over = error;
    this.#settings.signal?.removeEventListener("abort", this.#aborted);
    this.#reader.end();
    this.#pings.close();
    this.#outbox.end(error, in_order);
    this.#dials.end(error);
    for (const connection of [...this.#connections.values()]) {
      connection.end("endpoint", in_order ? null : error);
    }
    this.#connections.clear();
    this.#incoming.clear();
    this.#incoming.end();
    this.#opening.failed(error);
    this.#ended(in_order ? null : error);
  }
}
