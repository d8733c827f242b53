/**
 * What relayx holds of one direction of a standing port, and how it is kept to `ring_buffer_size`:
 *
 *   source ─► its socket's receive buffer ─► pipe ─► its peer's send buffer ─► sink
 *
 * The kernel tunes socket buffers by itself up to its own maxima (net.ipv4.tcp_rmem, tcp_wmem). Where
 * those and a whole pipe fit into the bound, nothing is fixed and the kernel does what it does best;
 * where they do not, pipe and buffers get fixed shares, and what is beyond waits at the sender.
 */
import { readFileSync } from "node:fs";
import type { SocketBuffers } from "./listening-socket.ts";
import { PIPE_BYTES } from "./pipes.ts";

/** A socket buffer that has room for one byte takes a whole segment: at most 64 KiB beyond its bound. */
const SEGMENT_BYTES = 65_536;
/** The kernel books the bytes and its own expense on them, and doubles what it is asked for. */
const BOOKED = 2;
/** Below it a buffer has no room for the segments of a loopback connection. */
export const RING_BYTES_MIN = 8 * SEGMENT_BYTES;

/** The most a socket's buffers may grow to by themselves, bytes. */
export interface KernelBuffers {
  readonly sndbuf_bytes_max: number;
  readonly rcvbuf_bytes_max: number;
}

export interface RingShares extends SocketBuffers {
  readonly pipe_bytes: number;
}

/** `wished` are the configuration's own sizes, which hold where they are the smaller ones. */
export function shareRing(
  ring_bytes_max: number,
  { kernel, wished }: { kernel: KernelBuffers; wished: SocketBuffers },
): RingShares {
  const pipe_bytes = Math.min(PIPE_BYTES, Math.floor(ring_bytes_max / 4));
  const left = ring_bytes_max - pipe_bytes - 2 * SEGMENT_BYTES;
  const snd_bytes_max = mostOf(wished.sndbuf_bytes, kernel.sndbuf_bytes_max);
  const rcv_bytes_max = mostOf(wished.rcvbuf_bytes, kernel.rcvbuf_bytes_max);
  // What one of them has no use for is the other's.
  const snd_bytes = Math.max(Math.floor(left / 2), left - rcv_bytes_max);
  const rcv_bytes = Math.max(Math.floor(left / 2), left - snd_bytes_max);
  return {
    pipe_bytes,
    sndbuf_bytes: snd_bytes >= snd_bytes_max ? wished.sndbuf_bytes : fixed(snd_bytes),
    rcvbuf_bytes: rcv_bytes >= rcv_bytes_max ? wished.rcvbuf_bytes : fixed(rcv_bytes),
  };
}

/** The kernel's maxima; those of a kernel that does not tell are taken for unbounded. */
export function kernelBuffers(): KernelBuffers {
  return {
    sndbuf_bytes_max: maximum("/proc/sys/net/ipv4/tcp_wmem"),
    rcvbuf_bytes_max: maximum("/proc/sys/net/ipv4/tcp_rmem"),
  };
}

function mostOf(wished_bytes: number, kernel_bytes_max: number): number {
  return wished_bytes > 0 ? wished_bytes * BOOKED : kernel_bytes_max;
}

function fixed(bytes: number): number {
  return Math.floor(bytes / BOOKED);
}

/** The third of `minimum default maximum`. */
function maximum(file: string): number {
  try {
    const bytes = Number(readFileSync(file, "utf8").trim().split(/\s+/)[2]);
    return bytes > 0 ? bytes : Infinity;
  } catch {
    return Infinity;
  }
}
