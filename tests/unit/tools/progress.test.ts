import { describe, expect, test } from "bun:test";
import { missing, PortWatch } from "../../../src/tools/video/port-watch.ts";
import { progressText } from "../../../src/tools/video/progress.ts";

const pool = (idle: number, blocked = 0) => ({
  total: 8,
  idle,
  reserved: 0,
  occupied: 8 - idle - blocked,
  blocked,
});

describe("port watch", () => {
  const before = { zmq: pool(8), srt: pool(6) };

  test("names each pool that lacks a port", () => {
    expect(missing(before, before)).toBeNull();
    expect(missing(before, { zmq: pool(8), srt: pool(7) })).toBeNull();
    expect(missing(before, { zmq: pool(7, 1), srt: pool(6) })).toBe(
      "zmq: 7 idle, 0 reserved, 0 occupied, 1 blocked; before the run 8 were idle",
    );
    expect(missing(before, { zmq: pool(7), srt: pool(5) })).toContain("; srt: 5 idle");
  });

  test("takes the state there is as current, and only a newer one as released", async () => {
    const watch = new PortWatch();
    watch.onPortState(before);
    expect(await watch.current(1)).toEqual(before);
    expect(await watch.untilReleased(before, 1)).toContain("no port_state within 1 ms");
    const released = watch.untilReleased(before, 5000);
    watch.onPortState({ zmq: pool(7), srt: pool(6) });
    watch.onPortState(before);
    expect(await released).toBeNull();
  });

  test("says what was lacking when the time is over", async () => {
    const watch = new PortWatch();
    const released = watch.untilReleased(before, 10);
    watch.onPortState({ zmq: pool(7), srt: pool(6) });
    expect(await released).toContain("zmq: 7 idle");
  });
});

describe("progress", () => {
  test("one line says where a stream is", () => {
    expect(progressText({
      kind: "srt",
      state: "sending",
      sent_bytes: 12_500_000,
      echo_bytes: 12_100_000,
      file_bytes: 50_000_000,
      rtt_ms_p50: 241,
    }, 80.24)).toBe(
      "srt sending 12.5/50.0 MB, echoed 12.1 MB, 80.2 Mbit/s, rtt 241.0 ms",
    );
  });
});
