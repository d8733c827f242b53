/** The rules between the keys of `auth`, each with the place that is to be corrected. */
import { expect, test } from "bun:test";
import { loadConfig } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/config/problem.ts";

/** The first problem's key and code with these variables; "" where there is none. */
function finding(keys: Record<string, string>): string {
  const env = Object.fromEntries(
    Object.entries(keys).map(([key, value]) => [`RELAYX_AUTH_${key.toUpperCase()}`, value]),
  );
  try {
    loadConfig({ env });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ key, code }) => `${key} ${code}`).join("; ");
  }
  return "";
}

const URL_OF_KEYS = "https://id.example/keys";
const JWT = { mode: "jwt", jwt_key_file: "key.pem" };
const JWKS = { mode: "jwt", jwks_url: URL_OF_KEYS, jwt_audience: "relay" };

test.each([
  ["open needs nothing", {}, ""],
  ["tokens without a file", { mode: "tokens" }, "auth.mode tokens_file_missing"],
  ["tokens with a file", { mode: "tokens", tokens_file: "t.yaml" }, ""],
  ["jwt without keys", { mode: "jwt" }, "auth.mode jwt_keys_missing"],
  ["jwt with a key file", JWT, ""],
  ["jwt with a URL", JWKS, ""],
  ["jwt with both", { ...JWT, ...JWKS }, "auth.mode jwt_keys_twice"],
  ["a URL without an audience", { ...JWKS, jwt_audience: "" }, "auth.jwks_url audience_missing"],
  [
    "HMAC beside a public key",
    { ...JWT, jwt_algorithms: "RS256,HS256" },
    "auth.jwt_algorithms algorithms_mixed",
  ],
  ["HMAC alone", { ...JWT, jwt_algorithms: "HS256,HS512" }, ""],
  ["HMAC from a URL", { ...JWKS, jwt_algorithms: "HS256" }, "auth.jwt_algorithms secret_from_url"],
  ["no signature at all", { ...JWT, jwt_algorithms: "none" }, "auth.jwt_algorithms.0 wrong_value"],
])("%s", (_name, keys, expected) => expect(finding(keys)).toBe(expected));

test.each([
  ["http://id.example/keys", false],
  ["ftp://127.0.0.1/keys", false],
  ["https://user:secret@id.example/keys", false],
  ["file:///etc/keys", false],
  ["keys", false],
  ["http://127.0.0.1.example/keys", false],
  ["http://127.0.0.1:8000/keys", true],
  ["http://[::1]:8000/keys", true],
  ["http://localhost/keys", true],
])("a key set from %s: %p", (jwks_url, allowed) => {
  expect(finding({ ...JWKS, jwks_url })).toBe(allowed ? "" : "auth.jwks_url insecure_url");
});
