/**
 * One end of a latency measure: a message there and back, one at a time, in blocking calls. Every
 * answer is compared whole with what was sent, and each message differs from the one before it.
 */
import { Buffer } from "node:buffer";
import { percentiles } from "../figures/statistics.ts";
import { Random } from "../../tests/harness/random.ts";
import { failed, libc, nowNs, receiveAll, sendAll, setPatience } from "./libc.ts";
import { openConnections } from "./places.ts";
import { readyAndWait, runProgram } from "./program.ts";
import type { EchoOrder, EchoResult } from "./wire.ts";

/** Longer than any round trip that is worth a figure, milliseconds. */
const PATIENCE_MS = 10_000;
/** Round trips whose time is kept; at 5 µs each this is 20 s. */
const SAMPLES_MAX = 4_000_000;

runProgram((order: EchoOrder): EchoResult | null => {
  const [fd] = openConnections(order.place);
  setPatience(fd, PATIENCE_MS);
  if (!order.asks) {
    readyAndWait();
    answer(fd, order.message_bytes);
    return null;
  }
  const schedule = readyAndWait();
  const result = ask(fd, order.message_bytes, schedule);
  libc.close(fd);
  return result;
});

/** Sends back what comes, until the other side closes. */
function answer(fd: number, message_bytes: number): void {
  const message = Buffer.allocUnsafe(message_bytes);
  for (;;) {
    const got = libc.recv(fd, message, message_bytes, 0);
    if (got === 0) break;
    if (got < 0) throw failed("recv");
    sendAll(fd, message.subarray(0, got));
  }
  libc.close(fd);
}

function ask(
  fd: number,
  message_bytes: number,
  { window_from_ns, window_to_ns }: { window_from_ns: number; window_to_ns: number },
): EchoResult {
  const question = new Random(7).bytes(message_bytes);
  const reply = Buffer.allocUnsafe(message_bytes);
  const times_us = new Float64Array(SAMPLES_MAX);
  let count = 0;
  let number = 0;
  let first_ns = 0;
  let now = nowNs();
  while (now < window_to_ns && count < SAMPLES_MAX) {
    question.writeDoubleLE(number++, 0);
    const sent_ns = nowNs();
    sendAll(fd, question);
    receiveAll(fd, reply);
    now = nowNs();
    if (question.compare(reply) !== 0) throw new Error(`wrong bytes in round trip ${number}`);
    if (sent_ns < window_from_ns) continue;
    if (first_ns === 0) first_ns = sent_ns;
    times_us[count++] = (now - sent_ns) / 1000;
  }
  if (count === 0) throw new Error("not one round trip fell within the window");
  const { p50, p99, p99_9, max } = percentiles(times_us.subarray(0, count));
  return {
    round_trips: count,
    per_second: count / ((now - first_ns) / 1e9),
    p50_us: p50,
    p99_us: p99,
    p99_9_us: p99_9,
    max_us: max,
  };
}
