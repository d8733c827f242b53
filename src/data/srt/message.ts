/**
 * One message on its way from one socket to another. It keeps the time at which it came due
 * (SRT_MSGCTRL.srctime) and is sent with it, so that how late we were to read it is not added to what
 * the next receiver plays: its own latency covers that, as it covers the network's.
 *
 * SRT_MSGCTRL: { i32 flags; i32 msgttl; i32 inorder; i32 boundary; i64 srctime; i32 pktseq; i32 msgno;
 * pointer grpdata; size_t grpdata_size }, 48 bytes.
 */
import { type Libsrt, SRT_EINVALMSGAPI } from "../../../ffi/libsrt/mod.ts";

const CONTROL_BYTES = 48;
/** Words of four bytes. */
const TIME_LOW = 4, TIME_HIGH = 5, MSGTTL = 1, PKTSEQ = 6, MSGNO = 7;
/** What libsrt takes for "not said" in the last three. */
const NONE = -1;

export class SrtMessage {
  readonly bytes: Uint8Array;
  readonly #libsrt: Libsrt;
  readonly #received = new Int32Array(CONTROL_BYTES / 4);
  readonly #sent = new Int32Array(CONTROL_BYTES / 4);

  constructor({ libsrt, bytes_max }: { libsrt: Libsrt; bytes_max: number }) {
    this.#libsrt = libsrt;
    this.bytes = new Uint8Array(bytes_max);
    for (const word of [MSGTTL, PKTSEQ, MSGNO]) this.#sent[word] = NONE;
  }

  /** As `srt_recvmsg2`: its length, 0 at the end of a stream of bytes, or below 0. */
  receive(socket: number): number {
    const { bytes } = this;
    return this.#libsrt.srt_recvmsg2(socket, bytes, bytes.length, this.#received);
  }

  /** Sends what was received last; as `srt_sendmsg2`. */
  send(socket: number, length: number): number {
    const control = this.#sent;
    control[TIME_LOW] = this.#received[TIME_LOW];
    control[TIME_HIGH] = this.#received[TIME_HIGH];
    const sent = this.#libsrt.srt_sendmsg2(socket, this.bytes, length, control);
    if (sent >= 0 || this.#libsrt.lastError() !== SRT_EINVALMSGAPI) return sent;
    // It came due before this connection was there, and so has no time on it.
    control[TIME_LOW] = control[TIME_HIGH] = 0;
    return this.#libsrt.srt_sendmsg2(socket, this.bytes, length, control);
  }
}
