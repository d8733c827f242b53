/**
 * One SRT connection of the tools, worker side: a non-blocking libsrt socket in live mode, its
 * outgoing queue, and how much it may still read.
 *
 * A write is cut into messages of at most 1316 bytes, the live mode's usual seven MPEG-TS packets,
 * beginning anew with each write, so that a frame starts at a message's start. What arrives is
 * handed on as a byte stream.
 */
import type { Libsrt } from "../../../ffi/libsrt/mod.ts";
import {
  decodeStats,
  emptyStats,
  SRT_EASYNCRCV,
  SRT_EASYNCSND,
  SRT_ECONNLOST,
  SRT_EPOLL_ERR,
  SRT_EPOLL_IN,
  SRT_EPOLL_OUT,
  SrtError,
  SRTS_BROKEN,
  SRTS_CONNECTED,
  STATS_BYTES,
} from "../../../ffi/libsrt/mod.ts";
import { encodeAddress } from "../../../ffi/libc/mod.ts";
import { RECEIVE_WINDOW_BYTES, type SrtReport } from "./srt-protocol.ts";
import type { LineStats } from "./transport.ts";

/** The longest message sent, bytes. */
const MESSAGE_BYTES = 1316;
/** The longest message that live mode can carry; a shorter buffer would cut it. */
const MESSAGE_BYTES_MAX = 1456;
/** Packets in flight at most; 8192 of 1472 bytes are one second at 96 Mbit/s. */
const FLIGHT_PACKETS = 16_384;
/** What libsrt counts for one packet in its buffers: the MTU less IP and UDP headers. */
const PACKET_BYTES = 1472;
/**
 * The sender's buffer, packets. Live mode gives a packet up that has not been acknowledged for about
 * a second, so what waits here has to be little enough to be sent in time.
 */
const SEND_PACKETS = 4096;
const UDP_BUFFER_BYTES = 8 * 1024 * 1024;
/** Silence after which the peer counts as gone, ms; the gateway's figure. */
const PEER_IDLE_MS = 8000;
const CONNECT_TIMEOUT_MS = 3000;
/** How long an orderly end waits for the last acknowledgement, ms. */
const FINISH_TIMEOUT_MS = 3000;
/** Messages sent or received in one turn, so that one line does not starve the others. */
const TURN_MESSAGES = 256;
const STATS_INTERVAL_MS = 250;

interface Delivery {
  line: number;
  report(report: SrtReport): void;
}

export interface SrtLineOptions extends Delivery {
  srt: Libsrt;
  epoll: number;
  address: string;
  port: number;
  hello: string;
  latency_ms: number;
}

export class SrtLine {
  readonly number: number;
  readonly socket: number;
  readonly #srt: Libsrt;
  readonly #epoll: number;
  readonly #report: (report: SrtReport) => void;
  readonly #hello: string;
  readonly #queue: Uint8Array[] = [];
  /** How much of the first queued piece has been sent. */
  #sent = 0;
  /** How much of the hello has not been sent; it is not the user's and not reported as accepted. */
  #helloBytes = 0;
  #unconsumed = 0;
  #events = 0;
  #blocked = false;
  #connected = false;
  #closed = false;
  #finish_at_ms: number | null = null;
  #stats: LineStats = {
    loss_packets: 0,
    retransmitted_packets: 0,
    dropped_packets: 0,
    rtt_ms: 0,
  };
  #stats_at_ms = 0;
  readonly #raw = new Uint8Array(STATS_BYTES);
  readonly #fields = emptyStats();
  readonly #batch = new Uint8Array(TURN_MESSAGES * MESSAGE_BYTES_MAX);

  /** Begins to connect; throws {@link SrtError} where not even that is possible. */
  constructor(options: SrtLineOptions) {
    const { srt } = options;
    this.number = options.line;
    this.#srt = srt;
    this.#epoll = options.epoll;
    this.#report = options.report;
    this.#hello = options.hello;
    this.socket = srt.srt_create_socket();
    if (this.socket < 0) throw srt.failure("srt_create_socket");
    try {
      srt.setOption(this.socket, "SRTO_SNDSYN", false);
      srt.setOption(this.socket, "SRTO_RCVSYN", false);
      srt.setOption(this.socket, "SRTO_FC", FLIGHT_PACKETS);
      srt.setOption(this.socket, "SRTO_RCVBUF", FLIGHT_PACKETS * PACKET_BYTES);
      srt.setOption(this.socket, "SRTO_SNDBUF", SEND_PACKETS * PACKET_BYTES);
      srt.setOption(this.socket, "SRTO_UDP_SNDBUF", UDP_BUFFER_BYTES);
      srt.setOption(this.socket, "SRTO_UDP_RCVBUF", UDP_BUFFER_BYTES);
      srt.setOption(this.socket, "SRTO_LATENCY", options.latency_ms);
      srt.setOption(this.socket, "SRTO_TLPKTDROP", true);
      srt.setOption(this.socket, "SRTO_PAYLOADSIZE", MESSAGE_BYTES);
      srt.setOption(this.socket, "SRTO_MAXBW", -1);
      srt.setOption(this.socket, "SRTO_PEERIDLETIMEO", PEER_IDLE_MS);
      srt.setOption(this.socket, "SRTO_CONNTIMEO", CONNECT_TIMEOUT_MS);
      this.#events = SRT_EPOLL_OUT | SRT_EPOLL_ERR;
      if (srt.srt_epoll_add_usock(this.#epoll, this.socket, Int32Array.of(this.#events)) < 0) {
        throw srt.failure("srt_epoll_add_usock");
      }
      const peer = encodeAddress(options.address, options.port);
      if (srt.srt_connect(this.socket, peer, peer.length) < 0) throw srt.failure("srt_connect");
    } catch (error) {
      srt.srt_close(this.socket);
      throw error;
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  write(bytes: Uint8Array): void {
    if (this.#closed || this.#finish_at_ms !== null) return;
    this.#queue.push(bytes);
    if (this.#connected && !this.#blocked) this.#send();
  }

  consumed(bytes: number): void {
    this.#unconsumed -= bytes;
    this.#arm();
  }

  finish(): void {
    this.#finish_at_ms ??= performance.now();
  }

  abort(): void {
    this.#close(null, "ended by this end");
  }

  /** What the epoll says about this socket. */
  ready(events: number): void {
    if (this.#closed) return;
    if (!this.#connected) {
      this.#connecting();
      return;
    }
    if (events & SRT_EPOLL_OUT) {
      this.#blocked = false;
      this.#send();
    }
    // What was received before the line broke is still there and is read before the end is told.
    if (events & (SRT_EPOLL_IN | SRT_EPOLL_ERR)) this.#receive();
    if (!this.#closed) this.#arm();
  }

  /** What is due without an event: figures, the rest of a queue, the end of an orderly close. */
  tick(now_ms: number): void {
    if (this.#closed || !this.#connected) return;
    if (!this.#blocked && this.#queue.length > 0) this.#send();
    if (this.#closed) return;
    if (now_ms - this.#stats_at_ms >= STATS_INTERVAL_MS) {
      this.#stats_at_ms = now_ms;
      this.#sample();
      this.#report({ type: "stats", line: this.number, stats: this.#stats });
    }
    if (this.#finish_at_ms !== null) {
      const late = now_ms - this.#finish_at_ms >= FINISH_TIMEOUT_MS;
      if (late || (this.#queue.length === 0 && this.#unacknowledged() === 0)) {
        this.#close(null, late ? "ended before the peer had acknowledged all" : "ended in order");
      }
    }
  }

  #connecting(): void {
    const state = this.#srt.srt_getsockstate(this.socket);
    if (state >= SRTS_BROKEN) {
      this.#close("SRT_ECONNREJ", `not connected: ${this.#srt.rejectReason(this.socket)}`);
      return;
    }
    if (state !== SRTS_CONNECTED) return;
    this.#connected = true;
    this.#queue.unshift(new TextEncoder().encode(this.#hello));
    this.#helloBytes = this.#queue[0].length;
    this.#report({ type: "connected", line: this.number });
    this.#send();
    if (!this.#closed) this.#arm();
  }

  #send(): void {
    let accepted = 0;
    for (let turn = 0; turn < TURN_MESSAGES && this.#queue.length > 0; turn++) {
      const piece = this.#queue[0];
      const message = piece.subarray(this.#sent, this.#sent + MESSAGE_BYTES);
      if (this.#srt.srt_sendmsg2(this.socket, message, message.length, null) < 0) {
        const failure = this.#srt.failure("srt_sendmsg2");
        if (failure.number === SRT_EASYNCSND) {
          this.#blocked = true;
          break;
        }
        this.#broken(failure);
        return;
      }
      accepted += message.length;
      this.#sent += message.length;
      if (this.#sent === piece.length) {
        this.#queue.shift();
        this.#sent = 0;
      }
    }
    const hello = Math.min(this.#helloBytes, accepted);
    this.#helloBytes -= hello;
    if (accepted > hello) {
      this.#report({ type: "accepted", line: this.number, bytes: accepted - hello });
    }
    this.#arm();
  }

  #receive(): void {
    let fill = 0;
    let failure: SrtError | null = null;
    for (let turn = 0; turn < TURN_MESSAGES; turn++) {
      if (this.#unconsumed + fill >= RECEIVE_WINDOW_BYTES) break;
      const room = this.#batch.subarray(fill, fill + MESSAGE_BYTES_MAX);
      const got = this.#srt.srt_recvmsg2(this.socket, room, room.length, null);
      if (got > 0) {
        fill += got;
        continue;
      }
      if (got < 0) failure = this.#srt.failure("srt_recvmsg2");
      break;
    }
    if (fill > 0) {
      this.#unconsumed += fill;
      this.#report({ type: "bytes", line: this.number, bytes: this.#batch.slice(0, fill).buffer });
    }
    if (failure !== null && failure.number !== SRT_EASYNCRCV) this.#broken(failure);
  }

  /** Asks libsrt for what is wanted now and nothing else: OUT is always true on a free line. */
  #arm(): void {
    if (this.#closed || !this.#connected) return;
    const wantsIn = this.#unconsumed < RECEIVE_WINDOW_BYTES;
    const events = SRT_EPOLL_ERR | (wantsIn ? SRT_EPOLL_IN : 0) |
      (this.#blocked ? SRT_EPOLL_OUT : 0);
    if (events === this.#events) return;
    if (this.#srt.srt_epoll_update_usock(this.#epoll, this.socket, Int32Array.of(events)) < 0) {
      this.#broken(this.#srt.failure("srt_epoll_update_usock"));
      return;
    }
    this.#events = events;
  }

  /** In live mode the peer's orderly close and its death look the same: the line is lost. */
  #broken(failure: SrtError): void {
    this.#close(failure.number === SRT_ECONNLOST ? "SRT_ECONNLOST" : failure.code, failure.message);
  }

  #unacknowledged(): number {
    const blocks = new BigUint64Array(1);
    const bytes = new BigUint64Array(1);
    if (this.#srt.srt_getsndbuffer(this.socket, blocks, bytes) < 0) return 0;
    return Number(blocks[0]);
  }

  /** Totals so far. A broken socket has none any more, hence the regular samples. */
  #sample(): void {
    if (this.#srt.srt_bistats(this.socket, this.#raw, 0, 1) < 0) return;
    const fields = decodeStats(new DataView(this.#raw.buffer), this.#fields);
    this.#stats = {
      loss_packets: fields.pktSndLossTotal + fields.pktRcvLossTotal,
      retransmitted_packets: fields.pktRetransTotal,
      dropped_packets: fields.pktSndDropTotal + fields.pktRcvDropTotal +
        fields.pktRcvUndecryptTotal,
      rtt_ms: fields.msRTT,
    };
  }

  #close(code: string | null, text: string): void {
    if (this.#closed) return;
    if (this.#connected) this.#sample();
    this.#closed = true;
    this.#queue.length = 0;
    this.#srt.srt_epoll_remove_usock(this.#epoll, this.socket);
    this.#srt.srt_close(this.socket);
    this.#report({ type: "closed", line: this.number, code, text, stats: this.#stats });
  }
}
