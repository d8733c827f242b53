import { describe, expect, test } from "bun:test";
import type { Buffer } from "node:buffer";
import { type LogDestination, LogSink, LogWriteError } from "../../../src/observe/log-sink.ts";

/** A destination whose every write waits for the test to decide about it. */
class SteeredDestination implements LogDestination {
  readonly batch_bytes_max = 64;
  readonly written: string[] = [];
  closed = false;
  #offered: { text: string; resolve: () => void; reject: (error: Error) => void }[] = [];
  #waiting: (() => void) | null = null;

  write(bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#offered.push({ text: bytes.toString(), resolve, reject });
      this.#waiting?.();
    });
  }
  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
  async #next() {
    if (this.#offered.length === 0) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
      this.#waiting = null;
    }
    return this.#offered.shift()!;
  }
  async accept(): Promise<string> {
    const { text, resolve } = await this.#next();
    this.written.push(text);
    resolve();
    return text;
  }
  async refuse(missing_bytes: (text: string) => number): Promise<string> {
    const { text, reject } = await this.#next();
    reject(new LogWriteError("ENOSPC", missing_bytes(text)));
    return text;
  }
}

function fixture(queue_bytes_max: number) {
  const destination = new SteeredDestination();
  const complaints: string[] = [];
  const reported: number[] = [];
  const sink = new LogSink({
    destination,
    queue_bytes_max,
    retry_ms: 1,
    complain_ms: 60_000,
    complain: (message) => complaints.push(message),
    report_lost: (count) => {
      reported.push(count);
      sink.write(`lost ${count}\n`);
    },
  });
  return { destination, complaints, reported, sink };
}

const all = (text: string) => text.length;

describe("the queue in front of the log", () => {
  test("lines of one turn go out together, in order, within the batch size", async () => {
    const { destination, sink } = fixture(1000);
    for (let index = 0; index < 20; index += 1) sink.write(`line ${index}\n`);
    while (destination.written.join("").split("\n").length < 21) await destination.accept();
    expect(destination.written.join("")).toBe(
      Array.from({ length: 20 }, (_, index) => `line ${index}\n`).join(""),
    );
    expect(destination.written.length).toBeLessThan(6);
    for (const batch of destination.written) expect(batch.length).toBeLessThanOrEqual(64);
    await sink.close(1000);
    expect(destination.closed).toBe(true);
  });

  test("a failed write is tried again and nothing is lost or doubled", async () => {
    const { destination, complaints, reported, sink } = fixture(1000);
    sink.write("one\n");
    expect(await destination.refuse(all)).toBe("one\n");
    sink.write("two\n");
    expect(await destination.accept()).toBe("one\ntwo\n");
    await sink.close(1000);
    expect(reported).toEqual([]);
    expect(complaints).toEqual(["ENOSPC; 1 lines wait, 0 are lost"]);
  });

  test("what a full disk swallowed of an earlier write comes again", async () => {
    const { destination, sink } = fixture(1000);
    sink.write("one\n");
    sink.write("two\n");
    await destination.accept();
    sink.write("three\n");
    // Half of "two" and all of "three" did not arrive.
    await destination.refuse(() => 8);
    expect(await destination.accept()).toBe("two\nthree\n");
    await sink.close(1000);
  });

  test("what did arrive before the error does not come again", async () => {
    const { destination, sink } = fixture(1000);
    sink.write("one\n");
    sink.write("two\n");
    await destination.refuse(() => 4);
    expect(await destination.accept()).toBe("two\n");
    await sink.close(1000);
  });

  test("beyond the bound lines are counted, complained about once, and logged later", async () => {
    const { destination, complaints, reported, sink } = fixture(10);
    sink.write("12345678\n");
    await destination.refuse(all);
    for (let index = 0; index < 7; index += 1) sink.write("lost\n");
    await destination.refuse(all);
    expect(sink.snapshot()).toEqual({ queued_bytes: 9, lines_lost: 7 });
    expect(await destination.accept()).toBe("12345678\n");
    expect(await destination.accept()).toBe("lost 7\n");
    expect(reported).toEqual([7]);
    expect(complaints).toHaveLength(1);
    await sink.close(1000);
  });

  test("a destination that takes nothing does not hold up the end", async () => {
    const { complaints, sink } = fixture(1000);
    sink.write("one\n");
    await sink.close(1);
    sink.write("two\n");
    expect(complaints).toEqual([]);
    expect(sink.snapshot().queued_bytes).toBe(0);
  });

  test("what cannot be written at the end is counted", async () => {
    const { destination, complaints, sink } = fixture(1000);
    sink.write("one\n");
    await destination.refuse(all);
    const closed = sink.close(1000);
    await destination.refuse(all);
    await closed;
    expect(complaints.at(-1)).toBe("the log ends without 1 lines");
    expect(sink.snapshot().lines_lost).toBe(1);
  });
});
