import { describe, expect, test } from "bun:test";
import { emptyStats, type Libsrt, type SrtStats } from "../../../../ffi/libsrt/mod.ts";
import { between, LegMeter } from "../../../../src/data/srt/leg-meter.ts";

function stats(values: Partial<SrtStats> = {}): SrtStats {
  return { ...emptyStats(), ...values };
}

const NOTHING = {
  mbps: 0,
  rtt_ms: 0,
  loss_pct: 0,
  retrans_pct: 0,
  dropped: 0,
  buffered_ms: 0,
  bandwidth_mbps: 0,
};

describe("between two readings", () => {
  test("nothing has happened", () => {
    const { received, sent, totals } = between(stats(), stats(), 1000);
    expect(received).toEqual(NOTHING);
    expect(sent).toEqual(NOTHING);
    expect(totals).toEqual(stats());
  });

  test("totals are compared, levels are taken as they are", () => {
    const before = stats({
      byteRecvTotal: 1_000_000,
      byteSentTotal: 5_000_000,
      msRTT: 999,
      mbpsBandwidth: 1,
      msRcvBuf: 77,
      msSndBuf: 88,
    });
    const now = stats({
      byteRecvTotal: 2_000_000,
      byteSentTotal: 5_250_000,
      msRTT: 12.3456,
      mbpsBandwidth: 940.12345,
      msRcvBuf: 120,
      msSndBuf: 35,
    });
    const line = { rtt_ms: 12.346, bandwidth_mbps: 940.123 };
    const { received, sent } = between(before, now, 2000);
    expect(received).toEqual({ ...NOTHING, ...line, mbps: 4, buffered_ms: 120 });
    expect(sent).toEqual({ ...NOTHING, ...line, mbps: 1, buffered_ms: 35 });
  });

  test("what is missing counts by what should have come", () => {
    const { received, sent } = between(
      stats({ pktRecvTotal: 100, pktRecvUniqueTotal: 100, pktRcvLossTotal: 5 }),
      stats({
        pktRecvTotal: 190,
        pktRecvUniqueTotal: 190,
        pktRcvLossTotal: 15,
        pktRcvDropTotal: 3,
        pktRcvUndecryptTotal: 2,
      }),
      1000,
    );
    expect(received).toMatchObject({ loss_pct: 10, dropped: 5, retrans_pct: 0 });
    expect(sent).toEqual(NOTHING);
  });

  test("what was only late comes twice and is not missing", () => {
    const { received } = between(
      stats({}),
      stats({ pktRecvTotal: 110, pktRecvUniqueTotal: 100, pktRcvLossTotal: 10 }),
      1000,
    );
    expect(received.loss_pct).toBe(0);
  });

  test("what is sent again counts by all that was sent", () => {
    const { received, sent } = between(
      stats({ pktSentTotal: 1000, pktSndLossTotal: 20, pktRetransTotal: 10, pktSndDropTotal: 1 }),
      stats({ pktSentTotal: 1200, pktSndLossTotal: 28, pktRetransTotal: 22, pktSndDropTotal: 5 }),
      1000,
    );
    expect(sent).toMatchObject({ loss_pct: 4, retrans_pct: 6, dropped: 4 });
    expect(received).toEqual(NOTHING);
  });

  test("a percentage is never more than a hundred, nor made of nothing", () => {
    const all_lost = between(stats(), stats({ pktSentTotal: 2, pktSndLossTotal: 9 }), 1000);
    expect(all_lost.sent.loss_pct).toBe(100);
    const none_sent = between(stats(), stats({ pktSndLossTotal: 9, pktRetransTotal: 9 }), 1000);
    expect(none_sent.sent).toMatchObject({ loss_pct: 0, retrans_pct: 0 });
    const none_came = between(stats(), stats({ pktRcvLossTotal: 9 }), 1000);
    expect(none_came.received.loss_pct).toBe(100);
  });

  test("a total that has run over is nothing, not less than nothing", () => {
    const before = stats({ byteRecvTotal: 10, pktRecvTotal: 10, pktRcvLossTotal: 2 ** 31 - 1 });
    const { received } = between(before, stats({ pktRcvLossTotal: -5 }), 1000);
    expect(received).toEqual(NOTHING);
  });
});

/** A libsrt whose figures a test sets, written where the struct has them. */
class FakeStats {
  gone = false;
  readonly bytes_total = { received: 0n, sent: 0n };

  libsrt(): Libsrt {
    const srt_bistats = (_: number, into: Uint8Array) => {
      if (this.gone) return -1;
      const view = new DataView(into.buffer, into.byteOffset);
      view.setBigInt64(80, this.bytes_total.sent, true);
      view.setBigInt64(88, this.bytes_total.received, true);
      return 0;
    };
    return { srt_bistats } as unknown as Libsrt;
  }
}

describe("a meter", () => {
  test("compares each reading with the last, by the time between them", () => {
    const fake = new FakeStats();
    const meter = new LegMeter({ libsrt: fake.libsrt(), socket: 1, now_ms: 10_000 });
    fake.bytes_total.received = 125_000n;
    expect(meter.read(11_000)).toMatchObject({ received: { mbps: 1 }, sent: { mbps: 0 } });
    fake.bytes_total.received = 250_000n;
    fake.bytes_total.sent = 500_000n;
    expect(meter.read(11_500)).toMatchObject({ received: { mbps: 2 }, sent: { mbps: 8 } });
    expect(meter.read(12_500)).toMatchObject({ received: { mbps: 0 }, sent: { mbps: 0 } });
    expect(meter.read(12_600)!.totals).toMatchObject({
      byteRecvTotal: 250_000,
      byteSentTotal: 500_000,
    });
  });

  test("two readings at one moment divide by no zero", () => {
    const fake = new FakeStats();
    const meter = new LegMeter({ libsrt: fake.libsrt(), socket: 1, now_ms: 5 });
    fake.bytes_total.sent = 1_000n;
    expect(meter.read(5)!.sent.mbps).toBe(8);
  });

  test("two meters do not disturb each other", () => {
    const [one, other] = [new FakeStats(), new FakeStats()];
    const meters = [one, other].map((fake) =>
      new LegMeter({ libsrt: fake.libsrt(), socket: 1, now_ms: 0 })
    );
    one.bytes_total.sent = 125_000n;
    other.bytes_total.sent = 250_000n;
    for (const turn of [1, 2]) {
      const [first, second] = meters.map((meter) => meter.read(1000 * turn)!.sent.mbps);
      expect([first, second]).toEqual(turn === 1 ? [1, 2] : [0, 0]);
    }
  });

  test("says nothing where the connection is gone", () => {
    const fake = new FakeStats();
    const meter = new LegMeter({ libsrt: fake.libsrt(), socket: 1, now_ms: 0 });
    fake.gone = true;
    expect(meter.read(1000)).toBeNull();
  });
});
