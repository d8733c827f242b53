/** The options by which commands speak TLS: which of them go together, and which files they take. */
import { afterAll, expect, test } from "bun:test";
import { readTlsFlags } from "../../../src/cli/tls-options.ts";
import { TestAuthority } from "../../harness/certificates.ts";

const authority = new TestAuthority();
const { cert_file, key_file, cert, key } = authority.issue();
afterAll(() => authority.close());

test("without any there is no TLS, and each of them means it", async () => {
  expect(await readTlsFlags({})).toBeUndefined();
  expect(await readTlsFlags({ tls: "false" })).toBeUndefined();
  expect(await readTlsFlags({ tls: true })).toEqual({});
  expect(await readTlsFlags({ server_name: "relay.example" }))
    .toEqual({ server_name: "relay.example" });
  expect(await readTlsFlags({ ca: authority.ca_file, cert: cert_file, key: key_file }))
    .toEqual({ ca: authority.ca, cert, key });
});

test.each([
  [{ tls: "false", ca: authority.ca_file }, '--tls: found "false"'],
  [{ tls: "maybe" }, '--tls: found "maybe"'],
  [{ cert: cert_file }, "--cert: found"],
  [{ key: key_file }, "--key: found"],
  [{ ca: "/nowhere" }, "/nowhere (ENOENT)"],
  [{ ca: key_file }, "a PEM file with a certificate"],
  [{ cert: cert_file, key: cert_file }, "a PEM file with a private key"],
  [{ cert: cert_file, key: authority.lock(key_file) }, "without a passphrase"],
])("%p is refused", async (flags, message) => {
  await expect(readTlsFlags(flags)).rejects.toThrow(message);
});
