import { expect, test } from "bun:test";
import { BottleneckLog } from "../../../src/sessions/bottleneck-log.ts";
import { RecordingLog } from "./recording-log.ts";

function setUp() {
  const log = new RecordingLog();
  const bottlenecks = new BottleneckLog({ log });
  const told = () => log.lines.items.map((line) => line.bottleneck);
  return { bottlenecks, told };
}

test("what stays for two looks is told once, and so is its end", () => {
  const { bottlenecks, told } = setUp();
  const looks = ["sender", "reader", "reader", "reader", "sender", "sender", "sender"] as const;
  for (const word of looks) bottlenecks.note("a", word, {});
  expect(told()).toEqual(["reader", "sender"]);
});

test("what is gone at the next look is not told, and places are apart", () => {
  const { bottlenecks, told } = setUp();
  for (const word of ["network_in", "sender", "network_in", "idle"] as const) {
    bottlenecks.note("a", word, {});
    bottlenecks.note("b", "sender", {});
  }
  expect(told()).toEqual([]);
  for (const word of ["network_in", "network_in", "network_out", "network_out"] as const) {
    bottlenecks.note("b", word, {});
  }
  expect(told()).toEqual(["network_in", "network_out"]);
});

test("who comes back after its end is told of anew", () => {
  const { bottlenecks, told } = setUp();
  for (let i = 0; i < 2; i++) {
    bottlenecks.note("a", "relay", {});
    bottlenecks.note("a", "relay", {});
    bottlenecks.forget("a");
  }
  expect(told()).toEqual(["relay", "relay"]);
});
