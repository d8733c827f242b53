import { expect, test } from "bun:test";
import { historyAnswer } from "../../../src/admin/answers.ts";
import { History } from "../../../src/admin/history.ts";
import { fastwayFigures } from "./fake-source.ts";

function history() {
  const bytes = { zmq: { up: 0, down: 0 }, srt: { up: 0, down: 0 } };
  const state = { bytes, sessions: 0 };
  return { state, kept: new History({ read: () => structuredClone(state) }) };
}

test("rates are bit/s over the time that has really passed", () => {
  const { state, kept } = history();
  kept.note(0, 1000);
  expect(kept.snapshot().sessions).toEqual([]);
  state.bytes.zmq.up = 1000;
  state.sessions = 3;
  kept.note(1000, 2000);
  state.bytes.srt.down = 500;
  kept.note(3000, 4000);
  expect(kept.snapshot()).toEqual({
    until_unix_ms: 4000,
    interval_ms: 1000,
    zmq: { up: [8000, 0], down: [0, 0] },
    srt: { up: [0, 0], down: [0, 2000] },
    sessions: [3, 3],
  });
});

test("fastway has a course where it is served: what clients send goes up", () => {
  const bytes = { zmq: { up: 0, down: 0 }, srt: { up: 0, down: 0 } };
  const fastway = fastwayFigures();
  const kept = new History({ read: () => structuredClone({ bytes, sessions: 0, fastway }) });
  kept.note(0, 1000);
  fastway.carried.client.bytes_in = 1000;
  fastway.carried.client.bytes_out = 10;
  fastway.carried.server.bytes_in = 77;
  kept.note(1000, 2000);
  const told = kept.snapshot();
  expect(historyAnswer.parse(told)).toEqual(told);
  expect(told.fastway).toEqual({ up: [8000], down: [80] });
});

test("five minutes are kept, the newest last", () => {
  const { state, kept } = history();
  for (let second = 0; second <= 1000; second++) {
    state.sessions = second;
    state.bytes.zmq.up += second;
    kept.note(second * 1000, second * 1000);
  }
  const told = kept.snapshot();
  expect(historyAnswer.parse(told)).toEqual(told);
  expect(told.sessions).toEqual(Array.from({ length: 300 }, (_, i) => 701 + i));
  expect(told.zmq.up.at(-1)).toBe(8000);
});
