/**
 * fastway's frames as its documentation has them, written apart from the gateway's own code so that
 * the tests do not share its mistakes. Every integer is u32, little-endian:
 *
 *   Length | ConnID | body        Length counts what follows it
 *
 * With ConnID 0 the body is a type and its arguments; see {@link decodeFrame}.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";

export type Frame =
  | { type: "data"; conn_id: number; body: Buffer }
  | { type: "dial"; remote_id: number }
  | { type: "accept"; conn_id: number; remote_id: number }
  | { type: "connect"; conn_id: number; remote_id: number }
  | { type: "refuse"; remote_id: number }
  | { type: "close"; conn_id: number }
  | { type: "ping" };

/** The commands by their numbers. */
const COMMANDS = ["dial", "accept", "connect", "refuse", "close", "ping"] as const;
/** What Length is for each of them, exactly, when the gateway sends it. */
const LENGTHS = [9, 13, 13, 9, 9, 5];

/** A frame with any body; its Length is right. */
export function frame(conn_id: number, body: Uint8Array): Buffer {
  return frameOfLength(4 + body.length, conn_id, body);
}

/** A frame whose Length may be a lie. */
export function frameOfLength(length: number, conn_id: number, body: Uint8Array): Buffer {
  const bytes = Buffer.alloc(8 + body.length);
  bytes.writeUInt32LE(length, 0);
  bytes.writeUInt32LE(conn_id, 4);
  bytes.set(body, 8);
  return bytes;
}

/** A command of any type with any number of arguments. */
export function command(type: number, ...args: number[]): Buffer {
  const body = Buffer.alloc(1 + 4 * args.length);
  body.writeUInt8(type, 0);
  args.forEach((value, at) => body.writeUInt32LE(value, 1 + 4 * at));
  return frame(0, body);
}

export function data(conn_id: number, body: Uint8Array | string): Buffer {
  return frame(conn_id, typeof body === "string" ? Buffer.from(body) : body);
}

export const dial = (remote_id: number) => command(0, remote_id);
export const close = (conn_id: number) => command(4, conn_id);
export const ping = () => command(5);
/** What relayx adds: who a client is, as its first frame where the gateway asks for it. */
export const token = (text: string) =>
  frame(0, Buffer.concat([Buffer.from([128]), Buffer.from(text)]));

/** What follows a frame's Length. Anything that a gateway never says is an error. */
export function decodeFrame(packet: Buffer): Frame {
  const wrong = () =>
    new Error(`the gateway sent a frame that there is not: ${packet.toString("hex")}`);
  if (packet.length < 4) throw wrong();
  const conn_id = packet.readUInt32LE(0);
  if (conn_id !== 0) return { type: "data", conn_id, body: packet.subarray(4) };
  const type = packet[4];
  if (packet.length < 5 || packet.length !== LENGTHS[type]) throw wrong();
  const argument = (at: number) => packet.readUInt32LE(5 + 4 * at);
  const name = COMMANDS[type];
  switch (name) {
    case "ping":
      return { type: name };
    case "close":
      return { type: name, conn_id: argument(0) };
    case "accept":
    case "connect":
      return { type: name, conn_id: argument(0), remote_id: argument(1) };
    default:
      return { type: name, remote_id: argument(0) };
  }
}

/** How a server proves that it knows the key: MD5 of the challenge and the key, then its id. */
export function serverHello(challenge: Uint8Array, key: string, id: number): Buffer {
  const proof = createHash("md5").update(challenge).update(key, "utf8").digest();
  const number = Buffer.alloc(4);
  number.writeUInt32LE(id);
  return Buffer.concat([proof, number]);
}

/** Cuts a stream of bytes into frames, whatever pieces it comes in. */
export class FrameReader {
  #pieces: Buffer[] = [];
  #bytes = 0;
  /** So many bytes must be there before it is worth looking again. */
  #wanted = 4;

  /** Bytes of a frame that is not whole yet. */
  get rest(): number {
    return this.#bytes;
  }

  *read(piece: Buffer): Generator<Frame> {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes < this.#wanted) return;
    const bytes = this.#pieces.length === 1 ? piece : Buffer.concat(this.#pieces);
    let at = 0;
    for (;;) {
      const there = bytes.length - at;
      this.#wanted = there < 4 ? 4 : 4 + bytes.readUInt32LE(at);
      if (there < this.#wanted) break;
      const packet = bytes.subarray(at + 4, at + this.#wanted);
      at += this.#wanted;
      yield decodeFrame(packet);
    }
    this.#pieces = at === bytes.length ? [] : [bytes.subarray(at)];
    this.#bytes = bytes.length - at;
  }
}
