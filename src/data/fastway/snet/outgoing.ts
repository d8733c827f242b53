/**
 * What an snet session sends: kept in its ring to be sent again, and fed to the kernel from there.
 *
 * What can be sent again is what the ring holds, so a cut must not cost more than that. Everything
 * that is in the kernel and that the peer's kernel has not acknowledged may be lost with the path:
 * therefore nothing in the ring is written over before it is acknowledged (SIOCOUTQ, asked for only
 * when the ring is full by what was known last). A peer that is read to its end after a cut, as snet's
 * clients do, has then lost at most `buffer_bytes`. The price is that a session sends at most
 * `buffer_bytes` per round trip. What cannot be helped: a peer that throws away what its kernel has
 * acknowledged, because it has closed the socket itself, may be too far behind.
 *
 * So that the kernel's own "writable again" wakes the writer of a full ring, the kernel is kept from
 * taking much more than the ring (SO_SNDBUF): with a quarter more, a full ring fits with what the
 * kernel books beside the bytes, and is still more than the two thirds at which Linux says writable.
 * Less would be a trap: a kernel that refuses the last bytes of the ring has sent less than a segment
 * of the loopback, and its peer takes 40 ms to acknowledge that (measured: 3 MB/s instead of 1300).
 */
import type { Rc4 } from "../../../../clients/fastway/wire/mod.ts";
import { Deadline } from "../../timer-wheel.ts";
import type { Pieces } from "../pieces.ts";
import { type SocketStream, STREAM_OVER, WOULD_BLOCK } from "../stream.ts";
import type { SnetContext } from "./context.ts";
import { ReplayRing } from "./replay-ring.ts";

/** What the kernel may take, in rings. */
const KERNEL_SHARE = 5 / 4;
/**
 * A ring of a few KiB is less than the kernel's least, which so has room at once and tells again and
 * again. So many times in vain the ring is looked at at once, and then from time to time.
 */
const ASKS_IN_VAIN_MAX = 16;
const LOOK_MS = 50;

export interface OutgoingOptions {
  context: SnetContext;
  buffer_bytes: number;
  /** Null where nothing is encrypted. */
  cipher: Rc4 | null;
  /** Something can be written again, or the connection turns out to be broken. */
  ready: () => void;
}

export class SnetOutgoing {
  readonly #context: SnetContext;
  readonly #cipher: Rc4 | null;
  readonly #ready: () => void;
  readonly #ring: ReplayRing;
  /** Counts of the stream that returns which are under way want to go on from. */
  readonly #pins: number[] = [];
  #look: Deadline | null = null;
  /** Null while the session is away. */
  #socket: SocketStream | null = null;
  /** The peer's kernel has all before this count. */
  #acknowledged = 0;
  /** The acknowledged count at which the kernel was asked to tell of room, and how often. */
  #asked_at = -1;
  #asks = 0;
  /** Asked, and not told of anything since. */
  #is_asking = false;
  /** The socket takes no more; what it has brought may still be read. */
  #is_broken = false;

  constructor({ context, buffer_bytes, cipher, ready }: OutgoingOptions) {
    this.#context = context;
    this.#cipher = cipher;
    this.#ready = ready;
    this.#ring = new ReplayRing(buffer_bytes);
  }

  /** Bytes of the whole stream so far. */
  get written(): number {
    return this.#ring.written;
  }

  get unsent_bytes(): number {
    return this.#ring.unsent;
  }

  get buffer_bytes(): number {
    return this.#ring.capacity_bytes;
  }

  /** Whether all that follows the first `count` bytes can be sent again. */
  reaches(count: number): boolean {
    return this.#ring.reaches(count);
  }

  /** Has what follows the count kept, whatever is acknowledged. */
  pin(count: number): void {
    this.#pins.push(count);
  }

  unpin(count: number): void {
    this.#pins.splice(this.#pins.indexOf(count), 1);
  }

  /** Goes on over this socket, whose peer has read so many bytes. */
  connect(socket: SocketStream, peer_read: number): void {
    socket.limitUnacknowledged(this.#ring.capacity_bytes * KERNEL_SHARE);
    this.#ring.rewind(peer_read);
    this.#acknowledged = peer_read;
    this.#asked_at = -1;
    this.#is_asking = false;
    this.#is_broken = false;
    this.#socket = socket;
    this.flush();
  }

  disconnect(): void {
    this.#context.clock.wheel.cancel(this.#look);
    this.#socket = null;
  }

  /** Takes what the ring has room for. */
  write(pieces: Pieces): number {
    const total_bytes = pieces.total_bytes;
    let taken = 0;
    let piece = 0;
    let at = pieces.from[0];
    while (taken < total_bytes && this.#socket && !this.#is_broken) {
      let room = this.#room(this.#socket, total_bytes - taken);
      if (room === 0) {
        this.#awaitRoom(this.#socket);
        break;
      }
      while (room > 0 && taken < total_bytes) {
        const end = Math.min(pieces.to[piece], at + room);
        this.#ring.put(pieces.bytes[piece], at, end, this.#cipher);
        taken += end - at;
        room -= end - at;
        at = end;
        if (at === pieces.to[piece]) at = pieces.from[++piece];
      }
      this.flush();
    }
    return taken > 0 || total_bytes === 0 ? taken : WOULD_BLOCK;
  }

  /** The socket has told of something. */
  socketReady(): void {
    this.#is_asking = false;
    this.flush();
  }

  /** Gives the kernel what it takes. */
  flush(): void {
    const ring = this.#ring;
    const { pieces } = this.#context;
    while (ring.unsent > 0 && this.#socket && !this.#is_broken) {
      pieces.clear();
      ring.gather(pieces);
      const count = this.#socket.write(pieces);
      if (count === WOULD_BLOCK) return;
      if (count === STREAM_OVER) return this.#break();
      ring.sent(count);
    }
  }

  /**
   * The writer has found the cut first. What came before is still to be read, and at its end the
   * session goes away.
   */
  #break(): void {
    this.#is_broken = true;
    this.#ready();
  }

  /** How much the ring takes; the kernel is asked only where that is less than is wanted. */
  #room(socket: SocketStream, wanted_bytes: number): number {
    const ring = this.#ring;
    const known_bytes = ring.room(this.#floor());
    if (known_bytes >= wanted_bytes) return known_bytes;
    const acknowledged = ring.written - ring.unsent - socket.unacknowledgedBytes();
    // A door's socket books more than the bytes that wait in it.
    if (acknowledged > this.#acknowledged) this.#acknowledged = acknowledged;
    return ring.room(this.#floor());
  }

  /** What is before this count is not wanted any more. */
  #floor(): number {
    let floor = this.#acknowledged;
    for (const pin of this.#pins) floor = Math.min(floor, pin);
    return floor;
  }

  /** The ring is full. Of what the kernel has refused it tells by itself. */
  #awaitRoom(socket: SocketStream): void {
    if (this.#ring.unsent > 0 || this.#is_asking) return;
    if (this.#asked_at !== this.#acknowledged) {
      this.#asked_at = this.#acknowledged;
      this.#asks = 0;
    }
    if (this.#asks++ < ASKS_IN_VAIN_MAX) {
      this.#is_asking = true;
      return socket.askForRoom();
    }
    const { wheel, now_ms } = this.#context.clock;
    this.#look ??= new Deadline(this.#ready);
    if (!this.#look.set) wheel.schedule(this.#look, now_ms + LOOK_MS);
  }
}
