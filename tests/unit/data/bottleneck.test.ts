import { describe, expect, test } from "bun:test";
import {
  type Bottleneck,
  BOTTLENECK_WORDS,
  BOTTLENECKS,
  findBottleneck,
} from "../../../src/data/bottleneck.ts";
import type { LegState } from "../../../src/data/plane.ts";

/** A line on which 8 Mbit/s move and nothing is wrong. */
const FINE: LegState = {
  mbps: 8,
  rtt_ms: 20,
  loss_pct: 0,
  retrans_pct: 0,
  dropped: 0,
  buffered_ms: 120,
  bandwidth_mbps: 900,
};

interface Situation {
  incoming?: Partial<LegState>;
  outgoing?: Partial<LegState>;
  blocked?: boolean;
}

function found({ incoming, outgoing, blocked = false }: Situation): Bottleneck {
  return findBottleneck({
    incoming: { ...FINE, ...incoming },
    outgoing: { ...FINE, ...outgoing },
    incoming_latency_ms: 120,
    outgoing_latency_ms: 120,
    blocked,
  });
}

describe("what holds a direction back", () => {
  test.each<[string, Situation, Bottleneck]>([
    ["all that is sent arrives", {}, "sender"],
    ["nothing is sent", { incoming: { mbps: 0 }, outgoing: { mbps: 0 } }, "idle"],
    ["nothing is sent and nothing waits", {
      incoming: { mbps: 0, buffered_ms: 0 },
      outgoing: { mbps: 0, buffered_ms: 0 },
    }, "idle"],
    ["loss that SRT repairs, towards us", { incoming: { loss_pct: 2 } }, "sender"],
    ["loss beyond that, towards us", { incoming: { loss_pct: 2.1 } }, "network_in"],
    ["packets came too late to us", { incoming: { dropped: 1 } }, "network_in"],
    ["only holes came to us", { incoming: { mbps: 0, loss_pct: 100 } }, "network_in"],
    ["as much waits here as the latency asks for", { incoming: { buffered_ms: 120 } }, "sender"],
    ["a little more waits here", { incoming: { buffered_ms: 220 } }, "sender"],
    ["what has come due waits here", { incoming: { buffered_ms: 221 } }, "relay"],
    [
      "what waits here behind what is lost on the way to us",
      { incoming: { buffered_ms: 400, loss_pct: 30 } },
      "network_in",
    ],
    ["loss that SRT repairs, from us", { outgoing: { loss_pct: 2, retrans_pct: 2 } }, "sender"],
    ["loss beyond that, from us", { outgoing: { loss_pct: 2.1 } }, "network_out"],
    ["much is sent again", { outgoing: { retrans_pct: 3 } }, "network_out"],
    ["lossy both ways: the one nearer to the reader", {
      incoming: { loss_pct: 10 },
      outgoing: { loss_pct: 10 },
    }, "network_out"],
    ["the reader takes nothing more", { blocked: true }, "reader"],
    ["the reader takes nothing more, and the line is bad", {
      blocked: true,
      outgoing: { loss_pct: 20 },
    }, "network_out"],
    ["what is sent waits on a good line", { outgoing: { buffered_ms: 221 } }, "reader"],
    ["what is sent waits on a bad line", {
      outgoing: { buffered_ms: 221, retrans_pct: 9 },
    }, "network_out"],
    ["what is sent grew too old on a good line", { outgoing: { dropped: 1 } }, "reader"],
    ["what is sent grew too old on a bad line", {
      outgoing: { dropped: 1, loss_pct: 5 },
    }, "network_out"],
    ["the reader is stuck and holds up what is here", {
      blocked: true,
      incoming: { buffered_ms: 900, loss_pct: 4 },
    }, "reader"],
    ["the reader is stuck and the sender has gone", {
      blocked: true,
      incoming: { mbps: 0, buffered_ms: 0 },
    }, "reader"],
  ])("%s", (_, situation, expected) => {
    expect(found(situation)).toBe(expected);
  });

  test("each line is measured by its own latency", () => {
    const look = { incoming: FINE, outgoing: FINE, blocked: false };
    const waiting = { ...FINE, buffered_ms: 1000 };
    expect(findBottleneck({
      ...look,
      incoming: waiting,
      outgoing: waiting,
      incoming_latency_ms: 1000,
      outgoing_latency_ms: 1000,
    })).toBe("sender");
    expect(findBottleneck({
      ...look,
      incoming: waiting,
      incoming_latency_ms: 120,
      outgoing_latency_ms: 1000,
    })).toBe("relay");
    expect(findBottleneck({
      ...look,
      outgoing: waiting,
      incoming_latency_ms: 1000,
      outgoing_latency_ms: 120,
    })).toBe("reader");
  });
});

describe("the words", () => {
  test("each has a sentence of its own", () => {
    expect(Object.keys(BOTTLENECK_WORDS).toSorted()).toEqual([...BOTTLENECKS].toSorted());
    expect(new Set(Object.values(BOTTLENECK_WORDS)).size).toBe(BOTTLENECKS.length);
  });

  test("their numbers in the shared table stay: nothing written is not known", () => {
    expect(BOTTLENECKS).toEqual([
      "unknown",
      "idle",
      "sender",
      "network_in",
      "relay",
      "network_out",
      "reader",
      "rate",
    ]);
  });
});
