/** Whether the control side finds out that a worker turns, and that one does not. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { openLibc } from "../../ffi/libc/mod.ts";
import { within } from "../harness/deadline.ts";
import { helloLine } from "../harness/tcp-end.ts";
import { RawEnd } from "./raw-end.ts";
import { type PlaneEnd, startPlane, startTcp } from "./rig.ts";

/** Far longer than any turn, and waited for only by a worker that hangs. */
const within_ms = 1000;
const F_SETFL = 4;

/** The connections that a plane in this process has accepted on a port. */
function accepted(port: number): number[] {
  const [, ...lines] = readFileSync("/proc/self/net/tcp", "utf8").trim().split("\n");
  const inodes = new Set(
    lines.map((line) => line.trim().split(/\s+/))
      .filter(([, local, , state]) => parseInt(local.split(":")[1], 16) === port && state === "01")
      .map((fields) => `socket:[${fields[9]}]`),
  );
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return inodes.has(readlinkSync(`/proc/self/fd/${fd}`));
    } catch {
      return false;
    }
  }).map(Number);
}

/**
 * Has the worker that carries the session stand still in a system call, as it would on a disk that
 * does not answer: its sockets are made to block, and one of them is filled. Ends with the reader.
 */
function hang({ port, client }: { port: number; client: PlaneEnd }): void {
  const libc = openLibc();
  for (const fd of accepted(port)) expect(libc.fcntl(fd, F_SETFL, 0)).toBe(0);
  // It does not come to an end, and breaks off with the reader.
  client.write(new Uint8Array(8 << 20)).catch(() => {});
}

for (const kind of ["zmq", "srt"] as const) {
  test(`${kind}: every worker is asked and has turned`, async () => {
    const rig = await startPlane(kind, kind === "zmq" ? { tcp_workers: 3 } : {});
    try {
      const workers = kind === "zmq" ? 3 : 1;
      // At rest in the kernel without a deadline, and then with sessions.
      expect(await rig.plane.beat(within_ms)).toBe(true);
      const { client, server } = await rig.session();
      await client.write("hello");
      await server.reached(5);
      const both = await Promise.all([rig.plane.beat(within_ms), rig.plane.beat(within_ms)]);
      expect(both).toEqual([true, true]);
      const { loop_lag_ms } = rig.plane.snapshot();
      expect(loop_lag_ms).toHaveLength(workers);
      for (const lag of loop_lag_ms) {
        expect(lag).toBeGreaterThan(0);
        expect(lag).toBeLessThan(within_ms);
      }
      // While a worker is being replaced there is nothing that hangs.
      await rig.breakWorker();
      expect(rig.plane.snapshot().loop_lag_ms).toContain(null);
      expect(await rig.plane.beat(5 * within_ms)).toBe(true);
    } finally {
      await rig.close();
    }
    expect(await rig.plane.beat(within_ms)).toBe(true);
  });
}

test("a worker that hangs is told from others, and turns again when it is let go", async () => {
  const rig = await startTcp({ tcp_workers: 2, sndbuf: 4096, rcvbuf: 4096 });
  try {
    const { port, session_id } = await rig.open();
    const reader = new RawEnd({ port });
    reader.write(helloLine({ role: "server", session_id, id: "reads nothing" }));
    await rig.event("waiting", port);
    const client = await rig.join({ port, session_id }, "client");
    await rig.event("paired", port);
    hang({ port, client });
    expect(await rig.plane.beat(within_ms)).toBe(false);
    const lags = rig.plane.snapshot().loop_lag_ms;
    expect(Math.max(...lags.map(Number))).toBeGreaterThan(within_ms / 2);
    expect(Math.min(...lags.map(Number))).toBeLessThan(within_ms / 2);
    // It hangs for good: asking again does not make it turn.
    expect(await rig.plane.beat(100)).toBe(false);
    reader.close();
    client.destroy();
    expect(await within("the worker's turn", rig.closed(port))).toBe("aborted");
    expect(await rig.plane.beat(within_ms)).toBe(true);
  } finally {
    await rig.close();
  }
});
