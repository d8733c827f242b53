/**
 * System calls of every shape, whose outcome is printed as JSON: run on each runtime, the outputs
 * must be the same. Nothing in it depends on descriptors' numbers or on time.
 */
import process from "node:process";
import { backend } from "../../../ffi/backend/mod.ts";
import {
  AF_INET,
  AF_UNIX,
  CLOCK_MONOTONIC,
  decodeAddress,
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  encodeAddress,
  encodeUnixAddress,
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLLET,
  EPOLLIN,
  F_SETPIPE_SZ,
  FIONREAD,
  MFD_CLOEXEC,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  O_CLOEXEC,
  O_NONBLOCK,
  openLibc,
  POLLIN,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  SPLICE_F_MOVE,
  SPLICE_F_NONBLOCK,
} from "../../../ffi/libc/mod.ts";
import { openLibsrt, SRT_ERROR } from "../../../ffi/libsrt/mod.ts";

const libc = openLibc();
const out: Record<string, unknown> = {};
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (words: string) => new TextEncoder().encode(words);

// Failure and errno.
out.close = [libc.close(-1), libc.failure("close", "of nothing").message];

// eventfd: 64-bit values through read and write.
const eventfd = libc.eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC);
const count = new BigUint64Array(1);
libc.write(eventfd, new BigUint64Array([2n ** 40n]), 8);
out.eventfd = [libc.read(eventfd, new Uint8Array(count.buffer), 8), String(count[0])];
out.eventfdEmpty = [libc.read(eventfd, new Uint8Array(8), 8), libc.errno()];

// epoll and poll: packed structs, a bit that makes the number negative.
const epoll = libc.epoll_create1(EPOLL_CLOEXEC);
libc.epoll_ctl(epoll, EPOLL_CTL_ADD, eventfd, Int32Array.of(EPOLLIN | EPOLLET, 7, -8));
const events = new Int32Array(6);
out.epollNone = libc.epoll_wait(epoll, events, 2, 0);
libc.write(eventfd, new BigUint64Array([1n]), 8);
out.epoll = [libc.epoll_wait(epoll, events, 2, 1_000), ...events.subarray(0, 3)];
const pollfd = Int32Array.of(eventfd, POLLIN);
out.poll = [libc.poll(pollfd, 1, 1_000), pollfd[1]];

// Pipes and splice: NULL pointers, sizes, unsigned flags.
const pipe = new Int32Array(2);
libc.pipe2(pipe, O_NONBLOCK | O_CLOEXEC);
const pipe2 = new Int32Array(2);
libc.pipe2(pipe2, O_NONBLOCK | O_CLOEXEC);
out.pipeSize = libc.fcntl(pipe[1], F_SETPIPE_SZ, 131_072);
libc.write(pipe[1], bytes("through two pipes"), 17);
const available = new Int32Array(1);
out.ioctl = [libc.ioctl(pipe[0], FIONREAD, available), available[0]];
const flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;
out.splice = libc.splice(pipe[0], null, pipe2[1], null, 1 << 20, flags);
const arrived = new Uint8Array(32);
out.read = [libc.read(pipe2[0], arrived, 32), text(arrived.subarray(0, 17))];
out.spliceEmpty = [libc.splice(pipe[0], null, pipe2[1], null, 1 << 20, flags), libc.errno()];

// A part of a larger buffer is written where it lies.
const page = new Uint8Array(64).fill(46);
libc.write(pipe[1], bytes("part"), 4);
libc.read(pipe[0], page.subarray(10, 14), 4);
out.part = text(page.subarray(8, 16));

// Sockets.
const socket = libc.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
out.setsockopt = libc.setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, Int32Array.of(1), 4);
const option = new Int32Array(1);
const length = new Uint32Array([4]);
out.getsockopt = [
  libc.getsockopt(socket, SOL_SOCKET, SO_REUSEADDR, option, length),
  option[0],
  length[0],
];
const address = encodeAddress("127.0.0.1", 0);
out.bind = [libc.bind(socket, address, address.length), libc.listen(socket, 5)];
out.accept = [libc.accept4(socket, null, null, SOCK_NONBLOCK), libc.errno()];
out.recv = [libc.recv(socket, new Uint8Array(4), 4, MSG_DONTWAIT), libc.failure("recv").code];
out.badBind = [
  libc.bind(socket, encodeAddress("203.0.113.7", 1), 16),
  libc.errno() !== 0,
];
out.address = decodeAddress(address);

const memory = libc.memfd_create(bytes("fixture\0"), MFD_CLOEXEC);
out.memfd = [memory >= 0, libc.write(memory, bytes("x"), 1)];

// Six parameters, and 64-bit words that are read back: datagrams without a file, the clock.
const datagrams = libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
const here = encodeUnixAddress(`@relayx-fixture-${process.pid}`);
libc.bind(datagrams, here, here.length);
out.sendto = [
  libc.sendto(datagrams, bytes("hello"), 5, MSG_DONTWAIT | MSG_NOSIGNAL, here, here.length),
  libc.recv(datagrams, arrived, 32, MSG_DONTWAIT),
  text(arrived.subarray(0, 5)),
];
const clock = new BigInt64Array(2);
out.clock = [libc.clock_gettime(CLOCK_MONOTONIC, clock), clock[0] > 0n, clock[1] < 1_000_000_000n];

// libsrt: unsigned results, text results, options of each size, errors.
const libsrt = openLibsrt({ libc });
out.srt = [libsrt.version.version, libsrt.srt_startup() >= 0];
libsrt.srt_setloglevel(2);
const srt = libsrt.srt_create_socket();
libsrt.setOption(srt, "SRTO_RCVSYN", false);
libsrt.setOption(srt, "SRTO_LATENCY", 321);
libsrt.setOption(srt, "SRTO_MAXBW", 125_000_000_000);
out.srtOption = libsrt.getInt(srt, "SRTO_PEERLATENCY");
out.srtUnknown = libsrt.getInt(12_345, "SRTO_LATENCY");
out.srtAccept = [
  libsrt.srt_accept(srt, null, null) === SRT_ERROR,
  libsrt.failure("srt_accept").message,
];
out.srtReason = libsrt.rejectReason(srt);
const srtEpoll = libsrt.srt_epoll_create();
out.srtWait = libsrt.srt_epoll_uwait(srtEpoll, new Int32Array(4), 2, 0);
libsrt.srt_epoll_release(srtEpoll);
libsrt.srt_close(srt);
libsrt.srt_cleanup();

for (const fd of [eventfd, epoll, ...pipe, ...pipe2, socket, memory, datagrams]) libc.close(fd);
console.log(JSON.stringify({ runtime: backend.runtime, out }));
