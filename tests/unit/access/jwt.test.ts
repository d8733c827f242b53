/** JWTs against the library's own signer, with keys that are made for the test. */
import { afterEach, beforeAll, describe, expect, test } from "bun:test";
import {
  createHmac,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { SignJWT } from "jose";
import { AccessRefusal, type Credentials } from "../../../src/access/authenticator.ts";
import { JwtAuthenticator } from "../../../src/access/jwt-authenticator.ts";
import { KeyFileError, readKeyFile } from "../../../src/access/jwt-keys.ts";
import { FixedKeys, type KeySource } from "../../../src/access/key-source.ts";
import { Principal } from "../../../src/access/principal.ts";
import { RemoteKeys } from "../../../src/access/remote-keys.ts";
import { type Config, configSchema } from "../../../src/config/schema.ts";
import { TestAuthority } from "../../harness/certificates.ts";
import { RecordingLog } from "../sessions/recording-log.ts";

const utf8 = new TextEncoder();
const SECRET = randomBytes(32);
const CLAIMS = { sub: "fe-1", role: "client" };

let rsa: { publicKey: KeyObject; privateKey: KeyObject };
let rsa_next: typeof rsa;
let ec: typeof rsa;
let ed: typeof rsa;

beforeAll(() => {
  rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  rsa_next = generateKeyPairSync("rsa", { modulusLength: 2048 });
  ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
  ed = generateKeyPairSync("ed25519");
});

function auth(changed: Partial<Config["auth"]> = {}): Config["auth"] {
  return { ...configSchema.parse({}).auth, mode: "jwt", ...changed };
}

const HMAC = { jwt_algorithms: ["HS256"] } as Partial<Config["auth"]>;

function pem({ publicKey }: { publicKey: KeyObject }): string {
  return publicKey.export({ type: "spki", format: "pem" }).toString();
}

function jwks(keys: Record<string, KeyObject>): string {
  return JSON.stringify({
    keys: Object.entries(keys).map(([kid, key]) => ({ ...key.export({ format: "jwk" }), kid })),
  });
}

function keysIn(text: string | Uint8Array, shared = false): KeySource {
  const bytes = typeof text === "string" ? utf8.encode(text) : text;
  return new FixedKeys({ keys: readKeyFile(bytes, { shared }) });
}

interface Wish {
  alg?: string;
  kid?: string;
  exp?: number | string | null;
  claims?: Record<string, unknown>;
}

function sign(key: KeyObject | Uint8Array, wish: Wish = {}): Promise<string> {
  const { alg = "RS256", kid, exp = "5m", claims = {} } = wish;
  const jwt = new SignJWT({ ...CLAIMS, ...claims }).setProtectedHeader({ alg, kid });
  if (exp !== null) jwt.setExpirationTime(exp);
  return jwt.sign(key);
}

/** The reason of the refusal, or the principal. */
async function judge(
  authenticator: JwtAuthenticator,
  token: string,
  changed: Partial<Credentials> = {},
): Promise<string | Principal> {
  const verdict = await authenticator.authenticate({
    role: "client",
    id: "fe-1",
    address: "192.0.2.1",
    token,
    ...changed,
  });
  if (!(verdict instanceof AccessRefusal)) return verdict;
  expect(verdict.detail).not.toContain(token.split(".")[2] || "no signature");
  return verdict.reason;
}

describe("a signed token", () => {
  test("is good with every kind of key", async () => {
    for (
      const [alg, key] of [["RS256", rsa], ["PS512", rsa], ["ES256", ec], ["EdDSA", ed]] as const
    ) {
      const one = new JwtAuthenticator({ auth: auth(), source: keysIn(pem(key)) });
      const principal = await judge(one, await sign(key.privateKey, { alg }));
      expect(principal).toBeInstanceOf(Principal);
      expect((principal as Principal).name).toBe("fe-1");
    }
    const shared = new JwtAuthenticator({ auth: auth(HMAC), source: keysIn(SECRET, true) });
    expect(await judge(shared, await sign(SECRET, { alg: "HS256" }))).toBeInstanceOf(Principal);
  });

  test("says who it is by its claims", async () => {
    const changed = {
      jwt_name_claim: "email",
      jwt_id_claim: "https://relay.example/ids",
      jwt_role_claim: "roles",
    };
    const one = new JwtAuthenticator({ auth: auth(changed), source: keysIn(pem(rsa)) });
    const token = await sign(rsa.privateKey, {
      claims: {
        email: "who@example.org",
        "https://relay.example/ids": ["a", "b*"],
        roles: ["server", "client"],
        peers: ["cam-*"],
        quotas: { sessions: 3 },
      },
    });
    const principal = await judge(one, token, { id: "b*", role: "server" }) as Principal;
    expect(principal.name).toBe("who@example.org");
    expect(principal.rules.limits).toEqual({ sessions: 3 });
    expect([principal.mayMeet("cam-1"), principal.mayMeet("x")]).toEqual([true, false]);
    // A star in an id that somebody may have chosen for himself is a star.
    expect(await judge(one, token, { id: "bc" })).toBe("wrong_id");
  });

  test("with a claim that is no text, no role or no quota is refused", async () => {
    const one = new JwtAuthenticator({ auth: auth(), source: keysIn(pem(rsa)) });
    const wrong: Record<string, unknown>[] = [
      { sub: 7 },
      { sub: "" },
      { sub: undefined },
      { role: "king" },
      { role: undefined },
      { peers: 5 },
      { quotas: { sessions: -1 } },
      { quotas: { everything: 1 } },
    ];
    for (const claims of wrong) {
      expect(await judge(one, await sign(rsa.privateKey, { claims }))).toBe("malformed");
    }
    const lenient = new JwtAuthenticator({
      auth: auth({ jwt_role_claim: "", jwt_peers_claim: "", jwt_quotas_claim: "" }),
      source: keysIn(pem(rsa)),
    });
    const token = await sign(rsa.privateKey, { claims: { role: 1, peers: 5, quotas: 7 } });
    expect(await judge(lenient, token)).toBeInstanceOf(Principal);
  });

  test("is for its time, its issuer and its audience only", async () => {
    const strict = auth({
      jwt_issuer: "https://id.example",
      jwt_audience: "relay",
      jwt_clock_tolerance: 10_000,
    });
    const one = new JwtAuthenticator({ auth: strict, source: keysIn(pem(rsa)) });
    const now = Math.floor(Date.now() / 1000);
    const good = { iss: "https://id.example", aud: ["other", "relay"] };
    const ask = async (wish: Wish) =>
      await judge(
        one,
        await sign(rsa.privateKey, { ...wish, claims: { ...good, ...wish.claims } }),
      );
    expect(await ask({})).toBeInstanceOf(Principal);
    expect(await ask({ exp: now - 5 })).toBeInstanceOf(Principal);
    expect(await ask({ exp: now - 60 })).toBe("expired");
    expect(await ask({ exp: null })).toBe("malformed");
    expect(await ask({ claims: { nbf: now + 60 } })).toBe("not_yet_valid");
    expect(await ask({ claims: { nbf: now + 5 } })).toBeInstanceOf(Principal);
    expect(await ask({ claims: { iss: "https://id.example.org" } })).toBe("wrong_issuer");
    expect(await ask({ claims: { iss: undefined } })).toBe("wrong_issuer");
    expect(await ask({ claims: { aud: "another" } })).toBe("wrong_audience");
    expect(await ask({ claims: { aud: undefined } })).toBe("wrong_audience");
  });
});

describe("what is no good signature", () => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const body = part({ ...CLAIMS, changed: true, exp: Math.floor(Date.now() / 1000) + 300 });

  test("none at all is refused, whatever the header says of it", async () => {
    const one = new JwtAuthenticator({ auth: auth(), source: keysIn(pem(rsa)) });
    for (const alg of ["none", "None", "nOnE", "NONE", ""]) {
      expect(await judge(one, `${part({ alg })}.${body}.`)).toBe("alg_not_allowed");
    }
    for (const token of ["", "a", "a.b", "a.b.c", "a.b.c.d", `${part({})}.${body}.x`, "\u0000"]) {
      expect(await judge(one, token)).toBe("malformed");
    }
  });

  test("the public key as an HMAC's secret", async () => {
    const one = new JwtAuthenticator({ auth: auth(), source: keysIn(pem(rsa)) });
    for (
      const secret of [
        pem(rsa),
        pem(rsa).trim(),
        rsa.publicKey.export({ type: "spki", format: "der" }),
      ]
    ) {
      const head = part({ alg: "HS256" });
      const mac = createHmac("sha256", secret).update(`${head}.${body}`).digest("base64url");
      expect(await judge(one, `${head}.${body}.${mac}`)).toBe("alg_not_allowed");
    }
  });

  test("another key, changed claims, another algorithm of the same key", async () => {
    const one = new JwtAuthenticator({
      auth: auth({ jwt_algorithms: ["RS256"] }),
      source: keysIn(pem(rsa)),
    });
    const [head, , signature] = (await sign(rsa.privateKey)).split(".");
    expect(await judge(one, await sign(rsa_next.privateKey))).toBe("bad_signature");
    expect(await judge(one, `${head}.${body}.${signature}`)).toBe("bad_signature");
    expect(await judge(one, `${head}.${body}.`)).toBe("bad_signature");
    expect(await judge(one, await sign(rsa.privateKey, { alg: "PS256" }))).toBe("alg_not_allowed");
    // Allowed, and there is no key of its kind.
    const both = new JwtAuthenticator({ auth: auth(), source: keysIn(pem(rsa)) });
    expect(await judge(both, await sign(ec.privateKey, { alg: "ES256" }))).toBe("unknown_key");
  });

  test("a key inside the token itself counts for nothing", async () => {
    const one = new JwtAuthenticator({ auth: auth(), source: keysIn(pem(rsa)) });
    const jwk = rsa_next.publicKey.export({ format: "jwk" });
    const token = await new SignJWT(CLAIMS).setProtectedHeader({ alg: "RS256", jwk })
      .setExpirationTime("5m").sign(rsa_next.privateKey);
    expect(await judge(one, token)).toBe("bad_signature");
  });

  test("a key of the set for another algorithm, or by another name", async () => {
    const text = JSON.stringify({
      keys: [{ ...rsa.publicKey.export({ format: "jwk" }), kid: "one", alg: "PS256" }],
    });
    const one = new JwtAuthenticator({ auth: auth(), source: keysIn(text) });
    const ask = async (wish: Wish) => await judge(one, await sign(rsa.privateKey, wish));
    expect(await ask({ alg: "PS256", kid: "one" })).toBeInstanceOf(Principal);
    expect(await ask({ alg: "PS256" })).toBeInstanceOf(Principal);
    expect(await ask({ alg: "RS256", kid: "one" })).toBe("unknown_key");
    expect(await ask({ alg: "PS256", kid: "two" })).toBe("unknown_key");
  });
});

describe("a key file", () => {
  const fault = (text: string | Uint8Array, shared = false) => {
    try {
      keysIn(text, shared);
    } catch (error) {
      if (error instanceof KeyFileError) return error.found;
      throw error;
    }
    return "";
  };

  test("holds what the algorithms need, and nothing else", () => {
    const oct = { kty: "oct", k: SECRET.toString("base64url") };
    const own = rsa.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    expect(fault(pem(ec))).toBe("");
    expect(fault(jwks({ a: rsa.publicKey, b: ed.publicKey }))).toBe("");
    expect(fault(JSON.stringify({ keys: [oct] }), true)).toBe("");
    expect(fault(own)).toContain("a private key");
    expect(fault(jwks({ a: rsa.privateKey }))).toContain("a private key");
    expect(fault(JSON.stringify({ keys: [oct] }))).toBe("a secret among public keys");
    expect(fault(jwks({ a: rsa.publicKey }), true)).toBe('a key of the kind "RSA" among secrets');
    expect(fault(pem(rsa), true)).toBe("a PEM file, which is no secret");
    expect(fault("short", true)).toBe("a secret of 5 bytes");
    expect(fault("")).toBe("neither PEM nor JSON");
    expect(fault("{")).toBe("text that is no JSON");
    expect(fault("{}")).toBe("JSON that is no key set");
    expect(fault('{"keys": []}')).toBe("a key set without a key to check with");
    expect(fault("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"))
      .toBe("a PEM file that cannot be read");
  });

  test("may have keys that are of no use here, beside those that are", () => {
    const set = JSON.stringify({
      keys: [
        { kty: "AKP", kid: "new", alg: "ML-DSA-44", pub: "AAAA" },
        { kty: "EC", crv: "secp256k1", x: "AAAA", y: "AAAA" },
        { ...rsa.publicKey.export({ format: "jwk" }), use: "enc" },
        { ...rsa.publicKey.export({ format: "jwk" }), use: "sig", kid: "good" },
      ],
    });
    expect(readKeyFile(utf8.encode(set), { shared: false }).map(({ kid }) => kid))
      .toEqual(["good"]);
  });

  test("may be a certificate", async () => {
    const authority = new TestAuthority();
    try {
      const { cert, key } = authority.issue();
      const one = new JwtAuthenticator({ auth: auth(), source: keysIn(cert) });
      const token = await sign(createPrivateKey(key), { alg: "ES256" });
      expect(await judge(one, token)).toBeInstanceOf(Principal);
    } finally {
      authority.close();
    }
  });

  test("with a line feed behind the secret is the same secret", async () => {
    const text = SECRET.toString("hex");
    const one = new JwtAuthenticator({ auth: auth(HMAC), source: keysIn(`${text}\n`, true) });
    const token = await sign(utf8.encode(text), { alg: "HS256" });
    expect(await judge(one, token)).toBeInstanceOf(Principal);
  });

  test("that was replaced takes back what its key had signed, and only that", async () => {
    const before = new JwtAuthenticator({
      auth: auth({ jwt_audience: "relay" }),
      source: keysIn(jwks({ a: rsa.publicKey, b: rsa_next.publicKey })),
    });
    const ask = async (key: KeyObject, kid: string) =>
      await judge(before, await sign(key, { kid, claims: { aud: "relay" } })) as Principal;
    const [a, b] = [await ask(rsa.privateKey, "a"), await ask(rsa_next.privateKey, "b")];
    expect([before.holds(a), before.holds(b)]).toEqual([true, true]);
    const after = (changed: Partial<Config["auth"]>) =>
      new JwtAuthenticator({
        auth: auth({ jwt_audience: "relay", ...changed }),
        source: keysIn(pem(rsa)),
        before,
      });
    const held = (one: JwtAuthenticator) => [one.holds(a), one.holds(b)];
    expect(held(after({}))).toEqual([true, false]);
    expect(held(after({ jwt_audience: "another" }))).toEqual([false, false]);
    expect(held(after({ jwt_issuer: "somebody" }))).toEqual([false, false]);
    expect(held(after({ jwt_algorithms: ["ES256"] }))).toEqual([false, false]);
    expect(after({}).holds(new Principal({ name: "a", rules: a.rules }))).toBe(false);
  });
});

describe("a key set under a URL", () => {
  const open: { server?: Server; keys?: RemoteKeys }[] = [];
  afterEach(async () => {
    for (const { server, keys } of open.splice(0)) {
      keys?.close();
      server?.closeAllConnections();
      await new Promise((resolve) => server ? server.close(resolve) : resolve(null));
    }
  });

  /** A provider whose answer the test decides on; it counts how often it was asked. */
  async function provider(answer: (response: ServerResponse) => void) {
    const state = { answer, asked: 0 };
    const server = createServer((_request, response) => {
      state.asked++;
      state.answer(response);
    });
    open.push({ server });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
    return { state, url };
  }

  function remote(url: string, changed: Record<string, number> = {}) {
    const log = new RecordingLog();
    const keys = new RemoteKeys({
      url,
      refresh_ms: 600_000,
      cooldown_ms: 0,
      fetch_ms_max: 2000,
      retry_ms_min: 600_000,
      log,
      ...changed,
    });
    open.push({ keys });
    const one = new JwtAuthenticator({ auth: auth({ jwt_audience: "relay" }), source: keys });
    const ask = async (key: KeyObject, kid: string) =>
      await judge(one, await sign(key, { kid, claims: { aud: "relay" } }));
    return { keys, log, one, ask };
  }

  const sends = (text: string) => (response: ServerResponse) => void response.end(text);

  test("is fetched when a token names a new key, and rotation takes nothing back", async () => {
    const { state, url } = await provider(sends(jwks({ a: rsa.publicKey })));
    const { one, ask } = remote(url);
    const first = await ask(rsa.privateKey, "a");
    expect(first).toBeInstanceOf(Principal);
    expect(await ask(rsa.privateKey, "a")).toBeInstanceOf(Principal);
    expect(state.asked).toBe(1);
    state.answer = sends(jwks({ b: rsa_next.publicKey }));
    expect(await ask(rsa_next.privateKey, "b")).toBeInstanceOf(Principal);
    expect(state.asked).toBe(2);
    expect(await ask(rsa.privateKey, "a")).toBe("unknown_key");
    expect(one.holds(first as Principal)).toBe(true);
  });

  test("that many ask for at once is fetched once, and then not again for a while", async () => {
    const { state, url } = await provider(sends(jwks({ a: rsa.publicKey })));
    const { ask } = remote(url, { cooldown_ms: 60_000 });
    const all = await Promise.all(Array.from({ length: 20 }, () => ask(rsa.privateKey, "a")));
    expect(all.every((one) => one instanceof Principal)).toBe(true);
    for (let i = 0; i < 20; i++) expect(await ask(rsa.privateKey, `x${i}`)).toBe("unknown_key");
    expect(state.asked).toBe(1);
  });

  test("stays good through every kind of outage", async () => {
    const { state, url } = await provider(sends(jwks({ a: rsa.publicKey })));
    const { keys, log, ask } = remote(url, { fetch_ms_max: 200 });
    expect(await ask(rsa.privateKey, "a")).toBeInstanceOf(Principal);
    const outages: ((response: ServerResponse) => void)[] = [
      (response) => void response.writeHead(500).end(),
      (response) => void response.writeHead(302, { location: url }).end(),
      (response) => void response.socket?.destroy(),
      sends("no JSON"),
      sends('{"keys": []}'),
      sends(JSON.stringify({ keys: [{ kty: "oct", k: SECRET.toString("base64url") }] })),
      sends(`{"keys": "${"x".repeat(300_000)}"}`),
      // Nothing comes at all.
      () => {},
    ];
    for (const outage of outages) {
      state.answer = outage;
      // It may be good, so its bearer is told to come again.
      expect(await ask(rsa_next.privateKey, "b")).toBe("keys_unavailable");
      expect(await ask(rsa.privateKey, "a")).toBeInstanceOf(Principal);
    }
    expect(keys.snapshot()).toEqual({ keys: 1, failures: outages.length });
    expect(log.statuses()).toEqual([
      "jwks_fetched",
      ...outages.map(() => "jwks_unavailable"),
    ]);
    state.answer = sends(jwks({ b: rsa_next.publicKey }));
    expect(await ask(rsa_next.privateKey, "b")).toBeInstanceOf(Principal);
    expect(keys.snapshot().failures).toBe(0);
  });

  test("that was never there is nobody's fault, and is fetched again by itself", async () => {
    const { state, url } = await provider((response) => void response.writeHead(503).end());
    const { keys, log, ask } = remote(url, { cooldown_ms: 60_000, retry_ms_min: 5 });
    keys.start();
    expect(await ask(rsa.privateKey, "a")).toBe("keys_unavailable");
    state.answer = sends(jwks({ a: rsa.publicKey }));
    await log.status("jwks_fetched");
    expect(await ask(rsa.privateKey, "a")).toBeInstanceOf(Principal);
  });
});
