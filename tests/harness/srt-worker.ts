/**
 * SRT ends on a thread of their own: libsrt's calls block, and a process must have one poller only.
 * Commands come in by a MessagePort that is read between two waits; events go out by the same port.
 */
import { createHash, type Hash } from "node:crypto";
import {
  type MessagePort,
  parentPort,
  receiveMessageOnPort,
  workerData,
} from "node:worker_threads";
import {
  openLibsrt,
  SRT_EASYNCRCV,
  SRT_EASYNCSND,
  SRT_EPOLL_ENABLE_EMPTY,
  SRT_EPOLL_ERR,
  SRT_EPOLL_IN,
  SRT_EPOLL_OUT,
  SRTS_BROKEN,
} from "../../ffi/libsrt/mod.ts";
import { encodeAddress } from "../../ffi/libc/sockaddr.ts";
import { Random } from "./random.ts";
import type { SrtCommand, SrtEvent } from "./srt-wire.ts";

/** The longest SRT message there is on a 1500-byte link. */
const message_bytes_max = 1456;
/** SRTT_FILE of srt.h. */
const transtype_file = 1;
const commands = (workerData as { commands: MessagePort }).commands;
const srt = openLibsrt();
srt.srt_startup();
srt.srt_setloglevel(2);

interface Pour {
  messages: number;
  sent: number;
  mbps: number;
  started_ms: number;
  message: Uint8Array;
  view: DataView;
  hash: Hash;
}

interface End {
  id: number;
  socket: number;
  connected: boolean;
  quiet: boolean;
  outbox: Uint8Array[];
  /** How much of the next message libsrt has taken already. */
  begun: number;
  pour: Pour | null;
  hash: Hash;
  bytes: number;
  messages: number;
  smallest: number;
  largest: number;
  expected: number | null;
  armed_for_out: boolean;
  reading: boolean;
}

const ends = new Map<number, End>();
const by_socket = new Map<number, End>();
const epoll = srt.srt_epoll_create();
srt.srt_epoll_set(epoll, SRT_EPOLL_ENABLE_EMPTY);
const ready = new Int32Array(2 * 64);
const arrival = new Uint8Array(message_bytes_max);

const tell = (event: SrtEvent) => commands.postMessage(event);

/** What an end is to be told of from now on. */
function watch({ socket, reading, armed_for_out }: End): void {
  const mask = SRT_EPOLL_ERR | (reading ? SRT_EPOLL_IN : 0) | (armed_for_out ? SRT_EPOLL_OUT : 0);
  srt.srt_epoll_update_usock(epoll, socket, Int32Array.of(mask));
}

function connect(command: Extract<SrtCommand, { op: "connect" }>): void {
  const socket = srt.srt_create_socket();
  const end: End = {
    id: command.id,
    socket,
    connected: false,
    quiet: command.quiet,
    outbox: [],
    begun: 0,
    pour: null,
    hash: createHash("sha256"),
    bytes: 0,
    messages: 0,
    smallest: Infinity,
    largest: 0,
    expected: null,
    armed_for_out: true,
    reading: true,
  };
  const { stream_id, passphrase } = command;
  // The kind of transmission comes first, because it resets what belongs to it.
  if (command.transtype === "file") {
    srt.setOption(socket, "SRTO_TRANSTYPE", transtype_file);
  } else {
    srt.setOption(socket, "SRTO_LATENCY", command.latency_ms);
    srt.setOption(socket, "SRTO_PAYLOADSIZE", command.payload_bytes);
  }
  srt.setOption(socket, "SRTO_SNDSYN", false);
  srt.setOption(socket, "SRTO_RCVSYN", false);
  if (stream_id !== undefined) srt.setOption(socket, "SRTO_STREAMID", stream_id);
  if (passphrase !== undefined) srt.setOption(socket, "SRTO_PASSPHRASE", passphrase);
  srt.setOption(socket, "SRTO_CONNTIMEO", 3000);
  srt.setOption(socket, "SRTO_FC", 16_384);
  srt.setOption(socket, "SRTO_RCVBUF", 16_384 * 1472);
  srt.setOption(socket, "SRTO_SNDBUF", 16_384 * 1472);
  ends.set(end.id, end);
  by_socket.set(socket, end);
  const all = Int32Array.of(SRT_EPOLL_IN | SRT_EPOLL_OUT | SRT_EPOLL_ERR);
  srt.srt_epoll_add_usock(epoll, socket, all);
  const address = encodeAddress(command.host, command.port);
  if (srt.srt_connect(socket, address, address.length) < 0) {
    const { message } = srt.failure("srt_connect");
    drop(end);
    tell({ type: "refused", id: end.id, reason: message });
  }
}

function drop(end: End): void {
  srt.srt_epoll_remove_usock(epoll, end.socket);
  srt.srt_close(end.socket);
  ends.delete(end.id);
  by_socket.delete(end.socket);
}

function tally(end: End) {
  return {
    bytes: end.bytes,
    messages: end.messages,
    smallest: end.messages === 0 ? 0 : end.smallest,
    largest: end.largest,
    sha256: end.hash.copy().digest("hex"),
  };
}

/** True when the message is on its way, false when libsrt has no room for it, or for all of it. */
function sent(end: End, message: Uint8Array): boolean {
  // A file is taken in pieces; a message of live mode whole or not at all.
  while (end.begun < message.length) {
    const rest = message.subarray(end.begun);
    const taken = srt.srt_sendmsg2(end.socket, rest, rest.length, null);
    if (taken < 0) {
      if (srt.lastError() === SRT_EASYNCSND) return false;
      lost(end);
      return true;
    }
    end.begun += taken;
  }
  end.begun = 0;
  return true;
}

/** The connection is over; `closed` is told once. */
function lost(end: End): void {
  if (!ends.has(end.id)) return;
  drop(end);
  const totals = tally(end);
  if (end.connected) tell({ type: "closed", id: end.id, totals });
  else tell({ type: "refused", id: end.id, reason: srt.rejectReason(end.socket) });
}

function pumpOut(end: End): void {
  if (!end.connected) return;
  let blocked = false;
  while (end.outbox.length > 0 && !blocked && ends.has(end.id)) {
    if (sent(end, end.outbox[0])) end.outbox.shift();
    else blocked = true;
  }
  const { pour } = end;
  if (pour && !blocked && end.outbox.length === 0) {
    const elapsed_ms = performance.now() - pour.started_ms;
    const allowed = pour.mbps === 0
      ? pour.messages
      : Math.min(pour.messages, elapsed_ms * pour.mbps * 125 / pour.message.length);
    while (pour.sent < allowed && ends.has(end.id)) {
      pour.view.setFloat64(0, pour.sent, false);
      if (!sent(end, pour.message)) {
        blocked = true;
        break;
      }
      pour.hash.update(pour.message);
      pour.sent++;
    }
    if (pour.sent >= pour.messages) {
      end.pour = null;
      tell({ type: "poured", id: end.id, sha256: pour.hash.digest("hex") });
    }
  }
  if (!ends.has(end.id) || blocked === end.armed_for_out) return;
  end.armed_for_out = blocked;
  watch(end);
}

function pumpIn(end: End): void {
  for (let turns = 0; turns < 512; turns++) {
    const length = srt.srt_recvmsg2(end.socket, arrival, arrival.length, null);
    if (length < 0) {
      if (srt.lastError() !== SRT_EASYNCRCV) lost(end);
      return;
    }
    if (length === 0) return lost(end);
    const message = arrival.subarray(0, length);
    end.bytes += length;
    end.messages++;
    end.smallest = Math.min(end.smallest, length);
    end.largest = Math.max(end.largest, length);
    end.hash.update(message);
    if (!end.quiet) tell({ type: "message", id: end.id, bytes: message.slice() });
    if (end.expected !== null && end.bytes >= end.expected) {
      end.expected = null;
      tell({ type: "reached", id: end.id, totals: tally(end) });
    }
  }
}

function obey(command: SrtCommand): boolean {
  if (command.op === "quit") return false;
  if (command.op === "connect") {
    connect(command);
    return true;
  }
  const end = ends.get(command.id);
  if (!end) {
    if (command.op === "tally") tell({ type: "tally", id: command.id, totals: null });
    return true;
  }
  if (command.op === "send") {
    end.outbox.push(command.bytes);
    pumpOut(end);
  } else if (command.op === "pour") {
    const message = Uint8Array.from(new Random(command.seed).bytes(command.message_bytes));
    end.pour = {
      messages: command.messages,
      sent: 0,
      mbps: command.mbps,
      started_ms: performance.now(),
      message,
      view: new DataView(message.buffer),
      hash: createHash("sha256"),
    };
  } else if (command.op === "expect") {
    if (end.bytes >= command.bytes) tell({ type: "reached", id: end.id, totals: tally(end) });
    else end.expected = command.bytes;
  } else if (command.op === "tally") {
    tell({ type: "tally", id: end.id, totals: tally(end) });
  } else if (command.op === "read") {
    end.reading = command.reading;
    watch(end);
  } else {
    drop(end);
    tell({ type: "closed", id: end.id, totals: tally(end) });
  }
  return true;
}

function serve(): void {
  for (;;) {
    for (;;) {
      const received = receiveMessageOnPort(commands) as { message: SrtCommand } | undefined;
      if (!received) break;
      if (!obey(received.message)) return;
    }
    let pouring = false;
    for (const end of ends.values()) {
      if (end.pour) {
        pouring = true;
        pumpOut(end);
      }
    }
    const count = srt.srt_epoll_uwait(epoll, ready, 64, pouring ? 1 : 5);
    for (let at = 0; at < Math.min(count, 64); at++) {
      const end = by_socket.get(ready[2 * at]);
      const events = ready[2 * at + 1];
      if (!end) continue;
      if (events & SRT_EPOLL_ERR && srt.srt_getsockstate(end.socket) >= SRTS_BROKEN) {
        // What arrived before the break is still there to be read.
        if (end.connected) pumpIn(end);
        lost(end);
        continue;
      }
      if (events & SRT_EPOLL_OUT) {
        if (!end.connected) {
          end.connected = true;
          tell({ type: "connected", id: end.id });
        }
        pumpOut(end);
      }
      if (events & SRT_EPOLL_IN && ends.has(end.id)) pumpIn(end);
    }
  }
}

// The worker speaks first: a message posted to it before this point may be lost.
parentPort!.postMessage("up");
serve();
for (const end of [...ends.values()]) drop(end);
srt.srt_epoll_release(epoll);
srt.srt_cleanup();
parentPort!.postMessage("down");
commands.close();
