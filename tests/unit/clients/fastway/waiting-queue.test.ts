import { expect, test } from "bun:test";
import { WaitingQueue } from "../../../../clients/fastway/waiting-queue.ts";
import { announcedRandom } from "../../../harness/random.ts";

test("it gives in the order in which it was given, to whoever has waited longest", async () => {
  const random = announcedRandom("a waiting queue");
  const queue = new WaitingQueue<number>();
  const taken: Promise<number | null>[] = [];
  let pushed = 0;
  for (let step = 0; step < 20_000; step++) {
    if (random.int(0, 1) === 0) queue.push(pushed++);
    else {
      const there = queue.shift();
      taken.push(there === undefined ? queue.next() : Promise.resolve(there));
    }
  }
  const rest = queue.clear();
  queue.end();
  const all = [...(await Promise.all(taken)).filter((item) => item !== null), ...rest];
  expect(all).toEqual(Array.from({ length: pushed }, (_, i) => i));
  expect(await queue.next()).toBeNull();
});

test("long queues are cut where they were taken from", () => {
  const queue = new WaitingQueue<number>();
  for (let i = 0; i < 10_000; i++) queue.push(i);
  for (let i = 0; i < 9000; i++) expect(queue.shift()).toBe(i);
  expect(queue.size).toBe(1000);
  for (let i = 9000; i < 10_000; i++) expect(queue.shift()).toBe(i);
  expect(queue.shift()).toBeUndefined();
});

test("who gives up waiting gets nothing, and the next one does", async () => {
  const queue = new WaitingQueue<string>();
  const giving_up = new AbortController();
  const first = queue.next(giving_up.signal);
  const second = queue.next(new AbortController().signal);
  giving_up.abort(new Error("enough"));
  queue.push("a");
  expect(first).rejects.toMatchObject({ code: "aborted", cause: new Error("enough") });
  expect(await second).toBe("a");
  expect(queue.next(giving_up.signal)).rejects.toMatchObject({ code: "aborted" });
  expect(queue.has_takers).toBe(false);
});
