/**
 * The worker in which the tools speak SRT: libsrt's calls block and belong on one thread, so this
 * one runs a plain loop over a libsrt epoll and takes its commands by hand. It speaks first, because
 * a message posted to a worker before its module has loaded may be lost.
 */
import { type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import process from "node:process";
import {
  type Libsrt,
  openLibsrt,
  SRT_EPOLL_ENABLE_EMPTY,
  SrtError,
} from "../../../ffi/libsrt/mod.ts";
import { SrtLine } from "./srt-line.ts";
import type { SrtCommand, SrtReport, SrtWorkerStart } from "./srt-protocol.ts";

/** How long a command may wait while lines are open, ms; libsrt's epoll cannot hear the doorbell. */
const TURN_MS = 2;
/** How long a worker without lines sleeps before it looks again by itself, ms. */
const SLEEP_MS = 1000;
/** Commands taken in one turn, so that a busy sender does not keep the sockets waiting. */
const COMMANDS_MAX = 64;
/** Sockets reported in one turn. */
const EVENTS_MAX = 256;

class SrtLoop {
  readonly #srt: Libsrt;
  readonly #port: MessagePort;
  readonly #doorbell: Int32Array;
  readonly #epoll: number;
  readonly #lines = new Map<number, SrtLine>();
  readonly #bySocket = new Map<number, SrtLine>();
  /** `SRT_EPOLL_EVENT`: the socket and its events, two ints each. */
  readonly #events = new Int32Array(EVENTS_MAX * 2);
  #stopping = false;

  constructor(options: { srt: Libsrt; start: SrtWorkerStart }) {
    this.#srt = options.srt;
    this.#port = options.start.channel;
    this.#doorbell = options.start.doorbell;
    this.#epoll = this.#srt.srt_epoll_create();
    if (this.#epoll < 0) throw this.#srt.failure("srt_epoll_create");
    this.#srt.srt_epoll_set(this.#epoll, SRT_EPOLL_ENABLE_EMPTY);
  }

  run(): void {
    while (!this.#stopping) {
      const rung = Atomics.load(this.#doorbell, 0);
      this.#takeCommands();
      if (this.#stopping) break;
      if (this.#lines.size === 0) {
        Atomics.wait(this.#doorbell, 0, rung, SLEEP_MS);
        continue;
      }
      this.#turn();
    }
    for (const line of this.#lines.values()) line.abort();
    this.#srt.srt_epoll_release(this.#epoll);
  }

  #turn(): void {
    const found = this.#srt.srt_epoll_uwait(this.#epoll, this.#events, EVENTS_MAX, TURN_MS);
    if (found < 0) throw this.#srt.failure("srt_epoll_uwait");
    // More ready sockets than there is room for are announced by a number above the room.
    for (let i = 0; i < Math.min(found, EVENTS_MAX); i++) {
      this.#bySocket.get(this.#events[i * 2])?.ready(this.#events[i * 2 + 1]);
    }
    const now_ms = performance.now();
    for (const line of this.#lines.values()) {
      line.tick(now_ms);
      if (line.closed) this.#forget(line);
    }
  }

  #takeCommands(): void {
    for (let taken = 0; taken < COMMANDS_MAX; taken++) {
      const received = receiveMessageOnPort(this.#port) as { message: SrtCommand } | undefined;
      if (received === undefined) return;
      this.#obey(received.message);
    }
  }

  #obey(command: SrtCommand): void {
    if (command.op === "stop") {
      this.#stopping = true;
      return;
    }
    if (command.op === "dial") {
      this.#dial(command);
      return;
    }
    // A command may cross a `closed` on the way; there is nothing left to do for it then.
    const line = this.#lines.get(command.line);
    if (line === undefined) return;
    switch (command.op) {
      case "write":
        line.write(new Uint8Array(command.bytes));
        break;
      case "consumed":
        line.consumed(command.bytes);
        break;
      case "finish":
        line.finish();
        break;
      case "abort":
        line.abort();
        break;
    }
    if (line.closed) this.#forget(line);
  }

  #dial(command: SrtCommand & { op: "dial" }): void {
    try {
      const line = new SrtLine({
        ...command,
        srt: this.#srt,
        epoll: this.#epoll,
        report: (report) => this.#report(report),
      });
      this.#lines.set(line.number, line);
      this.#bySocket.set(line.socket, line);
    } catch (error) {
      if (!(error instanceof SrtError)) throw error;
      this.#report({
        type: "closed",
        line: command.line,
        code: error.code,
        text: error.message,
        stats: { loss_packets: 0, retransmitted_packets: 0, dropped_packets: 0, rtt_ms: 0 },
      });
    }
  }

  #forget(line: SrtLine): void {
    this.#lines.delete(line.number);
    this.#bySocket.delete(line.socket);
  }

  #report(report: SrtReport): void {
    this.#port.postMessage(report);
  }
}

function work(start: SrtWorkerStart): void {
  const say = (report: SrtReport) => start.channel.postMessage(report);
  try {
    const srt = openLibsrt({ override: process.env.RELAYX_LIBSRT });
    if (srt.srt_startup() < 0) throw srt.failure("srt_startup");
    // libsrt writes its own lines to stderr; only what it calls fatal is worth breaking in for.
    srt.srt_setloglevel(2);
    const loop = new SrtLoop({ srt, start });
    say({ type: "ready", libsrt: srt.version.version });
    loop.run();
    srt.srt_cleanup();
    say({ type: "stopped", error: null });
  } catch (error) {
    say({ type: "stopped", error: error instanceof Error ? error.message : String(error) });
  }
  start.channel.close();
}

work(workerData as SrtWorkerStart);
