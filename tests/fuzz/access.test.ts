/** What strangers and mistaken operators may write: every text has an answer, and none a crash. */
import { expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { AccessRefusal } from "../../src/access/authenticator.ts";
import { parseSubject } from "../../src/access/ban-subject.ts";
import { BanError, Bans } from "../../src/access/bans.ts";
import { JwtAuthenticator } from "../../src/access/jwt-authenticator.ts";
import { KeyFileError, readKeyFile } from "../../src/access/jwt-keys.ts";
import { FixedKeys } from "../../src/access/key-source.ts";
import { parseTokenFile } from "../../src/access/token-file.ts";
import { ConfigError } from "../../src/config/problem.ts";
import { configSchema } from "../../src/config/schema.ts";
import { announcedRandom } from "../harness/random.ts";

const utf8 = new TextEncoder();
const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });

const json = fc.json({ maxDepth: 4 });
const part = fc.oneof(
  json.map((text) => Buffer.from(text).toString("base64url")),
  fc.base64String({ maxLength: 40 }),
  fc.string({ maxLength: 40 }),
  fc.constantFrom("ES256", "none", "RS256").map((alg) =>
    Buffer.from(JSON.stringify({ alg, kid: "k" })).toString("base64url")
  ),
);

test("no token but a signed one is let in, whatever it looks like", async () => {
  const { seed } = announcedRandom("tokens that are none");
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
  const one = new JwtAuthenticator({
    auth: { ...configSchema.parse({}).auth, mode: "jwt" },
    source: new FixedKeys({ keys: readKeyFile(utf8.encode(pem), { shared: false }) }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(part, { minLength: 0, maxLength: 5 }), async (parts) => {
      const token = parts.join(".");
      const asked = { role: "client", id: "a", token, address: "192.0.2.1" } as const;
      expect(await one.authenticate(asked)).toBeInstanceOf(AccessRefusal);
    }),
    { seed, numRuns: 3000 },
  );
});

test("a file of tokens is one, or its problems are told with their places", () => {
  const { seed } = announcedRandom("files of tokens");
  const word = fc.constantFrom(
    "name",
    "role",
    "roles",
    "id",
    "ids",
    "token_hash",
    "peers",
    "quotas",
    "expires",
    "client",
    "*",
    `sha256:${"0".repeat(64)}`,
    "2030-01-01",
    "__proto__",
    "",
  );
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { depthSize: "small" },
      word,
      fc.integer(),
      fc.constant(null),
      fc.array(tie("any"), { maxLength: 3 }),
      fc.dictionary(word, tie("any"), { maxKeys: 6 }),
    ),
  })).any;
  const text = fc.oneof(
    fc.array(value, { maxLength: 4 }).map((tokens) => JSON.stringify({ tokens })),
    value.map((tree) => JSON.stringify(tree)),
    fc.string({ maxLength: 200 }),
  );
  fc.assert(
    fc.property(text, (written) => {
      try {
        for (const { name, token_hashes } of parseTokenFile("t", written)) {
          expect(name).toMatch(/^[\w.:@/-]+$/);
          expect(token_hashes.length).toBeGreaterThan(0);
        }
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        expect(error.problems.length).toBeGreaterThan(0);
        // deno-lint-ignore no-control-regex
        expect(error.message).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
      }
    }),
    { seed, numRuns: 5000 },
  );
});

test("a key file holds keys, or it is said why not", () => {
  const { seed } = announcedRandom("key files");
  const jwk = fc.record({
    kty: fc.constantFrom("EC", "RSA", "oct", "OKP", "", "x"),
    crv: fc.constantFrom("P-256", "Ed25519", "secp256k1", "x"),
    x: fc.base64String({ maxLength: 44 }),
    y: fc.base64String({ maxLength: 44 }),
    n: fc.base64String({ maxLength: 300 }),
    e: fc.constantFrom("AQAB", "", "x"),
    k: fc.base64String({ maxLength: 64 }),
    d: fc.string({ maxLength: 4 }),
  }, { requiredKeys: [] });
  const file = fc.oneof(
    fc.array(jwk, { maxLength: 3 }).map((keys) => JSON.stringify({ keys })),
    json,
    fc.string().map((text) => `-----BEGIN PUBLIC KEY-----\n${text}\n-----END PUBLIC KEY-----\n`),
    fc.string(),
  );
  fc.assert(
    fc.property(file, fc.boolean(), (text, shared) => {
      try {
        const keys = readKeyFile(utf8.encode(text), { shared });
        expect(keys.every(({ kty }) => (kty === "oct") === shared)).toBe(true);
      } catch (error) {
        if (!(error instanceof KeyFileError)) throw error;
      }
    }),
    { seed, numRuns: 5000 },
  );
});

test("a subject is one and is found again, or is refused", () => {
  const { seed } = announcedRandom("subjects of bans");
  const subject = fc.oneof(
    fc.ipV4Extended().map((ip) => `address:${ip}`),
    fc.tuple(fc.ipV6(), fc.integer({ min: -1, max: 130 })).map(([ip, n]) => `address:${ip}/${n}`),
    fc.string().map((id) => `id:${id}`),
    fc.string(),
  );
  fc.assert(
    fc.property(subject, (text) => {
      const bans = new Bans({ entries_max: 5 });
      const ban = { reason: "", since_unix_ms: 0, until_unix_ms: null, automatic: false };
      try {
        const added = bans.add({ ...ban, subject: text });
        expect(parseSubject(added.ban.subject)).toEqual(added.subject);
        expect(bans.delete(text)).toEqual(added.ban);
        expect(bans.size).toBe(0);
      } catch (error) {
        if (!(error instanceof BanError)) throw error;
        expect(parseSubject(text)).toBeNull();
      }
    }),
    { seed, numRuns: 5000 },
  );
});
