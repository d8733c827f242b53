/** The files of the section `tls`: what is wrong with them is said with the place of their key. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { loadWithFiles } from "../../../src/config/load-with-files.ts";
import { ConfigError, type ConfigProblem } from "../../../src/config/problem.ts";
import { expiryWarning, readTlsFiles, type TlsMaterial } from "../../../src/config/tls-files.ts";
import { TestAuthority } from "../../harness/certificates.ts";

const DAY_MS = 86_400_000;
const authority = new TestAuthority();
const good = authority.issue({ subject: "/O=relays/CN=relay.example" });
const other = authority.issue();
afterAll(() => authority.close());

type Keys = Record<string, unknown>;
const files = (more: Keys = {}): Keys => ({
  cert_file: good.cert_file,
  key_file: good.key_file,
  ...more,
});

function load(tls: Keys, env: Record<string, string> = {}) {
  const lines = Object.entries(tls).map(([key, value]) => `  ${key}: ${JSON.stringify(value)}\n`);
  return loadWithFiles({ path: authority.write("config.yaml", `tls:\n${lines.join("")}`), env });
}

function problems(tls: Keys, env: Record<string, string> = {}): readonly ConfigProblem[] {
  try {
    load(tls, env);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems;
  }
}

/** `3:13 tls.key_file key_mismatch`, one for each problem. */
function findings(tls: Keys, env: Record<string, string> = {}): string[] {
  return problems(tls, env).map(({ file, line, column, key, code }) =>
    `${line === null ? file : `${line}:${column}`} ${key} ${code}`
  );
}

describe("the files of tls", () => {
  test("are read as they are at that moment, with what is of use in them", () => {
    const chained = authority.write("chain.pem", `Bag Attributes\n${good.cert}${authority.ca}`);
    const with_more = authority.write("key.pem", `${good.cert}\n${good.key}`);
    const { config } = load({
      cert_file: chained,
      key_file: with_more,
      client_auth: "optional",
      client_ca_file: authority.ca_file,
    });
    const material = readTlsFiles(config.tls) as TlsMaterial;
    expect(material.certificate.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    expect(material.certificate).not.toContain("Bag");
    expect(material.key.trim()).toBe(good.key.trim());
    expect(material.client_ca?.trim()).toBe(authority.ca.trim());
    expect(material.subject).toBe("O=relays, CN=relay.example");
    const days = (material.not_after_unix_ms - Date.now()) / DAY_MS;
    expect(days).toBeGreaterThan(9.9);
    expect(days).toBeLessThan(10.1);
  });

  test("without a certificate there is no TLS, and authorities nobody needs are not read", () => {
    expect(readTlsFiles(load({}).config.tls)).toBeNull();
    const { config } = load(files({ client_ca_file: "/nowhere" }));
    expect(readTlsFiles(config.tls)?.client_ca).toBeNull();
  });

  const wrong: [string, Keys, string[]][] = [
    ["missing files", { cert_file: "/nowhere/a", key_file: "/nowhere/b" }, [
      "2:14 tls.cert_file missing",
      "3:13 tls.key_file missing",
    ]],
    ["a key of another certificate", files({ key_file: other.key_file }), [
      "3:13 tls.key_file key_mismatch",
    ]],
    ["files the wrong way round", { cert_file: good.key_file, key_file: good.cert_file }, [
      "2:14 tls.cert_file no_certificate",
      "3:13 tls.key_file no_key",
    ]],
    ["a key with a passphrase", files({ key_file: authority.lock(good.key_file) }), [
      "3:13 tls.key_file key_encrypted",
    ]],
    [
      "an older key with a passphrase",
      files({
        key_file: authority.write(
          "old.key",
          "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n" +
            "AAAA\n-----END EC PRIVATE KEY-----\n",
        ),
      }),
      ["3:13 tls.key_file key_encrypted"],
    ],
    ["a certificate of rubbish", {
      ...files(),
      cert_file: authority.write(
        "rubbish.pem",
        `${good.cert}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`,
      ),
    }, ["2:14 tls.cert_file invalid_certificate"]],
    [
      "a key of rubbish",
      files({
        key_file: authority.write(
          "rubbish.key",
          "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ),
      }),
      ["3:13 tls.key_file invalid_key"],
    ],
    [
      "no authorities",
      files({ client_auth: "required", client_ca_file: authority.write("empty.pem", "") }),
      ["5:19 tls.client_ca_file no_certificate"],
    ],
    ["a folder", files({ key_file: authority.folder }), ["3:13 tls.key_file unreadable"]],
    [
      "a file without an end",
      files({ key_file: authority.write("large.key", "x".repeat(1_048_577)) }),
      ["3:13 tls.key_file too_large"],
    ],
    ["a device", files({ key_file: "/dev/zero" }), ["3:13 tls.key_file unreadable"]],
  ];
  test.each(wrong)("%s", (_name, tls, expected) => {
    expect(findings(tls)).toEqual(expected);
  });

  test("a problem says what was found and what to do, and names the variable that set it", () => {
    expect(problems(files(), { RELAYX_TLS_KEY_FILE: other.key_file })).toEqual([{
      file: "RELAYX_TLS_KEY_FILE",
      line: null,
      column: null,
      key: "tls.key_file",
      code: "key_mismatch",
      found: `"${other.key_file}", which is the key of another certificate`,
      allowed: "the private key of the first certificate in tls.cert_file",
    }]);
  });

  test("nothing of a key reaches a message", () => {
    const secret = good.key.split("\n")[1];
    for (const key_file of [good.cert_file, other.key_file, authority.lock(good.key_file)]) {
      expect(JSON.stringify(problems(files({ key_file })))).not.toContain(secret);
    }
  });

  test("a file that cannot be opened on the way is missing too", () => {
    mkdirSync(join(authority.folder, "folder"), { recursive: true });
    const through_a_file = join(good.cert_file, "x");
    expect(findings(files({ key_file: through_a_file }))).toEqual(["3:13 tls.key_file missing"]);
  });
});

describe("keys of tls that need one another", () => {
  const cases: [string, Keys, string[]][] = [
    ["a certificate without a key", { cert_file: good.cert_file }, [
      "2:14 tls.cert_file file_missing",
    ]],
    ["a key without a certificate", { key_file: good.key_file }, [
      "2:13 tls.key_file certificate_missing",
    ]],
    ["a port without a certificate", { port: 5556 }, ["2:9 tls.port certificate_missing"]],
    ["required without a certificate", { required: true }, [
      "2:13 tls.required certificate_missing",
    ]],
    ["client certificates without one's own", { client_auth: "optional" }, [
      "2:16 tls.client_auth certificate_missing",
    ]],
    ["client certificates without an authority", files({ client_auth: "required" }), [
      "4:16 tls.client_auth file_missing",
    ]],
    ["the control port's number", files({ port: 5555 }), ["4:9 tls.port port_taken"]],
    ["a data port's number", files({ port: 2310 }), ["4:9 tls.port port_taken"]],
    ["a port of its own", files({ port: 5556 }), []],
  ];
  test.each(cases)("%s", (_name, tls, expected) => {
    expect(findings(tls)).toEqual(expected);
  });

  test("the version may be written as a number", () => {
    expect(load(files({ min_version: 1.3 })).config.tls.min_version).toBe("1.3");
    expect(load(files({ min_version: "1.2" })).config.tls.min_version).toBe("1.2");
    const env = { RELAYX_TLS_MIN_VERSION: "1.3" };
    expect(load(files(), env).config.tls.min_version).toBe("1.3");
  });
});

describe("the end of a certificate", () => {
  const now = Date.now();
  const ending = (days: number) =>
    expiryWarning({ not_after_unix_ms: now + days * DAY_MS } as TlsMaterial, now);

  test("is warned of when it is near, and when it has come", () => {
    expect(ending(14.01)).toBeNull();
    expect(ending(13.99)).toEqual({ days: 13, message: "the certificate expires in 13 days" });
    expect(ending(0.5)).toMatchObject({ days: 0, message: "the certificate expires in 0 days" });
    expect(ending(0)?.message).toContain("has expired");
    expect(ending(-3)).toMatchObject({ days: -3 });
  });

  test("is no reason to refuse it", () => {
    const expired = authority.issue({ days: -2 });
    const { config } = load({ cert_file: expired.cert_file, key_file: expired.key_file });
    expect(readTlsFiles(config.tls)?.not_after_unix_ms).toBeLessThan(now);
  });
});
