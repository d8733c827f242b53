import { afterAll, expect, test } from "bun:test";
import { once } from "node:events";
import net from "node:net";
import {
  AF_INET,
  encodeAddress,
  MSG_PEEK,
  openLibc,
  POLLIN,
  SOCK_CLOEXEC,
  SOCK_STREAM,
} from "../../../../ffi/libc/mod.ts";
import { isEstablished, lineQuality } from "../../../../src/data/tcp/line-quality.ts";
import { claimPorts } from "../../../harness/free-ports.ts";

const libc = openLibc();
const block = await claimPorts({ tcp_ports: 1, srt_ports: 1 });
const listener = libc.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
afterAll(async () => {
  libc.close(listener);
  await block.release();
});

test("a peer that has ended is known before its last bytes are read", async () => {
  const address = encodeAddress("127.0.0.1", block.tcp.first);
  expect(libc.bind(listener, address, address.length)).toBe(0);
  libc.listen(listener, 1);
  const peer = net.connect(block.tcp.first, "127.0.0.1");
  await once(peer, "connect");
  const fd = libc.accept4(listener, null, null, SOCK_CLOEXEC);
  expect(isEstablished(libc, fd)).toBe(true);
  expect(lineQuality(libc, fd)!.rtt_ms).toBeGreaterThan(0);
  peer.end("unread");
  await once(peer, "finish");
  libc.poll(Int32Array.of(fd, POLLIN), 1, 5_000);
  while (isEstablished(libc, fd)) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(libc.recv(fd, new Uint8Array(10), 10, MSG_PEEK)).toBe(6);
  libc.close(fd);
  expect(isEstablished(libc, fd)).toBe(false);
  peer.destroy();
});
