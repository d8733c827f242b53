/**
 * The C library as the load generators use it: plain blocking system calls, so that a generator in
 * TypeScript costs what one in C does. A generator is one program that runs to its end; a call that
 * fails ends it with the reason, and the sample that it belongs to is reported as failed.
 */
import { backend, type SymbolTable } from "../../ffi/backend/mod.ts";
import {
  AF_INET,
  EAGAIN,
  EINTR,
  encodeAddress,
  errnoName,
  IPPROTO_TCP,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_NODELAY,
} from "../../ffi/libc/mod.ts";
import { libcSymbols } from "../../ffi/libc/symbols.ts";

const symbols = {
  ...libcSymbols,
  /** `int connect(int fd, const struct sockaddr *addr, socklen_t addrlen)` */
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  /** `int clock_gettime(clockid_t clockid, struct timespec *tp)` */
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  /** `void _exit(int status)` */
  _exit: { parameters: ["i32"], result: "void" },
  /** `int usleep(useconds_t usec)` */
  usleep: { parameters: ["u32"], result: "i32" },
} as const satisfies SymbolTable;

export const { calls: libc } = backend.open("libc.so.6", symbols);
const errno_at = libc.__errno_location();
if (!errno_at) throw new Error("Cannot find errno: __errno_location returned NULL");

const CLOCK_MONOTONIC = 1;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
const HOST = "127.0.0.1";
/** The most connections that may wait to be accepted; the kernel cuts it to somaxconn. */
const BACKLOG = 4096;

const timespec = new BigInt64Array(2);
const timespec_words = new Uint32Array(timespec.buffer);

/** CLOCK_MONOTONIC in nanoseconds: the same clock in every process of this machine. */
export function nowNs(): number {
  libc.clock_gettime(CLOCK_MONOTONIC, timespec);
  // Halves instead of bigints: up to 2^53 ns, 104 days of uptime, every value is exact.
  return (timespec_words[0] + timespec_words[1] * 2 ** 32) * 1e9 + timespec_words[2];
}

export function errno(): number {
  return backend.readInt32(errno_at!);
}

/** The last call's failure, in words that say which call it was. */
export function failed(call: string): Error {
  const number = errno();
  return new Error(`${call} failed: ${errnoName(number)}`);
}

/** Whether the last call only has to be made again later. */
export function wouldBlock(): boolean {
  const number = errno();
  return number === EAGAIN || number === EINTR;
}

function streamSocket(): number {
  const fd = libc.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw failed("socket");
  return fd;
}

function setInt(fd: number, level: number, option: number, value: number): void {
  if (libc.setsockopt(fd, level, option, Int32Array.of(value), 4) < 0) throw failed("setsockopt");
}

export function listenOn(port: number): number {
  const fd = streamSocket();
  setInt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  const address = encodeAddress(HOST, port);
  if (libc.bind(fd, address, address.length) < 0) throw failed(`bind to port ${port}`);
  if (libc.listen(fd, BACKLOG) < 0) throw failed(`listen on port ${port}`);
  return fd;
}

/** Connects, which on the loopback is over before the call returns, and says the opening line. */
export function connectTo(port: number, opening = ""): number {
  const fd = streamSocket();
  const address = encodeAddress(HOST, port);
  if (libc.connect(fd, address, address.length) < 0) throw failed(`connect to port ${port}`);
  setInt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (opening !== "") sendAll(fd, new TextEncoder().encode(opening));
  return fd;
}

export function acceptFrom(listener: number): number {
  const fd = libc.accept4(listener, null, null, SOCK_CLOEXEC);
  if (fd < 0) throw failed("accept");
  setInt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  return fd;
}

/** A blocking call on the socket gives up with EAGAIN after this long, so that deadlines are seen. */
export function setPatience(fd: number, ms: number): void {
  const time = BigInt64Array.of(BigInt(Math.floor(ms / 1000)), BigInt(ms % 1000) * 1000n);
  for (const option of [SO_RCVTIMEO, SO_SNDTIMEO]) {
    if (libc.setsockopt(fd, SOL_SOCKET, option, time, 16) < 0) throw failed("setsockopt");
  }
}

export function sendAll(fd: number, bytes: Uint8Array): void {
  const MSG_NOSIGNAL = 0x4000;
  for (let at = 0; at < bytes.length;) {
    const sent = libc.send(fd, bytes.subarray(at), bytes.length - at, MSG_NOSIGNAL);
    if (sent < 0) throw failed("send");
    at += sent;
  }
}

/** Fills the buffer; throws when the stream ends before. */
export function receiveAll(fd: number, into: Uint8Array): void {
  for (let at = 0; at < into.length;) {
    const got = libc.recv(fd, into.subarray(at), into.length - at, 0);
    if (got < 0) throw failed("recv");
    if (got === 0) throw new Error(`the connection was closed after ${at} of ${into.length} bytes`);
    at += got;
  }
}
