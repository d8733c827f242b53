import { expect, test } from "bun:test";
import { isSecretName } from "../../../src/config/secret-name.ts";

test.each([
  "token",
  "Token",
  "TOKEN",
  "tokens",
  "server_token",
  "authToken",
  "client-secret",
  "password",
  "db.password",
  "passphrase",
  "srtPassphrase",
  "fastway.ServerAuthKey",
  "ServerAuthPassword",
  "server_key",
])("%s is secret", (name) => {
  expect(isSecretName(name)).toBe(true);
});

test.each(["tokenizer", "token_count", "session_id", "secretary", "id", "", "broken"])(
  "%s is not",
  (name) => {
    expect(isSecretName(name)).toBe(false);
  },
);
