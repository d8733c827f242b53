import { expect, test } from "bun:test";
import { Drain } from "../../../src/sessions/drain.ts";
import { type Fixture, withFixture } from "./fixture.ts";

const drainOf = (f: Fixture) => new Drain({ broker: f.broker, sessions: f.sessions, log: f.log });

test("refuses who waits and who asks, and serves again when it is taken back", async () => {
  await withFixture({}, async (f) => {
    const drain = drainOf(f);
    const client = f.client("c");
    f.ask(client, "waiting");
    drain.start(null, "a test");
    const refusal = { code: 504, error: "draining" } as const;
    expect(await client.refusal("waiting")).toEqual({ request_id: "waiting", ...refusal });
    f.server("s", 2);
    f.ask(client, "asking");
    expect(await client.refusal("asking")).toEqual({ request_id: "asking", ...refusal });
    expect(f.broker.refusing).toBe("draining");
    drain.stop("a test");
    expect([f.broker.refusing, drain.snapshot()]).toEqual([null, null]);
    f.ask(client, "again");
    await client.grant("again");
  });
});

test("lets sessions go on, and ends what is left at the deadline", async () => {
  await withFixture({}, async (f) => {
    const drain = drainOf(f);
    f.server("s", 2);
    const client = f.client("c");
    f.ask(client, "r1");
    const { session_id } = await client.grant("r1");
    drain.start(null, "a test");
    expect(f.sessions.size).toBe(1);
    drain.start(5, "a test");
    expect(await f.log.status("session_ended")).toMatchObject({ session_id, reason: "drained" });
    await f.log.status("drained");
    expect(f.sessions.size).toBe(0);
    drain.close();
  });
});

test("a drain that was taken back ends no session", async () => {
  await withFixture({}, async (f) => {
    const drain = drainOf(f);
    f.server("s", 2);
    const client = f.client("c");
    f.ask(client, "r1");
    const { session_id } = await client.grant("r1");
    drain.start(1, "a test");
    drain.stop("a test");
    f.sessions.end(session_id, { reason: "kicked", by: "a test" });
    await f.sessions.whenEmpty();
    expect(f.log.statuses().filter((status) => status === "drained")).toEqual([]);
    expect(await f.log.status("session_ended")).toMatchObject({ reason: "kicked" });
  });
});
