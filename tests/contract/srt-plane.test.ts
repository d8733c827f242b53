/** What only the SRT plane promises: messages stay messages, and none is lost at the end. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { announcedRandom } from "../harness/random.ts";
import { helloLine } from "../harness/tcp-end.ts";
import { type Rig, startSrt, timePasses } from "./rig.ts";
import type { SrtPeer } from "./srt-peers.ts";

/** A clock tick of /proc/…/stat, milliseconds; the kernel's USER_HZ is 100 everywhere. */
const tick_ms = 10;

function threads(): Set<string> {
  return new Set(readdirSync("/proc/self/task"));
}

/** CPU time that each of these threads has used so far, milliseconds. */
function cpuOf(tasks: Iterable<string>): Map<string, number> {
  const used = new Map<string, number>();
  for (const task of tasks) {
    let text: string;
    try {
      text = readFileSync(`/proc/self/task/${task}/stat`, "latin1");
    } catch {
      // libsrt ends a port's threads some time after the port; an ended one does not spin.
      continue;
    }
    // The name in brackets may hold anything; user and system time are the 12th and 13th behind it.
    const columns = text.slice(text.lastIndexOf(")") + 2).split(" ");
    used.set(task, (Number(columns[11]) + Number(columns[12])) * tick_ms);
  }
  return used;
}

describe("the SRT plane's messages", () => {
  let rig: Rig<SrtPeer>;
  let worker_threads: string[];

  beforeAll(async () => {
    const before = threads();
    rig = await startSrt();
    worker_threads = [...threads()].filter((task) => !before.has(task));
  });
  afterEach(async () => {
    await rig.reset();
  });
  afterAll(async () => {
    await rig.close();
  });

  test("keeps the bounds of messages from 1 to 1456 bytes, both ways", async () => {
    const { client, server } = await rig.session();
    const lengths = [1, 1316, 1456, 2, 188, 1, 1455, 1316];
    const total = lengths.reduce((sum, length) => sum + length, 0);
    for (const [from, to] of [[client, server], [server, client]]) {
      for (const length of lengths) from.message(Buffer.alloc(length, length));
      await to.reached(total);
      expect(to.message_lengths).toEqual(lengths);
    }
  });

  test("passes on what stands behind the hello in its message, first", async () => {
    const { port, session_id } = await rig.open();
    const server = await rig.peers!.join({
      port,
      hello: { role: "server", session_id, id: "s" },
      behind: Buffer.from("glued to the server's hello"),
    });
    server.message(" and the second");
    await rig.event("waiting", port);
    const client = await rig.peers!.join({
      port,
      hello: { role: "client", session_id, id: "c" },
      behind: Buffer.from("glued to the client's hello"),
    });
    await Promise.all([client.reached(42), server.reached(27)]);
    expect(client.text()).toBe("glued to the server's hello and the second");
    expect(client.message_lengths).toEqual([27, 15]);
    expect(server.text()).toBe("glued to the client's hello");
    expect(rig.plane.counters(port)).not.toBeNull();
    rig.plane.release(port);
    // The hellos are not counted, what was glued to them is.
    expect(await rig.event("closed", port)).toMatchObject({ bytes_up: 27, bytes_down: 42 });
  });

  test("takes a hello in three messages", async () => {
    const { port, session_id } = await rig.open();
    const line = helloLine({ role: "client", session_id, id: "in three pieces" });
    const client = await rig.connect(port);
    client.message(line.subarray(0, 3));
    client.message(line.subarray(3, 30));
    client.message(Buffer.concat([line.subarray(30), Buffer.from("tail")]));
    expect(await rig.event("waiting", port)).toMatchObject({ id: "in three pieces" });
    const server = await rig.join({ port, session_id }, "server");
    await server.reached(4);
    expect(server.text()).toBe("tail");
  });

  for (const role of ["client", "server"] as const) {
    test(`delivers the ${role}'s last messages before its close`, async () => {
      const random = announcedRandom(`SRT tail of the ${role}`);
      const session = await rig.session();
      const [leaves, stays] = role === "client"
        ? [session.client, session.server]
        : [session.server, session.client];
      const bytes = random.bytes(150 * 1316);
      await leaves.write(bytes);
      // libsrt has taken them; a moment later the plane's side has, and they wait for their time.
      await timePasses(60);
      leaves.destroy();
      await stays.reached(bytes.length);
      expect(stays.digest()).toBe(createHash("sha256").update(bytes).digest("hex"));
      expect(await rig.event("closed", session.port)).toMatchObject({
        reason: "finished",
        by: role,
      });
      await stays.turnedAway();
    });
  }

  test("20 sessions one after the other on one port", async () => {
    const port = rig.nextPort();
    const began_ms = performance.now();
    for (let i = 0; i < 20; i++) {
      const { session_id } = await rig.open(port);
      const [server, client] = await Promise.all([
        rig.join({ port, session_id }, "server"),
        rig.join({ port, session_id }, "client"),
      ]);
      await rig.event("paired", port);
      await client.write(`session ${i}`);
      await server.reached(`session ${i}`.length);
      expect(server.text()).toBe(`session ${i}`);
      client.destroy();
      server.destroy();
      await rig.closed(port);
    }
    // The listener is used again: nobody waits for libsrt to let go of the port.
    expect(performance.now() - began_ms).toBeLessThan(12_000);
  }, 20_000);

  test("survives a reader that stops, without spinning, and the session goes on", async () => {
    const random = announcedRandom("SRT stopped reader");
    const { port, client, server } = await rig.session();
    server.pause();
    const second = random.bytes(Math.floor(50_000_000 / 8 / 1316) * 1316);
    const before_ms = cpuOf(worker_threads);
    const began_ms = performance.now();
    // 50 Mbit/s: a hundredth of a second's bytes each 10 ms, for two seconds.
    const slice = Math.floor(second.length / 100 / 1316) * 1316;
    const writes: Promise<void>[] = [];
    for (let sent = 0; sent < 200 && !client.is_closed; sent++) {
      const at = (sent % 100) * slice;
      const write = client.write(second.subarray(at, at + slice));
      write.catch(() => {});
      writes.push(write);
      const due_ms = began_ms + 10 * (sent + 1);
      if (due_ms > performance.now()) await timePasses(due_ms - performance.now());
    }
    const took_ms = performance.now() - began_ms;
    let cpu_ms = 0;
    for (const [task, ms] of cpuOf(worker_threads)) cpu_ms += ms - before_ms.get(task)!;
    console.log(`SRT stopped reader: the worker used ${cpu_ms} ms of ${Math.round(took_ms)} ms`);
    expect(cpu_ms).toBeLessThan(0.6 * took_ms);

    server.resume();
    const mark = Buffer.from("after the stop");
    const heard = (async () => {
      // Late messages may be dropped on the way, as live SRT does; those of now must arrive.
      while (!server.is_closed && !server.text().includes("after the stop")) {
        if (!client.is_closed) client.message(mark);
        await timePasses(20);
        if (rig.left("closed", port).length > 0) return "ended";
        if (endsWith(server, mark.length)) return "recovered";
      }
      return server.is_closed ? "ended" : "recovered";
    })();
    const outcome = await heard;
    console.log(`SRT stopped reader: the session ${outcome}`);
    if (outcome === "ended") {
      expect(["finished", "aborted", "idle"]).toContain(await rig.closed(port));
    }
    // Whatever became of that one, the plane serves.
    const other = await rig.session();
    await other.client.write("serving");
    await other.server.reached(7);
  }, 30_000);
});

/** Whether the last message that came has this length: no other message of the test does. */
function endsWith(peer: SrtPeer, length: number): boolean {
  return peer.message_lengths.at(-1) === length;
}

describe("the SRT plane's bounds", () => {
  test("turns away more unproven connections than allowed, and says so", async () => {
    const rig = await startSrt({ srt_unproven_per_address_max: 2 });
    try {
      const { port, session_id } = await rig.open();
      // Those who are turned away may not even have seen that they were connected.
      const dialled = await Promise.allSettled(
        Array.from({ length: 5 }, () => rig.connect(port)),
      );
      expect(await rig.event("shed", port)).toMatchObject({
        limit: "srt_unproven_per_address_max",
        count: 3,
      });
      for (const end of dialled) if (end.status === "fulfilled") end.value.destroy();
      for (let i = 0; i < 2; i++) await rig.event("rejected", port);
      await rig.join({ port, session_id }, "client");
      await rig.event("waiting", port);
    } finally {
      await rig.close();
    }
  });

  test("turns away who comes to a port whose session is over", async () => {
    const rig = await startSrt();
    try {
      const { port } = await rig.open();
      rig.plane.release(port);
      await rig.closed(port);
      const turned_away = rig.connect(port).then((end) => end.turnedAway(), () => {});
      expect(await rig.event("rejected", port)).toMatchObject({
        session_id: "",
        status: "alloc_mismatch",
      });
      await turned_away;
    } finally {
      await rig.close();
    }
  });
});
