import { afterEach, expect, test } from "bun:test";
import fc from "fast-check";
import type { EventLevel, EventQuery } from "../../../src/observe/event.ts";
import { Journal } from "../../../src/observe/journal.ts";
import type { LogFields } from "../../../src/observe/log.ts";
import { announcedRandom } from "../../harness/random.ts";
import { RecordingLog } from "../sessions/recording-log.ts";

const open: Journal[] = [];

function journal(limits: { events_max?: number; events_bytes_max?: number } = {}, debug = false) {
  const log = new RecordingLog();
  const made = new Journal({
    log,
    limits: { events_max: 1000, events_bytes_max: 10_000_000, ...limits },
    keeps_debug: debug,
    now_unix_ms: 1_700_000_000_000,
  });
  open.push(made);
  return { log, journal: made, first: 1_700_000_000_000_000 };
}

afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

test("every line is passed on as it is, and remembered without secrets", () => {
  const { log, journal: kept, first } = journal();
  kept.info(
    { status: "pair_granted", session_id: "s1", srt_passphrase: "hush-hush-hush" },
    "given",
  );
  kept.warn({ status: "hello_error", port: 2300, token: "t" }, "turned away");
  expect(log.lines.items).toEqual([
    {
      level: "info",
      status: "pair_granted",
      session_id: "s1",
      srt_passphrase: "hush-hush-hush",
      msg: "given",
    },
    { level: "warn", status: "hello_error", port: 2300, token: "t", msg: "turned away" },
  ]);
  const { events, last_seq, missed } = kept.read({ after: 0, limit: 10 });
  expect(events.map(({ time_unix_ms: _, ...event }) => event)).toEqual([
    {
      seq: first,
      level: "info",
      status: "pair_granted",
      message: "given",
      fields: { session_id: "s1", srt_passphrase: "[redacted]" },
    },
    {
      seq: first + 1,
      level: "warn",
      status: "hello_error",
      message: "turned away",
      fields: { port: 2300, token: "[redacted]" },
    },
  ]);
  expect({ last_seq, missed }).toEqual({ last_seq: first + 1, missed: 0 });
});

test("debug lines are remembered only where they are logged", () => {
  const quiet = journal();
  quiet.journal.debug({ status: "x" }, "m");
  expect(quiet.journal.snapshot().events).toBe(0);
  expect(quiet.log.lines.items).toHaveLength(1);
  const loud = journal({}, true);
  loud.journal.debug({ status: "x" }, "m");
  expect(loud.journal.read({ limit: 5 }).events.map(({ level }) => level)).toEqual(["debug"]);
});

test("a page ends at its limit, and the next one goes on there", () => {
  const { journal: kept } = journal();
  for (let i = 0; i < 25; i++) kept.info({ status: "tick", i }, "m");
  const seen: unknown[] = [];
  let after = 0;
  for (;;) {
    const page = kept.read({ after, limit: 10 });
    seen.push(...page.events.map(({ fields }) => fields.i));
    if (page.events.length === 0) break;
    after = page.last_seq;
  }
  expect(seen).toEqual(Array.from({ length: 25 }, (_, i) => i));
});

test("without a number the newest events are told, oldest first", () => {
  const { journal: kept } = journal();
  for (let i = 0; i < 25; i++) kept.info({ status: "tick", i }, "m");
  const { events } = kept.read({ limit: 3 });
  expect(events.map(({ fields }) => fields.i)).toEqual([22, 23, 24]);
});

test("what is forgotten is counted as missed, and a number of an earlier run misses that too", () => {
  const { journal: kept, first } = journal({ events_max: 10 });
  for (let i = 0; i < 25; i++) kept.info({ status: "tick", i }, "m");
  expect(kept.snapshot().events).toBe(10);
  expect(kept.read({ after: first + 4, limit: 100 }).missed).toBe(10);
  expect(kept.read({ after: first - 500, limit: 100 }).missed).toBe(15);
  expect(kept.read({ after: first + 20, limit: 100 }).missed).toBe(0);
});

test("the events are bounded in bytes, whatever a peer puts into its id", () => {
  const { journal: kept } = journal({ events_bytes_max: 100_000 });
  for (let i = 0; i < 500; i++) {
    kept.warn({ status: "register_refused", id: `${i}${"x".repeat(60_000)}` }, "m");
  }
  const { bytes, events } = kept.snapshot();
  expect(bytes).toBeLessThanOrEqual(100_000);
  expect(events).toBeGreaterThan(5);
  const newest = kept.read({ limit: 1 }).events[0];
  const found = kept.read({ limit: 9, id: `499${"x".repeat(60_000)}` }).events;
  expect(found).toEqual([newest]);
});

test("an event that is larger than the bound is not kept, and nothing breaks", () => {
  const { journal: kept } = journal({ events_bytes_max: 100 });
  kept.info({ status: "a", id: "x" }, "m");
  kept.info({ status: "a", id: "x" }, "m");
  expect(kept.snapshot()).toMatchObject({ events: 0, bytes: 0, oldest_unix_ms: null });
  expect(kept.read({ after: 0, limit: 10, id: "x" })).toMatchObject({ events: [], missed: 2 });
});

test("new bounds apply at once", () => {
  const { journal: kept } = journal();
  for (let i = 0; i < 25; i++) kept.info({ status: "tick", i }, "m");
  kept.apply({ limits: { events_max: 5, events_bytes_max: 10_000_000 }, keeps_debug: false });
  expect(kept.snapshot().events).toBe(5);
});

test("kinds of events are counted with what a line says of how many it stands for", () => {
  const { journal: kept } = journal({ events_max: 1 });
  kept.warn({ status: "limit_reached", limit: "unproven_max", count: 1 }, "m");
  kept.warn({ status: "limit_reached", limit: "unproven_max", count: 41 }, "m");
  kept.info({ status: "pair_refused", code: 505 }, "m");
  kept.info({ status: "pair_refused", reason: "asker_left" }, "m");
  kept.info({ status: "paired", kind: "zmq", role: "client" }, "m");
  kept.info({ status: "paired", kind: "srt", role: "client" }, "m");
  kept.info({ status: "paired", kind: "srt", role: "client" }, "m");
  kept.info({ status: "banned", reason: "spam", subject: "id:x" }, "m");
  kept.info({ status: "disconnected", reason: "kicked by an operator", role: "client" }, "m");
  kept.error({ kind: "x".repeat(100), reason: "x".repeat(100) }, "no status");
  const count = (level: string, status: string, plane: string, reason: string, count: number) => ({
    level,
    status,
    plane,
    reason,
    count,
  });
  expect(kept.counts.all()).toEqual([
    count("warn", "limit_reached", "", "unproven_max", 42),
    count("info", "pair_refused", "", "505", 1),
    count("info", "pair_refused", "", "asker_left", 1),
    count("info", "paired", "zmq", "client", 1),
    count("info", "paired", "srt", "client", 2),
    count("info", "banned", "", "", 1),
    count("info", "disconnected", "", "client", 1),
    count("error", "", "", "", 1),
  ]);
});

test("the kinds are bounded: what is beyond counts as other", () => {
  const { journal: kept } = journal();
  for (let i = 0; i < 3000; i++) kept.info({ status: "odd", reason: `r${i}` }, "m");
  const all = kept.counts.all();
  expect(all.length).toBeLessThanOrEqual(1001);
  expect(all.reduce((sum, { count }) => sum + count, 0)).toBe(3000);
  expect(kept.counts.of("other")[0].count).toBe(2000);
});

test("whatever is asked, the answer is what a look at every kept line would give", () => {
  const words = ["a", "b", "c", "__proto__", ""];
  const line = fc.record({
    level: fc.constantFrom<EventLevel>("debug", "info", "warn", "error"),
    fields: fc.record({
      status: fc.constantFrom("x", "y"),
      session_id: fc.constantFrom(...words),
      id: fc.constantFrom(...words),
      client_id: fc.constantFrom(...words),
      server_id: fc.constantFrom(...words),
      trace_id: fc.constantFrom(...words),
    }, { requiredKeys: ["status"] }),
  });
  const word = fc.constantFrom("a", "b", "c", "d", "__proto__");
  const question = fc.record({
    after: fc.nat({ max: 600 }),
    limit: fc.integer({ min: 1, max: 20 }),
    session_id: word,
    id: word,
    status: fc.oneof(
      fc.constantFrom("x", "y", "z"),
      fc.subarray(["x", "y", "z"], { minLength: 1 }),
    ),
    level: fc.constantFrom<EventLevel>("debug", "info", "warn", "error"),
  }, { requiredKeys: ["limit"] });
  const ranks = ["debug", "info", "warn", "error"];
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 500 }),
      fc.integer({ min: 1, max: 400 }),
      fc.array(question, { minLength: 1, maxLength: 5 }),
      (lines, events_max, questions) => {
        const { journal: kept, first } = journal({ events_max }, true);
        for (const { level, fields } of lines) kept[level](fields as LogFields, "m");
        const all = lines.map(({ level, fields }, i) => ({ seq: first + i, level, fields }))
          .slice(-events_max);
        for (const { after, ...rest } of questions) {
          const query: EventQuery = {
            ...rest,
            ...(after === undefined ? {} : { after: first + after }),
          };
          const wanted = all.filter(({ seq, level, fields }) =>
            (query.after === undefined || seq > query.after) &&
            (query.status === undefined || [query.status].flat().includes(fields.status)) &&
            (query.level === undefined || ranks.indexOf(level) >= ranks.indexOf(query.level)) &&
            (query.session_id === undefined || fields.session_id === query.session_id) &&
            (query.id === undefined ||
              [fields.id, fields.client_id, fields.server_id, fields.trace_id].includes(query.id))
          ).map(({ seq }) => seq);
          const found = kept.read(query).events.map(({ seq }) => seq);
          expect(found).toEqual(
            query.after === undefined ? wanted.slice(-query.limit) : wanted.slice(0, query.limit),
          );
        }
      },
    ),
    { numRuns: 150, seed: announcedRandom("journal").seed },
  );
});

test("a reader waits for the event that it has asked for, and for no other", async () => {
  const { journal: kept } = journal();
  kept.info({ status: "old", session_id: "s1" }, "m");
  const after = kept.read({ limit: 1 }).last_seq;
  const waiting = kept.wait({ after, limit: 10, session_id: "s1" }, 20_000);
  expect(kept.snapshot().waiting).toBe(1);
  kept.info({ status: "new", session_id: "s2" }, "m");
  kept.info({ status: "new", session_id: "s1" }, "m");
  const { events } = await waiting;
  expect(events.map(({ fields }) => fields.session_id)).toEqual(["s1"]);
  expect(kept.snapshot().waiting).toBe(0);
});

test("a reader that does not find anything is let go: in time, when it leaves, at the end", async () => {
  const { journal: kept } = journal();
  const nothing = { events: [], missed: 0 };
  expect(await kept.wait({ after: 0, limit: 1 }, 10)).toMatchObject(nothing);
  const gone = new AbortController();
  const left = kept.wait({ after: 0, limit: 1 }, 20_000, gone.signal);
  gone.abort();
  expect(await left).toMatchObject(nothing);
  expect(await kept.wait({ after: 0, limit: 1 }, 20_000, gone.signal)).toMatchObject(nothing);
  const at_the_end = kept.wait({ after: 0, limit: 1 }, 20_000);
  await kept.close();
  expect(await at_the_end).toMatchObject(nothing);
  expect(kept.snapshot().waiting).toBe(0);
});

test("no more readers than the bound wait at once", async () => {
  const { journal: kept } = journal();
  const waiting = Array.from({ length: 256 }, () => kept.wait({ after: 0, limit: 1 }, 20_000));
  expect(kept.snapshot().waiting).toBe(256);
  expect((await kept.wait({ after: 0, limit: 1 }, 20_000)).events).toEqual([]);
  kept.info({ status: "x" }, "m");
  for (const page of await Promise.all(waiting)) expect(page.events).toHaveLength(1);
});
