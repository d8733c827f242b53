/** Opens the sockets that connections come to. */
import {
  addressFamily,
  AF_UNIX,
  decodeAddress,
  encodeAddress,
  encodeUnixAddress,
  formatAddress,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_V6ONLY,
  type Libc,
  SO_KEEPALIVE,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDBUF,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOCKADDR_BYTES,
  SOL_SOCKET,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
} from "../../../ffi/libc/mod.ts";

/**
 * Connections that may wait to be accepted. Two are expected on a port of a session; the rest is room
 * for a flood, in which an honest end would otherwise lose a second to its SYN's retry.
 */
const BACKLOG = 1024;
const TYPE = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
/** A peer whose host is gone without a word is noticed after 60 + 3 × 10 s. */
const KEEPALIVE: [option: number, value: number][] = [
  [TCP_KEEPIDLE, 60],
  [TCP_KEEPINTVL, 10],
  [TCP_KEEPCNT, 3],
];

/** Sizes of a socket's buffers, as `setsockopt` wants them; 0 leaves them to the kernel's tuning. */
export interface SocketBuffers {
  readonly sndbuf_bytes: number;
  readonly rcvbuf_bytes: number;
}

export interface ListenOn {
  host: string;
  /** 0 is any free one. */
  port: number;
  buffers?: SocketBuffers;
  /** Several sockets share the port, and the kernel shares out who connects. */
  reuse_port?: boolean;
}

/** A socket that listens on TCP. Throws {@link SystemCallError} where it cannot be bound. */
export function listenOnTcp(libc: Libc, on: ListenOn): number {
  const { host, port, buffers, reuse_port = false } = on;
  const fd = libc.socket(addressFamily(host), TYPE, 0);
  if (fd < 0) throw libc.failure("socket");
  const set = (level: number, option: number, value: number) =>
    libc.setsockopt(fd, level, option, Int32Array.of(value), 4);
  // Connections of an earlier session on this port may still be in TIME_WAIT.
  set(SOL_SOCKET, SO_REUSEADDR, 1);
  if (reuse_port) set(SOL_SOCKET, SO_REUSEPORT, 1);
  if (host === "::") set(IPPROTO_IPV6, IPV6_V6ONLY, 0);
  // What is accepted inherits all of these.
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  for (const [option, value] of KEEPALIVE) set(IPPROTO_TCP, option, value);
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  if (buffers && buffers.sndbuf_bytes > 0) set(SOL_SOCKET, SO_SNDBUF, buffers.sndbuf_bytes);
  if (buffers && buffers.rcvbuf_bytes > 0) set(SOL_SOCKET, SO_RCVBUF, buffers.rcvbuf_bytes);
  return bindAndListen(libc, fd, encodeAddress(host, port), formatAddress({ host, port }));
}

/** A socket that listens on a path of the file system, which must be free. Throws likewise. */
export function listenOnUnix(libc: Libc, path: string): number {
  const address = encodeUnixAddress(path);
  const fd = libc.socket(AF_UNIX, TYPE, 0);
  if (fd < 0) throw libc.failure("socket");
  return bindAndListen(libc, fd, address, path);
}

/** The port that a TCP socket has been bound to. */
export function boundPort(libc: Libc, fd: number): number {
  const address = new Uint8Array(SOCKADDR_BYTES);
  const address_bytes = Uint32Array.of(SOCKADDR_BYTES);
  if (libc.getsockname(fd, address, address_bytes) < 0) throw libc.failure("getsockname");
  return decodeAddress(address).port;
}

function bindAndListen(libc: Libc, fd: number, address: Uint8Array, about: string): number {
  const bound = libc.bind(fd, address, address.length) === 0;
  if (bound && libc.listen(fd, BACKLOG) === 0) return fd;
  const failure = libc.failure(bound ? "listen" : "bind", about);
  libc.close(fd);
  throw failure;
}
