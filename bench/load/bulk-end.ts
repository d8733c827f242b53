/**
 * One end of a bulk measure: any number of connections that send, receive or both as fast as the
 * kernel lets them. A single direction on a single connection blocks in `send` or `recv`; everything
 * else goes round by epoll, level-triggered, with one large call per connection and turn.
 */
import { Buffer } from "node:buffer";
import {
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SHUT_WR,
} from "../../ffi/libc/mod.ts";
import { BLOCK_BYTES, ContentCheck, ContentSource } from "./content.ts";
import { failed, libc, nowNs, setPatience, wouldBlock } from "./libc.ts";
import { openConnections } from "./places.ts";
import { readyAndWait, runProgram, sleepUntil } from "./program.ts";
import type { BulkOrder, BulkResult, Schedule } from "./wire.ts";

/** How long the rest of the stream may take to arrive after the sender's end, milliseconds. */
const TAIL_MS = 20_000;
/** A blocking call looks up this often, milliseconds. */
const LOOK_MS = 200;

interface Connection {
  fd: number;
  sent_bytes: number;
  /** What it received, and when the window began and ended. */
  check: ContentCheck;
  sending: boolean;
  receiving: boolean;
  window_from_bytes: number;
  window_to_bytes: number;
}

/** All streams are checked against the same noise; it is made before the connections are. */
const first = new ContentCheck();

class BulkEnd {
  readonly #connections: Connection[];
  readonly #schedule: Schedule;
  readonly #write_bytes: number;
  readonly #source = new ContentSource();
  readonly #arrival = Buffer.allocUnsafe(BLOCK_BYTES);
  readonly #flags: number;
  /** Real ends of the window, as the loop saw them. */
  #from_ns = 0;
  #to_ns = 0;

  constructor({ connections, schedule, order }: {
    connections: Connection[];
    schedule: Schedule;
    order: BulkOrder;
  }) {
    this.#connections = connections;
    this.#schedule = schedule;
    this.#write_bytes = order.write_bytes;
    const blocking = connections.length === 1 && order.sends !== order.receives;
    this.#flags = blocking ? MSG_NOSIGNAL : MSG_NOSIGNAL | MSG_DONTWAIT;
  }

  runBlocking(): void {
    const [connection] = this.#connections;
    while (connection.sending || connection.receiving) {
      const now = this.#look();
      if (connection.sending) this.#send(connection, now);
      else this.#receive(connection);
    }
  }

  runPolling(): void {
    const epoll = libc.epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) throw failed("epoll_create1");
    const interest = (connection: Connection) =>
      (connection.sending ? EPOLLOUT : 0) | (connection.receiving ? EPOLLIN : 0);
    const event = new DataView(new ArrayBuffer(12));
    const control = (op: number, at: number) => {
      // struct epoll_event is packed on x86-64: events, then 64 bits that come back as they are.
      event.setUint32(0, interest(this.#connections[at]), true);
      event.setUint32(4, at, true);
      const { fd } = this.#connections[at];
      if (libc.epoll_ctl(epoll, op, fd, new Uint8Array(event.buffer)) < 0) {
        throw failed("epoll_ctl");
      }
    };
    this.#connections.forEach((_, at) => control(EPOLL_CTL_ADD, at));
    let open = this.#connections.length;
    const events = new Uint8Array(12 * Math.max(1, open));
    const view = new DataView(events.buffer);
    while (open > 0) {
      const now = this.#look();
      const count = libc.epoll_wait(epoll, events, this.#connections.length, LOOK_MS);
      for (let i = 0; i < count; i++) {
        const happened = view.getUint32(12 * i, true);
        const at = view.getUint32(12 * i + 4, true);
        const connection = this.#connections[at];
        const before = interest(connection);
        if (connection.receiving && happened & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
          this.#receive(connection);
        }
        if (connection.sending && happened & (EPOLLOUT | EPOLLERR)) this.#send(connection, now);
        const after = interest(connection);
        if (after === before) continue;
        control(after === 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD, at);
        if (after === 0) open--;
      }
    }
    libc.close(epoll);
  }

  result(): BulkResult {
    const within = this.#connections.map((one) => one.window_to_bytes - one.window_from_bytes);
    const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
    return {
      sent_bytes: sum(this.#connections.map(({ sent_bytes }) => sent_bytes)),
      received_bytes: sum(this.#connections.map(({ check }) => check.position)),
      window_received_bytes: sum(within),
      window_s: (this.#to_ns - this.#from_ns) / 1e9,
      window_least_bytes: Math.min(...within),
    };
  }

  /** The time, with the window's two ends noted when they have come. */
  #look(): number {
    const now = nowNs();
    const { window_from_ns, window_to_ns } = this.#schedule;
    if (this.#from_ns === 0 && now >= window_from_ns) {
      this.#from_ns = now;
      for (const one of this.#connections) one.window_from_bytes = one.check.position;
    }
    if (this.#to_ns === 0 && now >= window_to_ns) {
      this.#to_ns = now;
      for (const one of this.#connections) one.window_to_bytes = one.check.position;
    }
    if (now > window_to_ns + TAIL_MS * 1e6) {
      throw new Error(`the end of the stream did not come within ${TAIL_MS / 1000} s`);
    }
    return now;
  }

  #send(connection: Connection, now: number): void {
    if (now >= this.#schedule.window_to_ns) {
      connection.sending = false;
      if (libc.shutdown(connection.fd, SHUT_WR) < 0) throw failed("shutdown");
      return;
    }
    const piece = this.#source.piece(connection.sent_bytes, this.#write_bytes);
    const sent = libc.send(connection.fd, piece, piece.length, this.#flags);
    if (sent >= 0) connection.sent_bytes += sent;
    else if (!wouldBlock()) throw failed("send");
  }

  #receive(connection: Connection): void {
    const got = libc.recv(connection.fd, this.#arrival, BLOCK_BYTES, this.#flags);
    if (got > 0) connection.check.take(this.#arrival, got);
    else if (got === 0) this.#ended(connection);
    else if (!wouldBlock()) throw failed("recv");
  }

  #ended(connection: Connection): void {
    // A sender stops at the window's end, never before it; so must the stream that it sends.
    if (nowNs() < this.#schedule.window_to_ns) {
      throw new Error(`the connection was closed after ${connection.check.position} bytes`);
    }
    connection.receiving = false;
    this.#look();
  }
}

runProgram((order: BulkOrder): BulkResult => {
  const connections = openConnections(order.place).map((fd): Connection => ({
    fd,
    sent_bytes: 0,
    check: new ContentCheck(first),
    sending: order.sends,
    receiving: order.receives,
    window_from_bytes: 0,
    window_to_bytes: 0,
  }));
  const schedule = readyAndWait();
  if (order.stall_ms) sleepUntil(schedule.start_ns + order.stall_ms * 1e6);
  const blocking = connections.length === 1 && order.sends !== order.receives;
  if (blocking) setPatience(connections[0].fd, LOOK_MS);
  const end = new BulkEnd({ connections, schedule, order });
  if (blocking) end.runBlocking();
  else end.runPolling();
  for (const { fd } of connections) libc.close(fd);
  return end.result();
});
