/** One data connection of the load: sends its bytes, and compares what comes back with them. */
import { Buffer } from "node:buffer";
import { createCipheriv, createHash } from "node:crypto";
import { connect } from "node:net";
import { clearTimeout, setTimeout } from "node:timers";
import { helloLine } from "./control.ts";

const CHUNK_BYTES = 65_536;
const KEY_BYTES = 16;

export interface LoadResult {
  /** Sent, and come back right. */
  bytes: number;
  setup_ms: number;
  error: string | null;
}

export interface LoadOptions {
  host: string;
  port: number;
  client_id: string;
  bytes: number;
  /** Other seeds make other bytes, so that those of another session are not taken for right. */
  seed: number;
  /** When the session asked for its ports, by `performance.now()`. */
  began: number;
  time_ms: number;
  signal: AbortSignal;
}

export function runLoad(options: LoadOptions): Promise<LoadResult> {
  const { host, port, client_id, bytes, seed, began, time_ms, signal } = options;
  return new Promise((resolve) => {
    const next = stream(seed);
    const sent_hash = createHash("sha256");
    const back_hash = createHash("sha256");
    let sent = 0;
    let back = 0;
    let setup_ms = 0;
    const socket = connect({ host, port, noDelay: true });
    const end = (error: string | null) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      socket.removeAllListeners();
      socket.on("error", () => {});
      if (error === null) socket.end();
      else socket.destroy();
      resolve({ bytes: back, setup_ms, error });
    };
    const timer = setTimeout(() => end("session_timeout"), time_ms);
    const onAbort = () => end("interrupted");
    signal.addEventListener("abort", onAbort);
    const pump = () => {
      while (sent < bytes) {
        const chunk = next(Math.min(CHUNK_BYTES, bytes - sent));
        sent += chunk.length;
        sent_hash.update(chunk);
        if (!socket.write(chunk)) return;
      }
    };
    socket.on("connect", () => {
      socket.write(helloLine("FE", client_id));
      pump();
    });
    socket.on("drain", pump);
    socket.on("data", (chunk: Buffer) => {
      if (back === 0) setup_ms = performance.now() - began;
      back += chunk.length;
      back_hash.update(chunk);
      if (back < bytes) return;
      end(
        back === bytes && sent_hash.digest("hex") === back_hash.digest("hex")
          ? null
          : "bytes_differ",
      );
    });
    socket.on("error", (error: Error & { code?: string }) => end(error.code ?? error.message));
    socket.on("end", () => end("closed_by_the_gateway"));
  });
}

/** Bytes that look like chance and are the same for the same seed. */
function stream(seed: number): (bytes: number) => Buffer {
  const key = Buffer.alloc(KEY_BYTES);
  key.writeDoubleBE(seed);
  const cipher = createCipheriv("aes-128-ctr", key, Buffer.alloc(KEY_BYTES));
  return (bytes) => cipher.update(Buffer.alloc(bytes));
}
