/**
 * fastway's frames as the load generators send and read them, written from the protocol's description;
 * all integers are u32, little-endian: Length (of what follows it), ConnID, body.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { Random } from "../../tests/harness/random.ts";
import { BENCH_KEY } from "./fastway-key.ts";
import { libc, receiveAll, sendAll } from "./libc.ts";

export const HEAD_BYTES = 8;
/** Accept, which the dialling side gets, and Connect, which the other does. */
const ANSWER_BYTES = 17;
const REFUSE_BYTES = 13;
const DIAL = 0;
const ACCEPT = 1;
/** How long a dial is tried again whose server is not there yet, and how often, microseconds. */
const DIAL_US_MAX = 5_000_000;
const DIAL_AGAIN_US = 5_000;

/** A server proves itself. */
export function proveServer(fd: number, id: number): void {
  const challenge = Buffer.alloc(8);
  receiveAll(fd, challenge);
  const hello = Buffer.alloc(20);
  createHash("md5").update(challenge).update(BENCH_KEY).digest().copy(hello);
  hello.writeUInt32LE(id, 16);
  sendAll(fd, hello);
}

/** Dials so many virtual connections to a server; answers their numbers. */
export function dialServer(fd: number, server_id: number, count: number): number[] {
  const dial = Buffer.alloc(13);
  dial.writeUInt32LE(9, 0);
  dial[8] = DIAL;
  dial.writeUInt32LE(server_id, 9);
  const ids = [dialOne(fd, dial)];
  // The server is there: the rest at once.
  const others = count - 1;
  sendAll(fd, Buffer.concat(Array<Buffer>(others).fill(dial)));
  const answers = Buffer.alloc(others * ANSWER_BYTES);
  receiveAll(fd, answers);
  for (let at = 0; at < answers.length; at += ANSWER_BYTES) {
    ids.push(accepted(answers.subarray(at, at + ANSWER_BYTES)));
  }
  return ids;
}

/** What tells a server of that many virtual connections is taken and thrown away. */
export function takeConnects(fd: number, count: number): void {
  receiveAll(fd, Buffer.alloc(count * ANSWER_BYTES));
}

function dialOne(fd: number, dial: Buffer): number {
  const head = Buffer.alloc(REFUSE_BYTES);
  for (let waited_us = 0; waited_us < DIAL_US_MAX; waited_us += DIAL_AGAIN_US) {
    sendAll(fd, dial);
    receiveAll(fd, head);
    if (head[8] === ACCEPT) {
      const rest = Buffer.alloc(ANSWER_BYTES - REFUSE_BYTES);
      receiveAll(fd, rest);
      return accepted(Buffer.concat([head, rest]));
    }
    libc.usleep(DIAL_AGAIN_US);
  }
  throw new Error("the gateway refuses to dial the server");
}

function accepted(answer: Buffer): number {
  if (answer.readUInt32LE(0) !== 13 || answer.readUInt32LE(4) !== 0 || answer[8] !== ACCEPT) {
    throw new Error(`found ${answer.toString("hex")} where an Accept should be`);
  }
  return answer.readUInt32LE(9);
}

/**
 * Whole batches of frames that go round the virtual connections, each frame with a body of its own:
 * what comes back must be the same bytes, and any that are lost, moved or changed are found.
 */
export function prepareFrames(
  { ids, message_bytes, batch, seed }: {
    ids: readonly number[];
    message_bytes: number;
    batch: number;
    seed: number;
  },
): Buffer {
  const frames = batch * Math.ceil(ids.length / batch);
  const frame_bytes = HEAD_BYTES + message_bytes;
  const noise = new Random(seed).bytes(message_bytes + 4096);
  const all = Buffer.alloc(frames * frame_bytes);
  for (let i = 0; i < frames; i++) {
    const at = i * frame_bytes;
    all.writeUInt32LE(4 + message_bytes, at);
    all.writeUInt32LE(ids[i % ids.length], at + 4);
    noise.copy(all, at + HEAD_BYTES, i % 4096, i % 4096 + message_bytes);
    if (message_bytes >= 8) all.writeDoubleLE(i, at + HEAD_BYTES);
  }
  return all;
}
