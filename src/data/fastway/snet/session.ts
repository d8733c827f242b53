/**
 * An snet session as the stream of an endpoint: it outlives the sockets that it has one after the
 * other, and what a cut has lost is sent again.
 *
 *   connected ── cut, or idle ──→ away ── a return in time ──→ connected
 *       └─ a return: moved ─┘       └─ none within wait_timeout_ms: over
 */
import { Rc4, SNET_KEY_BYTES, type SnetCounts } from "../../../../clients/fastway/wire/mod.ts";
import { Deadline } from "../../timer-wheel.ts";
import type { Pieces } from "../pieces.ts";
import type { SnetSettings } from "../protocol.ts";
import {
  NOBODY,
  type SocketStream,
  type Stream,
  STREAM_OVER,
  type StreamOwner,
  WOULD_BLOCK,
} from "../stream.ts";
import { SCRATCH_BYTES, type SnetContext } from "./context.ts";
import { SnetOutgoing } from "./outgoing.ts";
import type { SnetSessions } from "./sessions.ts";

/** A return that has been answered and is not proven yet: what it wants is kept. */
export interface PendingReturn {
  /** What the peer had read, bytes. */
  readonly peer_read: number;
  /** What it was told that we had read. */
  readonly told_read: number;
}

export class SnetSession implements Stream, StreamOwner {
  owner: StreamOwner = NOBODY;
  readonly id: number;
  readonly key: Uint8Array;
  readonly #context: SnetContext;
  readonly #wait_timeout_ms: number;
  readonly #sessions: SnetSessions;
  readonly #outgoing: SnetOutgoing;
  /** Null where nothing is encrypted. */
  readonly #incoming: Rc4 | null;
  readonly #wait = new Deadline(() => this.#expire());
  /** Null while it is away. */
  #socket: SocketStream | null = null;
  /** Bytes of the peer's stream that have come. */
  #read = 0;
  /** Bytes that the peer sends again although they came meanwhile. */
  #skip = 0;
  #is_over = false;

  constructor(options: {
    context: SnetContext;
    /** As they are now, for the session's whole life. */
    settings: SnetSettings;
    sessions: SnetSessions;
    id: number;
    key: Uint8Array;
    socket: SocketStream;
  }) {
    const { context, settings, sessions, id, key, socket } = options;
    const { encrypts, buffer_bytes } = settings;
    this.#context = context;
    this.#wait_timeout_ms = settings.wait_timeout_ms;
    this.#sessions = sessions;
    this.id = id;
    this.key = key;
    this.#incoming = encrypts ? new Rc4(key) : null;
    const cipher = encrypts ? new Rc4(key) : null;
    // The handshake has spent these on the session's number.
    cipher?.applyInPlace(new Uint8Array(SNET_KEY_BYTES));
    const ready = () => this.owner.streamReady();
    this.#outgoing = new SnetOutgoing({ context, buffer_bytes, cipher, ready });
    this.#connect(socket, 0);
    sessions.add(this);
  }

  get unsent_bytes(): number {
    return this.#outgoing.unsent_bytes;
  }

  get is_over(): boolean {
    return this.#is_over;
  }

  /** What a return is answered with. */
  get counts(): SnetCounts {
    return { written: BigInt(this.#outgoing.written), read: BigInt(this.#read) };
  }

  read(pieces: Pieces): number {
    const socket = this.#socket;
    if (!socket) return this.#is_over ? STREAM_OVER : WOULD_BLOCK;
    const behind = this.#skip > 0 ? this.#readAway(socket) : 0;
    const count = behind < 0 ? behind : socket.read(pieces);
    if (count === STREAM_OVER) {
      this.#lose();
      return WOULD_BLOCK;
    }
    if (count <= 0) return count;
    this.#read += count;
    if (this.#incoming) decrypt(this.#incoming, pieces, count);
    return count;
  }

  write(pieces: Pieces): number {
    return this.#is_over ? STREAM_OVER : this.#outgoing.write(pieces);
  }

  dropConnection(): boolean {
    if (this.#is_over) return false;
    if (this.#socket) this.#lose();
    return true;
  }

  close(): void {
    if (!this.#is_over) this.#end();
  }

  /** Whether the peer's counts can be met, and if not, in words why. */
  admitReturn({ written, read }: SnetCounts): PendingReturn | string {
    const outgoing = this.#outgoing;
    if (written < BigInt(this.#read)) {
      return `it has written ${written} bytes and ${this.#read} have come`;
    }
    if (read > BigInt(outgoing.written)) {
      return `it has read ${read} bytes and ${outgoing.written} were written`;
    }
    // No more than was written, and so exact as a number.
    const peer_read = Number(read);
    if (!outgoing.reaches(peer_read)) {
      const missing = outgoing.written - peer_read;
      return `it lacks ${missing} bytes and ${outgoing.buffer_bytes} are kept (*SnetBuffer)`;
    }
    outgoing.pin(peer_read);
    return { peer_read, told_read: this.#read };
  }

  /** The return was not proven, or its connection has broken. */
  forgetReturn({ peer_read }: PendingReturn): void {
    this.#outgoing.unpin(peer_read);
    // What it held back may be all that a writer waits for.
    if (!this.#is_over) this.owner.streamReady();
  }

  /** The return is proven: its socket is the session's from now on, at once. */
  takeOver(
    { peer_read, told_read }: PendingReturn,
    { socket, remote, address }: { socket: SocketStream; remote: string; address: string },
  ): void {
    this.#context.clock.wheel.cancel(this.#wait);
    this.#socket?.close();
    // The old socket was read until now, so that a return that fails does no harm.
    this.#skip = this.#read - told_read;
    this.#outgoing.unpin(peer_read);
    this.#connect(socket, peer_read);
    this.owner.streamBack(remote, address);
    this.owner.streamReady();
  }

  /** The socket's: it may have brought something, have room, or be over. */
  streamReady(): void {
    this.#outgoing.socketReady();
    this.owner.streamReady();
  }

  /** A socket is never away. */
  streamAway(): void {}
  streamBack(): void {}

  #connect(socket: SocketStream, peer_read: number): void {
    this.#socket = socket;
    socket.owner = this;
    this.#outgoing.connect(socket, peer_read);
  }

  /** Reads away what the session has already; a negative number where there is nothing more now. */
  #readAway(socket: SocketStream): number {
    const { pieces, scratch } = this.#context;
    while (this.#skip > 0) {
      pieces.clear();
      pieces.add(scratch, 0, Math.min(this.#skip, SCRATCH_BYTES));
      const count = socket.read(pieces);
      if (count < 0) return count;
      this.#skip -= count;
    }
    return 0;
  }

  /** The connection is lost: from now on the peer has `wait_timeout_ms` to return. */
  #lose(): void {
    const { wheel, now_ms } = this.#context.clock;
    this.#disconnect();
    wheel.schedule(this.#wait, now_ms + this.#wait_timeout_ms);
    this.owner.streamAway();
  }

  #disconnect(): void {
    this.#outgoing.disconnect();
    this.#socket?.close();
    this.#socket = null;
    this.#skip = 0;
  }

  #expire(): void {
    this.#end();
    this.owner.streamReady();
  }

  #end(): void {
    this.#is_over = true;
    this.#sessions.delete(this);
    this.#context.clock.wheel.cancel(this.#wait);
    this.#disconnect();
  }
}

function decrypt(cipher: Rc4, pieces: Pieces, count: number): void {
  for (let piece = 0; count > 0; piece++) {
    const from = pieces.from[piece];
    const to = Math.min(pieces.to[piece], from + count);
    cipher.applyInPlace(pieces.bytes[piece], from, to);
    count -= to - from;
  }
}
