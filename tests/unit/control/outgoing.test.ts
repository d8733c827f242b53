import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { Outgoing } from "../../../src/control/outgoing.ts";

/** A pair of connected sockets; the near end is the one that sends. */
async function pair() {
  const server = createServer();
  const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const near = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1" });
  const far = await accepted;
  for (const socket of [near, far]) socket.on("error", () => {});
  const close = () => {
    near.destroy();
    far.destroy();
    server.close();
  };
  return { near, far, close };
}

test("broadcasts to a peer that is behind replace each other and the newest arrive in the end", async () => {
  const { near, far, close } = await pair();
  const overruns: string[] = [];
  const outgoing = new Outgoing({
    socket: near,
    queue_bytes_max: 65_536,
    onOverrun: (limit) => overruns.push(limit),
  });
  far.pause();
  const filler = Buffer.alloc(1 << 20, "f");
  // Until the kernel takes no more; a broadcast beyond the bound must not be fatal by itself.
  let sent = 0;
  while (outgoing.queuedBytes === 0) {
    outgoing.broadcast("telemetry", filler, performance.now());
    sent++;
  }
  const queued = outgoing.queuedBytes;
  expect(queued).toBeGreaterThan(65_536);
  for (let i = 0; i <= 1000; i++) {
    outgoing.broadcast("telemetry", Buffer.from(`<telemetry ${i}>`), performance.now());
    outgoing.broadcast("status", Buffer.from(`<status ${i}>`), performance.now());
  }
  expect(outgoing.queuedBytes).toBe(queued);
  outgoing.send(Buffer.from("<answer>"));
  expect(overruns).toEqual([]);

  let bytes = 0;
  let text = "";
  const arrived = new Promise<void>((resolve) =>
    far.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      text = (text + chunk.toString()).replace(/^f+/, "");
      if (text.includes("status")) resolve();
    })
  );
  far.resume();
  await arrived;
  expect(text).toBe("<answer><telemetry 1000><status 1000>");
  expect(bytes).toBe(sent * filler.length + text.length);
  close();
});

test("answers queue up to the bound and no further", async () => {
  const { near, far, close } = await pair();
  const overruns: string[] = [];
  const outgoing = new Outgoing({
    socket: near,
    queue_bytes_max: 100_000,
    onOverrun: (limit) => {
      overruns.push(limit);
      near.destroy();
    },
  });
  far.pause();
  const answer = Buffer.alloc(10_000);
  for (let i = 0; i < 10_000 && overruns.length === 0; i++) {
    outgoing.send(answer);
    expect(outgoing.queuedBytes).toBeLessThanOrEqual(100_000);
  }
  outgoing.send(answer);
  outgoing.broadcast("status", answer, performance.now());
  expect(overruns).toEqual(["control_queue_bytes_max"]);
  close();
});

test("a peer that takes nothing for too long is given up", async () => {
  const { near, far, close } = await pair();
  const overruns: string[] = [];
  const outgoing = new Outgoing({
    socket: near,
    queue_bytes_max: 65_536,
    onOverrun: (limit) => overruns.push(limit),
  });
  far.pause();
  const filler = Buffer.alloc(1 << 20);
  while (outgoing.queuedBytes === 0) outgoing.broadcast("status", filler, performance.now());
  outgoing.broadcast("status", filler, performance.now() + 29_000);
  expect(overruns).toEqual([]);
  outgoing.broadcast("status", filler, performance.now() + 31_000);
  expect(overruns).toEqual(["control_stall_ms_max"]);
  close();
});
