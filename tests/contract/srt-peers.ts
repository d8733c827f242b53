/**
 * SRT ends that live on the test's own thread. The plane under test is in the same process and must
 * stay libsrt's only poller, so these ends never wait in libsrt: a short timer asks each socket what
 * it has. An end can stop reading, which the plane must survive.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { encodeAddress } from "../../ffi/libc/sockaddr.ts";
import {
  type Libsrt,
  openLibsrt,
  SRT_EASYNCSND,
  SRT_ERROR,
  SRTS_BROKEN,
  SRTS_CONNECTED,
} from "../../ffi/libsrt/mod.ts";
import { type Deferred, deferred, patience_ms, within } from "../harness/deadline.ts";
import type { SrtManner } from "../harness/srt-wire.ts";
import { type Hello, helloLine } from "../harness/tcp-end.ts";

/** How often the sockets are asked, milliseconds. */
const look_ms = 2;
/** Per look and socket: 64 × 1316 bytes each 2 ms is some 340 Mbit/s, far from flooding a loopback. */
const messages_per_look = 64;
/** What most senders of the field put into one message, bytes. */
const usual_message_bytes = 1316;
const message_bytes_max = 1456;
/** How much of what arrived is kept to be read; the rest is counted and hashed. */
const kept_bytes_max = 1_048_576;
/** What libsrt counts a packet as: the MSS of 1500 less IP and UDP headers. */
const packet_bytes = 1472;
/** SRTT_FILE of srt.h. */
const transtype_file = 1;

export interface SrtDial extends SrtManner {
  port: number;
  latency_ms?: number;
  /** How long the port may take to answer; libsrt's own default is 3 s. */
  connect_ms?: number;
  /** Room in libsrt for what arrives and is not read; its own default is 8192 packets. */
  receive_packets?: number;
}

interface BytesWaiter {
  bytes: number;
  arrival: Deferred<void>;
}

/** Opens SRT ends and asks them all from one timer. */
export class SrtPeers {
  readonly #libsrt: Libsrt = openLibsrt();
  readonly #peers = new Set<SrtPeer>();
  #timer: ReturnType<typeof setInterval> | null = null;

  start(): void {
    if (this.#libsrt.srt_startup() < 0) throw this.#libsrt.failure("srt_startup");
    this.#libsrt.srt_setloglevel(2);
    this.#timer = setInterval(() => {
      for (const peer of [...this.#peers]) peer.look();
    }, look_ms);
  }

  async connect(dial: SrtDial): Promise<SrtPeer> {
    const libsrt = this.#libsrt;
    const gone = (peer: SrtPeer) => this.#peers.delete(peer);
    const peer = new SrtPeer({ libsrt, gone, ...dial });
    const { port } = dial;
    this.#peers.add(peer);
    await within(`SRT connection to ${port}`, peer.connected);
    return peer;
  }

  /** Connects and says the hello, in one message with `behind` where that is given. */
  async join(
    { hello, behind, ...where }: SrtDial & { hello: Hello; behind?: Uint8Array },
  ): Promise<SrtPeer> {
    const peer = await this.connect(where);
    peer.message(behind ? Buffer.concat([helloLine(hello), behind]) : helloLine(hello));
    return peer;
  }

  close(): void {
    for (const peer of [...this.#peers]) peer.destroy();
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }
}

export class SrtPeer {
  received_bytes = 0;
  sent_messages = 0;
  /** What libsrt has taken. */
  sent_bytes = 0;
  /** The lengths of the messages that came, in order. */
  readonly message_lengths: number[] = [];
  readonly #libsrt: Libsrt;
  readonly #socket: number;
  readonly #name: string;
  readonly #gone: (peer: SrtPeer) => void;
  readonly #arrival = new Uint8Array(message_bytes_max);
  readonly #hash = createHash("sha256");
  readonly #kept: Buffer[] = [];
  readonly #connected = deferred<void>();
  readonly #closed = deferred<void>();
  #kept_bytes = 0;
  #outbox: { bytes: Uint8Array; sent: Deferred<void> | null }[] = [];
  #waiters: BytesWaiter[] = [];
  #let_in = false;
  #broken_looks = 0;
  #reading = true;
  #open = true;

  constructor(
    options: SrtDial & { libsrt: Libsrt; gone: (peer: SrtPeer) => void },
  ) {
    const { libsrt, port, latency_ms = 120, receive_packets, stream_id, passphrase, connect_ms } =
      options;
    this.#libsrt = libsrt;
    this.#gone = options.gone;
    this.#name = `SRT end of ${port}`;
    this.#socket = libsrt.srt_create_socket();
    // The kind of transmission comes first, because it resets what belongs to it.
    if (options.transtype === "file") {
      libsrt.setOption(this.#socket, "SRTO_TRANSTYPE", transtype_file);
    } else {
      libsrt.setOption(this.#socket, "SRTO_LATENCY", latency_ms);
      libsrt.setOption(this.#socket, "SRTO_PAYLOADSIZE", message_bytes_max);
    }
    libsrt.setOption(this.#socket, "SRTO_SNDSYN", false);
    libsrt.setOption(this.#socket, "SRTO_RCVSYN", false);
    if (receive_packets !== undefined) {
      libsrt.setOption(this.#socket, "SRTO_FC", receive_packets);
      libsrt.setOption(this.#socket, "SRTO_RCVBUF", receive_packets * packet_bytes);
    }
    if (stream_id !== undefined) libsrt.setOption(this.#socket, "SRTO_STREAMID", stream_id);
    if (connect_ms !== undefined) libsrt.setOption(this.#socket, "SRTO_CONNTIMEO", connect_ms);
    if (passphrase !== undefined) libsrt.setOption(this.#socket, "SRTO_PASSPHRASE", passphrase);
    const address = encodeAddress("127.0.0.1", port);
    if (libsrt.srt_connect(this.#socket, address, address.length) === SRT_ERROR) {
      throw libsrt.failure("srt_connect");
    }
  }

  get connected(): Promise<void> {
    return this.#connected.promise;
  }

  get is_closed(): boolean {
    return !this.#open;
  }

  /** What both ends have agreed on for what comes to us, ms. */
  get receive_latency_ms(): number | null {
    return this.#libsrt.getInt(this.#socket, "SRTO_RCVLATENCY");
  }

  /** Sends the bytes as messages of the usual length; resolves when libsrt has taken the last one. */
  write(bytes: Uint8Array | string): Promise<void> {
    const whole = Buffer.from(bytes);
    const sent = deferred<void>();
    for (let at = 0; at < whole.length; at += usual_message_bytes) {
      this.#outbox.push({ bytes: whole.subarray(at, at + usual_message_bytes), sent: null });
    }
    this.#outbox[this.#outbox.length - 1].sent = sent;
    this.look();
    return within(`${this.#name}: write of ${whole.length} bytes`, sent.promise);
  }

  /** Sends exactly one message. */
  message(bytes: Uint8Array | string): void {
    this.#outbox.push({ bytes: Buffer.from(bytes), sent: null });
    this.look();
  }

  pause(): void {
    this.#reading = false;
  }

  resume(): void {
    this.#reading = true;
  }

  reached(bytes: number, ms = patience_ms): Promise<void> {
    if (this.received_bytes >= bytes) return Promise.resolve();
    const arrival = deferred<void>();
    if (this.#open) this.#waiters.push({ bytes, arrival });
    else arrival.reject(new Error(`${this.#name}: closed after ${this.received_bytes} bytes`));
    return within(
      `${this.#name}: ${bytes} bytes to arrive`,
      arrival.promise,
      ms,
    ).catch((error: Error) => {
      throw new Error(`${error.message}; ${this.received_bytes} are here`);
    });
  }

  text(): string {
    return Buffer.concat(this.#kept).toString("utf8");
  }

  digest(): string {
    return this.#hash.copy().digest("hex");
  }

  /** Closes at once; libsrt tells the other side. */
  destroy(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#gone(this);
    const reason = this.#libsrt.rejectReason(this.#socket);
    this.#libsrt.srt_close(this.#socket);
    const error = new Error(
      `${this.#name}: closed after ${this.received_bytes} bytes (${reason})`,
    );
    this.#connected.reject(error);
    for (const { arrival } of this.#waiters) arrival.reject(error);
    for (const { sent } of this.#outbox) sent?.reject(error);
    this.#closed.resolve();
  }

  /** Resolves when the other side has closed. */
  turnedAway(ms = patience_ms): Promise<void> {
    return within(`${this.#name}: being turned away`, this.#closed.promise, ms);
  }

  /** Asks the socket what it has; the timer's business, and ours after a write. */
  look(): void {
    if (!this.#open) return;
    const state = this.#libsrt.srt_getsockstate(this.#socket);
    if (state === SRTS_CONNECTED) {
      this.#let_in = true;
      this.#connected.resolve();
    } else if (state < SRTS_BROKEN) return;
    // On its way from connecting to connected, libsrt 1.5.1 may call a socket broken for a moment.
    else if (!this.#let_in && ++this.#broken_looks < 5) return;
    if (state < SRTS_BROKEN) this.#sendSome();
    if (this.#reading) this.#receiveSome(state);
  }

  #sendSome(): void {
    for (let i = 0; i < messages_per_look && this.#outbox.length > 0; i++) {
      const { bytes, sent } = this.#outbox[0];
      const taken = this.#libsrt.srt_sendmsg2(this.#socket, bytes, bytes.length, null);
      if (taken < 0) {
        if (this.#libsrt.lastError() !== SRT_EASYNCSND) this.destroy();
        return;
      }
      this.sent_bytes += taken;
      // A file is taken in pieces; a message of live mode whole or not at all.
      if (taken < bytes.length) {
        this.#outbox[0].bytes = bytes.subarray(taken);
        return;
      }
      this.#outbox.shift();
      this.sent_messages++;
      sent?.resolve();
    }
  }

  #receiveSome(state: number): void {
    for (let i = 0; i < 4 * messages_per_look; i++) {
      const { length } = this.#arrival;
      const received = this.#libsrt.srt_recvmsg2(this.#socket, this.#arrival, length, null);
      if (received <= 0) {
        if (state >= SRTS_BROKEN) this.destroy();
        return;
      }
      this.#take(Buffer.from(this.#arrival.subarray(0, received)));
    }
  }

  #take(message: Buffer): void {
    this.received_bytes += message.length;
    this.message_lengths.push(message.length);
    this.#hash.update(message);
    if (this.#kept_bytes < kept_bytes_max) {
      this.#kept.push(message);
      this.#kept_bytes += message.length;
    }
    this.#waiters = this.#waiters.filter(({ bytes, arrival }) => {
      if (this.received_bytes < bytes) return true;
      arrival.resolve();
      return false;
    });
  }
}
