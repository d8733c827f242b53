/**
 * Byte rates of sessions, over both planes: how much comes through in a time that is read from the
 * clock, with bounds that a busy machine does not break.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { RateBook } from "../../src/data/rate-book.ts";
import type { ByteRate } from "../../src/data/plane.ts";
import { type PlaneEnd, type Rig, startSrt, startTcp, timePasses } from "./rig.ts";

/** Long against the burst of 200 ms. */
const window_ms = 800;
const burst_s = 0.2;

/** Writes until it is told to stop, as fast as the other side takes it. */
function flood(end: PlaneEnd, piece_bytes: number): () => void {
  const piece = new Uint8Array(piece_bytes);
  let on = true;
  const more = async () => {
    while (on) await end.write(piece);
  };
  more().catch(() => {});
  return () => on = false;
}

/** Both ends of a session that counts against the rates. */
async function session(rig: Rig, rates: ByteRate[]) {
  const reservation = await rig.open(rig.nextPort(), { rates });
  const server = await rig.join(reservation, "server");
  await rig.event("waiting", reservation.port);
  const client = await rig.join(reservation, "client");
  await rig.event("paired", reservation.port);
  return { ...reservation, client, server };
}

/** Bytes per second that come to each of the ends, and how long that was looked at. */
async function measure(...ends: PlaneEnd[]): Promise<{ speeds: number[]; took_s: number }> {
  const [since_ms, before] = [performance.now(), ends.map((end) => end.received_bytes)];
  await timePasses(window_ms);
  const took_s = (performance.now() - since_ms) / 1000;
  return { speeds: ends.map((end, i) => (end.received_bytes - before[i]) / took_s), took_s };
}

const sum = (numbers: number[]) => numbers.reduce((all, one) => all + one, 0);

describe("TCP", () => {
  let rig: Rig;
  const stops: (() => void)[] = [];
  const start = async (settings: Parameters<typeof startTcp>[0] = {}) => {
    rig = await startTcp({ sndbuf: 65_536, rcvbuf: 65_536, ...settings });
  };
  const busy = (end: PlaneEnd) => void stops.push(flood(end, 65_536));
  afterEach(async () => {
    for (const stop of stops.splice(0)) stop();
    await rig.close();
  });

  test("a session carries what its rate lets through, both directions together", async () => {
    await start();
    const bytes_per_s = 4_000_000;
    const { client, server, port } = await session(rig, [{ key: "alice", bytes_per_s }]);
    busy(client);
    busy(server);
    const { speeds, took_s } = await measure(client, server);
    const all = sum(speeds);
    // What was in the sockets' buffers comes on top of the burst.
    expect(all).toBeLessThan(bytes_per_s * (1 + burst_s / took_s) + 1_000_000);
    expect(all).toBeGreaterThan(bytes_per_s / 2);
    // Neither direction starves the other.
    expect(Math.min(...speeds)).toBeGreaterThan(all / 8);
    // Both lines are looked at once a second.
    const words = () => {
      const { bottleneck_up, bottleneck_down } = rig.plane.counters(port)!;
      return `${bottleneck_up} ${bottleneck_down}`;
    };
    for (const until_ms = performance.now() + 5000; words() !== "rate rate";) {
      if (performance.now() > until_ms) throw new Error(`held back by: ${words()}`);
      await timePasses(20);
    }
  });

  test("the sessions of a key share its rate fairly, over all workers; others go on", async () => {
    await start({ tcp_workers: 2 });
    const bytes_per_s = 4_000_000;
    const rates = [{ key: "alice", bytes_per_s }];
    const ours = [];
    for (let i = 0; i < 5; i++) ours.push(await session(rig, rates));
    const other = await session(rig, [{ key: "bob", bytes_per_s: 0 }]);
    for (const { client } of ours) busy(client);
    // One of them wants far less than its share, and gets it.
    await timePasses(500);
    const { speeds, took_s } = await measure(...ours.map(({ server }) => server));
    expect(sum(speeds)).toBeLessThan(bytes_per_s * (1 + burst_s / took_s) + 1_000_000);
    expect(sum(speeds)).toBeGreaterThan(bytes_per_s / 2);
    expect(Math.max(...speeds)).toBeLessThan(3 * Math.min(...speeds));
    busy(other.client);
    const free = await measure(other.server);
    expect(free.speeds[0]).toBeGreaterThan(5 * bytes_per_s);
  });

  test("a rate changes while the session runs: narrower, wider, and none", async () => {
    const rates = new RateBook();
    await start({ rates });
    const { client, server } = await session(rig, [{ key: "alice", bytes_per_s: 0 }]);
    busy(client);
    const speed = async () => (await measure(server)).speeds[0];
    const unbound = await speed();
    rates.set({ key: "alice", bytes_per_s: 1_000_000 });
    await timePasses(200);
    expect(await speed()).toBeLessThan(2_500_000);
    rates.set({ key: "alice", bytes_per_s: 20_000_000 });
    const wide = await speed();
    expect(wide).toBeGreaterThan(8_000_000);
    expect(wide).toBeLessThan(40_000_000);
    rates.set({ key: "alice", bytes_per_s: 0 });
    expect(await speed()).toBeGreaterThan(Math.min(unbound / 3, 60_000_000));
    // Another key's figure is none of its business.
    rates.set({ key: "nobody", bytes_per_s: 1 });
    expect(rates.size).toBe(1);
  }, 20_000);

  test("the narrowest of several bounds holds, and every byte comes through unchanged", async () => {
    await start({ session_idle_timeout: "300ms" });
    const { client, server, port } = await session(rig, [
      { key: "alice", bytes_per_s: 50_000_000 },
      { key: "cam", bytes_per_s: 500_000 },
      { key: "cam", bytes_per_s: 500_000 },
    ]);
    const piece = new Uint8Array(400_000).map((_, i) => i * 31 + (i >> 8));
    const since_ms = performance.now();
    void client.write(piece);
    await server.reached(piece.length, 10_000);
    // All but the burst of 100 kB at its rate.
    expect(performance.now() - since_ms).toBeGreaterThan(500);
    await client.write(piece);
    await server.reached(2 * piece.length, 10_000);
    await rig.counted(port, { bytes_up: 2 * piece.length, bytes_down: 0 });
    const digest = new Bun.CryptoHasher("sha256").update(piece).update(piece).digest("hex");
    expect(server.digest()).toBe(digest);
  });

  test("a bound that lets nothing pass for a while is not taken for silence", async () => {
    await start({ session_idle_timeout: "300ms" });
    // The least that is given takes 4 s at this rate, after the burst of 64 KiB.
    const { client, server, port } = await session(rig, [{ key: "slow", bytes_per_s: 1024 }]);
    void client.write(new Uint8Array(80_000));
    await server.reached(60_000);
    await timePasses(1200);
    expect(rig.left("closed", port)).toEqual([]);
  });

  test("a session that ends while it is held back leaves nothing behind", async () => {
    const rates = new RateBook();
    await start({ rates });
    const slow = { key: "alice", bytes_per_s: 50_000 };
    const [one, two] = [await session(rig, [slow]), await session(rig, [slow])];
    for (const { client, server } of [one, two]) {
      void client.write(new Uint8Array(2_000_000)).catch(() => {});
      await server.reached(1);
    }
    expect(rates.size).toBe(1);
    one.server.destroy();
    expect(await rig.closed(one.port)).toBe("aborted");
    rig.plane.release(two.port);
    expect(await rig.closed(two.port)).toBe("released");
    expect(rates.size).toBe(0);
    // The next of the key begins anew.
    const next = await session(rig, [{ key: "alice", bytes_per_s: 0 }]);
    void next.client.write(new Uint8Array(2_000_000));
    await next.server.reached(2_000_000);
  });
});

describe("SRT", () => {
  let rig: Rig;
  beforeEach(async () => {
    rig = await startSrt();
  });
  afterEach(async () => {
    await rig.close();
  });

  test("a session carries what its rate lets through; another is not slowed", async () => {
    const bytes_per_s = 125_000;
    const held = await session(rig, [{ key: "alice", bytes_per_s }]);
    const free = await session(rig, []);
    const message = new Uint8Array(1316);
    // Four times what the one may carry: a live sender does not wait.
    const send = async (end: PlaneEnd) => {
      const until_ms = performance.now() + 1900;
      while (performance.now() < until_ms) {
        await end.write(message);
        await timePasses(2.5);
      }
    };
    const sending = Promise.all([send(held.client), send(free.client)]);
    await timePasses(700);
    const { speeds: [bound, unbound], took_s } = await measure(held.server, free.server);
    expect(bound).toBeLessThan(bytes_per_s * (1 + burst_s / took_s) + 40_000);
    expect(bound).toBeGreaterThan(bytes_per_s / 2);
    expect(unbound).toBeGreaterThan(1.5 * bound);
    expect(rig.plane.counters(held.port)?.bottleneck_up).toBe("rate");
    expect(rig.plane.counters(free.port)?.bottleneck_up).not.toBe("rate");
    await sending;
    for (const { client, server } of [held, free]) {
      client.destroy();
      server.destroy();
    }
    await rig.closed(held.port);
    await rig.closed(free.port);
  }, 20_000);
});
