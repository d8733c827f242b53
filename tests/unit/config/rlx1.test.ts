import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadWithFiles } from "../../../src/config/load-with-files.ts";
import type { LoadedConfig } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/config/problem.ts";

let folder: string;
let file: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "relayx-rlx1-"));
  file = join(folder, "config.yaml");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SECRET = "0123456789abcdef0123456789abcdef";

function load(text: string, env: Record<string, string> = {}): LoadedConfig {
  writeFileSync(file, text);
  return loadWithFiles({ path: file, env });
}

function complaints(text: string, env: Record<string, string> = {}): string[] {
  try {
    load(text, env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.replaceAll(`${folder}/`, "").split("\n");
  }
  return [];
}

/** The section in one line, with a secret. */
const section = (keys: string) => `rlx1: { secret: "${SECRET}"${keys && `, ${keys}`} }\n`;

describe("the section", () => {
  test("without it v1 is off", () => {
    expect(load("gateway: { tcp_port: 5555 }\n").config.rlx1).toBeUndefined();
  });

  test("its defaults", () => {
    const { config: { rlx1 }, warnings } = load(section(""));
    expect(rlx1).toMatchObject({
      max_fe: 1000,
      max_be: 1000,
      ring_buffer_size: 104_857_600,
      reaper_timeout: 2000,
      control_port: 0,
      zmq_start_port: 30_101,
      zmq_end_port: 30_200,
      srt_start_port: 30_000,
      srt_end_port: 30_100,
      signatures: "off",
    });
    expect(warnings).toEqual([]);
  });

  test("every key may come from the environment, and turns v1 on", () => {
    const { config: { rlx1 } } = load("", {
      RELAYX_RLX1_SECRET: SECRET,
      RELAYX_RLX1_MAX_FE: "7",
      RELAYX_RLX1_RING_BUFFER_SIZE: "2MB",
      RELAYX_RLX1_REAPER_TIMEOUT: "5s",
    });
    expect(rlx1).toMatchObject({
      secret: SECRET,
      max_fe: 7,
      ring_buffer_size: 2_097_152,
      reaper_timeout: 5000,
    });
  });
});

describe("v1's rules", () => {
  const wrong: [string, string, string][] = [
    ["max_fe from 1", "max_fe: 0", "rlx1.max_fe: found 0; allowed: a whole number from 1"],
    ["max_be from 1", "max_be: -1", "rlx1.max_be: found -1; allowed: a whole number from 1"],
    ["a ring of no size", "ring_buffer_size: 5", "rlx1.ring_buffer_size: found 5; allowed"],
    ["a reaper back in time", 'reaper_timeout: "-1s"', 'rlx1.reaper_timeout: found "-1s"'],
    ["ports from 1", "zmq_start_port: 0", "rlx1.zmq_start_port: found 0; allowed: a whole number"],
    ["ports to 65535", "srt_end_port: 65536", "rlx1.srt_end_port: found 65536; allowed"],
    [
      "a range backwards",
      "zmq_start_port: 30150, zmq_end_port: 30140",
      "found rlx1.zmq_start_port 30150 with rlx1.zmq_end_port 30140",
    ],
    [
      "ranges that meet",
      "srt_end_port: 30101",
      "found rlx1.srt_start_port to rlx1.srt_end_port 30000-30101 with rlx1.zmq_start_port to " +
      "rlx1.zmq_end_port 30101-30200; allowed: ranges that have no port in common",
    ],
    [
      "a control port of its own inside a range",
      "control_port: 30050",
      "30000-30100 with rlx1.control_port 30050 inside it",
    ],
  ];
  for (const [name, keys, complaint] of wrong) {
    test(name, () => {
      const found = complaints(section(keys));
      expect(found).toHaveLength(1);
      expect(found[0]).toStartWith("config.yaml:1:");
      expect(found[0]).toContain(complaint);
    });
  }

  const others: [string, string, string][] = [
    ["the control port", "gateway: { tcp_port: 30150 }", "gateway.tcp_port 30150 inside it"],
    ["the admin port", "admin: { port: 30000 }", "admin.port 30000 inside it"],
    ["V4's TCP ports", 'zeromq: { port_range: "30200-30300" }', 'zeromq.port_range "30200-30300"'],
  ];
  for (const [name, other, complaint] of others) {
    test(`no range meets ${name}`, () => {
      expect(complaints(section("zmq_end_port: 30200, srt_end_port: 30100") + other).join())
        .toContain(complaint);
    });
  }

  test("V4's UDP ports may have the same numbers", () => {
    load(section("") + 'gosrt: { port_range: "30000-30050" }');
  });

  test("the control port may be the common one, and no other's", () => {
    load(section("control_port: 5555"));
    load(section("control_port: 5556"));
    expect(complaints(section("control_port: 8080"))[0]).toContain("with admin.port 8080");
    expect(complaints(section("control_port: 2310"))[0]).toContain("with zeromq.port_range");
  });

  test("a secret there must be, but with tokens, where it means nothing", () => {
    expect(complaints("rlx1: {}\n")[0]).toContain("rlx1.secret: found no secret");
    const tokens = join(folder, "tokens.yaml");
    writeFileSync(tokens, "tokens: []\n");
    load(`rlx1: {}\nauth: { mode: tokens, tokens_file: "${tokens}" }\n`);
  });

  test("what is unwise is warned of, with its place", () => {
    const { warnings } = load(
      'rlx1:\n  secret: "short"\n  reaper_timeout: 500ms\n  ring_buffer_size: 600000\n',
    );
    expect(warnings.map(({ key, line, code }) => [key, line, code])).toEqual([
      ["rlx1.ring_buffer_size", 4, "small_buffer"],
      ["rlx1.reaper_timeout", 3, "short_timeout"],
      ["rlx1.secret", 2, "short_secret"],
    ]);
    expect(JSON.stringify(warnings)).not.toContain('"short"');
    expect(load(section("reaper_timeout: 0")).warnings).toEqual([]);
  });
});

describe("v1's own files", () => {
  const template = (name: string) => {
    const seed = readFileSync(join(import.meta.dirname, "v1-templates", `${name}.yaml`), "utf8");
    const env = readFileSync(join(import.meta.dirname, "v1-templates", `${name}.json`), "utf8");
    const home = mkdtempSync(join(folder, "home-"));
    const path = join(home, "config.yaml");
    writeFileSync(path, seed);
    writeFileSync(join(home, ".env.local.json"), env);
    return loadWithFiles({ path, env: {} });
  };

  const expected = {
    dev: { max_fe: 50, ring: 32, reaper: 10, zmq_end: 30_120, srt_end: 30_020, level: "debug" },
    test: { max_fe: 200, ring: 64, reaper: 5, zmq_end: 30_200, srt_end: 30_100, level: "info" },
    prod: { max_fe: 1000, ring: 128, reaper: 30, zmq_end: 30_200, srt_end: 30_100, level: "warn" },
  } as const;
  for (
    const [name, { max_fe, ring, reaper, zmq_end, srt_end, level }] of Object.entries(expected)
  ) {
    test(`the template for ${name} loads as it stands`, () => {
      const { config, warnings } = template(name);
      expect(config.rlx1).toMatchObject({
        max_fe,
        ring_buffer_size: ring * 1_048_576,
        reaper_timeout: reaper * 1000,
        control_port: 5555,
        zmq_end_port: zmq_end,
        srt_end_port: srt_end,
        secret: `${name}_secret_replace_me`,
      });
      expect(config.gateway.tcp_port).toBe(5555);
      expect(config.logging).toMatchObject({ level, output: "console" });
      expect(warnings.map(({ code }) => code)).toEqual(["short_secret"]);
      expect(warnings[0].file).toEndWith(".env.local.json");
    });
  }

  test("its ports are its own where V4's defaults are among them, unless the file says otherwise", () => {
    // What the original came with.
    const original = (more = "") =>
      load(
        `relay:\n  max_fe: 2\n  max_be: 2\n  ring_buffer_size: 104857600\n  reaper_timeout: 2s\n` +
          `  control_port: 5555\n  zmq_start_port: 2350\n  zmq_end_port: 2380\n` +
          `  srt_start_port: 2300\n  srt_end_port: 2330\n  secret: "${SECRET}"\n` +
          `log:\n  level: debug\n${more}`,
      ).config;
    expect(original().rlx1).toMatchObject({ zmq_end_port: 2380, srt_start_port: 2300 });
    expect(original().zeromq.port_range).toEqual({ first: 2381, last: 2401 });
    const said = original('zeromq: { port_range: "4000-4001" }');
    expect(said.zeromq.port_range).toEqual({ first: 4000, last: 4001 });
    expect(() => original('zeromq: { port_range: "2300-2320" }')).toThrow("zeromq.port_range");
    const relay = (keys: string) => load(`relay: { secret: "${SECRET}", ${keys} }`).config;
    expect(relay("max_fe: 2").zeromq.port_range).toEqual({ first: 2300, last: 2320 });
    const highest = relay("srt_start_port: 2310, srt_end_port: 2315, zmq_end_port: 65535");
    expect(highest.zeromq.port_range).toEqual({ first: 2289, last: 2309 });
    expect(complaints(section("srt_start_port: 2300, srt_end_port: 2310"))).toHaveLength(1);
  });

  test("its control port is the gateway's, unless that says otherwise", () => {
    const relay = (more: string) =>
      load(`relay: { secret: "${SECRET}", control_port: 6000 }\n${more}`);
    expect(relay("").config.gateway.tcp_port).toBe(6000);
    expect(relay("gateway: { tcp_port: 7000 }").config.gateway.tcp_port).toBe(7000);
    const section_of_ours = load(section("control_port: 6000"));
    expect(section_of_ours.config.gateway.tcp_port).toBe(5555);
    expect(section_of_ours.config.logging.output).toBe("file");
  });

  test("what is wrong is told in the file's own words", () => {
    expect(complaints("relay:\n  max_fe: 0\nlog: { level: loud }\n")).toEqual([
      "config.yaml:2:11 relay.max_fe: found 0; allowed: a whole number from 1 to 1000000",
      'config.yaml:3:15 log.level: found "loud"; allowed: one of debug, info, warn, error',
      "config.yaml relay.secret: found no secret, so that nobody could register; allowed: text, " +
      "better 32 bytes of chance: in this key, in RELAYX_RLX1_SECRET, or as auth_secret in a file " +
      ".env.local.json beside this one",
    ]);
    expect(complaints("relay: {}\nrlx1: {}\n")[0]).toContain(
      'config.yaml:1:1 relay: found the section "relay", which is another name for "rlx1", beside it',
    );
  });

  test("the secret: the environment, then the file, then the JSON beside it or above configs", () => {
    const home = mkdtempSync(join(folder, "home-"));
    mkdirSync(join(home, "configs"));
    const path = join(home, "configs", "config.yaml");
    const secret = (env: Record<string, string> = {}) =>
      loadWithFiles({ path, env }).config.rlx1?.secret;
    writeFileSync(path, "relay: {}\n");
    writeFileSync(join(home, ".env.local.json"), `{"auth_secret":"above"}`);
    expect(secret()).toBe("above");
    writeFileSync(join(home, "configs", ".env.local.json"), `{"auth_secret":"beside"}`);
    expect(secret()).toBe("beside");
    writeFileSync(path, "relay: { secret: inside }\n");
    expect(secret()).toBe("inside");
    expect(secret({ RELAYX_RLX1_SECRET: "around" })).toBe("around");
  });

  test("a JSON that cannot be read is said to be, and without v1 it is not read at all", () => {
    const home = mkdtempSync(join(folder, "home-"));
    const path = join(home, "config.yaml");
    const json = join(home, ".env.local.json");
    const attempt = () => {
      try {
        loadWithFiles({ path, env: {} });
      } catch (error) {
        return (error as Error).message;
      }
      return "";
    };
    writeFileSync(path, "rlx1: { secret: x }\n");
    for (
      const [text, found] of [["{", "text that is no JSON"], ["[]", "no object"], [
        '{"auth_secret":5}',
        "auth_secret that is no text",
      ]]
    ) {
      writeFileSync(json, text);
      expect(attempt()).toContain(`${json}: found ${found}`);
    }
    writeFileSync(path, "gateway: {}\n");
    expect(attempt()).toBe("");
  });
});

describe("the keys of signatures", () => {
  const write = (name: string, text: string | Uint8Array) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const pem = (bits: number) =>
    generateKeyPairSync("rsa", {
      modulusLength: bits,
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    });

  test("what cannot be used is named with its file", () => {
    const good = pem(2048);
    const ec = generateKeyPairSync("ec", {
      namedCurve: "P-384",
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    });
    const cases: [string, string][] = [
      [join(folder, "nowhere.pem"), "no such file"],
      [write("text.pem", "hello"), "which cannot be read as one"],
      [write("private.pem", good.privateKey), "which is a private key"],
      [write("short.pem", pem(1024).publicKey), "a key of another kind (rsa 1024)"],
      [write("curve.pem", ec.publicKey), "a key of another kind (ec "],
      [folder, "something that is no regular file"],
    ];
    for (const [path, found] of cases) {
      const keys = `signatures: required, verify_key_file: "${path}"`;
      const [complaint] = complaints(section(keys));
      expect(complaint).toContain("rlx1.verify_key_file: found");
      expect(complaint).toContain(found);
    }
    const verify_key_file = write("good.pem", good.publicKey);
    load(section(`signatures: required, verify_key_file: "${verify_key_file}"`));
    // Files that are not used are not looked at.
    load(section(`signatures: "off", verify_key_file: "${cases[0][0]}"`));
  });

  test("what is missing, or twice the same, is refused", () => {
    const path = write("good.pem", pem(2048).publicKey);
    expect(complaints(section("signatures: required"))[0]).toContain(
      "without a rlx1.verify_key_file",
    );
    expect(complaints(section("signatures: optional"))[0]).toContain("without any key");
    const both =
      `signatures: required, verify_key_file: "${path}", verify_previous_key_file: "${path}"`;
    expect(complaints(section(both))[0]).toContain("the same id");
  });

  test("a public key that is announced must be that of the key that signs", () => {
    const [one, other] = [pem(2048), pem(2048)];
    const sign_key_file = write("sign.pem", one.privateKey);
    const announced = (key: string) =>
      complaints(
        section(
          `signatures: optional, sign_key_file: "${sign_key_file}", public_key: ${
            JSON.stringify(key)
          }`,
        ),
      );
    expect(announced(one.publicKey)).toEqual([]);
    expect(announced(other.publicKey)[0]).toContain("the public half of another key");
    expect(announced("REPLACE_ME")[0]).toContain("a text that is no public key");
  });
});
