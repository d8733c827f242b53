/** Standing ports: who may come, what an end means on either side, and whose bytes are whose. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Buffer } from "node:buffer";
import { ByteStream } from "../harness/byte-stream.ts";
import { turn } from "../harness/deadline.ts";
import { TcpEnd } from "../harness/tcp-end.ts";
import { descriptors, timePasses } from "./rig.ts";
import { rlx1Hello, StandingRig } from "./standing-rig.ts";

setDefaultTimeout(30_000);

const mebibyte = 1_048_576;
/** After which a quiet BE is the next FE's; longer by a slot of the wheel at most. */
const quiet_ms = 250;

let rig: StandingRig;
beforeAll(async () => {
  rig = await StandingRig.start({}, { ports: 96 });
});
afterAll(() => rig.close());

describe("a hello", () => {
  test("is taken wherever it is cut, and what stands behind it is the peer's", async () => {
    const port = await rig.open();
    const be_hello = rlx1Hello("BE", "be");
    const fe_hello = rlx1Hello("FE");
    for (let cut = 1; cut < be_hello.length; cut++) {
      const be = await TcpEnd.connect({ port });
      await be.write(be_hello.subarray(0, cut));
      await turn();
      await be.write(Buffer.concat([be_hello.subarray(cut), Buffer.from(`answer ${cut}`)]));
      await rig.state(port, "ready");
      const fe = await TcpEnd.connect({ port });
      const at = Math.min(cut, fe_hello.length);
      await fe.write(fe_hello.subarray(0, at));
      await turn();
      await fe.write(Buffer.concat([fe_hello.subarray(at), Buffer.from(`question ${cut}`)]));
      await rig.state(port, "busy");
      await Promise.all([be.reached(9 + `${cut}`.length), fe.reached(7 + `${cut}`.length)]);
      expect([be.text(), fe.text()]).toEqual([`question ${cut}`, `answer ${cut}`]);
      be.abort();
      await rig.state(port, "empty");
      await fe.turnedAway();
    }
  });

  test("is taken byte by byte, with a carriage return and more keys", async () => {
    const port = await rig.open();
    const be = await TcpEnd.connect({ port });
    for (const byte of Buffer.from('RLX1HELLO {"role":"BE","v":[1]}\r\n')) {
      await be.write(Buffer.of(byte));
    }
    expect(await rig.state(port, "ready")).toMatchObject({
      be: { id: "", remote: be.remote },
      fe: null,
    });
  });

  test("that says nothing delays none behind it, and is not waited for", async () => {
    const hasty = await StandingRig.start({ limits: { hello_timeout_ms: 300 } }, { ports: 1 });
    try {
      const port = await hasty.open();
      const silent = await Promise.all(Array.from({ length: 8 }, () => TcpEnd.connect({ port })));
      const [be, fe] = [await hasty.be(port), await hasty.fe(port)];
      await fe.write("at once");
      await be.reached(7);
      for (const end of silent) {
        expect(await hasty.event("rejected", port)).toMatchObject({
          status: "hello_error",
          detail: "no complete hello within 300 ms",
        });
        await end.turnedAway();
      }
    } finally {
      await hasty.close();
    }
  });

  test("that is none is refused with its reason", async () => {
    const port = await rig.open();
    for (
      const [line, detail] of [
        ['RLX1HELLO {"role":"fe"}\n', 'role is neither "FE" nor "BE"'],
        ["V4HELLO {}\n", 'the line does not start with "RLX1HELLO "'],
        ["GET / HTTP/1.1\r\n", 'the line does not start with "RLX1HELLO "'],
        [`RLX1HELLO ${" ".repeat(5_000)}`, "no newline within 4096 bytes"],
        ["RLX1HELLO {\n", "what follows RLX1HELLO is not JSON"],
      ]
    ) {
      const end = await TcpEnd.connect({ port });
      await end.write(line);
      const { remote } = end;
      expect(await rig.event("rejected", port)).toEqual({
        type: "rejected",
        port,
        status: "hello_error",
        detail,
        remote,
      });
      await end.turnedAway();
    }
    expect(rig.left(port)).toEqual([]);
  });
});

describe("who may come", () => {
  test("an FE only where a BE waits, one BE at a time, and nobody while they are paired", async () => {
    const port = await rig.open();
    const refused = async (role: "FE" | "BE", status: string) => {
      const end = await rig.join(port, role, { behind: "unread" });
      expect(await rig.event("rejected", port)).toMatchObject({ status, remote: end.remote });
      expect(await end.turnedAway()).toMatchObject({ ended: true, error: null });
    };
    await refused("FE", "no_server");
    const be = await rig.be(port, "b-1");
    await refused("BE", "server_dup");
    const fe = await rig.join(port, "FE", { id: "f-1" });
    expect(await rig.event("standing", port)).toEqual({
      type: "standing",
      port,
      state: "busy",
      be: { id: "b-1", remote: be.remote },
      fe: { id: "f-1", remote: fe.remote },
    });
    await refused("FE", "port_occupied");
    await refused("BE", "port_occupied");
    await fe.write("untouched");
    await be.reached(9);
    expect(be.text()).toBe("untouched");
  });

  test("a BE that leaves while it waits is seen at once, whatever it has sent", async () => {
    const port = await rig.open();
    for (const sends of ["", "a word before it goes"]) {
      for (const leaves of ["halfClose", "destroy", "abort"] as const) {
        const be = await rig.be(port);
        await be.write(sends);
        be[leaves]();
        const began_ms = performance.now();
        await rig.state(port, "empty");
        expect(performance.now() - began_ms).toBeLessThan(quiet_ms);
      }
    }
    // One that ends with its hello was there all the same.
    const be = await rig.join(port, "BE");
    be.halfClose();
    await rig.state(port, "ready");
    await rig.state(port, "empty");
    const late = await rig.join(port, "FE");
    expect((await rig.event("rejected", port)).status).toBe("no_server");
    await late.turnedAway();
  });

  test("a banned address is shed, a proxy's client is who its header says", async () => {
    const other = await StandingRig.start({
      proxy_protocol: { trusted: ["127.0.0.1"], mode: "optional" },
    }, { ports: 2 });
    try {
      const port = await other.open();
      const be = await TcpEnd.connect({ port });
      await be.write(`PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n${rlx1Hello("BE", "b")}`);
      expect((await other.state(port, "ready")).be).toEqual({ id: "b", remote: "192.0.2.7:4711" });
      other.plane.setBans(["127.0.0.2"]);
      // A command behind it has been carried out: so has this one.
      await other.open();
      const shed = other.event("shed", port);
      const banned = await TcpEnd.connect({ port, local_address: "127.0.0.2" }).catch(() => null);
      expect(await shed).toMatchObject({ limit: "banned", count: 1 });
      await banned?.turnedAway();
      expect(other.left(port)).toEqual([]);
    } finally {
      await other.close();
    }
  });
});

describe("the FE's end", () => {
  test("in order: the BE gets all and no end, and its answer goes on until it is quiet", async () => {
    const { port, be, fe } = await rig.session();
    const digest = await fe.pour(new ByteStream({ total_bytes: 3 * mebibyte, seed: 1 }));
    fe.halfClose();
    await be.reached(3 * mebibyte);
    expect(be.digest()).toBe(digest);
    // With pauses, each shorter than what quiet is, and longer than that together.
    for (let i = 1; i <= 8; i++) {
      await timePasses(40);
      await be.write("ten bytes.");
      await fe.reached(10 * i);
    }
    const quiet_since_ms = performance.now();
    await fe.ended();
    expect(performance.now() - quiet_since_ms).toBeGreaterThan(quiet_ms - 20);
    expect(await fe.closed()).toEqual({ ended: true, error: null });
    expect(await rig.event("standing_over", port)).toMatchObject({
      reason: "finished",
      by: "FE",
      bytes_up: 3 * mebibyte,
      bytes_down: 80,
      detail: "",
    });
    const { remote } = be;
    expect(await rig.state(port, "ready")).toMatchObject({ be: { id: "be", remote }, fe: null });
    expect([be.has_ended, be.is_closed]).toEqual([false, false]);
    const next = await rig.fe(port, "next");
    await next.write("more");
    await be.reached(3 * mebibyte + 4);
  });

  test("a BE that reads slowly is waited for, and so is an FE", async () => {
    const { port, be, fe } = await rig.session();
    be.pause();
    // More than the BE's kernel takes, and less than relayx's does with it.
    const digest = await fe.pour(new ByteStream({ total_bytes: 3 * mebibyte, seed: 2 }));
    fe.halfClose();
    await timePasses(3 * quiet_ms);
    be.resume();
    await be.reached(3 * mebibyte);
    expect(be.digest()).toBe(digest);
    fe.pause();
    const answer = be.pour(new ByteStream({ total_bytes: 64 * mebibyte, seed: 3 }));
    await timePasses(3 * quiet_ms);
    expect(rig.left(port)).toEqual([]);
    fe.resume();
    expect(await fe.ended()).toBe(await answer);
    await rig.state(port, "ready");
  });

  test("by a break: what it had sent is delivered, and no answer reaches the next", async () => {
    const { port, be, fe } = await rig.session();
    await fe.write("the last FE's words");
    await be.reached(19);
    let pouring = true;
    const pour = (async () => {
      // Across the break, and then with pauses that are too short to be a border.
      for (let i = 0; pouring; i++) {
        await be.write(Buffer.alloc(i < 40 ? 65_536 : 100, "old"));
        if (i >= 40) await timePasses(50);
      }
    })();
    await fe.reached(1_000_000);
    fe.abort();
    await timePasses(2 * quiet_ms);
    expect(rig.left(port)).toEqual([]);
    pouring = false;
    await pour;
    expect(await rig.event("standing_over", port)).toMatchObject({ reason: "aborted", by: "FE" });
    await rig.state(port, "ready");
    const next = await rig.fe(port, "next");
    await be.write("new");
    await next.reached(3);
    await next.write("the next one's");
    await be.reached(19 + 14);
    expect([next.text(), be.text()]).toEqual(["new", "the last FE's wordsthe next one's"]);
  });

  test("by closing while the BE speaks: the BE still gets all of it", async () => {
    const { port, be, fe } = await rig.session();
    be.pause();
    const total_bytes = 200_000;
    const digest = await fe.pour(new ByteStream({ total_bytes, seed: 4 }));
    await fe.write("");
    fe.halfClose();
    fe.destroy();
    for (let i = 0; i < 5; i++) {
      await be.write("nobody hears this");
      await timePasses(5);
    }
    be.resume();
    await be.reached(total_bytes);
    expect(be.digest()).toBe(digest);
    await rig.state(port, "ready");
    const next = await rig.fe(port);
    await be.write("x");
    await next.reached(1);
    expect(next.text()).toBe("x");
  });

  test("what a BE says while it waits is the next FE's", async () => {
    const { port, be, fe } = await rig.session();
    fe.halfClose();
    await rig.state(port, "ready");
    const digest = await be.pour(new ByteStream({ total_bytes: 100_000, seed: 5 }));
    const next = await rig.fe(port);
    await next.reached(100_000);
    expect(next.digest()).toBe(digest);
    expect(fe.received_bytes).toBe(0);
  });
});

describe("the BE's end", () => {
  test("in order: the FE is told and goes on; the port is empty behind it", async () => {
    const { port, be, fe } = await rig.session();
    const answer = await be.pour(new ByteStream({ total_bytes: 2 * mebibyte, seed: 6 }));
    be.halfClose();
    expect(await fe.ended()).toBe(answer);
    await timePasses(2 * quiet_ms);
    expect(rig.left(port)).toEqual([]);
    const question = await fe.pour(new ByteStream({ total_bytes: 2 * mebibyte, seed: 7 }));
    fe.halfClose();
    expect(await be.ended()).toBe(question);
    expect(await rig.event("standing_over", port)).toMatchObject({
      reason: "finished",
      by: "BE",
      bytes_up: 2 * mebibyte,
      bytes_down: 2 * mebibyte,
    });
    await rig.state(port, "empty");
    expect(await be.closed()).toEqual({ ended: true, error: null });
    expect(await fe.closed()).toEqual({ ended: true, error: null });
    expect(rig.plane.counters(port)).toEqual({ bytes_up: 2 * mebibyte, bytes_down: 2 * mebibyte });
  });

  test("after the FE's: no quiet is waited for", async () => {
    const { port, be, fe } = await rig.session();
    fe.halfClose();
    await be.write("bye");
    be.halfClose();
    await fe.ended();
    expect(fe.text()).toBe("bye");
    expect(await rig.event("standing_over", port)).toMatchObject({ reason: "finished" });
    await rig.state(port, "empty");
  });

  test("by a break: the FE is told likewise", async () => {
    const { port, be, fe } = await rig.session();
    await be.write("half a ");
    await fe.reached(7);
    be.abort();
    expect((await fe.closed()).error).toBe("ECONNRESET");
    expect(await rig.event("standing_over", port)).toMatchObject({
      reason: "aborted",
      by: "BE",
      bytes_down: 7,
    });
    await rig.state(port, "empty");
  });

  test("by a break while the FE's end is being waited for", async () => {
    const { port, be, fe } = await rig.session();
    fe.abort();
    be.abort();
    expect((await rig.event("standing_over", port)).reason).toBe("aborted");
    await rig.state(port, "empty");
  });
});

describe("orders", () => {
  test("end a session with both ends, a BE that waits, and a port", async () => {
    const { port, be, fe } = await rig.session();
    rig.plane.dropWaiting(port);
    rig.plane.stopSession(port, "be_control_lost");
    expect(await rig.event("standing_over", port)).toMatchObject({
      reason: "released",
      by: null,
      detail: "be_control_lost",
      be: { id: "be" },
      fe: { id: "fe" },
    });
    await rig.state(port, "empty");
    await Promise.all([be.turnedAway(), fe.turnedAway()]);

    const waits = await rig.be(port);
    rig.plane.stopSession(port, "there is none");
    rig.plane.dropWaiting(port);
    await rig.state(port, "empty");
    expect(await waits.turnedAway()).toMatchObject({ ended: true });

    const [again, next] = [await rig.be(port), await rig.fe(port)];
    const silent = await TcpEnd.connect({ port });
    await next.write("counted");
    await again.reached(7);
    rig.plane.closeStanding(port);
    expect(await rig.event("standing_over", port)).toMatchObject({
      reason: "released",
      bytes_up: 7,
    });
    await rig.state(port, "empty");
    expect(await rig.event("standing_closed", port)).toEqual({
      type: "standing_closed",
      port,
      reason: "released",
    });
    await Promise.all([again, next, silent].map((end) => end.turnedAway()));
    expect(rig.plane.counters(port)).toBeNull();
    expect(await TcpEnd.connect({ port }).catch(() => "refused")).toBe("refused");
    // Orders to a port that is not open are nothing, and it can be opened again.
    rig.plane.stopSession(port, "x");
    rig.plane.dropWaiting(port);
    rig.plane.closeStanding(port);
    await rig.open({}, port);
    expect(rig.plane.counters(port)).toEqual({ bytes_up: 0, bytes_down: 0 });
    expect(rig.left(port)).toEqual([]);
  });

  test("a port that somebody has cannot be opened, nor one with no room in it", async () => {
    const port = await rig.open();
    const other = await StandingRig.start({}, { ports: 1 });
    try {
      const taken = await other.open({}, port).catch((error: unknown) => error);
      expect(taken).toMatchObject({ code: "EADDRINUSE", port });
    } finally {
      await other.close();
    }
    const narrow = await rig.open({ ring_bytes_max: 1000 }).catch((error: unknown) => error);
    expect(String(narrow)).toContain("at least 524288 are needed");
  });

  test("the totals of a port grow over its sessions", async () => {
    const { port, be, fe } = await rig.session();
    await fe.write("12345");
    await be.write("123");
    await Promise.all([be.reached(5), fe.reached(3)]);
    fe.halfClose();
    await rig.state(port, "ready");
    const next = await rig.fe(port);
    await next.write("1234567");
    await be.reached(12);
    next.halfClose();
    await rig.event("standing_over", port);
    expect(await rig.event("standing_over", port)).toMatchObject({ bytes_up: 7, bytes_down: 0 });
    expect(rig.plane.counters(port)).toEqual({ bytes_up: 12, bytes_down: 3 });
  });

  test("a byte rate holds a port's sessions back", async () => {
    const rates = [{ key: "rate of one port", bytes_per_s: 400_000 }];
    const { be, fe } = await rig.session({ rates });
    const began_ms = performance.now();
    await fe.pour(new ByteStream({ total_bytes: 300_000, seed: 8 }));
    await be.reached(300_000);
    expect(performance.now() - began_ms).toBeGreaterThan(300);
  });
});

describe("silence", () => {
  let hasty: StandingRig;
  beforeAll(async () => {
    hasty = await StandingRig.start({ gateway: { session_idle_timeout: "1s" } }, { ports: 4 });
  });
  afterAll(() => hasty.close());

  const idle = { type: "standing_over", reason: "idle", by: null };

  test("ends a session of both ends, and the BE stays", async () => {
    const { port, be, fe } = await hasty.session();
    expect(await hasty.event("standing_over", port)).toMatchObject(idle);
    await hasty.state(port, "ready");
    expect((await fe.closed()).error).toBe("ECONNRESET");
    // That it waits in silence is nothing special.
    await timePasses(1_100);
    expect(hasty.left(port)).toEqual([]);
    const next = await hasty.fe(port);
    await be.write("still here");
    await next.reached(10);
  });

  test("takes a BE with it that does not read", async () => {
    const { port, be, fe } = await hasty.session();
    be.pause();
    for (let i = 0; i < 64; i++) fe.writeCarelessly(Buffer.alloc(mebibyte));
    expect(await hasty.event("standing_over", port)).toMatchObject(idle);
    await hasty.state(port, "empty");
    be.resume();
    await Promise.all([be.turnedAway(), fe.turnedAway()]);
  });

  test("takes a BE with it that never stops talking to an FE that is gone", async () => {
    const { port, be, fe } = await hasty.session();
    fe.abort();
    const pour = be.pour(new ByteStream({ total_bytes: 1e12 })).catch((error: Error) => error);
    expect(await hasty.event("standing_over", port)).toMatchObject(idle);
    await hasty.state(port, "empty");
    expect(await pour).toBeInstanceOf(Error);
  });
});

test("a worker that dies reports all of its ports, which can be opened again", async () => {
  const { port, be, fe } = await rig.session();
  await fe.write("lost");
  await be.reached(4);
  fe.halfClose();
  await rig.state(port, "ready");
  await rig.event("standing_over", port);
  await rig.fe(port);
  await be.write("lost, too");
  const waiting = await rig.open();
  await rig.be(waiting);
  const empty = await rig.open();
  // The counters are the last thing that is known of a session whose worker is gone.
  while (rig.plane.counters(port)!.bytes_down < 9) await timePasses(2);
  expect(await rig.breakWorker()).toMatchObject({ code: "PLANE_FAILED" });
  expect(await rig.event("standing_over", port)).toMatchObject({
    reason: "plane_failed",
    by: null,
    bytes_up: 0,
    bytes_down: 9,
    be: { id: "be" },
  });
  for (const one of [port, waiting]) await rig.state(one, "empty");
  for (const one of [port, waiting, empty]) {
    expect((await rig.event("standing_closed", one)).reason).toBe("plane_failed");
    expect(rig.left(one)).toEqual([]);
  }
  expect(rig.plane.snapshot().workers_replaced).toBe(1);
  expect(await rig.plane.beat(10_000)).toBe(true);
  await rig.open({}, port);
  const [again, next] = [await rig.be(port), await rig.fe(port)];
  await next.write("found");
  await again.reached(5);
});

test("leaves no descriptor behind, however its sessions end", async () => {
  const few = await StandingRig.start({}, { ports: 8 });
  try {
    const ports = await Promise.all(few.ports.map((port) => few.open({}, port)));
    const round = (how: number) =>
      Promise.all(ports.map(async (port) => {
        const [be, fe] = [await few.be(port), await few.fe(port)];
        await Promise.all([fe.write("up"), be.write("down")]);
        await Promise.all([fe.reached(4), be.reached(2)]);
        if (how === 0) fe.abort();
        else if (how === 1) fe.halfClose();
        else if (how === 2) be.abort();
        else few.plane.stopSession(port, "");
        await few.state(port, how < 2 ? "ready" : "empty");
        be.destroy();
        if (how < 2) await few.state(port, "empty");
        fe.destroy();
        await Promise.all([be.closed(), fe.closed()]);
      }));
    await round(0);
    const before = descriptors();
    for (let how = 0; how < 4; how++) await round(how);
    for (let i = 0; i < 40 && descriptors() > before; i++) await timePasses(50);
    // How many pipes are kept differs with how many sessions moved at once.
    expect(descriptors()).toBeLessThanOrEqual(before + 2 * ports.length);
  } finally {
    await few.close();
  }
});
