import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { AccessRefusal } from "../../../src/access/authenticator.ts";
import { Principal } from "../../../src/access/principal.ts";
import { TokenAuthenticator } from "../../../src/access/token-authenticator.ts";
import { parseTokenFile } from "../../../src/access/token-file.ts";
import { hashToken, newToken } from "../../../src/access/token-hash.ts";
import { ConfigError } from "../../../src/config/problem.ts";

const HASH = hashToken("a");

/** Where, what and how in one line each; the file is named `t`. */
function problems(text: string): string[] {
  try {
    parseTokenFile("t", text);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.split("\n");
  }
  return [];
}

const entry = (keys: string) => `tokens:\n  - ${keys.split("\n").join("\n    ")}\n`;
const plain = `name: a\nrole: client\nid: a\ntoken_hash: ${HASH}`;

describe("the file of tokens", () => {
  test("has entries with one or several of each, and defaults for the rest", () => {
    const [one, several] = parseTokenFile(
      "t",
      entry(plain) + `  - { name: b, roles: [client, server], ids: [x, "y-*"], token_hash: [` +
        `${hashToken("b")}, ${hashToken("c")}], peers: [p], quotas: { sessions: 2, ` +
        `bytes_per_day: 1GB }, expires: 2030-01-02T03:04:05+01:00 }\n`,
    );
    expect(one).toMatchObject({ name: "a", token_hashes: [HASH] });
    expect(one.rules).toMatchObject({ roles: ["client"], limits: {}, expires_unix_ms: null });
    expect(one.rules.peers.all).toBe(true);
    expect(several.token_hashes).toHaveLength(2);
    expect(several.rules).toMatchObject({
      roles: ["client", "server"],
      limits: { sessions: 2, bytes_per_day: 1_073_741_824 },
      expires_unix_ms: Date.parse("2030-01-02T02:04:05Z"),
    });
    expect([several.rules.ids.has("y-1"), several.rules.peers.has("q")]).toEqual([true, false]);
    expect(parseTokenFile("t", "tokens: []\n")).toEqual([]);
  });

  test.each([
    ["nothing at all", "", "t tokens: found nothing; allowed: a list of entries"],
    [
      "another section",
      "token: []\n",
      "t tokens: found nothing; allowed: a list of entries\n" +
      "t:1:1 token: found an unknown key; allowed: tokens",
    ],
    [
      "a name that could be mistaken",
      entry(plain.replace("name: a", 'name: "a b"')),
      't:2:11 tokens.0.name: found "a b"; allowed: a name of 1 to 64 letters, digits and . _ - : @ /',
    ],
    [
      "no name",
      entry(plain.replace("name: a\n", "")),
      "t:2:5 tokens.0.name: found nothing; allowed: a name of 1 to 64 letters, digits and . _ - : @ /",
    ],
    [
      "an unknown role",
      entry(plain.replace("client", "king")),
      't:3:11 tokens.0.role: found "king"; allowed: client or server',
    ],
    [
      "both id and ids",
      entry(`${plain}\nids: [b]`),
      "t:4:9 tokens.0.id: found both of the two; allowed: id, or ids with a list",
    ],
    [
      "neither role nor roles",
      entry(plain.replace("role: client\n", "")),
      "t:2:5 tokens.0.role: found neither of the two; allowed: role, or roles with a list",
    ],
    [
      "an unknown key",
      entry(`${plain}\npeer: b`),
      "t:6:5 tokens.0.peer: found an unknown key; allowed: name, role, roles, id, ids, token_hash, " +
      "peers, quotas, expires",
    ],
    [
      "an unknown quota",
      entry(`${plain}\nquotas: { bytes: 1 }`),
      "t:6:15 tokens.0.quotas.bytes: found an unknown key; allowed: registrations, sessions, " +
      "pair_requests_per_second, pair_requests_burst, bytes_per_second, bytes_per_day",
    ],
    [
      "no time",
      entry(`${plain}\nexpires: tomorrow`),
      't:6:14 tokens.0.expires: found "tomorrow"; allowed: a day ("2027-01-31", its first moment ' +
      'UTC) or a moment ("2027-01-31T12:00:00Z")',
    ],
  ])("says what is wrong with %s", (_name, text, expected) => {
    expect(problems(text).toSorted()).toEqual(expected.split("\n").toSorted());
  });

  test("says what two entries must not share", () => {
    expect(problems(entry(plain) + entry(plain).replace("tokens:\n", ""))).toEqual([
      't:6:11 tokens.1.name: found "a" a second time; allowed: each name once',
      "t:9:17 tokens.1.token_hash: found a token that another entry has; allowed: each token once",
    ]);
  });

  test("never shows what stands in the place of a hash", () => {
    for (const value of ["hunter2", "[hunter2, hunter3]", "{ hunter2: 1 }"]) {
      const [line] = problems(entry(plain.replace(HASH, value)));
      expect(line).toStartWith("t:5:");
      expect(line).toContain("sha256:");
      expect(line).not.toContain("hunter");
    }
  });
});

describe("tokens", () => {
  const TOKEN = newToken();

  test("are long, random, and hashed as sha256sum does it", () => {
    expect(TOKEN).toMatch(/^relayx_[\w-]{43}$/);
    expect(newToken()).not.toBe(TOKEN);
    expect(hashToken(TOKEN)).toBe(
      `sha256:${createHash("sha256").update(TOKEN).digest("hex")}`,
    );
  });

  function authenticator(text: string) {
    const one = new TokenAuthenticator({ entries: parseTokenFile("t", text) });
    const ask = (token: string, id = "a", role: "client" | "server" = "client") => {
      const verdict = one.authenticate({ role, id, token, address: "192.0.2.1" });
      return verdict instanceof AccessRefusal ? verdict.reason : verdict;
    };
    return { one, ask };
  }

  const file = (token: string, more = "") =>
    entry(`${plain.replace(HASH, hashToken(token))}${more}`);

  test("are known by nothing but themselves", () => {
    const { ask } = authenticator(file(TOKEN, "\nexpires: 2100-01-01"));
    expect(ask(TOKEN)).toBeInstanceOf(Principal);
    expect(ask(`${TOKEN}x`)).toBe("unknown_token");
    expect(ask(TOKEN.slice(0, -1))).toBe("unknown_token");
    expect(ask(hashToken(TOKEN))).toBe("unknown_token");
    expect(ask("")).toBe("unknown_token");
    expect(ask(TOKEN, "b")).toBe("wrong_id");
    expect(ask(TOKEN, "a", "server")).toBe("wrong_role");
    expect(authenticator(file(TOKEN, "\nexpires: 2001-01-01")).ask(TOKEN)).toBe("expired");
  });

  test("stay the same principal over a reload, with the newer rules, until they are gone", () => {
    const { one, ask } = authenticator(file(TOKEN));
    const principal = ask(TOKEN) as Principal;
    one.replace(parseTokenFile("t", file(TOKEN, "\npeers: [b]\nquotas: { sessions: 1 }")));
    expect(ask(TOKEN)).toBe(principal);
    expect(one.holds(principal)).toBe(true);
    expect(principal.rules.limits).toEqual({ sessions: 1 });
    expect([principal.mayMeet("b"), principal.mayMeet("c")]).toEqual([true, false]);

    // The same token for somebody else is not the same principal, nor is another token of the name.
    one.replace(parseTokenFile("t", file(TOKEN).replace("name: a", "name: other")));
    expect(one.holds(principal)).toBe(false);
    one.replace(parseTokenFile("t", file(newToken())));
    expect([one.holds(principal), ask(TOKEN)]).toEqual([false, "unknown_token"]);
  });
});
