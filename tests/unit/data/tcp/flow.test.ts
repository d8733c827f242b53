import { afterAll, describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { backend } from "../../../../ffi/backend/mod.ts";
import {
  AF_INET,
  decodeAddress,
  encodeAddress,
  F_SETPIPE_SZ,
  IPPROTO_TCP,
  MSG_DONTWAIT,
  MSG_PEEK,
  O_CLOEXEC,
  O_NONBLOCK,
  openLibc,
  POLLIN,
  SHUT_WR,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  TCP_NODELAY,
} from "../../../../ffi/libc/mod.ts";
import type { Connection } from "../../../../src/data/tcp/connection.ts";
import { Flow } from "../../../../src/data/tcp/flow.ts";
import { PipePool } from "../../../../src/data/tcp/pipes.ts";

const libc = openLibc();
const { calls } = backend.open(
  "libc.so.6",
  {
    /** `int connect(int fd, const struct sockaddr *addr, socklen_t addrlen)` */
    connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
    /** `int getsockname(int fd, struct sockaddr *addr, socklen_t *addrlen)` */
    getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  } as const,
);
const open: number[] = [];
afterAll(() => {
  for (const fd of open) libc.close(fd);
});

/** Two sockets of one TCP connection on the loopback. */
function pair(): [near: number, far: number] {
  const listener = libc.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const address = encodeAddress("127.0.0.1", 0);
  libc.bind(listener, address, address.length);
  libc.listen(listener, 1);
  calls.getsockname(listener, address, Uint32Array.of(address.length));
  expect(decodeAddress(address).port).toBeGreaterThan(0);
  const near = libc.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  expect(calls.connect(near, address, address.length)).toBe(0);
  const far = libc.accept4(listener, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);
  libc.setsockopt(near, IPPROTO_TCP, TCP_NODELAY, Int32Array.of(1), 4);
  libc.close(listener);
  open.push(near, far);
  return [near, far];
}

/** A connection as a flow sees it, with everything that epoll would have said. */
function connection(fd: number): Connection {
  return { fd, readable: true, writable: true, finished: false, broken: false } as Connection;
}

function setUp(pipes = new PipePool({ libc }), hold_bytes_max?: number) {
  const [writer, from] = pair();
  const [reader, to] = pair();
  const [source, sink] = [connection(from), connection(to)];
  const flow = new Flow({ libc, pipes, rates: null, hold_bytes_max, source, sink });
  return { writer, reader, source, sink, flow, pipes };
}

const send = (fd: number, text: string) => libc.send(fd, Buffer.from(text), text.length, 0);

/** What has come to a socket, once something has. */
function received(fd: number, flags = 0): string {
  libc.poll(Int32Array.of(fd, POLLIN), 1, 5_000);
  const bytes = Buffer.alloc(65_536);
  const length = libc.recv(fd, bytes, bytes.length, MSG_DONTWAIT | flags);
  return bytes.toString("latin1", 0, Math.max(0, length));
}

/** A pool as it is for a user who is over fs.pipe-user-pages-soft: pipes of one or two slots. */
function narrowPipes(slots: 1 | 2): PipePool {
  const pipe = () => {
    const pair = new Int32Array(2);
    libc.pipe2(pair, O_NONBLOCK | O_CLOEXEC);
    expect(libc.fcntl(pair[1], F_SETPIPE_SZ, slots * 4_096)).toBe(slots * 4_096);
    open.push(...pair);
    return { read: pair[0], write: pair[1] };
  };
  const one = pipe();
  return { borrow: () => one, giveBack: () => {}, discard: () => {} } as unknown as PipePool;
}

describe("a flow", () => {
  test("moves what is there, waits for more, and gives its pipe back", () => {
    const { writer, reader, source, flow, pipes } = setUp();
    send(writer, "hello");
    received(source.fd, MSG_PEEK);
    expect(flow.pump(1 << 20, 0)).toBe("blocked");
    expect([received(reader), flow.bytes, source.readable]).toEqual(["hello", 5, false]);
    pipes.close();
  });

  test("passes the end on behind the last byte, and only once", () => {
    const { writer, reader, source, flow, pipes } = setUp();
    send(writer, "the end");
    libc.shutdown(writer, SHUT_WR);
    received(source.fd, MSG_PEEK);
    source.finished = true;
    expect(flow.pump(1 << 20, 0)).toBe("finished");
    expect([received(reader), received(reader)]).toEqual(["the end", ""]);
    expect([flow.pump(1, 0), flow.finished, flow.bytes]).toEqual(["finished", true, 7]);
    pipes.close();
  });

  test("keeps to its budget", () => {
    const { writer, source, flow, pipes } = setUp();
    for (let i = 0; i < 4; i++) send(writer, "x".repeat(10_000));
    received(source.fd, MSG_PEEK);
    expect(flow.pump(1, 0)).toBe("more");
    expect(flow.bytes).toBeGreaterThan(0);
    flow.close();
    pipes.close();
  });

  test("holds no more than it may while its sink takes nothing", () => {
    const { writer, source, sink, flow, pipes } = setUp(new PipePool({ libc }), 10_000);
    for (let i = 0; i < 4; i++) send(writer, "x".repeat(10_000));
    received(source.fd, MSG_PEEK);
    sink.writable = false;
    expect(flow.pump(1 << 20, 0)).toBe("blocked");
    expect(flow.holds_bytes).toBeGreaterThan(0);
    expect(flow.holds_bytes).toBeLessThanOrEqual(10_000);
    flow.close();
    expect(flow.holds_bytes).toBe(0);
    pipes.close();
  });

  for (const slots of [1, 2] as const) {
    test(`leaves nothing behind with a pipe of ${slots} slot${slots > 1 ? "s" : ""}`, () => {
      const { writer, reader, source, flow } = setUp(narrowPipes(slots));
      const [noise] = pair();
      // Pieces that do not lie side by side in memory take a slot each, however short they are.
      for (const piece of ["one", "two", "six", "ten"]) {
        send(noise, "-".repeat(300));
        send(writer, piece);
      }
      expect(received(source.fd, MSG_PEEK)).toBe("onetwosixten");
      expect(flow.pump(1 << 20, 0)).toBe("blocked");
      expect([received(reader), flow.bytes]).toEqual(["onetwosixten", 12]);
    });
  }
});
