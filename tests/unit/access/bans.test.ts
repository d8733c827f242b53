import { afterEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { BanBook } from "../../../src/access/ban-book.ts";
import { parseSubject } from "../../../src/access/ban-subject.ts";
import { type Ban, BanError, Bans } from "../../../src/access/bans.ts";
import { Failures } from "../../../src/access/failures.ts";
import { StateFile } from "../../../src/access/state-file.ts";
import { type Config, configSchema } from "../../../src/config/schema.ts";
import { EventList } from "../sessions/events.ts";
import { RecordingLog } from "../sessions/recording-log.ts";

const folders: string[] = [];
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "relayx-state-"));
  folders.push(made);
  return made;
}
afterEach(() => {
  for (const made of folders.splice(0)) rmSync(made, { recursive: true, force: true });
});

function ban(subject: string, changed: Partial<Ban> = {}): Ban {
  return {
    subject,
    reason: "",
    since_unix_ms: 0,
    until_unix_ms: null,
    automatic: false,
    ...changed,
  };
}

describe("a subject", () => {
  test.each([
    ["address:192.0.2.7", "192.0.2.7"],
    ["address:::ffff:192.0.2.7", "192.0.2.7"],
    ["address:10.1.2.3/8", "10.0.0.0/8"],
    ["address:2001:DB8::1/64", "2001:db8::/64"],
    ["id:some:peer with blanks", "some:peer with blanks"],
  ])("%s is %s", (text, value) => expect(parseSubject(text)?.value).toBe(value));

  test.each([
    "",
    "192.0.2.7",
    "address:",
    "address:localhost",
    "address:10.0.0.0/33",
    "id:",
    `id:${"x".repeat(251)}`,
    "ID:x",
    "token:x",
  ])("%p is none", (text) => expect(parseSubject(text)).toBeNull());
});

describe("bans", () => {
  test("keep out an address, a network and an id, and nobody else", () => {
    const bans = new Bans({ entries_max: 10 });
    expect(bans.hasAddress("192.0.2.7")).toBe(false);
    bans.add(ban("address:192.0.2.7"));
    bans.add(ban("address:2001:db8::/64"));
    bans.add(ban("id:192.0.2.8"));
    expect(bans.hasAddress("192.0.2.7")).toBe(true);
    expect(bans.hasAddress("::ffff:192.0.2.7")).toBe(true);
    expect(bans.hasAddress("2001:db8::1:2:3:4")).toBe(true);
    expect(bans.hasAddress("2001:db8:0:1::1")).toBe(false);
    expect(bans.hasAddress("192.0.2.8")).toBe(false);
    expect(bans.hasId("192.0.2.8")).toBe(true);
    expect(bans.hasId("192.0.2.7")).toBe(false);
    expect(bans.networks()).toEqual(["192.0.2.7", "2001:db8::/64"]);
    expect(bans.delete("address:::ffff:c000:207")?.subject).toBe("address:192.0.2.7");
    expect(bans.hasAddress("192.0.2.7")).toBe(false);
    expect(bans.delete("id:nobody")).toBeUndefined();
  });

  test("end with their time", () => {
    const bans = new Bans({ entries_max: 10 });
    bans.add(ban("id:a", { until_unix_ms: 100 }));
    bans.add(ban("id:b"));
    expect(bans.expire(99)).toEqual([]);
    expect(bans.expire(100).map(({ subject }) => subject)).toEqual(["id:a"]);
    expect(bans.hasId("a")).toBe(false);
    expect(bans.expire(Infinity)).toEqual([]);
  });

  test("in a full table the automatic one that ends first makes room, and no other", () => {
    const bans = new Bans({ entries_max: 3 });
    bans.add(ban("id:by-hand", { until_unix_ms: 1 }));
    bans.add(ban("address:192.0.2.1", { automatic: true, until_unix_ms: 300 }));
    bans.add(ban("address:192.0.2.2", { automatic: true, until_unix_ms: 200 }));
    bans.add(ban("id:another"));
    expect(bans.list().map(({ subject }) => subject)).toEqual([
      "id:by-hand",
      "address:192.0.2.1",
      "id:another",
    ]);
    bans.add(ban("id:third"));
    expect(() => bans.add(ban("id:fourth"))).toThrow(
      new BanError("table_full", "3 bans", "at most bans.entries_max 3; take some back first"),
    );
    // What is there already may be changed all the same.
    bans.add(ban("id:third", { reason: "again" }));
    expect(bans.size).toBe(3);
  });

  test("an automatic one does not shorten one by hand", () => {
    const bans = new Bans({ entries_max: 3 });
    bans.add(ban("address:192.0.2.1"));
    bans.add(ban("address:192.0.2.1", { automatic: true, until_unix_ms: 5 }));
    expect(bans.list()).toEqual([ban("address:192.0.2.1")]);
    expect(() => bans.add(ban("somebody"))).toThrow(BanError);
  });
});

describe("failures", () => {
  test("count within their window", () => {
    const failures = new Failures();
    expect([0, 10, 99].map((now) => failures.add("a", now, 100))).toEqual([1, 2, 3]);
    expect(failures.add("b", 99, 100)).toBe(1);
    expect(failures.add("a", 100, 100)).toBe(1);
    failures.tidy(199, 100);
    expect(failures.size).toBe(1);
  });

  test("are bounded: the oldest is forgotten", () => {
    const failures = new Failures({ addresses_max: 2 });
    for (const one of ["a", "b", "c"]) failures.add(one, 0, 100);
    expect(failures.size).toBe(2);
    expect(failures.add("a", 1, 100)).toBe(1);
    expect(failures.add("c", 1, 100)).toBe(2);
  });
});

describe("the book of bans", () => {
  function book(changed: Partial<Config["bans"]> = {}, directory = "") {
    const log = new RecordingLog();
    const told = new EventList<readonly string[]>();
    const bans = { ...configSchema.parse({}).bans, failures_max: 3, ...changed };
    const onNetworks = (networks: readonly string[]) => void told.push(networks);
    return { log, told, book: new BanBook({ bans, directory, log, onNetworks }) };
  }

  test("bans an address that fails too often, tells it, and lets it in again", async () => {
    const { book: bans, log, told } = book({ duration: 60_000 });
    for (let i = 0; i < 2; i++) bans.noteFailure("198.51.100.4", "unknown_token");
    expect(bans.hasAddress("198.51.100.4")).toBe(false);
    bans.noteFailure("198.51.100.4", "hello_error");
    expect(bans.hasAddress("198.51.100.4")).toBe(true);
    expect(await log.status("banned")).toMatchObject({
      subject: "address:198.51.100.4",
      reason: "3 failures within 1m, the last one hello_error",
      by: "relayx",
    });
    expect(await told.find(() => true)).toEqual(["198.51.100.4"]);
    bans.tick(Date.now() + 59_000);
    expect(bans.hasAddress("198.51.100.4")).toBe(true);
    bans.tick(Date.now() + 61_000);
    expect(bans.hasAddress("198.51.100.4")).toBe(false);
    await log.status("unbanned");
    expect(await told.find((networks) => networks.length === 0)).toEqual([]);
    await bans.close();
  });

  test("counts an IPv6 network as one, and leaves alone who is exempt", async () => {
    const { book: bans } = book({ exempt: ["127.0.0.0/8", "10.0.0.0/8"] });
    for (let i = 1; i <= 3; i++) {
      bans.noteFailure(`2001:db8::${i}`, "x");
      bans.noteFailure(`10.0.0.${i}`, "x");
      bans.noteFailure("127.0.0.1", "x");
    }
    expect(bans.list().map(({ subject }) => subject)).toEqual(["address:2001:db8::/64"]);
    await bans.close();
  });

  test("of no failures at all bans nobody", async () => {
    const { book: bans } = book({ failures_max: 0 });
    for (let i = 0; i < 1000; i++) bans.noteFailure("198.51.100.4", "x");
    expect(bans.list()).toEqual([]);
    await bans.close();
  });

  test("survives a restart, without those whose time is over", async () => {
    const directory = folder();
    const before = book({}, directory).book;
    before.start();
    before.add({ subject: "id:gone", duration_ms: 1, reason: "" }, "test");
    before.add({ subject: "address:192.0.2.0/24", duration_ms: null, reason: "noise" }, "test");
    const kept = before.list();
    await before.close();
    const { book: after, told } = book({}, directory);
    await new Promise((resolve) => setTimeout(resolve, 2));
    after.start();
    expect(after.list()).toEqual(kept.filter(({ subject }) => subject !== "id:gone"));
    expect(told.items[0]).toEqual(["192.0.2.0/24"]);
    expect(after.delete("address:192.0.2.0/24", "test")).toBe(true);
    await after.close();
    const last = book({}, directory).book;
    last.start();
    expect(last.list()).toEqual([]);
    await last.close();
  });

  test("is kept once the disk takes it, at the end at the latest", async () => {
    const directory = folder();
    const file = join(directory, "bans.json");
    const kept = () => JSON.parse(readFileSync(file, "utf8")).bans.length;
    /** Nothing can be written while a folder is in the way of the new file. */
    const withFullDisk = async (act: () => Promise<unknown>) => {
      mkdirSync(join(directory, "bans.json.new", "x"), { recursive: true });
      await act();
      rmSync(join(directory, "bans.json.new"), { recursive: true });
    };
    const order = { duration_ms: null, reason: "" };

    const { book: first, log } = book({}, directory);
    first.start();
    await withFullDisk(async () => {
      first.add({ subject: "id:a", ...order }, "test");
      first.tick(Date.now());
      await log.status("state_unwritable");
    });
    expect(existsSync(file)).toBe(false);
    while (!existsSync(file)) {
      first.tick(Date.now());
      await new Promise((resolve) => setImmediate(resolve));
    }
    await first.close();
    expect(kept()).toBe(1);

    const { book: second, log: later } = book({}, directory);
    second.start();
    await withFullDisk(async () => {
      second.add({ subject: "id:b", ...order }, "test");
      second.tick(Date.now());
      await later.status("state_unwritable");
    });
    await second.close();
    expect(kept()).toBe(2);
  });
});

describe("a state file", () => {
  const shape = z.strictObject({ n: z.int() });
  const file = (directory: string, log = new RecordingLog()) => ({
    log,
    file: new StateFile({ directory, name: "some.json", shape, log }),
  });

  test("is replaced as a whole, for its owner only", async () => {
    const directory = folder();
    const { file: state } = file(directory);
    expect(state.read()).toBeNull();
    await Promise.all([1, 2, 3].map((n) => state.write({ n })));
    expect(state.read()).toEqual({ n: 3 });
    expect(readdirSync(directory)).toEqual(["some.json"]);
    expect(statSync(join(directory, "some.json")).mode & 0o777).toBe(0o600);
  });

  test.each(['{"n": 1', '{"n": "1"}', '{"n": 1, "m": 2}', "", "\u0000"])(
    "with %p in it is set aside",
    (text) => {
      const directory = folder();
      writeFileSync(join(directory, "some.json"), text);
      const { file: state, log } = file(directory);
      expect(state.read()).toBeNull();
      expect(readFileSync(join(directory, "some.json.unreadable"), "utf8")).toBe(text);
      expect(existsSync(join(directory, "some.json"))).toBe(false);
      expect(log.statuses()).toEqual(["state_unreadable"]);
    },
  );

  test("that cannot be written says so, once, and leaves what was there", async () => {
    const directory = folder();
    const { file: state, log } = file(directory);
    await state.write({ n: 1 });
    // A folder in the way of the new file.
    mkdirSync(join(directory, "some.json.new", "x"), { recursive: true });
    await state.write({ n: 2 });
    await state.write({ n: 3 });
    expect(log.statuses()).toEqual(["state_unwritable"]);
    expect(state.read()).toEqual({ n: 1 });
  });
});
