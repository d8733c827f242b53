import { beforeEach, describe, expect, test } from "bun:test";
import type { Bottleneck } from "../../../src/data/bottleneck.ts";
import type { StreamEvent, StreamState } from "../../../src/data/plane.ts";
import { StreamBoard } from "../../../src/sessions/stream-board.ts";
import { RecordingLog } from "./recording-log.ts";

const LEG = {
  mbps: 1,
  rtt_ms: 1,
  loss_pct: 0,
  retrans_pct: 0,
  dropped: 0,
  buffered_ms: 0,
  bandwidth_mbps: 0,
};

let log: RecordingLog;
let board: StreamBoard;

beforeEach(() => {
  log = new RecordingLog();
  board = new StreamBoard({
    log,
    streams: { cam: { viewers_max: 3 }, screen: { viewers_max: 1 } },
  });
});

function happens(event: Partial<StreamEvent>): void {
  const nothing = { reason: "", user: "", remote: "10.0.0.1:5000", bytes: 0, skipped: 0 } as const;
  board.onReport({ type: "stream", name: "cam", status: "viewing", ...nothing, ...event });
}

/** One viewer of a stream, and what holds it back. */
/** Twice in a row, because what is seen only once is not told. */
function looks(bottleneck: Bottleneck, { name = "cam", remote = "10.0.0.2:6000" } = {}): void {
  const viewer = { remote, user: "anna", since_unix_ms: 1, skipped: 0, leg: LEG, bottleneck };
  const states = [{ ...state(name), viewers: [viewer] }];
  for (let i = 0; i < 2; i++) board.onReport({ type: "streams", states });
}

function state(name: string): StreamState {
  return { name, publisher: null, viewers: [], bytes_in: 0, bytes_out: 0, dropped: {} };
}

const bottlenecks = () =>
  log.lines.items.filter(({ status }) => status === "bottleneck").map((line) => line.bottleneck);

describe("the log", () => {
  test("tells of everybody who comes and goes, with what they have carried", () => {
    happens({ status: "publishing", user: "anna" });
    happens({ status: "viewing", remote: "10.0.0.2:6000" });
    happens({
      status: "view_stop",
      remote: "10.0.0.2:6000",
      reason: "slow",
      bytes: 700,
      skipped: 3,
    });
    happens({ status: "publish_stop", user: "anna", reason: "left", bytes: 900 });
    expect(log.lines.items).toEqual([
      {
        level: "info",
        msg: "a publisher has come",
        status: "publishing",
        name: "cam",
        user: "anna",
        remote: "10.0.0.1:5000",
      },
      {
        level: "info",
        msg: "a viewer has come",
        status: "viewing",
        name: "cam",
        user: "",
        remote: "10.0.0.2:6000",
      },
      {
        level: "info",
        msg: "a viewer is gone",
        status: "view_stop",
        name: "cam",
        user: "",
        remote: "10.0.0.2:6000",
        reason: "slow",
        bytes: 700,
        skipped: 3,
      },
      {
        level: "info",
        msg: "the publisher is gone; viewers stay for the next one",
        status: "publish_stop",
        name: "cam",
        user: "anna",
        remote: "10.0.0.1:5000",
        reason: "left",
        bytes: 900,
        skipped: 0,
      },
    ]);
  });

  test("tells of a bottleneck when it begins, changes and ends, and not each second", () => {
    for (
      const bottleneck of ["unknown", "idle", "sender", "sender", "idle", "sender"] as const
    ) looks(bottleneck);
    expect(bottlenecks()).toEqual([]);
    for (
      const bottleneck of ["reader", "reader", "network_out", "network_out", "sender"] as const
    ) looks(bottleneck);
    expect(bottlenecks()).toEqual(["reader", "network_out", "sender"]);
    expect(log.lines.items[0]).toEqual({
      level: "warn",
      msg: "the reader does not take what it is sent",
      status: "bottleneck",
      name: "cam",
      remote: "10.0.0.2:6000",
      user: "anna",
      bottleneck: "reader",
    });
  });

  test("each viewer has a bottleneck of its own", () => {
    looks("reader");
    looks("reader", { remote: "10.0.0.3:6000" });
    looks("reader", { name: "screen" });
    looks("reader");
    expect(bottlenecks()).toEqual(["reader", "reader", "reader"]);
  });

  test("a viewer who has gone and comes again is told of anew", () => {
    looks("reader");
    happens({ status: "view_stop", remote: "10.0.0.2:6000", reason: "left" });
    looks("reader");
    expect(bottlenecks()).toEqual(["reader", "reader"]);
  });
});

describe("the list", () => {
  test("has every stream of the configuration, the empty ones as well", () => {
    expect(board.list()).toEqual([
      { ...state("cam"), viewers_max: 3 },
      { ...state("screen"), viewers_max: 1 },
    ]);
  });

  test("has the last that was told of each", () => {
    const publisher = { remote: "10.0.0.1:5000", user: "", since_unix_ms: 5, leg: LEG };
    const now = {
      ...state("screen"),
      publisher,
      bytes_in: 12,
      bytes_out: 34,
      dropped: { slow: 1 },
    };
    board.onReport({ type: "streams", states: [state("screen")] });
    board.onReport({ type: "streams", states: [now] });
    expect(board.list()).toEqual([
      { ...state("cam"), viewers_max: 3 },
      { ...now, viewers_max: 1 },
    ]);
  });

  test("has nothing that is not configured", () => {
    board.onReport({ type: "streams", states: [state("other"), state("__proto__")] });
    expect(board.list().map(({ name }) => name)).toEqual(["cam", "screen"]);
    expect(log.lines.items).toEqual([]);
  });
});
