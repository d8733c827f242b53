/**
 * Sessions one after another, `at_once` at a time, each timed from the request to the first byte that
 * came all the way through: over a gateway from `pair_request` over both hellos, over a proxy from the
 * connect. One thread and one epoll drive both ends, because what is measured is how long the
 * contender takes, and two ends in one process need no clock in common.
 */
import { Buffer } from "node:buffer";
import {
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLLIN,
  MSG_DONTWAIT,
  SHUT_WR,
} from "../../ffi/libc/mod.ts";
import { percentiles } from "../figures/statistics.ts";
import {
  acceptFrom,
  connectTo,
  failed,
  libc,
  listenOn,
  nowNs,
  receiveAll,
  sendAll,
  setPatience,
  wouldBlock,
} from "./libc.ts";
import { readLine, readyAndWait, runProgram, tell } from "./program.ts";
import type { SessionsOrder, SessionsResult } from "./wire.ts";

/** No session may take this long, milliseconds. */
const PATIENCE_MS = 20_000;
/** The first byte, and the byte that each held session carries once more at its end. */
const FIRST_BYTE = Uint8Array.of(0x53);
const LAST_BYTE = Uint8Array.of(0x45);
const EVENTS_MAX = 512;
const STDIN = 0;

interface Session {
  asked_ns: number;
  front: number;
  back: number;
}

/** How sessions begin; what happens on the sockets of each way is its own business. */
interface Way {
  /** Asks for one more session. */
  ask(): void;
}

class Sessions {
  readonly #order: SessionsOrder;
  readonly #epoll = libc.epoll_create1(EPOLL_CLOEXEC);
  readonly #readers = new Map<number, () => void>();
  readonly #times_ms: Float64Array;
  readonly #held: Session[] = [];
  /** Sessions of a proxy's back whose front is not known; they close when the front has closed. */
  readonly #backs = new Set<number>();
  #asked = 0;
  #done = 0;
  #elapsed_s = 0;

  constructor(order: SessionsOrder) {
    this.#order = order;
    this.#times_ms = new Float64Array(order.total);
  }

  run(): SessionsResult {
    const { way, total, at_once } = this.#order;
    const start = "control_port" in way ? this.#gateway(way.control_port) : this.#proxy(way);
    readyAndWait();
    const started_ns = nowNs();
    while (this.#asked < Math.min(at_once, total)) this.#ask(start);
    this.#next = () => {
      if (this.#asked < total) this.#ask(start);
    };
    this.#turnUntil(() => this.#done === total);
    this.#elapsed_s = (nowNs() - started_ns) / 1e9;
    if (this.#order.hold) this.#hold();
    else this.#turnUntil(() => this.#backs.size === 0);
    return this.#result();
  }

  #next = () => {};

  #ask(way: Way): void {
    this.#asked++;
    way.ask();
  }

  #gateway(port: number): Way {
    // Ids of their own, so that several generators may be registered at the same gateway.
    const server_id = `sessions-be-${port}`;
    const client_id = `sessions-fe-${port}`;
    const server = this.#register(port, { role: "server", id: server_id });
    const client = this.#register(port, { role: "client", id: client_id });
    const pending = new Map<string, Session>();
    let number = 0;
    const hello = (role: string, id: string, session_id: string) =>
      `V4HELLO ${JSON.stringify({ role, session_id, id })}\n`;
    this.#grants(server, ({ zmq_port, session_id, request_id }) => {
      const session = pending.get(request_id);
      if (!session) throw new Error("the server was granted a session nobody asked for");
      // The first byte goes right behind the hello, as any sender may do it.
      session.back = connectTo(zmq_port, `${hello("server", server_id, session_id)}S`);
      setPatience(session.back, PATIENCE_MS);
    });
    this.#grants(client, ({ zmq_port, session_id, request_id }) => {
      const session = pending.get(request_id)!;
      session.front = connectTo(zmq_port, hello("client", client_id, session_id));
      setPatience(session.front, PATIENCE_MS);
      this.#onReadable(session.front, () => {
        receiveFirst(session.front);
        this.#forget(session.front);
        pending.delete(request_id);
        this.#finish(session);
      });
    });
    return {
      ask: () => {
        const request_id = `r${number++}`;
        pending.set(request_id, { asked_ns: nowNs(), front: -1, back: -1 });
        const payload = { request_id, server_id, need_zmq: true, need_srt: false };
        sendAll(client, encode({ type: "pair_request", payload }));
      },
    };
  }

  #proxy({ front_port, back_port }: { front_port: number; back_port: number }): Way {
    const listener = listenOn(back_port);
    tell({ event: "listening" });
    this.#onReadable(listener, () => {
      const back = acceptFrom(listener);
      setPatience(back, PATIENCE_MS);
      sendAll(back, FIRST_BYTE);
      this.#backs.add(back);
      if (this.#order.hold) return;
      this.#onReadable(back, () => {
        const got = libc.recv(back, new Uint8Array(1), 1, MSG_DONTWAIT);
        if (got > 0) throw new Error("wrong bytes: the back end was sent some nobody had sent");
        this.#forget(back);
        this.#backs.delete(back);
        libc.close(back);
      });
    });
    return {
      ask: () => {
        const session: Session = { asked_ns: nowNs(), front: connectTo(front_port), back: -1 };
        setPatience(session.front, PATIENCE_MS);
        this.#onReadable(session.front, () => {
          receiveFirst(session.front);
          this.#forget(session.front);
          this.#finish(session);
        });
      },
    };
  }

  /** The first byte has come through. */
  #finish(session: Session): void {
    this.#times_ms[this.#done++] = (nowNs() - session.asked_ns) / 1e6;
    if (this.#order.hold) {
      this.#held.push(session);
    } else {
      libc.close(session.front);
      if (session.back >= 0) libc.close(session.back);
    }
    this.#next();
  }

  /** Keeps everything open until told otherwise, then proves that each session still carries. */
  #hold(): void {
    tell({ event: "holding", result: this.#result() });
    let released = false;
    this.#onReadable(STDIN, () => {
      readLine();
      released = true;
    });
    this.#turnUntil(() => released, Infinity);
    this.#forget(STDIN);
    const byte = new Uint8Array(1);
    for (const { front, back } of this.#held) {
      sendAll(front, LAST_BYTE);
      if (back < 0) continue;
      receiveAll(back, byte);
      if (byte[0] !== LAST_BYTE[0]) throw new Error("wrong bytes after the idle time");
    }
    for (const back of this.#backs) {
      receiveAll(back, byte);
      if (byte[0] !== LAST_BYTE[0]) throw new Error("wrong bytes after the idle time");
    }
    for (const { front } of this.#held) libc.shutdown(front, SHUT_WR);
    for (const { front, back } of this.#held) {
      libc.close(front);
      if (back >= 0) libc.close(back);
    }
    for (const back of this.#backs) libc.close(back);
  }

  #register(port: number, who: { role: string; id: string }): number {
    const fd = connectTo(port);
    setPatience(fd, PATIENCE_MS);
    const payload = { ...who, token: "bench", max_conn: 65_536 };
    sendAll(fd, encode({ type: "register", payload }));
    const answer = Buffer.alloc(4096);
    const got = libc.recv(fd, answer, answer.length, 0);
    if (got <= 0) throw failed("recv of register_ack");
    const text = answer.toString("utf8", 0, got);
    if (!text.includes('"ok"')) throw new Error(`not registered: ${text.trim()}`);
    return fd;
  }

  /** Hears the grants of a control connection; everything else that it says is read and left. */
  #grants(fd: number, granted: (grant: Grant) => void): void {
    const arrival = Buffer.allocUnsafe(1 << 16);
    let parts: Buffer[] = [];
    this.#onReadable(fd, () => {
      const got = libc.recv(fd, arrival, arrival.length, MSG_DONTWAIT);
      if (got === 0) throw new Error("the control connection was closed");
      if (got < 0) {
        if (wouldBlock()) return;
        throw failed("recv of the control connection");
      }
      const chunk = arrival.subarray(0, got);
      let from = 0;
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
        const line = Buffer.concat([...parts, chunk.subarray(from, end)]);
        parts = [];
        from = end + 1;
        // Broadcasts are long and many; only what begins like a grant or a refusal is read.
        const head = line.toString("latin1", 0, 32);
        if (head.includes('"pair_error"') || head.includes('"error"')) {
          throw new Error(`the gateway refused: ${line.toString("utf8", 0, 300)}`);
        }
        if (!head.includes('"pair_grant"')) continue;
        granted((JSON.parse(line.toString("utf8")) as { payload: Grant }).payload);
      }
      if (from < got) parts.push(Buffer.from(chunk.subarray(from)));
    });
  }

  #onReadable(fd: number, read: () => void): void {
    this.#readers.set(fd, read);
    this.#control(EPOLL_CTL_ADD, fd);
  }

  #forget(fd: number): void {
    this.#readers.delete(fd);
    this.#control(EPOLL_CTL_DEL, fd);
  }

  #control(op: number, fd: number): void {
    const event = new DataView(new ArrayBuffer(12));
    event.setUint32(0, EPOLLIN, true);
    event.setUint32(4, fd, true);
    if (libc.epoll_ctl(this.#epoll, op, fd, new Uint8Array(event.buffer)) < 0) {
      throw failed("epoll_ctl");
    }
  }

  #turnUntil(over: () => boolean, patience_ms = PATIENCE_MS): void {
    const events = new Uint8Array(12 * EVENTS_MAX);
    const view = new DataView(events.buffer);
    while (!over()) {
      const wait_ms = patience_ms === Infinity ? -1 : patience_ms;
      const count = libc.epoll_wait(this.#epoll, events, EVENTS_MAX, wait_ms);
      if (count === 0) {
        throw new Error(
          `nothing happened for ${patience_ms / 1000} s: ${this.#done} of ${this.#order.total} ` +
            `sessions came up, ${this.#asked} were asked for`,
        );
      }
      // A reader may have been forgotten by one that came before it in the same turn.
      for (let i = 0; i < count; i++) this.#readers.get(view.getUint32(12 * i + 4, true))?.();
    }
  }

  #result(): SessionsResult {
    const { p50, p99, p99_9, max } = percentiles(this.#times_ms.subarray(0, this.#done));
    return {
      sessions: this.#done,
      elapsed_s: this.#elapsed_s,
      per_second: this.#done / this.#elapsed_s,
      p50_ms: p50,
      p99_ms: p99,
      p99_9_ms: p99_9,
      max_ms: max,
    };
  }
}

interface Grant {
  request_id: string;
  session_id: string;
  zmq_port: number;
}

function receiveFirst(fd: number): void {
  const byte = new Uint8Array(1);
  receiveAll(fd, byte);
  if (byte[0] !== FIRST_BYTE[0]) throw new Error("wrong bytes: the first one is not what was sent");
}

function encode(message: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(message) + "\n");
}

runProgram((order: SessionsOrder) => new Sessions(order).run());
