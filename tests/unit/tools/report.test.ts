import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { Tally } from "../../../src/tools/video/report.ts";

const second = 1_000_000_000n;

function echo(seq: number, payload: Uint8Array, sent_unix_ns: bigint) {
  return {
    seq: BigInt(seq),
    sent_unix_ns,
    server_recv_unix_ns: 100n,
    server_send_unix_ns: 100n + 2_000_000n,
    payload,
  };
}

function reportOf(tally: Tally, corrupt_frames = 0) {
  return tally.report({
    transport: "srt",
    file: "a.ts",
    finished_ns: 20n * second,
    corrupt_frames,
    skipped_bytes: 0,
    error: null,
    line: { loss_packets: 1, retransmitted_packets: 2, dropped_packets: 3, rtt_ms: 4 },
    keep_samples: true,
  });
}

describe("report", () => {
  test("has every field, and figures by hand", () => {
    const tally = new Tally({ started_ns: 10n * second });
    const payloads = [new Uint8Array(500_000).fill(1), new Uint8Array(500_000).fill(2)];
    tally.sent(payloads[0], 10n * second);
    tally.sent(payloads[1], 10n * second);
    tally.accepted(11n * second);
    tally.echoed(echo(0, payloads[0], 10n * second), 11n * second);
    tally.echoed(echo(1, payloads[1], 10n * second), 12n * second);
    const sha = createHash("sha256").update(payloads[0]).update(payloads[1]).digest("hex");
    expect(reportOf(tally)).toEqual({
      transport: "srt",
      file: "a.ts",
      started_at_unix_ns: 10e9,
      finished_at_unix_ns: 20e9,
      sent_frames: 2,
      sent_bytes: 1_000_000,
      echo_frames: 2,
      echo_bytes: 1_000_000,
      rtt_ms_p50: 1000,
      rtt_ms_p95: 2000,
      rtt_ms_p99: 2000,
      rtt_ms_max: 2000,
      rtt_ms_avg: 1500,
      rtt_ms_std: 500,
      server_proc_ms_p50: 2,
      server_proc_ms_p95: 2,
      server_proc_ms_p99: 2,
      goodput_mbps_up: 8,
      goodput_mbps_down: 4,
      sha256_sent: sha,
      sha256_echoed: sha,
      bytes_equal: true,
      dropped_frames: 0,
      corrupt_frames: 0,
      skipped_bytes: 0,
      error: null,
      srt_loss_packets: 1,
      srt_retransmitted_packets: 2,
      srt_dropped_packets: 3,
      srt_rtt_ms: 4,
      rtt_ms_samples: [1000, 2000],
    });
  });

  const a = Uint8Array.of(1, 2);
  const b = Uint8Array.of(3);
  const damaged: [string, (tally: Tally) => void, number][] = [
    ["a missing echo", (tally) => tally.echoed(echo(0, a, 0n), 1n), 0],
    ["a changed byte", (tally) => {
      tally.echoed(echo(0, a, 0n), 1n);
      tally.echoed(echo(1, Uint8Array.of(4), 0n), 1n);
    }, 0],
    ["the same bytes cut into other frames", (tally) => {
      tally.echoed(echo(0, Uint8Array.of(1, 2, 3), 0n), 1n);
    }, 0],
    ["the same bytes under numbers out of order", (tally) => {
      tally.echoed(echo(1, a, 0n), 1n);
      tally.echoed(echo(0, b, 0n), 1n);
    }, 0],
    ["a wrong checksum", (tally) => {
      tally.echoed(echo(0, a, 0n), 1n);
      tally.echoed(echo(1, b, 0n), 1n);
    }, 1],
  ];
  for (const [name, receive, corrupt] of damaged) {
    test(`${name} is not equal`, () => {
      const tally = new Tally({ started_ns: 0n });
      tally.sent(a, 0n);
      tally.sent(b, 0n);
      receive(tally);
      expect(reportOf(tally, corrupt).bytes_equal).toBe(false);
    });
  }

  test("frames left out on purpose are counted and not missed", () => {
    const tally = new Tally({ started_ns: 0n });
    tally.sent(a, 0n);
    tally.dropped();
    tally.echoed(echo(0, a, 0n), 1n);
    expect(reportOf(tally)).toMatchObject({ bytes_equal: true, dropped_frames: 1, sent_frames: 1 });
  });
});
