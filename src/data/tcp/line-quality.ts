/**
 * What the kernel knows of a TCP connection's line: `struct tcp_info` (linux/tcp.h), the fields used
 * here by their offset. The kernel fills as much of it as it has.
 */
import { IPPROTO_TCP, type Libc, TCP_INFO } from "../../../ffi/libc/mod.ts";

const INFO_BYTES = 256;
/** One byte: the state, of which 1 is ESTABLISHED. */
const TCPI_STATE = 0;
const ESTABLISHED = 1;
/** Smoothed round trip, µs. */
const TCPI_RTT = 68;
const TCPI_TOTAL_RETRANS = 100;
const TCPI_SEGS_OUT = 136;

export interface LineQuality {
  rtt_ms: number;
  packets_out: number;
  packets_retransmitted: number;
}

const info = new Uint8Array(INFO_BYTES);
const view = new DataView(info.buffer);
const length = new Uint32Array(1);

/** Null for a connection that is no longer one. */
export function lineQuality(libc: Libc, fd: number): LineQuality | null {
  if (!ask(libc, fd)) return null;
  return {
    rtt_ms: view.getUint32(TCPI_RTT, true) / 1000,
    packets_out: view.getUint32(TCPI_SEGS_OUT, true),
    packets_retransmitted: view.getUint32(TCPI_TOTAL_RETRANS, true),
  };
}

/** Whether neither side has ended its direction, also where the end has not been read yet. */
export function isEstablished(libc: Libc, fd: number): boolean {
  return ask(libc, fd) && view.getUint8(TCPI_STATE) === ESTABLISHED;
}

function ask(libc: Libc, fd: number): boolean {
  length[0] = INFO_BYTES;
  return libc.getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, length) >= 0;
}
