/**
 * One end of an SRT measure, any number of live-mode connections in one thread. The sender paces
 * numbered messages at a fixed rate per session; the receiver looks for gaps, compares each message
 * whole and takes its one-way time (both ends read the same clock).
 *
 * A message: its number and the instant it was sent (CLOCK_MONOTONIC, ns), 8 bytes each as
 * little-endian doubles, then noise. The hello of a gateway is a message of its own before them.
 */
import { Buffer } from "node:buffer";
import { encodeAddress } from "../../ffi/libc/sockaddr.ts";
import {
  openLibsrt,
  SRT_EASYNCRCV,
  SRT_EASYNCSND,
  SRT_EPOLL_ENABLE_EMPTY,
  SRT_EPOLL_ERR,
  SRT_EPOLL_IN,
  SRT_ERROR,
} from "../../ffi/libsrt/mod.ts";
import { percentiles } from "../figures/statistics.ts";
import { Random } from "../../tests/harness/random.ts";
import { libc, nowNs } from "./libc.ts";
import { readyAndWait, runProgram, tell } from "./program.ts";
import type { Schedule, SrtOrder, SrtResult } from "./wire.ts";

const HOST = "127.0.0.1";
const HEAD_BYTES = 16;
/** How long all connections may take to come up, milliseconds. */
const APPEAR_MS = 15_000;
/** Room for 380 ms at 1 Gbit/s in each buffer; the window never exceeds what the buffer holds. */
const WINDOW_PACKETS = 32_768;
const PACKET_BYTES = 1472;
/** The kernel cuts it to what net.core allows. */
const UDP_BYTES = 8 << 20;
/** 10 Gbit/s in libsrt's unit, bytes per second: its own "unlimited" means 1 Gbit/s. */
const BANDWIDTH_MAX = 1_250_000_000;
/** Between two turns of the sender, microseconds: a burst is a millisecond's worth. */
const TURN_US = 1000;
/** The same while it is behind: a full send buffer drains by itself, asking at once only costs CPU. */
const BLOCKED_US = 100;
/** What is still on its way after the latency when the sender stops, milliseconds. */
const TAIL_MS = 700;
const TIMES_MAX = 8_000_000;
const EVENTS_MAX = 256;

const srt = openLibsrt();
const message_noise = new Random(11).bytes(1456);

function newSocket(order: SrtOrder): number {
  const socket = srt.srt_create_socket();
  if (socket === SRT_ERROR) throw srt.failure("srt_create_socket");
  srt.setOption(socket, "SRTO_LATENCY", order.latency_ms);
  srt.setOption(socket, "SRTO_PAYLOADSIZE", order.message_bytes);
  srt.setOption(socket, "SRTO_CONNTIMEO", APPEAR_MS);
  srt.setOption(socket, "SRTO_FC", WINDOW_PACKETS);
  srt.setOption(socket, "SRTO_RCVBUF", WINDOW_PACKETS * PACKET_BYTES);
  srt.setOption(socket, "SRTO_SNDBUF", WINDOW_PACKETS * PACKET_BYTES);
  srt.setOption(socket, "SRTO_UDP_RCVBUF", UDP_BYTES);
  srt.setOption(socket, "SRTO_UDP_SNDBUF", UDP_BYTES);
  srt.setOption(socket, "SRTO_MAXBW", BANDWIDTH_MAX);
  // Connections of one end share a UDP port and with it libsrt's threads: the generator stays small.
  srt.setOption(socket, "SRTO_REUSEADDR", true);
  return socket;
}

function openSockets(order: SrtOrder): number[] {
  const { place } = order;
  const sockets = "connect" in place ? connectAll(order, place.connect) : acceptAll(order, place);
  for (const socket of sockets) {
    srt.setOption(socket, "SRTO_SNDSYN", false);
    srt.setOption(socket, "SRTO_RCVSYN", false);
  }
  return sockets;
}

function connectAll(order: SrtOrder, peers: { port: number; opening: string }[]): number[] {
  const local = encodeAddress(HOST, order.local_port);
  return peers.map(({ port, opening }) => {
    const socket = newSocket(order);
    if (srt.srt_bind(socket, local, local.length) < 0) throw srt.failure("srt_bind");
    const address = encodeAddress(HOST, port);
    if (srt.srt_connect(socket, address, address.length) < 0) {
      throw new Error(`SRT connect to port ${port}: ${srt.rejectReason(socket)}`);
    }
    if (opening !== "") {
      const hello = new TextEncoder().encode(opening);
      if (srt.srt_sendmsg2(socket, hello, hello.length, null) < 0) {
        throw srt.failure("srt_sendmsg2");
      }
    }
    return socket;
  });
}

function acceptAll(order: SrtOrder, place: { accept: { port: number; count: number } }): number[] {
  const { port, count } = place.accept;
  const listener = newSocket(order);
  const address = encodeAddress(HOST, port);
  if (srt.srt_bind(listener, address, address.length) < 0) throw srt.failure("srt_bind");
  srt.setOption(listener, "SRTO_RCVSYN", false);
  if (srt.srt_listen(listener, count + 8) < 0) throw srt.failure("srt_listen");
  tell({ event: "listening" });
  const accepted: number[] = [];
  const until_ns = nowNs() + APPEAR_MS * 1e6;
  while (accepted.length < count) {
    const socket = srt.srt_accept(listener, null, null);
    if (socket !== SRT_ERROR) {
      accepted.push(socket);
    } else if (srt.lastError() !== SRT_EASYNCRCV) {
      throw srt.failure("srt_accept");
    } else if (nowNs() > until_ns) {
      throw new Error(`${accepted.length} of ${count} SRT connections came`);
    } else {
      libc.usleep(1000);
    }
  }
  return accepted;
}

function tailMs({ latency_ms, hops }: SrtOrder): number {
  return latency_ms * hops + TAIL_MS;
}

function send(sockets: number[], order: SrtOrder, schedule: Schedule): SrtResult {
  const message = Buffer.from(message_noise.subarray(0, order.message_bytes));
  const per_ns = order.rate_mbps * 1e6 / 8 / order.message_bytes / 1e9;
  const sent = new Float64Array(sockets.length);
  const window = new WindowCount(schedule, sent);
  const { start_ns, window_to_ns } = schedule;
  for (let now = nowNs(); now < window_to_ns; now = nowNs()) {
    window.look(now);
    const due = Math.floor((now - start_ns) * per_ns);
    let behind = false;
    for (let at = 0; at < sockets.length; at++) {
      // In turns of a few hundred, so that the clock is looked at again and nobody waits for one.
      for (let burst = 0; sent[at] < due && burst < 256; burst++) {
        message.writeDoubleLE(sent[at], 0);
        message.writeDoubleLE(nowNs(), 8);
        if (srt.srt_sendmsg2(sockets[at], message, message.length, null) < 0) {
          if (srt.lastError() !== SRT_EASYNCSND) throw srt.failure("srt_sendmsg2");
          burst = 256;
        } else {
          sent[at]++;
        }
      }
      behind ||= sent[at] < due;
    }
    libc.usleep(behind ? BLOCKED_US : TURN_US);
  }
  window.look(nowNs());
  const over_ns = nowNs() + tailMs(order) * 1e6;
  while (nowNs() < over_ns) libc.usleep(10_000);
  return {
    ...window.result(),
    messages: sent.reduce((total, one) => total + one, 0),
    gaps: 0,
    added_p50_ms: NaN,
    added_p99_ms: NaN,
    added_max_ms: NaN,
  };
}

function receive(sockets: number[], order: SrtOrder, schedule: Schedule): SrtResult {
  const epoll = srt.srt_epoll_create();
  srt.srt_epoll_set(epoll, SRT_EPOLL_ENABLE_EMPTY);
  const at_of = new Map(sockets.map((socket, at) => [socket, at]));
  const interest = Int32Array.of(SRT_EPOLL_IN | SRT_EPOLL_ERR);
  for (const socket of sockets) srt.srt_epoll_add_usock(epoll, socket, interest);
  const ready = new Int32Array(2 * EVENTS_MAX);
  const message = Buffer.allocUnsafe(1456);
  const received = new Float64Array(sockets.length);
  const expected = new Float64Array(sockets.length);
  const times_ms = new Float64Array(TIMES_MAX);
  const window = new WindowCount(schedule, received);
  const latency_ms = order.latency_ms * order.hops;
  let timed = 0;
  let gaps = 0;
  // The sender stops at the window's end; what it sent may take all latencies and the tail to come.
  const over_ns = schedule.window_to_ns + (tailMs(order) - 200) * 1e6;

  const take = (at: number): boolean => {
    const length = srt.srt_recvmsg2(sockets[at], message, message.length, null);
    if (length < 0) {
      if (srt.lastError() === SRT_EASYNCRCV) return false;
      if (nowNs() < schedule.window_to_ns) {
        throw new Error(`an SRT connection was lost after ${received[at]} messages`);
      }
      srt.srt_epoll_remove_usock(epoll, sockets[at]);
      return false;
    }
    const now = nowNs();
    if (length !== order.message_bytes) throw new Error(`wrong bytes: a message of ${length}`);
    if (message.compare(message_noise, HEAD_BYTES, length, HEAD_BYTES, length) !== 0) {
      throw new Error(`wrong bytes in message ${received[at]}`);
    }
    const number = message.readDoubleLE(0);
    if (number < expected[at]) throw new Error(`message ${number} came twice or out of order`);
    gaps += number - expected[at];
    expected[at] = number + 1;
    received[at]++;
    const sent_ns = message.readDoubleLE(8);
    const inside = sent_ns >= schedule.window_from_ns && sent_ns < schedule.window_to_ns;
    if (inside && timed < TIMES_MAX) times_ms[timed++] = (now - sent_ns) / 1e6 - latency_ms;
    return true;
  };

  for (let now = nowNs(); now < over_ns; now = nowNs()) {
    window.look(now);
    const count = Math.min(EVENTS_MAX, srt.srt_epoll_uwait(epoll, ready, EVENTS_MAX, 20));
    for (let i = 0; i < count; i++) {
      const at = at_of.get(ready[2 * i])!;
      for (let turn = 0; turn < 256 && take(at); turn++);
    }
  }
  srt.srt_epoll_release(epoll);
  const { p50, p99, max } = percentiles(times_ms.subarray(0, timed));
  return {
    ...window.result(),
    messages: received.reduce((total, one) => total + one, 0),
    gaps,
    added_p50_ms: p50,
    added_p99_ms: p99,
    added_max_ms: max,
  };
}

/** What was counted between the window's two ends. */
class WindowCount {
  readonly #schedule: Schedule;
  readonly #counts: Float64Array;
  #from: Float64Array | null = null;
  #to: Float64Array | null = null;
  #from_ns = 0;
  #to_ns = 0;

  constructor(schedule: Schedule, counts: Float64Array) {
    this.#schedule = schedule;
    this.#counts = counts;
  }

  look(now: number): void {
    if (!this.#from && now >= this.#schedule.window_from_ns) {
      this.#from = this.#counts.slice();
      this.#from_ns = now;
    }
    if (!this.#to && now >= this.#schedule.window_to_ns) {
      this.#to = this.#counts.slice();
      this.#to_ns = now;
    }
  }

  result(): Pick<SrtResult, "window_messages" | "window_s" | "window_least_messages"> {
    const from = this.#from ?? this.#counts;
    const within = Array.from(this.#to ?? this.#counts, (count, at) => count - from[at]);
    return {
      window_messages: within.reduce((total, one) => total + one, 0),
      window_s: (this.#to_ns - this.#from_ns) / 1e9,
      window_least_messages: Math.min(...within),
    };
  }
}

runProgram((order: SrtOrder): SrtResult => {
  srt.srt_startup();
  // LOG_CRIT: what goes wrong is told by the calls themselves.
  srt.srt_setloglevel(2);
  const sockets = openSockets(order);
  const schedule = readyAndWait();
  return order.sends ? send(sockets, order, schedule) : receive(sockets, order, schedule);
});
// Without a close: libsrt waits for its threads there, and now and then one that never ends. The
// kernel closes the ports, and whoever was at the other end is stopped by the benchmark.
libc._exit(0);
