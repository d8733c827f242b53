/**
 * One end of fastway's measure. The one that loads has clients that send batches of prepared frames and
 * keep a bounded number on their way; the one that echoes sends back whatever comes, as it is, which is
 * what a server would, because a frame is the same in both directions; the one that asks sends one
 * message at a time and takes its time. Nothing is made per message, so that the generators are not
 * what is measured. Through a gateway the frames carry the numbers that it gave; through anything else
 * they are bytes like others.
 */
import { Buffer } from "node:buffer";
import {
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLIN,
  EPOLLOUT,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
} from "../../ffi/libc/mod.ts";
import { percentiles } from "../figures/statistics.ts";
import {
  dialServer,
  HEAD_BYTES,
  prepareFrames,
  proveServer,
  takeConnects,
} from "./fastway-wire.ts";
import { failed, libc, nowNs, receiveAll, sendAll, setPatience, wouldBlock } from "./libc.ts";
import { openConnections } from "./places.ts";
import { readyAndWait, runProgram } from "./program.ts";
import type { EchoResult, FastwayLoadResult, FastwayOrder, Schedule } from "./wire.ts";

const ARRIVAL_BYTES = 256 * 1024;
/** How long the rest may take to come back after the window, milliseconds. */
const TAIL_MS = 20_000;
/** Waits look up this often, milliseconds. */
const LOOK_MS = 200;
/** An echo that a gateway keeps connected is over when nothing has come for this long, milliseconds. */
const QUIET_MS = 1500;
const PATIENCE_MS = 10_000;
const SAMPLES_MAX = 1_000_000;
const FLAGS = MSG_NOSIGNAL | MSG_DONTWAIT;
/** One piece in so many is compared whole, the others at both ends. */
const WHOLE_COMPARE_EACH = 16;

const arrival = Buffer.allocUnsafe(ARRIVAL_BYTES);

/** Level-triggered readiness of connections that are known by their place in a list. */
class Readiness {
  readonly #epoll = libc.epoll_create1(EPOLL_CLOEXEC);
  readonly #fds: readonly number[];
  readonly #events: Uint8Array;
  readonly #view: DataView;
  readonly #event = new DataView(new ArrayBuffer(12));
  readonly #asked: Uint32Array;

  constructor(fds: readonly number[]) {
    if (this.#epoll < 0) throw failed("epoll_create1");
    this.#fds = fds;
    this.#events = new Uint8Array(12 * fds.length);
    this.#view = new DataView(this.#events.buffer);
    this.#asked = new Uint32Array(fds.length);
    fds.forEach((_, at) => this.#control(EPOLL_CTL_ADD, at, EPOLLIN));
  }

  ask(at: number, interest: number): void {
    if (this.#asked[at] !== interest) this.#control(EPOLL_CTL_MOD, at, interest);
  }

  forget(at: number): void {
    this.#control(EPOLL_CTL_DEL, at, 0);
  }

  /** Calls back with the place of each that is ready; answers how many. */
  wait(ready: (at: number, events: number) => void): number {
    const count = libc.epoll_wait(this.#epoll, this.#events, this.#fds.length, LOOK_MS);
    for (let i = 0; i < count; i++) {
      ready(this.#view.getUint32(12 * i + 4, true), this.#view.getUint32(12 * i, true));
    }
    return count;
  }

  close(): void {
    libc.close(this.#epoll);
  }

  #control(op: number, at: number, interest: number): void {
    this.#asked[at] = interest;
    this.#event.setUint32(0, interest, true);
    this.#event.setUint32(4, at, true);
    const event = new Uint8Array(this.#event.buffer);
    if (libc.epoll_ctl(this.#epoll, op, this.#fds[at], event) < 0) throw failed("epoll_ctl");
  }
}

/** A client under load. What it sends goes round and round through its frames. */
interface Client {
  fd: number;
  frames: Buffer;
  sent: number;
  received: number;
  pieces: number;
}

class Load {
  readonly #clients: Client[];
  readonly #readiness: Readiness;
  readonly #schedule: Schedule;
  readonly #frame_bytes: number;
  readonly #batch_bytes: number;
  readonly #window_bytes: number;
  #from_ns = 0;
  #to_ns = 0;
  #from_bytes = 0;
  #to_bytes = 0;
  #received = 0;

  constructor(clients: Client[], schedule: Schedule, order: FastwayOrder) {
    this.#clients = clients;
    this.#schedule = schedule;
    this.#frame_bytes = HEAD_BYTES + order.message_bytes;
    this.#batch_bytes = order.batch * this.#frame_bytes;
    this.#window_bytes = order.window_batches * this.#batch_bytes;
    this.#readiness = new Readiness(clients.map(({ fd }) => fd));
  }

  run(): FastwayLoadResult {
    this.#clients.forEach((client, at) => this.#send(client, at));
    while (!this.#look()) {
      this.#readiness.wait((at, events) => {
        const client = this.#clients[at];
        if (events & ~EPOLLOUT) this.#receive(client);
        this.#send(client, at);
      });
    }
    this.#readiness.close();
    const sum = (what: "sent" | "received") =>
      this.#clients.reduce((total, client) => total + client[what], 0) / this.#frame_bytes;
    return {
      sent: sum("sent"),
      received: sum("received"),
      window_messages: (this.#to_bytes - this.#from_bytes) / this.#frame_bytes,
      window_s: (this.#to_ns - this.#from_ns) / 1e9,
    };
  }

  /** Notes the window's two ends; true when it is over and everything has come back. */
  #look(): boolean {
    const now = nowNs();
    const { window_from_ns, window_to_ns } = this.#schedule;
    if (this.#from_ns === 0 && now >= window_from_ns) {
      this.#from_ns = now;
      this.#from_bytes = this.#received;
    }
    if (this.#to_ns === 0) {
      if (now < window_to_ns) return false;
      this.#to_ns = now;
      this.#to_bytes = this.#received;
    }
    if (now > window_to_ns + TAIL_MS * 1e6) {
      throw new Error(`not everything came back within ${TAIL_MS / 1000} s`);
    }
    return this.#clients.every(({ sent, received }) => sent === received);
  }

  #send(client: Client, at: number): void {
    const { frames, fd } = client;
    for (;;) {
      const into_batch = client.sent % this.#batch_bytes;
      if (into_batch === 0) {
        // After the window only what has been begun is finished.
        const room = this.#window_bytes - (client.sent - client.received);
        if (this.#to_ns > 0 || room < this.#batch_bytes) return this.#readiness.ask(at, EPOLLIN);
      }
      const from = client.sent % frames.length;
      const length = this.#batch_bytes - into_batch;
      const sent = libc.send(fd, frames.subarray(from, from + length), length, FLAGS);
      if (sent < 0) {
        if (!wouldBlock()) throw failed("send");
        return this.#readiness.ask(at, EPOLLIN | EPOLLOUT);
      }
      client.sent += sent;
    }
  }

  #receive(client: Client): void {
    const got = libc.recv(client.fd, arrival, ARRIVAL_BYTES, FLAGS);
    if (got < 0) {
      if (wouldBlock()) return;
      throw failed("recv");
    }
    if (got === 0) {
      const messages = client.received / this.#frame_bytes;
      throw new Error(`the connection was closed after ${messages} messages had come back`);
    }
    check(client, got);
    client.received += got;
    this.#received += got;
  }
}

/** What has come back must be what was sent there. */
function check(client: Client, got: number): void {
  const { frames } = client;
  const whole = client.pieces++ % WHOLE_COMPARE_EACH === 0;
  for (let done = 0; done < got;) {
    const at = (client.received + done) % frames.length;
    const length = Math.min(got - done, frames.length - at);
    const last = length - 1;
    if (
      arrival[done] !== frames[at] || arrival[done + last] !== frames[at + last] ||
      (whole && arrival.compare(frames, at, at + length, done, done + length) !== 0)
    ) {
      throw new Error(`wrong bytes at or behind byte ${client.received + done} of the answer`);
    }
    done += length;
  }
}

function load(order: FastwayOrder): FastwayLoadResult {
  const fds = openConnections(order.place);
  const each = order.virtual / fds.length;
  const clients = fds.map((fd, at): Client => {
    const ids = order.gateway
      ? dialServer(fd, order.server_id, each)
      : Array.from({ length: each }, (_, i) => at * each + i + 1);
    const frames = prepareFrames({ ids, ...order, seed: at + 1 });
    return { fd, frames, sent: 0, received: 0, pieces: 0 };
  });
  const result = new Load(clients, readyAndWait(), order).run();
  for (const { fd } of clients) libc.close(fd);
  return result;
}

/** What one connection of the echo has taken and not yet given back. */
interface Echo {
  fd: number;
  held: Buffer;
  from: number;
  to: number;
}

function echo(order: FastwayOrder): null {
  const fds = openConnections(order.place);
  if (order.gateway) {
    for (const fd of fds) {
      proveServer(fd, order.server_id);
      takeConnects(fd, order.virtual / fds.length);
    }
  }
  const echoes = fds.map((fd): Echo => ({ fd, held: Buffer.alloc(ARRIVAL_BYTES), from: 0, to: 0 }));
  const { window_to_ns } = readyAndWait();
  const readiness = new Readiness(fds);
  let open = fds.length;
  let quiet_from_ns = nowNs();
  const isOver = () => {
    const now = nowNs();
    return now > window_to_ns && now > quiet_from_ns + QUIET_MS * 1e6;
  };
  while (open > 0) {
    const count = readiness.wait((at) => {
      const one = echoes[at];
      if (one.from === one.to) {
        const got = libc.recv(one.fd, one.held, ARRIVAL_BYTES, FLAGS);
        if (got <= 0) {
          if (got < 0 && wouldBlock()) return;
          readiness.forget(at);
          open--;
          return;
        }
        one.from = 0;
        one.to = got;
      }
      giveBack(one);
      readiness.ask(at, one.from === one.to ? EPOLLIN : EPOLLOUT);
    });
    if (count > 0) quiet_from_ns = nowNs();
    else if (isOver()) break;
  }
  readiness.close();
  for (const fd of fds) libc.close(fd);
  return null;
}

function giveBack(one: Echo): void {
  while (one.from < one.to) {
    const rest = one.held.subarray(one.from, one.to);
    const sent = libc.send(one.fd, rest, rest.length, FLAGS);
    if (sent < 0) {
      if (wouldBlock()) return;
      throw failed("send");
    }
    one.from += sent;
  }
}

/** One message there and back at a time, as `echo-end.ts` has it. */
function ask(order: FastwayOrder): EchoResult {
  const [fd] = openConnections(order.place);
  const ids = order.gateway ? dialServer(fd, order.server_id, 1) : [1];
  const question = prepareFrames({ ids, ...order, batch: 1, seed: 7 });
  const reply = Buffer.allocUnsafe(question.length);
  const { window_from_ns, window_to_ns } = readyAndWait();
  setPatience(fd, PATIENCE_MS);
  const times_us = new Float64Array(SAMPLES_MAX);
  let count = 0;
  let number = 0;
  let now = nowNs();
  while (now < window_to_ns && count < SAMPLES_MAX) {
    question.writeDoubleLE(number++, HEAD_BYTES);
    const sent_ns = nowNs();
    sendAll(fd, question);
    receiveAll(fd, reply);
    now = nowNs();
    if (question.compare(reply) !== 0) throw new Error(`wrong bytes in round trip ${number}`);
    if (sent_ns >= window_from_ns) times_us[count++] = (now - sent_ns) / 1000;
  }
  libc.close(fd);
  if (count === 0) throw new Error("not one round trip fell within the window");
  const { p50, p99, p99_9, max } = percentiles(times_us.subarray(0, count));
  return {
    round_trips: count,
    per_second: count / ((now - window_from_ns) / 1e9),
    p50_us: p50,
    p99_us: p99,
    p99_9_us: p99_9,
    max_us: max,
  };
}

runProgram((order: FastwayOrder): FastwayLoadResult | EchoResult | null => {
  if (order.manner === "load") return load(order);
  return order.manner === "ask" ? ask(order) : echo(order);
});
