/**
 * A stream over snet as a client of it has it, whose connections a test cuts and whose returns it
 * makes; what {@link FastwayPeer} or anybody else talks over meanwhile hears nothing of that.
 */
import { Buffer } from "node:buffer";
import net from "node:net";
import { Duplex } from "node:stream";
import { type Deferred, deferred, within } from "./deadline.ts";
import { SnetPeer } from "./snet-peer.ts";

const ANSWER_BYTES = 24;

/** Where the gateway is: a port, or a door with the header that says who comes through it. */
export type SnetPlace = number | { path: string; header: Uint8Array };

export interface SnetLineOptions {
  port: SnetPlace;
  encrypts: boolean;
}

/** A connection and what has come on it that nobody has taken. */
export class RawConnection {
  readonly socket: net.Socket;
  readonly over: Promise<void>;
  #there = Buffer.alloc(0);
  #wanted: { bytes: number; done: Deferred<Buffer> } | null = null;
  #listener: ((bytes: Buffer) => void) | null = null;

  private constructor(socket: net.Socket) {
    this.socket = socket;
    const over = deferred<void>();
    this.over = over.promise;
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => {
      if (this.#listener) return this.#listener(bytes);
      this.#there = Buffer.concat([this.#there, bytes]);
      this.#look();
    });
    socket.on("end", () => socket.end());
    socket.on("close", () => {
      this.#wanted?.done.reject(new Error(`closed with ${this.#there.length} bytes there`));
      over.resolve();
    });
  }

  static async to(place: SnetPlace): Promise<RawConnection> {
    const connected = deferred<void>();
    const socket = typeof place === "number"
      ? net.connect({ port: place, host: "127.0.0.1" })
      : net.connect({ path: place.path });
    socket.setNoDelay(true);
    socket.once("error", connected.reject);
    socket.once("connect", connected.resolve);
    await within(`connect to ${JSON.stringify(place)}`, connected.promise);
    if (typeof place !== "number") socket.write(place.header);
    return new RawConnection(socket);
  }

  /** Exactly so many bytes, as soon as they are there. */
  take(bytes: number): Promise<Buffer> {
    this.#wanted = { bytes, done: deferred<Buffer>() };
    const { promise } = this.#wanted.done;
    if (this.socket.destroyed) this.#wanted.done.reject(new Error("closed"));
    this.#look();
    return within(`${bytes} bytes of an snet handshake`, promise);
  }

  /** Everything from now on. */
  listen(listener: (bytes: Buffer) => void): void {
    this.#listener = listener;
    const there = this.#there;
    this.#there = Buffer.alloc(0);
    if (there.length > 0) listener(there);
  }

  /** Resolves when it is closed, with what came before that. */
  async rest(): Promise<Buffer> {
    await within("the end of a connection", this.over);
    return this.#there;
  }

  #look(): void {
    const wanted = this.#wanted;
    if (!wanted || this.#there.length < wanted.bytes) return;
    this.#wanted = null;
    const bytes = this.#there.subarray(0, wanted.bytes);
    this.#there = this.#there.subarray(wanted.bytes);
    wanted.done.resolve(bytes);
  }
}

export class SnetLine extends Duplex {
  readonly peer: SnetPeer;
  /** How often it has come back. */
  returns = 0;
  readonly #port: SnetPlace;
  #connection: RawConnection | null = null;

  private constructor({ port, encrypts }: SnetLineOptions) {
    super();
    this.#port = port;
    this.peer = new SnetPeer({ encrypts });
  }

  static async open(options: SnetLineOptions): Promise<SnetLine> {
    const line = new SnetLine(options);
    const connection = await RawConnection.to(options.port);
    connection.socket.write(line.peer.hello());
    connection.socket.write(line.peer.prove(await connection.take(ANSWER_BYTES)));
    line.#attach(connection);
    return line;
  }

  /** The present connection; null while it is away. */
  get connection(): RawConnection | null {
    return this.#connection;
  }

  get localAddress(): string | undefined {
    return this.#connection?.socket.localAddress;
  }

  get localPort(): number | undefined {
    return this.#connection?.socket.localPort;
  }

  /** Loses the connection with all that is under way on it: by a reset, or by a FIN. */
  cut({ reset = true } = {}): void {
    const connection = this.#connection;
    this.#connection = null;
    if (reset) connection?.socket.resetAndDestroy();
    else connection?.socket.destroy();
  }

  /** Connects and asks to return; the answer is 24 zero bytes where that is refused. */
  async ask(
    request: Buffer = this.peer.returnRequest(),
  ): Promise<{ connection: RawConnection; answer: Buffer }> {
    const connection = await RawConnection.to(this.#port);
    connection.socket.write(request);
    return { connection, answer: await connection.take(ANSWER_BYTES) };
  }

  /** Comes back. Whatever connection there still is, is left to the gateway. */
  async comeBack(): Promise<void> {
    // What the old one brings from here on is brought again.
    this.#connection = null;
    const { connection, answer } = await this.ask();
    if (answer.equals(Buffer.alloc(ANSWER_BYTES))) throw new Error("the return was refused");
    connection.socket.write(this.peer.resume(answer));
    this.returns++;
    this.#attach(connection);
  }

  override _read(): void {
    this.#connection?.socket.resume();
  }

  override _write(bytes: Buffer, _encoding: string, done: (error?: Error) => void): void {
    const wire = this.peer.encode(bytes);
    // While it is away, what is written is sent with the return.
    if (this.#connection) this.#connection.socket.write(wire, () => done());
    else done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#connection?.socket.destroy();
    this.#connection = null;
    done(error);
  }

  #attach(connection: RawConnection): void {
    this.#connection = connection;
    connection.listen((wire) => {
      if (this.#connection !== connection) return;
      if (!this.push(this.peer.decode(wire))) connection.socket.pause();
    });
  }
}
