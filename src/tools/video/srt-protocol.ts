/**
 * What the tools' SRT worker and the main thread say to each other. A "line" is one SRT connection,
 * numbered by the main thread; exactly one `closed` follows every `dial`.
 *
 * Both directions are credited: the main thread counts what it has written and libsrt has not
 * `accepted`, the worker counts what it has delivered and the main thread has not `consumed`.
 *
 * Bytes travel as plain ArrayBuffers: Deno walks every element of a typed array in a message, which
 * costs 9 ms for 64 KiB, and does not look into a buffer.
 */
import type { MessagePort } from "node:worker_threads";
import type { LineStats } from "./transport.ts";

/** Bytes the worker delivers ahead of `consumed`; it reads no further then. */
export const RECEIVE_WINDOW_BYTES = 4 * 1024 * 1024;

/** Bytes written and not yet accepted by libsrt, above which `write` asks to stop. */
export const WRITE_HIGH_BYTES = 1024 * 1024;

export interface SrtWorkerStart {
  channel: MessagePort;
  /** One int that grows with every command, so that a worker without lines can sleep on it. */
  doorbell: Int32Array;
}

export type SrtCommand =
  | {
    op: "dial";
    line: number;
    /** An IPv4 or IPv6 literal. */
    address: string;
    port: number;
    hello: string;
    latency_ms: number;
  }
  | { op: "write"; line: number; bytes: ArrayBuffer }
  | { op: "consumed"; line: number; bytes: number }
  /** Close when everything written has been acknowledged by the peer, or cannot be. */
  | { op: "finish"; line: number }
  | { op: "abort"; line: number }
  | { op: "stop" };

export type SrtReport =
  | { type: "ready"; libsrt: string }
  | { type: "connected"; line: number }
  | { type: "bytes"; line: number; bytes: ArrayBuffer }
  | { type: "accepted"; line: number; bytes: number }
  | { type: "stats"; line: number; stats: LineStats }
  /** `code` is libsrt's name for what broke the line, or null when it was ended in order. */
  | { type: "closed"; line: number; code: string | null; text: string; stats: LineStats }
  | { type: "stopped"; error: string | null };
