import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { changesBetween } from "../../../src/config/changes.ts";
import { variableName } from "../../../src/config/environment.ts";
import {
  type FastwayConfig,
  fastwayListeners,
  fastwaySection,
  fastwayServerKey,
  formatListenAddress,
} from "../../../src/config/fastway-section.ts";
import { sections } from "../../../src/config/keys.ts";
import { loadConfig, type LoadedConfig } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/config/problem.ts";

let folder: string;
let file: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "relayx-fastway-"));
  file = join(folder, "config.yaml");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Environment = Record<string, string>;
type Section = Record<string, unknown>;

function load(text: string, env: Environment = {}): LoadedConfig {
  writeFileSync(file, text);
  return loadConfig({ path: file, env });
}

/** A file with this section, and with others. */
function text(fastway: Section, others: Record<string, Section> = {}): string {
  return JSON.stringify({ fastway, ...others });
}

function section(fastway: Section, env: Environment = {}): FastwayConfig {
  return load(text(fastway), env).config.fastway!;
}

/** What is wrong: the key, the kind, and the sentence. */
function problems(content: string, env: Environment = {}) {
  try {
    load(content, env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ key, code, found, allowed }) => ({ key, code, found, allowed }));
  }
  return [];
}

function warnings(content: string, env: Environment = {}): string[] {
  return load(content, env).warnings.map(({ key, code }) => `${key} ${code}`);
}

/** No server can come from elsewhere, and nothing is left to warn of. */
const QUIET = { ServerAddr: "127.0.0.1:0" };

describe("the section", () => {
  test("without it fastway is off", () => {
    expect(load("").config.fastway).toBeUndefined();
    expect(load("").warnings).toEqual([]);
  });

  test("its defaults are those of the original program", () => {
    expect(section({})).toEqual({
      ReusePort: false,
      MaxPacket: 524_288,
      MemPoolType: "atom",
      MemPoolFactor: 2,
      MemPoolMaxChunk: 65_536,
      MemPoolMinChunk: 64,
      MemPoolPageSize: 1_048_576,
      ClientAddr: { host: "", port: 0 },
      ClientMaxConn: 16,
      ClientBufferSize: 2048,
      ClientIdleTimeout: 30_000,
      ClientSendChanSize: 1024,
      ClientSnetEnable: false,
      ClientSnetEncrypt: false,
      ClientSnetBuffer: 65_536,
      ClientSnetInitTimeout: 10_000,
      ClientSnetWaitTimeout: 60_000,
      ServerAddr: { host: "", port: 0 },
      ServerAuthPassword: "",
      ServerAuthKey: "",
      ServerBufferSize: 65_536,
      ServerIdleTimeout: 30_000,
      ServerSendChanSize: 102_400,
      ServerSnetEnable: false,
      ServerSnetEncrypt: false,
      ServerSnetBuffer: 1_048_576,
      ServerSnetInitTimeout: 10_000,
      ServerSnetWaitTimeout: 60_000,
      client_tls_addr: undefined,
      server_tls_addr: undefined,
      tls_handshake_timeout: 5000,
      client_auth: "off",
      clients_max: 10_000,
      clients_per_address_max: 10_000,
      servers_max: 1000,
      servers_per_address_max: 1000,
      client_queue_size_max: 16_777_216,
      server_queue_size_max: 268_435_456,
      pool_size_max: 1_073_741_824,
      process_folder: ".",
    });
  });

  test("sizes are words or numbers of bytes, as the two sources have them", () => {
    for (const size of ["512K", "512k", "512KB", "524288B", 524_288]) {
      expect(section({ MaxPacket: size }).MaxPacket).toBe(524_288);
    }
    expect(section({ MemPoolMinChunk: "128B" }).MemPoolMinChunk).toBe(128);
    expect(section({ ServerSnetBuffer: "2M" }).ServerSnetBuffer).toBe(2_097_152);
  });

  test.each([
    [":0", "", 0],
    ["0.0.0.0:8880", "0.0.0.0", 8880],
    ["127.0.0.1:65535", "127.0.0.1", 65_535],
    ["localhost:1", "127.0.0.1", 1],
    ["[::1]:8880", "::1", 8880],
    ["[::]:0", "::", 0],
  ])("the address %s", (raw, host, port) => {
    const { ClientAddr } = section({ ClientAddr: raw });
    expect(ClientAddr).toEqual({ host, port });
    expect(section({ ClientAddr: formatListenAddress(ClientAddr) }).ClientAddr).toEqual(ClientAddr);
  });

  test.each(["8880", ":", "::1:8880", "[::1]", "relay.example:80", "1.2.3:4", ":65536", ":-1", ""])(
    "no address: %s",
    (raw) => {
      const [{ key, code }] = problems(text({ ClientAddr: raw }));
      expect([key, code]).toEqual(["fastway.ClientAddr", "wrong_value"]);
    },
  );

  test("TLS addresses may be none", () => {
    expect(section({ client_tls_addr: "" }).client_tls_addr).toBeUndefined();
    expect(problems(text({ client_tls_addr: "8443" }))[0].allowed).toEndWith('; or "" for none');
  });

  test("the key has two names", () => {
    expect(fastwayServerKey(section({}))).toBe("");
    expect(fastwayServerKey(section({ ServerAuthKey: "k" }))).toBe("k");
    expect(fastwayServerKey(section({ ServerAuthPassword: "p" }))).toBe("p");
    expect(fastwayServerKey(section({ ServerAuthKey: "k", ServerAuthPassword: "k" }))).toBe("k");
    const [{ code, found }] = problems(
      text({ ServerAuthKey: "alpha-key", ServerAuthPassword: "beta-key" }),
    );
    expect(code).toBe("server_key_twice");
    expect(found).not.toMatch(/alpha|beta/);
  });

  test("a key that is no text is not shown", () => {
    const found = problems(text({ ServerAuthKey: 81_549_300, ServerAuthPassword: 81_549_300 }));
    expect(found).toHaveLength(2);
    expect(JSON.stringify(found)).not.toContain("81549300");
  });

  test("where relayx listens", () => {
    const config = section({ ClientAddr: ":1", ServerAddr: ":2" });
    expect(fastwayListeners(config).map(({ key }) => key)).toEqual([
      "fastway.ClientAddr",
      "fastway.ServerAddr",
    ]);
  });
});

describe("the environment", () => {
  test("has a readable name for every key, and no two keys have the same", () => {
    const keys = [...sections().get("fastway")!.keys()];
    expect(keys).toEqual(Object.keys(fastwaySection.shape));
    const names = keys.map((key) => variableName("fastway", key));
    expect(new Set(names).size).toBe(keys.length);
    expect(names).toContain("RELAYX_FASTWAY_CLIENTADDR");
    expect(names).toContain("RELAYX_FASTWAY_SERVERAUTHKEY");
    expect(names).toContain("RELAYX_FASTWAY_CLIENT_TLS_ADDR");
  });

  test("sets keys of every kind, and turns fastway on", () => {
    const { config } = load("", {
      RELAYX_FASTWAY_CLIENTADDR: "127.0.0.1:8880",
      RELAYX_FASTWAY_MAXPACKET: "65536",
      RELAYX_FASTWAY_CLIENTMAXCONN: "0",
      RELAYX_FASTWAY_SERVERIDLETIMEOUT: "1m30s",
      RELAYX_FASTWAY_REUSEPORT: "true",
      RELAYX_FASTWAY_SERVERAUTHKEY: "12345",
    });
    expect(config.fastway).toMatchObject({
      ClientAddr: { host: "127.0.0.1", port: 8880 },
      MaxPacket: 65_536,
      ClientMaxConn: 0,
      ServerIdleTimeout: 90_000,
      ReusePort: true,
      ServerAuthKey: "12345",
    });
  });

  test("a slip is named", () => {
    const [{ code, allowed }] = problems("", { RELAYX_FASTWAY_CLIENTADR: ":1" });
    expect(code).toBe("unknown_variable");
    expect(allowed).toContain("RELAYX_FASTWAY_CLIENTADDR");
  });
});

describe("rules between keys", () => {
  const tls = { cert_file: "/c.pem", key_file: "/k.pem" };

  test.each<[string, Section, Record<string, Section>, string, string]>([
    ["chunks", { MemPoolMinChunk: "128K" }, {}, "MemPoolMinChunk", "limit_exceeded"],
    ["pages", { MemPoolMaxChunk: "2M" }, {}, "MemPoolMaxChunk", "limit_exceeded"],
    [
      "the pool",
      { pool_size_max: "1M", MemPoolPageSize: "2M" },
      {},
      "pool_size_max",
      "limit_exceeded",
    ],
    [
      "the pool of each worker",
      { pool_size_max: "4M", ReusePort: true },
      { gateway: { tcp_workers: 5 } },
      "pool_size_max",
      "limit_exceeded",
    ],
    ["queues", { client_queue_size_max: "64K" }, {}, "client_queue_size_max", "limit_exceeded"],
    ["both sides", { ClientAddr: ":8", ServerAddr: ":8" }, {}, "ServerAddr", "port_taken"],
    [
      "one side everywhere",
      { ClientAddr: "10.0.0.1:8", ServerAddr: "0.0.0.0:8" },
      {},
      "ServerAddr",
      "port_taken",
    ],
    ["the control port", { ClientAddr: ":5555" }, {}, "ClientAddr", "port_taken"],
    ["TCP ports", { ServerAddr: ":2310" }, {}, "ServerAddr", "port_taken"],
    ["the admin port", { ServerAddr: "127.0.0.1:8080" }, {}, "ServerAddr", "port_taken"],
    [
      "the TLS port",
      { ClientAddr: ":8443" },
      { tls: { ...tls, port: 8443 } },
      "ClientAddr",
      "port_taken",
    ],
    [
      "v1's ports",
      { ClientAddr: ":30050" },
      { rlx1: { secret: "0123456789abcdef0123456789abcdef" } },
      "ClientAddr",
      "port_taken",
    ],
    [
      "v1's control port",
      { ClientAddr: ":6666" },
      { rlx1: { secret: "0123456789abcdef0123456789abcdef", control_port: 6666 } },
      "ClientAddr",
      "port_taken",
    ],
    [
      "TLS beside plain",
      { ClientAddr: ":8", client_tls_addr: ":8" },
      { tls },
      "client_tls_addr",
      "port_taken",
    ],
    ["no certificate", { server_tls_addr: ":8443" }, {}, "server_tls_addr", "certificate_missing"],
    ["tokens that nobody checks", { client_auth: "token" }, {}, "client_auth", "auth_missing"],
  ])("%s", (_, fastway, others, key, code) => {
    const found = problems(text({ ...QUIET, ...fastway }, others));
    expect(found.map((one) => [one.key, one.code])).toEqual([[`fastway.${key}`, code]]);
    expect(found[0].found).not.toBe("");
    expect(found[0].allowed).not.toBe("");
  });

  test.each<[string, Section, Record<string, Section>]>([
    ["equal sizes", { MemPoolMinChunk: "64K", MemPoolMaxChunk: "64K", MemPoolPageSize: "64K" }, {}],
    [
      "a page for each worker",
      { pool_size_max: "4M", ReusePort: true },
      { gateway: { tcp_workers: 4 } },
    ],
    ["many workers of sessions", { pool_size_max: "1M" }, { gateway: { tcp_workers: 4 } }],
    ["a queue of one message", { client_queue_size_max: "512K" }, {}],
    ["any free port twice", { ClientAddr: ":0", ServerAddr: ":0" }, {}],
    ["one port on two networks", { ClientAddr: "10.0.0.1:8", ServerAddr: "10.0.0.2:8" }, {}],
    ["the admin's port elsewhere", { ClientAddr: "10.0.0.1:8080" }, {}],
    ["the admin's port where there is none", { ClientAddr: ":8080" }, { admin: { port: "off" } }],
    ["TLS with a certificate", { client_tls_addr: ":8443" }, { tls }],
    ["tokens", { client_auth: "token" }, { auth: { mode: "tokens", tokens_file: "/t" } }],
  ])("allowed: %s", (_, fastway, others) => {
    expect(problems(text({ ...QUIET, ...fastway }, others))).toEqual([]);
  });
});

describe("warnings at the start", () => {
  const tokens = { auth: { mode: "tokens", tokens_file: "/t" } };

  test("servers without a key, where others can come", () => {
    expect(warnings(text({}))).toEqual(["fastway.ServerAuthKey server_key_missing"]);
    expect(warnings(text({ ServerAddr: "10.0.0.1:1" }))).toHaveLength(1);
    expect(warnings(text({ ServerAuthPassword: "key" }))).toEqual([]);
    expect(warnings(text(QUIET))).toEqual([]);
    expect(warnings(text({ ServerAddr: "[::1]:0" }))).toEqual([]);
  });

  test("snet, on either side, with the way out", () => {
    const loaded = load(text({ ...QUIET, ClientSnetEnable: true, ServerSnetEnable: true }));
    expect(loaded.warnings.map(({ key, code }) => [key, code])).toEqual([
      ["fastway.ClientSnetEnable", "weak_encryption"],
      ["fastway.ServerSnetEnable", "weak_encryption"],
    ]);
    expect(loaded.warnings[0].allowed).toContain("client_tls_addr");
    expect(loaded.warnings[1].allowed).toContain("server_tls_addr");
    expect(warnings(text({ ...QUIET, ClientSnetEncrypt: true })))
      .toEqual(["fastway.ClientSnetEncrypt no_meaning"]);
  });

  test("a kind of pool, when somebody has named one", () => {
    expect(warnings(text({ ...QUIET, MemPoolType: "atom" })))
      .toEqual(["fastway.MemPoolType no_meaning"]);
    // A section that has nothing but its name says nothing of its keys.
    expect(warnings("fastway:\n")).toEqual(["fastway.ServerAuthKey server_key_missing"]);
    expect(warnings(text(QUIET), { RELAYX_FASTWAY_MEMPOOLTYPE: "chan" })).toHaveLength(1);
  });

  test("several workers on a port, of which there is one", () => {
    const workers = (tcp_workers: number) =>
      warnings(text({ ...QUIET, ReusePort: true }, { gateway: { tcp_workers } }));
    expect(workers(1)).toEqual(["fastway.ReusePort one_worker"]);
    expect(workers(2)).toEqual([]);
  });

  test("clients that need no token where everybody else does", () => {
    expect(warnings(text(QUIET, tokens))).toEqual(["fastway.client_auth clients_unproven"]);
    expect(warnings(text({ ...QUIET, client_auth: "token" }, tokens))).toEqual([]);
  });

  test("byte rates, which no endpoint is held to", () => {
    const quotas = { bytes_per_second_per_address: "1M", bytes_per_day_per_address: "1G" };
    expect(warnings(text(QUIET, { quotas })))
      .toEqual(["quotas.bytes_per_second_per_address no_meaning"]);
    const both = { ...quotas, bytes_per_second_per_principal: 1 };
    expect(warnings(text(QUIET, { quotas: both }))).toHaveLength(1);
  });

  test("no key is in any of them", () => {
    const all = { ClientSnetEnable: true, MemPoolType: "sync", ServerAuthKey: "hunter2" };
    expect(JSON.stringify(load(text(all)).warnings)).not.toContain("hunter2");
  });
});

test("what can change while relayx runs, and what cannot", () => {
  const wanted = {
    MaxPacket: "1M",
    ClientMaxConn: 1,
    ClientBufferSize: "4K",
    ClientIdleTimeout: "1s",
    ClientSendChanSize: 1,
    ClientSnetInitTimeout: "1s",
    ClientSnetWaitTimeout: "1s",
    ServerAuthKey: "key",
    clients_per_address_max: 1,
    client_queue_size_max: "32M",
    pool_size_max: "2G",
  };
  const fixed = {
    ReusePort: true,
    MemPoolFactor: 4,
    ClientAddr: ":1",
    ClientSnetEnable: true,
    ServerSnetBuffer: "2M",
    clients_max: 1,
    process_folder: "",
  };
  const before = load(text(QUIET)).config;
  const { applied, needs_restart, config } = changesBetween(
    before,
    load(text({ ...QUIET, ...wanted, ...fixed })).config,
  );
  expect(applied.toSorted()).toEqual(Object.keys(wanted).map((key) => `fastway.${key}`).toSorted());
  expect(needs_restart.toSorted())
    .toEqual(Object.keys(fixed).map((key) => `fastway.${key}`).toSorted());
  expect(config.fastway).toMatchObject({ ClientMaxConn: 1, ReusePort: false, process_folder: "." });
});
