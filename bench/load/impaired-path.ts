/**
 * A bad network for one lane: takes UDP packets at one port, loses some, delays the rest and sends them
 * on, and the answers back the same way. The path is long from the start and loses nothing until the
 * window opens: libsrt then knows the round trip, and every contender loses from the same packet on.
 *
 * It says `listening` with its seed, reads the schedule while it forwards, and answers with its counts
 * at the line after that.
 */
import { backend, type SymbolTable } from "../../ffi/backend/mod.ts";
import {
  AF_INET,
  encodeAddress,
  MSG_DONTWAIT,
  POLLIN,
  SO_RCVBUF,
  SO_SNDBUF,
  SOCK_CLOEXEC,
  SOL_SOCKET,
} from "../../ffi/libc/mod.ts";
import { type ImpairedDirection, impairedDirections } from "../../tests/harness/impairment.ts";
import { failed, libc, nowNs } from "./libc.ts";
import { runProgram, tell } from "./program.ts";
import type { PathCounts, PathOrder, PathResult, Schedule } from "./wire.ts";

const symbols = {
  /** `ssize_t recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *addr, socklen_t *addrlen)` */
  recvfrom: {
    parameters: ["i32", "buffer", "usize", "i32", "buffer", "buffer"],
    result: "i32",
  },
  /** `ssize_t sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *addr, socklen_t addrlen)` */
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "i32" },
  /** `int ppoll(struct pollfd *fds, nfds_t nfds, const struct timespec *tmo, const sigset_t *mask)` */
  ppoll: { parameters: ["buffer", "usize", "buffer", "buffer"], result: "i32" },
} as const satisfies SymbolTable;
const { calls: net } = backend.open("libc.so.6", symbols);

const HOST = "127.0.0.1";
const SOCK_DGRAM = 2;
const STDIN = 0;
const IPV4_ADDRESS_BYTES = 16;
/** Half a second at 50 Mbit/s, should this program not be run for so long; the kernel may cut it. */
const SOCKET_BYTES = 4 << 20;
/** One byte more than the longest packet that is forwarded, so that a longer one shows. */
const PACKET_BYTES = 1537;
/** Packets taken from one socket before the others and the clock get their turn. */
const TURN_PACKETS = 64;
/** An end of a lane is one UDP port; more only come where a contender connects again. */
const PEERS_MAX = 16;
/** The longest wait with nothing on the way, ms. */
const IDLE_MS = 1000;

/** A near end, and the socket that stands for it before the target. */
interface Peer {
  far: number;
  address: Uint8Array;
}

class Path {
  readonly #order: PathOrder;
  readonly #near: number;
  readonly #peers: Peer[] = [];
  readonly #by_address = new Map<number, Peer>();
  readonly #toward: ImpairedDirection<Peer>;
  readonly #back: ImpairedDirection<Peer>;
  readonly #packet = new Uint8Array(PACKET_BYTES);
  readonly #from = new Uint8Array(IPV4_ADDRESS_BYTES);
  readonly #from_length = new Int32Array(1);
  readonly #timeout = new Int32Array(4);
  readonly #first_lost = { toward: 0, back: 0 };
  readonly #repeated = { toward: 0, back: 0 };
  #polled = new Int32Array(0);
  #said = "";

  constructor(order: PathOrder) {
    this.#order = order;
    const { seed, rtt_ms, jitter_ms } = order;
    const { toward, back } = impairedDirections<Peer>({
      seed,
      impairment: { loss: 0, delay_ms: rtt_ms / 2, jitter_ms, duplicates: 0 },
    });
    this.#toward = toward;
    this.#back = back;
    this.#near = udpSocket();
    const address = encodeAddress(HOST, order.listen_port);
    if (libc.bind(this.#near, address, address.length) < 0) {
      throw failed(`bind to UDP port ${order.listen_port}`);
    }
    this.#watch();
  }

  /** Forwards until the benchmark has said its two lines. */
  run(): PathResult {
    let lossless_until_ns: number | null = null;
    // What has come before the second line is still taken.
    for (let is_over = false; !is_over;) {
      this.#wait();
      if (this.#isReadable(0)) this.#listen();
      const lines = this.#said.split("\n");
      is_over = lines.length > 2;
      if (lossless_until_ns === null && lines.length >= 2) {
        lossless_until_ns = (JSON.parse(lines[0]) as Schedule).window_from_ns;
      }
      if (lossless_until_ns !== null && nowNs() >= lossless_until_ns) {
        lossless_until_ns = Infinity;
        const { loss } = this.#order;
        for (const direction of [this.#toward, this.#back]) direction.impairment.loss = loss;
      }
      if (this.#isReadable(1)) this.#takeNear();
      // Those who come while the near socket is read are looked at in the next turn.
      for (let at = 0; 2 * (at + 2) < this.#polled.length; at++) {
        if (this.#isReadable(at + 2)) this.#takeFar(this.#peers[at]);
      }
      if (this.#polled.length !== 2 * (2 + this.#peers.length)) this.#watch();
      this.#deliver();
    }
    return {
      seed: this.#order.seed,
      toward: this.#counts("toward", this.#toward),
      back: this.#counts("back", this.#back),
    };
  }

  #watch(): void {
    const fds = [STDIN, this.#near, ...this.#peers.map(({ far }) => far)];
    this.#polled = Int32Array.from(fds.flatMap((fd) => [fd, POLLIN]));
  }

  /** Until something comes, or until the next packet is due. */
  #wait(): void {
    const next_ms = Math.min(this.#toward.next_ms, this.#back.next_ms);
    const wait_ms = Math.max(0, Math.min(IDLE_MS, next_ms - nowNs() / 1e6));
    const seconds = Math.floor(wait_ms / 1000);
    // The two halves of each 64-bit word; both numbers are small and positive.
    this.#timeout[0] = seconds;
    this.#timeout[2] = Math.floor((wait_ms - 1000 * seconds) * 1e6);
    const ready = net.ppoll(this.#polled, this.#polled.length / 2, this.#timeout, null);
    // After a signal there is nothing to be read, and what the words say is of the last time.
    if (ready <= 0) {
      for (let at = 1; at < this.#polled.length; at += 2) {
        this.#polled[at] = POLLIN;
      }
    }
  }

  /** Data, an error or the end: all of them are told by the next read. */
  #isReadable(at: number): boolean {
    return this.#polled[2 * at + 1] >>> 16 !== 0;
  }

  #listen(): void {
    const bytes = new Uint8Array(4096);
    const got = libc.read(STDIN, bytes, bytes.length);
    if (got === 0) throw new Error("the benchmark has gone");
    if (got > 0) this.#said += new TextDecoder().decode(bytes.subarray(0, got));
  }

  #takeNear(): void {
    for (let turn = 0; turn < TURN_PACKETS; turn++) {
      this.#from_length[0] = IPV4_ADDRESS_BYTES;
      const got = net.recvfrom(
        this.#near,
        this.#packet,
        PACKET_BYTES,
        MSG_DONTWAIT,
        this.#from,
        this.#from_length,
      );
      if (got < 0) return;
      const peer = this.#peerOf(this.#from);
      if (peer) this.#take("toward", this.#toward, got, peer);
    }
  }

  #takeFar(peer: Peer): void {
    for (let turn = 0; turn < TURN_PACKETS; turn++) {
      // A target that is gone shows as an error, once for each packet it was sent.
      const got = libc.recv(peer.far, this.#packet, PACKET_BYTES, MSG_DONTWAIT);
      if (got < 0) return;
      this.#take("back", this.#back, got, peer);
    }
  }

  #take(
    way: "toward" | "back",
    direction: ImpairedDirection<Peer>,
    length: number,
    peer: Peer,
  ): void {
    const fate = direction.offer(this.#packet, length, peer, nowNs() / 1e6);
    if (isRepeated(this.#packet, length)) this.#repeated[way]++;
    else if (fate !== "held" && isData(this.#packet, length)) this.#first_lost[way]++;
  }

  #deliver(): void {
    const now_ms = nowNs() / 1e6;
    this.#toward.deliver(now_ms, (bytes, length, { far }) => {
      libc.send(far, bytes, length, MSG_DONTWAIT);
    });
    this.#back.deliver(now_ms, (bytes, length, { address }) => {
      net.sendto(this.#near, bytes, length, MSG_DONTWAIT, address, IPV4_ADDRESS_BYTES);
    });
  }

  #peerOf(from: Uint8Array): Peer | null {
    let name = 0;
    for (let at = 2; at < 8; at++) name = name * 256 + from[at];
    const known = this.#by_address.get(name);
    if (known) return known;
    if (this.#peers.length >= PEERS_MAX) return null;
    const far = udpSocket();
    const target = encodeAddress(HOST, this.#order.target_port);
    if (libc.connect(far, target, target.length) < 0) throw failed("connect");
    const peer = { far, address: from.slice() };
    this.#peers.push(peer);
    this.#by_address.set(name, peer);
    return peer;
  }

  #counts(way: "toward" | "back", direction: ImpairedDirection<Peer>): PathCounts {
    return {
      ...direction.counts,
      first_lost: this.#first_lost[way],
      repeated: this.#repeated[way],
    };
  }
}

/**
 * SRT's header: the first bit says whether a packet is control, and in the second word of a data packet
 * a bit says that it is sent again (draft-sharabayko-srt, "Data Packets").
 */
function isData(packet: Uint8Array, length: number): boolean {
  return length >= 16 && (packet[0] & 0x80) === 0;
}

function isRepeated(packet: Uint8Array, length: number): boolean {
  return isData(packet, length) && (packet[4] & 0x04) !== 0;
}

function udpSocket(): number {
  const fd = libc.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw failed("socket");
  for (const option of [SO_RCVBUF, SO_SNDBUF]) {
    libc.setsockopt(fd, SOL_SOCKET, option, Int32Array.of(SOCKET_BYTES), 4);
  }
  return fd;
}

runProgram((order: PathOrder): PathResult => {
  const path = new Path(order);
  tell({ event: "listening", seed: order.seed });
  return path.run();
});
