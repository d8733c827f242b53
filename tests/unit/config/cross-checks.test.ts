/** The rules between two keys for SRT on shared ports, streams and encryption, with their places. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../../src/config/load.ts";
import { ConfigError, type ConfigProblem } from "../../../src/config/problem.ts";

let folder: string;
let file: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "relayx-cross-"));
  file = join(folder, "config.yaml");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function problems(text: string, env: Record<string, string> = {}): readonly ConfigProblem[] {
  writeFileSync(file, text);
  try {
    loadConfig({ path: file, env });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems;
  }
  return [];
}

/** Where and what, in one line each: `2:9 gosrt.mode shared_port_missing`. */
function findings(text: string, env: Record<string, string> = {}): string[] {
  return problems(text, env).map(({ file: where, line, column, key, code }) =>
    `${line === null ? where : `${line}:${column}`} ${key} ${code}`
  );
}

const SHARED = 'gosrt:\n  shared_port: "2349"\n';

describe("the shared port", () => {
  test("is needed where sessions share one", () => {
    expect(problems("gosrt:\n  mode: shared\n")).toEqual([{
      file,
      line: 2,
      column: 9,
      key: "gosrt.mode",
      code: "shared_port_missing",
      found: 'gosrt.mode "shared" with gosrt.shared_port "off"',
      allowed: "a gosrt.shared_port, or gosrt.mode per_session",
    }]);
    expect(findings('gosrt:\n  shared_port: "off"\n', { RELAYX_GOSRT_MODE: "shared" })).toEqual([
      "RELAYX_GOSRT_MODE gosrt.mode shared_port_missing",
    ]);
    expect(findings(`${SHARED}  mode: shared\n`)).toEqual([]);
    expect(findings("gosrt:\n  shared_port: 2349\n  mode: shared\n")).toEqual([]);
    expect(findings('gosrt:\n  shared_port: "2341-2349"\n  mode: shared\n')).toEqual([]);
  });

  test("is not one of the sessions' own ports", () => {
    expect(problems('gosrt:\n  port_range: "2350-2380"\n  shared_port: "2349-2350"\n')).toEqual([{
      file,
      line: 3,
      column: 16,
      key: "gosrt.shared_port",
      code: "port_taken",
      found: "gosrt.shared_port 2349-2350 with gosrt.port_range 2350-2380",
      allowed: "UDP ports of its own for each",
    }]);
    for (const inside of ["2350", "2380", "2360-2370", "2300-2400", "2380-2390"]) {
      expect(findings(`gosrt:\n  shared_port: "${inside}"\n`)).toEqual([
        "2:16 gosrt.shared_port port_taken",
      ]);
    }
    for (const outside of ["2349", "2381", "2300-2349", "2381-2400"]) {
      expect(findings(`gosrt:\n  shared_port: "${outside}"\n`)).toEqual([]);
    }
    expect(findings("", { RELAYX_GOSRT_SHARED_PORT: "2355" })).toEqual([
      "RELAYX_GOSRT_SHARED_PORT gosrt.shared_port port_taken",
    ]);
  });

  test("may have their numbers where no session has a port of its own", () => {
    expect(findings('gosrt:\n  mode: shared\n  shared_port: "2350-2353"\n')).toEqual([]);
  });

  test("may have the numbers of TCP ports", () => {
    expect(findings('gosrt:\n  shared_port: "2300-2320"\n')).toEqual([]);
    expect(findings("gosrt:\n  shared_port: 5555\n")).toEqual([]);
  });
});

describe("the latency", () => {
  test("has its least and its most in that order", () => {
    expect(problems("gosrt:\n  latency_max: 19\n")).toEqual([{
      file,
      line: 2,
      column: 16,
      key: "gosrt.latency_max",
      code: "limit_exceeded",
      found: "gosrt.latency_min 20 with gosrt.latency_max 19",
      allowed: "gosrt.latency_min of at most gosrt.latency_max",
    }]);
    // Where both are set, the first is the one that is pointed at.
    expect(findings("gosrt:\n  latency_max: 100\n  latency_min: 101\n")).toEqual([
      "3:16 gosrt.latency_min limit_exceeded",
    ]);
    expect(findings("gosrt:\n  latency_min: 100\n  latency_max: 100\n")).toEqual([]);
  });
});

describe("a stream", () => {
  test("is on the shared port, or has one of its own", () => {
    const text = "streams:\n  cam:\n    takeover: replace\n";
    expect(problems(text)).toEqual([{
      file,
      line: 3,
      column: 5,
      key: "streams.cam",
      code: "shared_port_missing",
      found: 'a stream without a port, with gosrt.shared_port "off"',
      allowed: "a gosrt.shared_port, or a streams.cam.port",
    }]);
    expect(findings(`${SHARED}${text}`)).toEqual([]);
    expect(findings(text, { RELAYX_GOSRT_SHARED_PORT: "2349" })).toEqual([]);
    expect(findings("streams:\n  cam: { port: 2340 }\n")).toEqual([]);
  });

  test("has a passphrase of its own on the shared port as on one of its own", () => {
    const text = 'streams:\n  cam:\n    passphrase: "correct horse"\n';
    expect(findings(`${SHARED}${text}`)).toEqual([]);
    expect(findings(`${SHARED}  passphrase: "everybody\'s"\n${text}`)).toEqual([]);
    expect(findings(`${text}    port: 2340\n`)).toEqual([]);
    const found = problems(text);
    expect(found.map(({ code }) => code)).toEqual(["shared_port_missing"]);
    expect(JSON.stringify(found)).not.toContain("horse");
  });

  test("has a port that nobody else has", () => {
    const cam = (port: number) => `streams:\n  cam:\n    port: ${port}\n`;
    expect(problems(`${SHARED}${cam(2360)}`)).toEqual([{
      file,
      line: 5,
      column: 11,
      key: "streams.cam.port",
      code: "port_taken",
      found: "streams.cam.port 2360 with gosrt.port_range 2350-2380",
      allowed: "UDP ports of its own for each",
    }]);
    expect(findings(`${SHARED}${cam(2349)}`)).toEqual(["5:11 streams.cam.port port_taken"]);
    expect(findings(`${cam(2340)}  screen:\n    port: 2340\n`)).toEqual([
      "5:11 streams.screen.port port_taken",
    ]);
    expect(findings(`${cam(2340)}  screen:\n    port: 2341\n`)).toEqual([]);
    expect(findings(`${SHARED}  mode: shared\n${cam(2360)}`)).toEqual([]);
    // 0 is the shared port, which any number of streams may be on.
    expect(findings(`${SHARED}${cam(0)}  screen:\n    port: 0\n`)).toEqual([]);
  });

  test("is pointed at whatever its name", () => {
    for (const name of ["live/cam", "a.b", "v1.2/cam.main"]) {
      expect(findings(`streams:\n  ${name}:\n    port: 2360\n`)).toEqual([
        `3:11 streams.${name}.port port_taken`,
      ]);
    }
  });

  test("without a key is one of defaults", () => {
    writeFileSync(file, `${SHARED}streams:\n  cam:\n  screen: {}\n`);
    const { streams } = loadConfig({ path: file, env: {} }).config;
    expect(streams.cam).toEqual({
      publish_key: "",
      read_key: "",
      port: 0,
      passphrase: "",
      takeover: "refuse",
      slow_viewer: "skip",
      viewers_max: 100,
      bitrate_max: 0,
    });
    expect(streams.screen).toEqual(streams.cam);
  });
});

describe("the values", () => {
  const PASSPHRASE = 'a passphrase of 10 to 79 bytes, or "" for none';

  test.each([
    ["gosrt", "pbkeylen: 20", "20", "16, 24 or 32 (bytes)"],
    ["gosrt", "mode: both", '"both"', "one of per_session, shared"],
    [
      "gosrt",
      "shared_port: 5-2",
      '"5-2"',
      '"off", or a port or first-last, for instance "2349" or "2346-2349"',
    ],
    ["gosrt", "oheadbw: 4", "4", "a whole number from 5 to 100 (percent)"],
    ["gosrt", "passphrase: too short", "a value that is not shown", PASSPHRASE],
    ["gosrt", `passphrase: ${"x".repeat(80)}`, "a value that is not shown", PASSPHRASE],
  ])("%s.%s", (section, line, found, allowed) => {
    const key = line.split(":")[0];
    expect(problems(`${section}:\n  ${line}\n`)).toEqual([{
      file,
      line: 2,
      column: key.length + 5,
      key: `${section}.${key}`,
      code: "wrong_value",
      found,
      allowed,
    }]);
  });

  test.each([
    ["passphrase: hunter2", "a value that is not shown", PASSPHRASE],
    [
      `read_key: ${"k".repeat(129)}`,
      "a value that is not shown",
      'text of at most 128 characters, or "" for no key',
    ],
    [
      "publish_key: 12",
      "a value that is not shown",
      'text of at most 128 characters, or "" for no key',
    ],
    ["takeover: ask", '"ask"', "one of refuse, replace"],
    ["slow_viewer: wait", '"wait"', "one of skip, drop"],
    ["viewers_max: 0", "0", "a whole number from 1 to 10000"],
  ])("streams.cam.%s", (line, found, allowed) => {
    const key = line.split(":")[0];
    expect(problems(`${SHARED}streams:\n  cam:\n    ${line}\n`)).toEqual([{
      file,
      line: 5,
      column: key.length + 7,
      key: `streams.cam.${key}`,
      code: "wrong_value",
      found,
      allowed,
    }]);
  });

  test("passphrases of 10 and of 79 characters, whatever the characters", () => {
    for (const passphrase of ["x".repeat(10), "x".repeat(79)]) {
      expect(findings(`gosrt:\n  passphrase: "${passphrase}"\n`)).toEqual([]);
    }
  });

  test("libsrt counts a passphrase in bytes, so 79 letters of two bytes are too many", () => {
    expect(findings(`gosrt:\n  passphrase: "${"ü".repeat(79)}"\n`)).toEqual([
      "2:15 gosrt.passphrase wrong_value",
    ]);
  });

  test("an unknown key of a stream, with the nearest known one", () => {
    const [problem] = problems(`${SHARED}streams:\n  cam:\n    publish_kay: x\n`);
    expect(problem).toMatchObject({ line: 5, column: 5, code: "unknown_key" });
    expect(problem.allowed).toContain('did you mean "publish_key"?');
  });

  test.each(["has blank", "käse", "a:b", "a,b", "x".repeat(65), ""])(
    "a name that no stream can have: %j",
    (name) => {
      const found = problems(`${SHARED}streams:\n  ${JSON.stringify(name)}: {}\n`);
      expect(found).toHaveLength(1);
      expect(found[0]).toMatchObject({
        line: 4,
        allowed: expect.stringContaining("a name of 1 to 64 letters"),
      });
    },
  );

  test("a stream that is no mapping", () => {
    const [problem] = problems(`${SHARED}streams:\n  cam: 5\n`);
    expect(problem).toMatchObject({ line: 4, column: 8, key: "streams.cam", found: "5" });
    expect(problem.allowed).toContain("mapping");
  });
});

describe("the admin port", () => {
  const token = "a-token-of-16-characters";

  test("needs a token where others can reach it", () => {
    expect(problems('admin:\n  bind_address: "0.0.0.0"\n')).toEqual([{
      file,
      line: 2,
      column: 17,
      key: "admin.bind_address",
      code: "token_missing",
      found: 'admin.bind_address "0.0.0.0", which others can reach, without an admin.token',
      allowed: "an admin.token, or an address of this machine alone (127.0.0.1, ::1)",
    }]);
    for (const address of ["192.0.2.7", "::", "::ffff:192.0.2.7"]) {
      expect(findings(`admin:\n  bind_address: "${address}"\n`)).toEqual([
        "2:17 admin.bind_address token_missing",
      ]);
    }
    expect(findings('admin:\n  bind_address: "0.0.0.0"\n', { RELAYX_ADMIN_TOKEN: token })).toEqual(
      [],
    );
    expect(findings('admin:\n  bind_address: "0.0.0.0"\n  port: "off"\n')).toEqual([]);
    for (const address of ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"]) {
      expect(findings(`admin:\n  bind_address: "${address}"\n`)).toEqual([]);
    }
  });

  test("has a token for reading only beside one for orders, and another one", () => {
    expect(findings(`admin:\n  read_token: ${token}\n`)).toEqual([
      "2:15 admin.read_token token_missing",
    ]);
    expect(findings(`admin:\n  token: ${token}\n  read_token: ${token}\n`)).toEqual([
      "3:15 admin.read_token token_twice",
    ]);
    expect(findings(`admin:\n  token: ${token}\n  read_token: ${token}2\n`)).toEqual([]);
  });

  test("shows no token, whatever is wrong with it", () => {
    const [problem] = problems("admin:\n  token: short-secret\n");
    expect(problem).toMatchObject({
      key: "admin.token",
      found: "a value that is not shown",
      allowed: 'a token of 16 to 256 characters without blanks, or "" for none',
    });
    const [other] = problems("", { RELAYX_ADMIN_READ_TOKEN: "another secret with blanks" });
    expect(JSON.stringify(other)).not.toContain("another secret");
  });

  test("lets no address have more connections than all", () => {
    expect(findings("admin:\n  connections_max: 100\n")).toEqual([
      "2:20 admin.connections_max limit_exceeded",
    ]);
  });

  test("takes names and ports as they are written", () => {
    const read = (text: string, env: Record<string, string> = {}) => {
      writeFileSync(file, text);
      return loadConfig({ path: file, env }).config.admin;
    };
    expect(read('admin:\n  allowed_hosts: ["Relay.Example"]\n').allowed_hosts).toEqual([
      "relay.example",
    ]);
    const env = { RELAYX_ADMIN_ALLOWED_HOSTS: "a.example, b.example", RELAYX_ADMIN_PORT: "off" };
    expect(read("", env)).toMatchObject({
      allowed_hosts: ["a.example", "b.example"],
      port: "off",
    });
    expect(read("", { RELAYX_ADMIN_PORT: "0" }).port).toBe(0);
    expect(findings('admin:\n  allowed_hosts: ["a:80"]\n')[0]).toContain("wrong_value");
    expect(findings("admin:\n  port: on\n")).toEqual(["2:9 admin.port wrong_value"]);
  });
});
