import { describe, expect, test } from "bun:test";
import { Account } from "../../../src/access/account.ts";
import { Accounts } from "../../../src/access/accounts.ts";
import { addressGroup } from "../../../src/access/address-group.ts";
import { IdPatterns } from "../../../src/access/id-patterns.ts";
import { defaultLimits, type OwnLimits } from "../../../src/access/limits.ts";
import { Principal } from "../../../src/access/principal.ts";
import { TokenBucket } from "../../../src/access/token-bucket.ts";
import { type Config, configSchema } from "../../../src/config/schema.ts";

const NOON = Date.parse("2026-11-21T12:00:00Z");

function quotas(changed: Partial<Config["quotas"]> = {}): Config["quotas"] {
  return { ...configSchema.parse({}).quotas, ...changed };
}

function principal(name: string, limits: OwnLimits = {}): Principal {
  const anybody = new IdPatterns(["*"]);
  const rules = { ids: anybody, peers: anybody, limits, expires_unix_ms: null };
  return new Principal({ name, rules: { ...rules, roles: ["client"] } });
}

describe("a token bucket", () => {
  const bounds = { per_second: 10, burst: 3 };
  const taken = (bucket: TokenBucket, now: number, times: number) =>
    Array.from({ length: times }, () => bucket.take(now, bounds)).filter(Boolean).length;

  test("gives a burst, then what has come in since", () => {
    const bucket = new TokenBucket();
    expect(taken(bucket, 1000, 5)).toBe(3);
    expect(taken(bucket, 1099, 1)).toBe(0);
    expect(taken(bucket, 1100, 2)).toBe(1);
    expect(taken(bucket, 1000, 1)).toBe(0);
    expect(taken(bucket, 60_000, 9)).toBe(3);
  });

  test("asking it in vain takes nothing off it", () => {
    const bucket = new TokenBucket();
    taken(bucket, 0, 3);
    for (let now = 1; now < 100; now++) expect(bucket.take(now, bounds)).toBe(false);
    expect(bucket.take(101, bounds)).toBe(true);
  });

  test("is as good as new when it is full", () => {
    const bucket = new TokenBucket();
    expect(bucket.isFull(0, bounds)).toBe(true);
    taken(bucket, 0, 1);
    expect(bucket.isFull(99, bounds)).toBe(false);
    expect(bucket.isFull(100, bounds)).toBe(true);
    expect(bucket.isFull(1, { per_second: 0, burst: 3 })).toBe(true);
  });
});

describe("an account", () => {
  const account = (changed: Partial<Config["quotas"]>) =>
    new Account({
      kind: "principal",
      key: "principal:x",
      limits: defaultLimits(quotas(changed), "principal"),
    });

  test("names the limit that it has reached by its key in the configuration", () => {
    const one = account({ sessions_per_principal: 2, bytes_per_day_per_principal: 1000 });
    expect(one.fullFor("sessions")).toBeNull();
    one.sessions = 2;
    expect(one.fullFor("sessions")).toMatchObject({
      limit: "sessions_per_principal",
      allowed: 2,
      account: "principal:x",
      sentence: "limit reached: sessions_per_principal is 2",
    });
    one.bytes_today = 999;
    expect(one.spentToday()).toBeNull();
    one.bytes_today = 1000;
    expect(one.spentToday()?.limit).toBe("bytes_per_day_per_principal");
  });

  test("without limits has none, whatever it does", () => {
    const one = account({});
    Object.assign(one, { sessions: 1e6, registrations: 1e6, bytes_today: 1e12 });
    expect([one.fullFor("sessions"), one.fullFor("registrations"), one.spentToday()])
      .toEqual([null, null, null]);
    for (let i = 0; i < 1000; i++) expect(one.takePairRequest(0)).toBeNull();
  });

  test("has a burst of pair requests and then so many each second", () => {
    const one = account({ pair_requests_per_second_per_principal: 2, pair_requests_burst: 3 });
    const ask = (now: number) => one.takePairRequest(now)?.limit ?? "granted";
    const limit = "pair_requests_per_second_per_principal";
    expect([0, 0, 0, 0, 499, 500, 501].map(ask)).toEqual([
      "granted",
      "granted",
      "granted",
      limit,
      limit,
      "granted",
      limit,
    ]);
  });
});

describe("accounts", () => {
  test("a principal's own limits go before those of all", () => {
    const accounts = new Accounts({ quotas: quotas({ sessions_per_principal: 5 }) });
    expect(accounts.ofPrincipal(principal("a")).limits.sessions).toBe(5);
    const own = accounts.ofPrincipal(principal("b", { sessions: 1 }));
    expect(own.limits).toMatchObject({ sessions: 1, registrations: 0 });
    accounts.apply(quotas({ sessions_per_principal: 7, registrations_per_principal: 9 }));
    expect(own.limits).toMatchObject({ sessions: 1, registrations: 9 });
    expect(accounts.ofPrincipal(principal("a")).limits.sessions).toBe(7);
    // Unlimited, said of its own.
    expect(accounts.ofPrincipal(principal("c", { sessions: 0 })).limits.sessions).toBe(0);
  });

  test("a principal and an address of the same name are two", () => {
    const accounts = new Accounts({ quotas: quotas() });
    expect(accounts.ofPrincipal(principal("x"))).not.toBe(accounts.ofAddress("x"));
    expect(accounts.ofAddress("x")).toBe(accounts.ofAddress("x"));
  });

  test("are forgotten when nothing of them counts any more", () => {
    const accounts = new Accounts({
      quotas: quotas({ bytes_per_day_per_address: 100 }),
      now_unix_ms: NOON,
    });
    const [used, idle, busy] = ["used", "idle", "busy"].map((one) => accounts.ofAddress(one));
    accounts.addBytes([used], 10);
    busy.registrations++;
    accounts.settle(idle);
    accounts.settle(used);
    accounts.settle(busy);
    expect(accounts.size).toBe(2);
    accounts.tidy(NOON + 86_400_000);
    expect(accounts.day).toBe("2026-11-22");
    accounts.sweep(performance.now());
    expect(accounts.size).toBe(1);
    expect(accounts.ofAddress("busy")).toBe(busy);
  });

  test("the smaller half of too many resting ones is forgotten", () => {
    const accounts = new Accounts({
      quotas: quotas({ bytes_per_day_per_address: 100 }),
      now_unix_ms: NOON,
      resting_max: 4,
    });
    const made = [30, 10, 50, 20, 40].map((bytes) => {
      const account = accounts.ofAddress(`carried-${bytes}`);
      accounts.addBytes([account], bytes);
      return account;
    });
    accounts.sweep(performance.now());
    expect(accounts.dayBytes().bytes).toEqual({
      "address:carried-50": 50,
      "address:carried-40": 40,
    });
    expect(accounts.ofAddress("carried-50")).toBe(made[2]);
  });

  test("the day's bytes go on where an earlier process of the day has stopped", () => {
    const limited = quotas({ bytes_per_day_per_principal: 100 });
    const before = new Accounts({ quotas: limited, now_unix_ms: NOON });
    before.addBytes([before.ofPrincipal(principal("a")), before.ofAddress("192.0.2.1")], 60);
    // Only those with a limit are counted at all.
    expect(before.dayBytes()).toEqual({ day: "2026-11-21", bytes: { "principal:a": 60 } });
    const after = new Accounts({ quotas: limited, now_unix_ms: NOON + 1000 });
    after.resume(before.dayBytes());
    const account = after.ofPrincipal(principal("a"));
    after.addBytes([account], 40);
    expect(account.spentToday()?.allowed).toBe(100);
    const next_day = new Accounts({ quotas: limited, now_unix_ms: NOON + 86_400_000 });
    next_day.resume(before.dayBytes());
    expect(next_day.ofPrincipal(principal("a")).bytes_today).toBe(0);
  });

  test("a name that an object has anyway is a name like others", () => {
    const accounts = new Accounts({ quotas: quotas({ bytes_per_day_per_principal: 100 }) });
    const account = accounts.ofPrincipal(principal("__proto__"));
    accounts.addBytes([account], 5);
    expect(Object.entries(accounts.dayBytes().bytes)).toEqual([["principal:__proto__", 5]]);
  });
});

test.each([
  ["192.0.2.7", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["2001:db8:0:1:aaaa:bbbb:cccc:dddd", "2001:db8:0:1::/64"],
  ["2001:db8::1", "2001:db8::/64"],
  ["::1", "::1"],
  ["fe80::1%eth0", "fe80::/64"],
])("the address %s counts as %s", (address, group) => expect(addressGroup(address)).toBe(group));
