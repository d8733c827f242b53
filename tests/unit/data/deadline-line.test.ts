import { expect, test } from "bun:test";
import { DeadlineLine } from "../../../src/data/deadline-line.ts";
import { EventList } from "../sessions/events.ts";

test("items come due in the order they were added, each once", async () => {
  const due = new EventList<string>();
  const line = new DeadlineLine<string>({ period_ms: 20, onDue: (item) => due.push(item) });
  for (const item of ["a", "b", "c"]) line.add(item);
  expect(line.delete("b")).toBe(true);
  expect(line.delete("b")).toBe(false);
  await due.find((item) => item === "c");
  expect(due.items).toEqual(["a", "c"]);
  expect(line.size).toBe(0);
});

test("an item added again gets a full period", async () => {
  const due = new EventList<string>();
  const line = new DeadlineLine<string>({ period_ms: 40, onDue: (item) => due.push(item) });
  line.add("again");
  line.add("other");
  line.add("again");
  await due.find((item) => item === "again");
  expect(due.items).toEqual(["other", "again"]);
});

test("an item may be added while another comes due", async () => {
  const due = new EventList<string>();
  const line = new DeadlineLine<string>({
    period_ms: 10,
    onDue: (item) => {
      due.push(item);
      if (due.items.length < 3) line.add(`${item}'`);
    },
  });
  line.add("x");
  await due.find((item) => item === "x''");
  expect(due.items).toEqual(["x", "x'", "x''"]);
});

test("nothing comes due after close, and a period beyond the timers of the runtime does not fire", async () => {
  const due: string[] = [];
  const ended = new DeadlineLine<string>({ period_ms: 1, onDue: (item) => due.push(item) });
  ended.add("ended");
  ended.close();
  const long = new DeadlineLine<string>({ period_ms: 2 ** 40, onDue: (item) => due.push(item) });
  long.add("long");
  const proof = new EventList<string>();
  const other = new DeadlineLine<string>({ period_ms: 5, onDue: (item) => proof.push(item) });
  other.add("time has passed");
  await proof.find(() => true);
  expect(due).toEqual([]);
  long.close();
});

test("another period holds for those that stand in the line as well, in their order", async () => {
  const due = new EventList<string>();
  const line = new DeadlineLine<string>({
    period_ms: 3_600_000,
    onDue: (item) => due.push(item),
  });
  for (const item of ["a", "b"]) line.add(item);
  line.setPeriod(10);
  line.add("c");
  await due.find((item) => item === "c");
  expect(due.items).toEqual(["a", "b", "c"]);
});
