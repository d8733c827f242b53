import { describe, expect, test } from "bun:test";
import { figures, Telemetry } from "../../../src/control/telemetry.ts";
import { Fixture, SRT_FIRST, ZMQ_FIRST } from "../sessions/fixture.ts";

const ZERO = {
  bytes_up: 0,
  bytes_down: 0,
  rtt_ms: 0,
  packets_up: 0,
  packets_down: 0,
  packets_lost: 0,
  packets_retransmitted: 0,
  bottleneck_up: "unknown" as const,
  bottleneck_down: "unknown" as const,
};

describe("the figures of an interval", () => {
  test("are differences over the time that has really passed", () => {
    const before = { ...ZERO, bytes_up: 1_000_000, packets_up: 100, packets_lost: 50 };
    const after = {
      bytes_up: 3_500_000,
      bytes_down: 250_000,
      rtt_ms: 40,
      packets_up: 250,
      packets_down: 50,
      packets_lost: 54,
      packets_retransmitted: 1,
      bottleneck_up: "network_out" as const,
      bottleneck_down: "idle" as const,
    };
    expect(figures(before, after, 2000)).toEqual({
      mbps_up: 10,
      mbps_down: 1,
      rtt_ms: 40,
      loss_pct: 2,
      retrans_pct: 0.5,
      quality: 92,
      bottleneck_up: "network_out",
      bottleneck_down: "idle",
    });
    const { bottleneck_up, bottleneck_down } = ZERO;
    const untold = figures(before, { ...after, bottleneck_up, bottleneck_down }, 2000);
    expect(Object.keys(untold)).not.toContain("bottleneck_up");
  });

  const qualities: [string, Partial<typeof ZERO>, number][] = [
    ["nothing flowed", {}, 90],
    ["nothing flowed and a long way", { rtt_ms: 100 }, 80],
    ["a way longer than counts", { bytes_up: 1, rtt_ms: 9000 }, 70],
    ["more loss than counts", { bytes_down: 1, packets_up: 10, packets_lost: 9 }, 50],
    ["all of it", { rtt_ms: 9000, packets_up: 10, packets_lost: 10 }, 10],
    ["all well", { bytes_up: 1 }, 100],
  ];
  test.each(qualities)("quality: %s", (_name, after, quality) => {
    expect(figures(ZERO, { ...ZERO, ...after }, 1000).quality).toBe(quality);
  });

  test("losses without packets are no percentage", () => {
    expect(figures(ZERO, { ...ZERO, packets_lost: 5 }, 1000).loss_pct).toBe(0);
  });
});

describe("the message", () => {
  /** A granted session over both planes. */
  async function session() {
    const f = new Fixture();
    f.server("s", 9);
    const client = f.client('c"\\');
    f.ask(client, "r", { need_zmq: true, need_srt: true });
    const grant = await client.grant("r");
    const telemetry = new Telemetry({ planes: f.planes, sessions: f.sessions, log: f.log });
    const read = (now: number) => JSON.parse(telemetry.read(now).toString()).payload;
    return { f, grant, telemetry, read };
  }

  test("has occupied ports only, and is there when there are none", async () => {
    const { f, grant, read } = await session();
    expect(read(1000)).toEqual([]);
    f.planes.srt.pair(SRT_FIRST);
    expect(read(performance.now() + 1000)).toEqual([{
      kind: "srt",
      port: SRT_FIRST,
      session_id: grant.session_id,
      server_id: "s",
      client_id: 'c"\\',
      mbps_up: 0,
      mbps_down: 0,
      rtt_ms: 0,
      loss_pct: 0,
      retrans_pct: 0,
      quality: 90,
    }]);
    f.planes.srt.end(SRT_FIRST, "finished");
    expect(read(performance.now() + 2000)).toEqual([]);
    f.close();
  });

  test("rates fall back to nothing in the first idle interval and the bytes are reused after it", async () => {
    const { f, telemetry, read } = await session();
    f.planes.zmq.pair(ZMQ_FIRST);
    f.planes.srt.pair(SRT_FIRST);
    const start = performance.now() + 10;
    read(start);
    f.planes.zmq.totals(ZMQ_FIRST).bytes_up = 1_250_000;
    expect(read(start + 1000)).toMatchObject([{ mbps_up: 10 }, { mbps_up: 0 }]);
    expect(read(start + 2000)).toMatchObject([{ mbps_up: 0, quality: 90 }, { mbps_up: 0 }]);
    const idle = telemetry.read(start + 3000);
    expect(telemetry.read(start + 4000)).toBe(idle);
    f.planes.srt.totals(SRT_FIRST).bytes_down = 125_000;
    expect(read(start + 5000)).toMatchObject([{ mbps_up: 0 }, { mbps_down: 1 }]);
    f.close();
  });

  test("steady flow is measured in every interval, though the plane hands out one object", async () => {
    const { f, read } = await session();
    f.planes.zmq.pair(ZMQ_FIRST);
    const start = performance.now();
    read(start);
    for (let second = 1; second <= 3; second++) {
      f.planes.zmq.totals(ZMQ_FIRST).bytes_down += 250_000;
      expect(read(start + second * 1000)).toMatchObject([{ mbps_down: 2 }]);
    }
    f.close();
  });
});
