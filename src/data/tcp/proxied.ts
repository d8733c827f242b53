/** The PROXY header of a connection whose proxy is trusted, taken off exactly: the rest stays. */
import { EAGAIN, type Libc, MSG_PEEK } from "../../../ffi/libc/mod.ts";
import { PROXY_HEADER_BYTES_MAX, type ProxySource, readProxyHeader } from "../proxy-header.ts";

export type TakenHeader =
  /** More of it may come. */
  | { type: "wait" }
  | { type: "refused"; detail: string }
  /** Without a source the connection is the proxy's own. */
  | { type: "taken"; source: ProxySource | null };

const WAIT: TakenHeader = { type: "wait" };

export function takeProxyHeader(options: {
  libc: Libc;
  fd: number;
  /** At least {@link PROXY_HEADER_BYTES_MAX} bytes. */
  scratch: Uint8Array;
  /** The peer will send nothing more. */
  is_finished: boolean;
  /** Whether it may not do without one. */
  required: boolean;
}): TakenHeader {
  const { libc, fd, scratch, is_finished, required } = options;
  const there = libc.recv(fd, scratch, PROXY_HEADER_BYTES_MAX, MSG_PEEK);
  if (there < 0) {
    if (libc.errno() === EAGAIN) return WAIT;
    return { type: "refused", detail: "the connection broke before its PROXY header" };
  }
  const header = readProxyHeader(scratch.subarray(0, there));
  switch (header.type) {
    case "more":
      if (!is_finished) return WAIT;
      return { type: "refused", detail: "the connection ended before its PROXY header" };
    case "invalid":
      return { type: "refused", detail: header.detail };
    case "none":
      if (!required) return { type: "taken", source: null };
      return {
        type: "refused",
        detail: "no PROXY header, which proxy_protocol.mode requires of a trusted address",
      };
    case "header":
      libc.recv(fd, scratch, header.bytes, 0);
      return { type: "taken", source: header.source };
  }
}
