/** The whole of it: who is let in, and what reaches those who are in already. */
import { describe, expect, test } from "bun:test";
import { Access } from "../../../src/access/access.ts";
import type { AccessFiles } from "../../../src/access/access-files.ts";
import { AccessRefusal } from "../../../src/access/authenticator.ts";
import { LimitReached } from "../../../src/access/limits.ts";
import { Principal } from "../../../src/access/principal.ts";
import type { Standing } from "../../../src/access/standing.ts";
import { parseTokenFile } from "../../../src/access/token-file.ts";
import { hashToken } from "../../../src/access/token-hash.ts";
import { type Config, configSchema } from "../../../src/config/schema.ts";
import { RecordingLog } from "../sessions/recording-log.ts";

type Sections = {
  auth?: Partial<Config["auth"]>;
  quotas?: Partial<Config["quotas"]>;
  bans?: Partial<Config["bans"]>;
};

const NO_FILES: AccessFiles = { tokens: [], keys: [] };

function configOf(sections: Sections): Config {
  const config = configSchema.parse({});
  for (const name of ["auth", "quotas", "bans"] as const) {
    Object.assign(config[name], sections[name]);
  }
  return config;
}

/** The server that everybody has sessions with; its token is never taken back. */
const SERVER = { name: "server", id: "server", token: "server" };

function filesOf(...entries: Record<string, unknown>[]): AccessFiles {
  const tokens = [SERVER, ...entries].map(({ token, ...rest }) => ({
    role: "client",
    ...rest,
    token_hash: hashToken(String(token)),
  }));
  return { ...NO_FILES, tokens: parseTokenFile("t", JSON.stringify({ tokens })) };
}

const TOKENS: Sections = { auth: { mode: "tokens" } };

class Fixture {
  readonly log = new RecordingLog();
  readonly access: Access;
  /** Who was dismissed, and why. */
  readonly dismissed: string[] = [];
  /** The clients whose sessions were ended; each has one with the same server. */
  readonly ended: string[] = [];
  readonly ends: Standing[] = [];
  readonly server: Standing;

  constructor(sections: Sections = {}, files: AccessFiles = NO_FILES) {
    this.access = new Access({
      config: configOf(sections),
      files,
      log: this.log,
      endSessions: (of) => {
        const theirs = this.ends.filter((client) => of(client, this.server));
        this.ended.push(...theirs.map(({ id }) => id));
      },
      onBannedNetworks: () => {},
    });
    this.server = this.enter("server", "server", "203.0.113.1") as Standing;
    this.access.leave(this.server);
    this.ends.splice(0);
  }

  /** The reason of the refusal, the limit, or the standing. */
  enter(id: string, token = "t", address = "192.0.2.1"): Standing | string {
    const verdict = this.access.authenticate({ role: "client", id, token, address });
    if (verdict instanceof Promise) throw new Error("a verdict that has to be waited for");
    if (verdict instanceof AccessRefusal) return verdict.reason;
    const standing = this.access.register(verdict, {
      role: "client",
      id,
      address,
      dismiss: (reason) => void this.dismissed.push(`${id} ${reason}`),
    });
    if (standing instanceof LimitReached) return standing.limit;
    this.ends.push(standing);
    return standing;
  }
}

describe("a registration", () => {
  test("counts while it lasts, for its principal and its address", () => {
    const f = new Fixture({
      quotas: { registrations_per_principal: 1, registrations_per_address: 2 },
    });
    const a = f.enter("a") as Standing;
    expect(a.principal.name).toBe("client:a");
    expect(f.enter("a")).toBe("registrations_per_principal");
    f.enter("b");
    expect(f.enter("c")).toBe("registrations_per_address");
    expect(f.enter("c", "t", "192.0.2.2")).toBeObject();
    f.access.leave(a);
    f.access.leave(a);
    expect(f.enter("c2")).toBeObject();
    expect(f.enter("c3")).toBe("registrations_per_address");
    expect(f.access.snapshot()).toMatchObject({ registrations: 3, mode: "open" });
  });

  test("of an IPv6 network counts as from one address", () => {
    const f = new Fixture({ quotas: { registrations_per_address: 1 } });
    f.enter("a", "t", "2001:db8::1");
    expect(f.enter("b", "t", "2001:db8::2")).toBe("registrations_per_address");
    expect(f.enter("b", "t", "2001:db8:0:1::2")).toBeObject();
  });
});

describe("a newer configuration", () => {
  const a = { name: "a", id: "a", token: "a" };
  const b = { name: "b", ids: ["b", "b2"], token: "b" };

  test("ends what is gone or may do less, and leaves the rest with its newer rules", () => {
    const f = new Fixture(TOKENS, filesOf(a, b));
    const kept = f.enter("a", "a") as Standing;
    f.enter("b", "b");
    f.enter("b2", "b");
    const config = configOf({ ...TOKENS, quotas: { sessions_per_address: 9 } });
    f.access.apply(config, filesOf({ ...a, quotas: { sessions: 3 } }, { ...b, ids: ["b2"] }));
    expect(f.dismissed).toEqual(["b revoked"]);
    expect(f.ended).toEqual([]);
    expect(kept.accounts.map(({ limits }) => limits.sessions)).toEqual([3, 9]);
    f.access.apply(config, filesOf(a));
    expect(f.dismissed).toEqual(["b revoked", "b2 revoked"]);
    expect(f.enter("b2", "b")).toBe("unknown_token");
  });

  test("ends sessions as well where it says so, those whose registration has left included", () => {
    const f = new Fixture(TOKENS, filesOf(a, b));
    f.enter("a", "a");
    f.access.leave(f.enter("b", "b") as Standing);
    const config = configOf({ auth: { mode: "tokens", revoke: "sessions" } });
    f.access.apply(config, filesOf(a));
    expect([f.dismissed, f.ended]).toEqual([[], ["b"]]);
  });

  test("ends sessions of those that may not meet any more, or not under this id", () => {
    const f = new Fixture(TOKENS, filesOf(a, b));
    f.enter("a", "a");
    f.enter("b", "b");
    const config = configOf({ auth: { mode: "tokens", revoke: "sessions" } });
    f.access.apply(config, filesOf({ ...a, peers: ["another"] }, b));
    expect([f.dismissed, f.ended]).toEqual([[], ["a"]]);
    f.access.apply(config, filesOf(a, { ...b, ids: ["b2"] }));
    expect([f.dismissed, f.ended]).toEqual([["b revoked"], ["a", "b"]]);
  });

  test("that asks for proof ends everybody who has not proven anything", () => {
    const f = new Fixture();
    f.enter("a");
    f.access.apply(configOf(TOKENS), filesOf(a));
    expect(f.dismissed).toEqual(["a revoked"]);
    // The other way round nobody has to go.
    f.enter("a", "a");
    f.access.apply(configOf({}), NO_FILES);
    expect(f.dismissed).toEqual(["a revoked"]);
  });
});

describe("a ban", () => {
  test("ends the registrations that it is about, by address, id and principal", () => {
    const f = new Fixture(TOKENS, filesOf({ name: "who", ids: ["a", "b", "c"], token: "x" }));
    f.enter("a", "x", "192.0.2.1");
    f.enter("b", "x", "198.51.100.1");
    f.enter("c", "x", "2001:db8::1");
    const order = { duration_ms: null, reason: "" };
    f.access.ban({ ...order, subject: "address:198.51.100.0/24" }, "test");
    f.access.ban({ ...order, subject: "id:c", sessions: true }, "test");
    expect([f.dismissed, f.ended]).toEqual([["b banned", "c banned"], ["c"]]);
    expect(f.access.isBanned("198.51.100.77")).toBe(true);
    expect(f.enter("c", "x")).toBe("banned");
    f.access.ban({ ...order, subject: "id:who" }, "test");
    expect(f.dismissed).toEqual(["b banned", "c banned", "a banned"]);
    expect(f.enter("a", "x")).toBe("banned");
    expect(f.access.unban("id:who", "test")).toBe(true);
    expect(f.enter("a", "x")).toBeObject();
    expect(f.access.unban("id:who", "test")).toBe(false);
  });

  test("comes by itself after refusals, and is no reason to end who is here", () => {
    const f = new Fixture(
      { ...TOKENS, bans: { failures_max: 3 } },
      filesOf({ name: "a", id: "a", token: "a" }),
    );
    f.enter("a", "a");
    expect([1, 2, 3].map(() => f.enter("a", "guess"))).toEqual(Array(3).fill("unknown_token"));
    expect(f.access.isBanned("192.0.2.1")).toBe(true);
    expect(f.dismissed).toEqual([]);
    expect(f.access.bans()).toMatchObject([{ subject: "address:192.0.2.1", automatic: true }]);
  });
});

describe("the end of a token", () => {
  const entry = { name: "a", id: "a", token: "a", expires: "2100-01-01" };
  const [before, after] = ["2099-12-31T23:59:59Z", "2100-01-01T00:00:00Z"].map(Date.parse);

  test("is the end of its registration, to the second", () => {
    const f = new Fixture(TOKENS, filesOf(entry, { name: "b", id: "b", token: "b" }));
    f.enter("a", "a");
    f.enter("b", "b");
    f.access.tick(before);
    expect(f.dismissed).toEqual([]);
    f.access.tick(after);
    f.access.tick(after);
    expect([f.dismissed, f.ended]).toEqual([["a expired"], []]);
  });

  test("may be moved by a reload, and may be ignored", () => {
    const f = new Fixture(TOKENS, filesOf(entry));
    f.enter("a", "a");
    f.access.apply(configOf(TOKENS), filesOf({ ...entry, expires: "2100-01-02" }));
    f.access.tick(after);
    expect(f.dismissed).toEqual([]);
    const ignoring = configOf({ auth: { mode: "tokens", expiry: "ignore" } });
    f.access.apply(ignoring, filesOf({ ...entry, expires: "2001-01-01" }));
    f.access.tick(after);
    expect(f.dismissed).toEqual([]);
    // Who comes anew is refused all the same.
    expect(f.enter("a", "a")).toBe("expired");
  });
});

test("a principal is not let in for more than its rules say", () => {
  const f = new Fixture(TOKENS, filesOf({ name: "a", id: "a", token: "a", expires: "2000-01-01" }));
  expect(f.enter("a", "a")).toBe("expired");
  const verdict = new Fixture().access.authenticate({
    role: "server",
    id: "s",
    token: "anything",
    address: "192.0.2.1",
  });
  expect(verdict).toBeInstanceOf(Principal);
  expect((verdict as Principal).rules.roles).toEqual(["server"]);
});
