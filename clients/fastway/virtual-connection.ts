/** A conversation between a client and a server: messages in their order, both ways, until its end. */
import { FastwayError } from "./errors.ts";
import { type EndpointSettings, messageBytesMax } from "./options.ts";
import { rejected, type Sender } from "./outbox.ts";
import { WaitingQueue } from "./waiting-queue.ts";

export interface SendOptions {
  /**
   * The bytes are given away, and must not be read or written any more: long messages are then sent
   * without being copied. Otherwise they are copied at once and may be used again. Default false.
   */
  transfer?: boolean;
}

export interface ReceiveOptions {
  signal?: AbortSignal;
}

/** How a connection came to its end. */
export interface ConnectionEnd {
  /**
   * `local`: by `close`. `remote`: the other side has closed it or is gone, or the gateway has ended
   * it; the protocol does not say which. `receive_full`: too much waited to be received; see the
   * option `when_full`. `endpoint`: the whole endpoint is over.
   */
  reason: "local" | "remote" | "receive_full" | "endpoint";
  /** Why the endpoint is over, where it did not end in order. */
  error: FastwayError | null;
}

/** The endpoint as its connections see it. */
export interface ConnectionHost {
  send(sender: Sender, id: number, bytes: Uint8Array, transfer: boolean): Promise<void>;
  /** The connection is over on this side, and the gateway does not know it yet. */
  hangUp(connection: VirtualConnection): void;
  /** Too much waits to be received; and there is room again. */
  queueFull(connection: VirtualConnection): void;
  queueRoomy(connection: VirtualConnection): void;
}

type Settings = Pick<
  EndpointSettings,
  "packet_bytes_max" | "receive_bytes_max" | "receive_messages_max"
>;

/** A queued message is copied out of a read of more than so many times its length, which it would keep. */
const KEPT_FACTOR = 4;

export class VirtualConnection implements AsyncIterable<Uint8Array> {
  /** The gateway's number for it, the same on both sides. */
  readonly id: number;
  /** The other side: a server's id, or a client's number. */
  readonly remoteId: number;
  /** Resolves at the end, and never rejects. */
  readonly closed: Promise<ConnectionEnd>;
  readonly #host: ConnectionHost;
  readonly #settings: Settings;
  readonly #sender: Sender = { room: null };
  readonly #queue = new WaitingQueue<Uint8Array>();
  #queue_bytes = 0;
  #is_full = false;
  #end: ConnectionEnd | null = null;
  readonly #ended: (end: ConnectionEnd) => void;

  /** Endpoints make them; see `Endpoint.dial` and `Endpoint.accept`. */
  constructor(
    { id, remoteId, host, settings }: {
      id: number;
      remoteId: number;
      host: ConnectionHost;
      settings: Settings;
    },
  ) {
    this.id = id;
    this.remoteId = remoteId;
    this.#host = host;
    this.#settings = settings;
    let ended!: (end: ConnectionEnd) => void;
    this.closed = new Promise((resolve) => ended = resolve);
    this.#ended = ended;
  }

  get isClosed(): boolean {
    return this.#end !== null;
  }

  /** Bytes that have come and were not received. */
  get queuedBytes(): number {
    return this.#queue_bytes;
  }

  /**
   * Sends a message, which may be empty. It is taken at once, in the order of the calls; the promise
   * resolves when there is room for more. That it arrives is not promised: the other side may be gone.
   *
   * Rejects with `connection_closed`, `message_too_long`, `send_buffer_full` (only where earlier
   * promises were not waited for) or with the reason why the endpoint is over. A promise that nobody
   * waits for ends no program.
   */
  send(message: Uint8Array, { transfer = false }: SendOptions = {}): Promise<void> {
    if (this.#end) return rejected(this.#closedError());
    const bytes_max = messageBytesMax(this.#settings.packet_bytes_max);
    if (message.length > bytes_max) {
      return rejected(
        new FastwayError(
          "message_too_long",
          `The message has ${message.length} bytes; the gateway takes ${bytes_max} at most`,
        ),
      );
    }
    return this.#host.send(this.#sender, this.id, message, transfer);
  }

  /**
   * The next message, or null when the connection is over and all that came before has been received.
   * The bytes are nobody else's. Several may wait at once, and get theirs in turn.
   */
  receive({ signal }: ReceiveOptions = {}): Promise<Uint8Array | null> {
    const message = this.#queue.shift();
    if (message === undefined) return this.#queue.next(signal);
    this.#queue_bytes -= message.length;
    if (this.#is_full && this.#isRoomy()) this.#unfull();
    return Promise.resolve(message);
  }

  /** Messages until the end. Leaving the loop early closes nothing, and another may go on. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      const message = await this.receive();
      if (message === null) return;
      yield message;
    }
  }

  /** Closes it, behind what was sent. What was not received is thrown away. */
  close(): void {
    if (this.#end) return;
    this.#discard();
    this.#over({ reason: "local", error: null });
    this.#host.hangUp(this);
  }

  /** For the endpoint: a message has come, in `bytes` from `from` to `to`. */
  deliver(bytes: Uint8Array, from: number, to: number): void {
    if (this.#end) return;
    if (this.#queue.has_takers) return this.#queue.push(bytes.subarray(from, to));
    const length = to - from;
    const is_small = length * KEPT_FACTOR < bytes.length;
    this.#queue.push(is_small ? bytes.slice(from, to) : bytes.subarray(from, to));
    this.#queue_bytes += length;
    if (this.#is_full || !this.#isOverfull()) return;
    this.#is_full = true;
    this.#host.queueFull(this);
  }

  /** For the endpoint: its program has had its turn. Ends it where it did not take what waits. */
  overflow(): void {
    if (this.#end || !this.#is_full) return;
    this.#over({ reason: "receive_full", error: null });
    this.#host.hangUp(this);
  }

  /** For the endpoint: it is over, and the gateway knows. */
  end(reason: "remote" | "endpoint", error: FastwayError | null): void {
    if (!this.#end) this.#over({ reason, error });
  }

  #over(end: ConnectionEnd): void {
    this.#end = end;
    if (this.#is_full) this.#unfull();
    this.#queue.end();
    this.#ended(end);
  }

  #discard(): void {
    this.#queue.clear();
    this.#queue_bytes = 0;
  }

  /** One message is always taken, however long it is. */
  #isOverfull(): boolean {
    const { receive_bytes_max, receive_messages_max } = this.#settings;
    return this.#queue.size > receive_messages_max ||
      this.#queue_bytes > receive_bytes_max && this.#queue.size > 1;
  }

  /** Half empty, so that a reader at the bound does not stop and start the socket for each message. */
  #isRoomy(): boolean {
    const { receive_bytes_max, receive_messages_max } = this.#settings;
    return this.#queue.size * 2 <= receive_messages_max &&
      this.#queue_bytes * 2 <= receive_bytes_max;
  }

  #unfull(): void {
    this.#is_full = false;
    this.#host.queueRoomy(this);
  }

  #closedError(): FastwayError {
    const { reason, error } = this.#end!;
    if (error) return error;
    return new FastwayError(
      "connection_closed",
      `The connection ${this.id} with ${this.remoteId} is closed (${reason})`,
    );
  }
}
