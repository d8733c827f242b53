import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { sections } from "../../../src/config/keys.ts";
import { FILE_BYTES_MAX, loadConfig } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/config/problem.ts";
import { type Config, configSchema } from "../../../src/config/schema.ts";
import { parseYaml } from "../../../src/config/yaml-source.ts";
import { announcedRandom } from "../../harness/random.ts";

let folder: string;
let file: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "relayx-config-"));
  file = join(folder, "config.yaml");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Environment = Record<string, string>;

function load(text: string, env: Environment = {}) {
  writeFileSync(file, text);
  return loadConfig({ path: file, env });
}

/** The lines of the error, with the file's folder left out. */
function complaints(text: string | Uint8Array, env: Environment = {}): string[] {
  writeFileSync(file, text);
  return complaintsAbout(file, env);
}

function complaintsAbout(path: string | undefined, env: Environment): string[] {
  try {
    loadConfig({ path, env });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.replaceAll(`${folder}/`, "").split("\n");
  }
  return [];
}

const DEFAULTS: Config = {
  gateway: {
    bind_address: "0.0.0.0",
    tcp_port: 5555,
    max_connections: 10_000,
    auth_timeout: 30_000,
    shutdown_timeout: 10_000,
    session_idle_timeout: 60_000,
    tcp_workers: 1,
  },
  zeromq: {
    port_range: { first: 2300, last: 2320 },
    sndhwm: 10_000,
    rcvhwm: 10_000,
    sndbuf: 2_097_152,
    rcvbuf: 2_097_152,
    linger: 0,
    reconnect_ivl: 100,
  },
  gosrt: {
    port_range: { first: 2350, last: 2380 },
    latency: 120,
    latency_min: 20,
    latency_max: 8000,
    maxbw: 0,
    inputbw: 0,
    oheadbw: 25,
    ipttl: 64,
    iptos: 184,
    peer_idle_timeout: 8000,
    udp_buffer: 8_388_608,
    passphrase: "",
    pbkeylen: 16,
    mode: "per_session",
    shared_port: "off",
    shared_sessions_max: 1000,
  },
  streams: {},
  auth: {
    mode: "open",
    tokens_file: "",
    jwt_algorithms: [
      "RS256",
      "RS384",
      "RS512",
      "PS256",
      "PS384",
      "PS512",
      "ES256",
      "ES384",
      "ES512",
      "EdDSA",
    ],
    jwt_key_file: "",
    jwks_url: "",
    jwks_refresh: 600_000,
    jwt_issuer: "",
    jwt_audience: "",
    jwt_clock_tolerance: 10_000,
    jwt_name_claim: "sub",
    jwt_id_claim: "sub",
    jwt_role_claim: "role",
    jwt_peers_claim: "peers",
    jwt_quotas_claim: "quotas",
    expiry: "end",
    revoke: "registrations",
    hello_proof: "optional",
  },
  quotas: {
    registrations_per_principal: 0,
    registrations_per_address: 0,
    sessions_per_principal: 0,
    sessions_per_address: 0,
    pair_requests_per_second_per_principal: 0,
    pair_requests_per_second_per_address: 0,
    pair_requests_burst: 20,
    bytes_per_second_per_principal: 0,
    bytes_per_second_per_address: 0,
    bytes_per_day_per_principal: 0,
    bytes_per_day_per_address: 0,
  },
  bans: {
    failures_max: 100,
    window: 60_000,
    duration: 600_000,
    exempt: ["127.0.0.0/8", "::1"],
    entries_max: 10_000,
  },
  state: { directory: "" },
  proxy_protocol: { trusted: [], mode: "required" },
  admin: {
    bind_address: "127.0.0.1",
    port: 8080,
    token: "",
    read_token: "",
    metrics_open: false,
    allowed_hosts: [] as string[],
    connections_max: 256,
    connections_per_address_max: 128,
    request_timeout_ms: 5000,
    events_max: 20_000,
    events_size_max: 16_777_216,
  },
  tls: {
    cert_file: "",
    key_file: "",
    port: 0,
    required: false,
    client_auth: "off",
    client_ca_file: "",
    min_version: "1.2",
  },
  logging: {
    level: "info",
    format: "json",
    output: "file",
    file_path: "/var/log/gateway.log",
    max_size: 104_857_600,
    max_age: 7,
    compress: true,
  },
  limits: {
    unproven_max: 4096,
    unproven_per_address_max: 1024,
    srt_unproven_max: 512,
    srt_unproven_per_address_max: 256,
    hello_bytes_max: 4096,
    hello_timeout_ms: 2000,
    message_bytes_max: 65_536,
    message_depth_max: 32,
    control_queue_bytes_max: 4_194_304,
    waiting_requests_max: 10_000,
    waiting_requests_per_client_max: 256,
    pair_timeout_ms: 250_000,
  },
};

describe("what is valid", () => {
  test("an empty file, or one of comments, is all defaults", () => {
    expect(load("").config).toEqual(DEFAULTS);
    expect(load("# nothing\n").config).toEqual(DEFAULTS);
  });

  test("without a file the log goes to the console and the rest is default", () => {
    const { config, source } = loadConfig({ env: {} });
    expect(config).toEqual({ ...DEFAULTS, logging: { ...DEFAULTS.logging, output: "console" } });
    expect(source).toBeNull();
    const env = { RELAYX_LOGGING_OUTPUT: "file" };
    expect(loadConfig({ env }).config.logging.output).toBe("file");
  });

  test("sections without a key are defaults", () => {
    expect(load("gateway:\nzeromq:\n  # port_range: 1\n").config).toEqual(DEFAULTS);
  });

  test("the shipped config.yaml has every key, and each with its default", () => {
    const shipped = join(import.meta.dirname, "../../../config.yaml");
    expect(loadConfig({ path: shipped, env: {} }).config).toEqual(DEFAULTS);
    const text = readFileSync(shipped, "utf8");
    const { tree } = parseYaml("config.yaml", text);
    for (const [section, keys] of sections()) {
      if (section === "rlx1" || section === "fastway") {
        // A section that is off unless it is there stands in it as an example.
        const [, example] = new RegExp(`^# (${section}:\\n(?:#.*\\n)+)`, "m").exec(text)!;
        const { tree: examples } = parseYaml("example", example.replace(/^# ?/gm, ""));
        const schema = configSchema.shape[section];
        expect(schema.parse(examples[section])).toEqual(schema.parse({}));
        expect(Object.keys(examples[section] as object)).toEqual([...keys.keys()]);
        continue;
      }
      expect(Object.keys(tree[section] as object)).toEqual([...keys.keys()]);
    }
  });

  test("a folder stands for the config.yaml in it", () => {
    writeFileSync(file, "gateway: { tcp_port: 6000 }");
    const { config, source } = loadConfig({ path: folder, env: {} });
    expect(config.gateway.tcp_port).toBe(6000);
    expect(source).toBe(file);
  });

  test("values that YAML reads as numbers", () => {
    const { config } = load(
      "gateway: { tcp_port: 0, session_idle_timeout: 0 }\nzeromq: { port_range: 2300 }\n",
    );
    expect(config.gateway.tcp_port).toBe(0);
    expect(config.gateway.session_idle_timeout).toBe(0);
    expect(config.zeromq.port_range).toEqual({ first: 2300, last: 2300 });
  });

  test("SRT ports may have the numbers of TCP ports, the control port among them", () => {
    const { config } = load('gosrt: { port_range: "2300-6000" }');
    expect(config.gosrt.port_range).toEqual({ first: 2300, last: 6000 });
  });

  test("lists of addresses are written in one way", () => {
    const { config } = load('proxy_protocol: { trusted: ["10.1.2.3/8", "2001:DB8:0::1"] }');
    expect(config.proxy_protocol.trusted).toEqual(["10.0.0.0/8", "2001:db8::1"]);
  });

  test("anchors work within their bound", () => {
    const { config } = load("gateway: { tcp_port: &p 6000 }\nlimits: { unproven_max: *p }\n");
    expect(config.limits.unproven_max).toBe(6000);
  });
});

describe("what is wrong says so", () => {
  const integer = (from: number, to: number, unit = "") =>
    `a whole number from ${from} to ${to}${unit === "" ? "" : ` (${unit})`}`;
  const duration = (from: string, to: string, zero = "") =>
    `a duration from ${from} to ${to}${zero}, for instance "1m30s" or "200ms"`;
  const range = 'first-last with 1 ≤ first ≤ last ≤ 65535, for instance "2300-2320"';
  const port = integer(0, 65_535, "0 is any free port");
  const count = integer(1, 1_000_000);
  const path_or_none = 'the path of a file of at most 4096 characters, or "" for none';

  test.each([
    [
      "gateway",
      "bind_address",
      "localhost",
      '"localhost"',
      `an IPv4 or IPv6 address, for instance "0.0.0.0" or "::1"`,
    ],
    ["gateway", "tcp_port", "65536", "65536", port],
    ["gateway", "tcp_port", '"5555"', '"5555"', port],
    ["gateway", "tcp_port", "", "nothing", port],
    ["gateway", "max_connections", "0", "0", count],
    ["gateway", "max_connections", "1.5", "1.5", count],
    ["gateway", "auth_timeout", "10 minutes", '"10 minutes"', duration("1ms", "24h")],
    ["gateway", "auth_timeout", "0", "0", duration("1ms", "24h")],
    ["gateway", "auth_timeout", "30", "30", duration("1ms", "24h")],
    ["gateway", "shutdown_timeout", "25h", '"25h"', duration("0", "24h")],
    ["gateway", "session_idle_timeout", "-1s", '"-1s"', duration("0", "576h", ", or 0 for never")],
    ["gateway", "tcp_workers", "65", "65", integer(1, 64)],
    ["zeromq", "port_range", "5-2", '"5-2"', range],
    ["zeromq", "port_range", "[1, 2]", "a list", range],
    ["zeromq", "port_range", "1-65536", '"1-65536"', range],
    ["zeromq", "sndhwm", "many", '"many"', integer(1, 1_000_000, "messages")],
    ["zeromq", "rcvhwm", "0", "0", integer(1, 1_000_000, "messages")],
    ["zeromq", "sndbuf", "1", "1", integer(4096, 1_073_741_824, "bytes")],
    ["zeromq", "rcvbuf", "2MB", '"2MB"', integer(4096, 1_073_741_824, "bytes")],
    ["zeromq", "linger", "-1", "-1", integer(0, 3600, "seconds")],
    ["zeromq", "reconnect_ivl", "0", "0", integer(1, 3_600_000, "ms")],
    ["gosrt", "port_range", "{}", "a mapping", range],
    ["gosrt", "latency", "60001", "60001", integer(0, 60_000, "ms")],
    ["gosrt", "maxbw", "-1", "-1", integer(0, 1_000_000_000_000, "bit/s, 0 is unlimited")],
    ["gosrt", "ipttl", "256", "256", integer(1, 255)],
    ["gosrt", "latency_min", "-1", "-1", integer(0, 60_000, "ms")],
    ["gosrt", "inputbw", "x", '"x"', integer(0, 1_000_000_000_000, "bit/s, 0 is not used")],
    ["gosrt", "oheadbw", "4", "4", integer(5, 100, "percent")],
    ["gosrt", "iptos", "0x100", "256", integer(0, 255)],
    ["gosrt", "peer_idle_timeout", "99ms", '"99ms"', duration("100ms", "24h")],
    [
      "gosrt",
      "udp_buffer",
      "1KB",
      '"1KB"',
      'a size from 64KB to 1GB in B, KB, MB or GB (1024-based), for instance "100MB"',
    ],
    [
      "gosrt",
      "passphrase",
      "ninechars",
      "a value that is not shown",
      'a passphrase of 10 to 79 bytes, or "" for none',
    ],
    ["gosrt", "pbkeylen", "128", "128", "16, 24 or 32 (bytes)"],
    ["gosrt", "mode", "single", '"single"', "one of per_session, shared"],
    [
      "gosrt",
      "shared_port",
      "on",
      '"on"',
      '"off", or a port or first-last, for instance "2349" or "2346-2349"',
    ],
    ["gosrt", "shared_sessions_max", "0", "0", integer(1, 10_000)],
    ["auth", "hello_proof", "yes", '"yes"', "one of off, optional, required"],
    [
      "proxy_protocol",
      "trusted",
      "10.0.0.0/8",
      '"10.0.0.0/8"',
      'a list of at most 256 addresses and networks, for instance ["192.0.2.7", "10.0.0.0/8"]',
    ],
    ["proxy_protocol", "mode", "guess", '"guess"', "one of required, optional"],
    ["logging", "level", "trace", '"trace"', "one of debug, info, warn, error"],
    ["logging", "format", "xml", '"xml"', "one of json, text"],
    ["logging", "output", "syslog", '"syslog"', "one of console, file"],
    ["logging", "file_path", '""', '""', "the path of a file, 1 to 4096 characters"],
    [
      "logging",
      "max_size",
      "100",
      "100",
      'a size from 1KB to 1024GB in B, KB, MB or GB (1024-based), for instance "100MB"',
    ],
    [
      "logging",
      "max_size",
      "1B",
      '"1B"',
      'a size from 1KB to 1024GB in B, KB, MB or GB (1024-based), for instance "100MB"',
    ],
    ["logging", "max_age", "week", '"week"', integer(0, 36_500, "days, 0 is for ever")],
    ["logging", "compress", '"yes"', '"yes"', "true or false"],
    ["limits", "unproven_max", "0", "0", count],
    ["limits", "unproven_per_address_max", "0", "0", count],
    ["limits", "srt_unproven_max", "0", "0", count],
    ["limits", "srt_unproven_per_address_max", "0", "0", count],
    ["tls", "cert_file", "1", "1", path_or_none],
    ["tls", "port", "65536", "65536", integer(0, 65_535, "0 is the control port")],
    ["tls", "required", "yes", '"yes"', "true or false"],
    ["tls", "client_auth", "on", '"on"', "one of off, optional, required"],
    ["tls", "min_version", "1.1", "1.1", "1.2 or 1.3"],
    ["tls", "min_version", "1", "1", "1.2 or 1.3"],
    ["limits", "hello_bytes_max", "4097", "4097", integer(64, 4096, "bytes")],
    ["limits", "hello_timeout_ms", "2s", '"2s"', integer(1, 60_000, "ms")],
    ["limits", "message_bytes_max", "1", "1", integer(1024, 16_777_216, "bytes")],
    ["limits", "message_depth_max", "3", "3", integer(4, 256)],
    ["limits", "control_queue_bytes_max", "1", "1", integer(65_536, 1_073_741_824, "bytes")],
    ["limits", "waiting_requests_max", ".nan", "NaN", count],
    ["limits", "waiting_requests_per_client_max", ".inf", "Infinity", count],
    ["limits", "pair_timeout_ms", "null", "nothing", integer(1, 86_400_000, "ms")],
  ])("%s.%s: %s", (section, key, value, found, allowed) => {
    // A value that is not there is placed at its key.
    const column = value === "" ? 3 : 3 + key.length + 2;
    expect(complaints(`# first line\n${section}:\n  ${key}: ${value}\n`)).toEqual([
      `config.yaml:3:${column} ${section}.${key}: found ${found}; allowed: ${allowed}`,
    ]);
  });

  test("an entry of a list at its own place", () => {
    expect(complaints('proxy_protocol:\n  trusted: ["::1", "10.0.0.0/33"]\n')).toEqual([
      'config.yaml:2:20 proxy_protocol.trusted.1: found "10.0.0.0/33"; allowed: an address or a ' +
      'network, for instance "192.0.2.7" or "2001:db8::/32"',
    ]);
  });

  test("everything at once, in the order of the file, then the environment", () => {
    const text = `gateway:
  tcp_prot: 1
  auth_timeout: 10 minutes
zeromq:
  port_range: 5-2
limits:
  unproven_max: 10
loging: 3
`;
    const env = { RELAYX_GOSRT_IPTTL: "x" };
    expect(complaints(text, env).map((line) => line.split(": found")[0])).toEqual([
      "config.yaml:2:3 gateway.tcp_prot",
      "config.yaml:3:17 gateway.auth_timeout",
      "config.yaml:5:15 zeromq.port_range",
      "config.yaml:7:17 limits.unproven_max",
      "config.yaml:8:1 loging",
      "RELAYX_GOSRT_IPTTL gosrt.ipttl",
    ]);
  });

  test("problems carry their parts, not only a text", () => {
    writeFileSync(file, "zeromq:\n  port_range: 5-2\n");
    try {
      loadConfig({ path: file, env: {} });
      throw new Error("loaded");
    } catch (error) {
      expect((error as ConfigError).code).toBe("config_error");
      expect((error as ConfigError).problems).toEqual([
        {
          file,
          line: 2,
          column: 15,
          key: "zeromq.port_range",
          code: "wrong_value",
          found: '"5-2"',
          allowed: range,
        },
      ]);
    }
  });

  test("unknown keys and sections with the nearest known one", () => {
    const keys = Object.keys(DEFAULTS.gosrt).join(", ");
    expect(complaints("gosrt:\n  latensy: 1\n")).toEqual([
      `config.yaml:2:3 gosrt.latensy: found an unknown key; allowed: ${keys}; did you mean "latency"?`,
    ]);
    expect(complaints("gosrt:\n  LATENCY: 1\n")).toEqual([
      `config.yaml:2:3 gosrt.LATENCY: found an unknown key; allowed: ${keys}; did you mean "latency"?`,
    ]);
    expect(complaints("gosrt:\n  sndbuf: 1\n")).toEqual([
      `config.yaml:2:3 gosrt.sndbuf: found an unknown key; allowed: ${keys}; did you mean "zeromq.sndbuf"?`,
    ]);
    expect(complaints("gosrt:\n  colour: red\n")).toEqual([
      `config.yaml:2:3 gosrt.colour: found an unknown key; allowed: ${keys}`,
    ]);
    const every = [...sections().keys(), "streams"].join(", ");
    expect(complaints("gatway: {}\n")).toEqual([
      `config.yaml:1:1 gatway: found an unknown section; allowed: ${every}; did you mean "gateway"?`,
    ]);
    expect(complaints('"a\\e[2Jb": 1\n__proto__: 2\n').map((line) => line.split(":")[2].slice(2)))
      .toEqual([
        '"a\\u001b[2Jb"',
        "__proto__",
      ]);
  });

  test("a section that is no mapping", () => {
    expect(complaints("gosrt: 5\n")).toEqual([
      "config.yaml:1:8 gosrt: found 5; allowed: a mapping of " +
      Object.keys(DEFAULTS.gosrt).join(", "),
    ]);
  });

  test("a stream and the ports that it needs", () => {
    const one = (keys: string) => `gosrt: { shared_port: 2349 }\nstreams:\n  cam: { ${keys} }\n`;
    expect(complaints(one("publish_key: secret-1, takeover: replace"))).toEqual([]);
    expect(complaints(one("viewers_max: 0"))).toEqual([
      `config.yaml:3:23 streams.cam.viewers_max: found 0; allowed: ${integer(1, 10_000)}`,
    ]);
    expect(complaints(one("viewer_max: 5"))).toEqual([
      "config.yaml:3:10 streams.cam.viewer_max: found an unknown key; allowed: publish_key, " +
      "read_key, port, passphrase, takeover, slow_viewer, viewers_max, bitrate_max; " +
      'did you mean "viewers_max"?',
    ]);
    expect(complaints(one(`publish_key: ${"k".repeat(129)}`))).toEqual([
      "config.yaml:3:23 streams.cam.publish_key: found a value that is not shown; allowed: text " +
      'of at most 128 characters, or "" for no key',
    ]);
    expect(complaints("streams:\n  cam: {}\n")).toEqual([
      'config.yaml:2:8 streams.cam: found a stream without a port, with gosrt.shared_port "off"; ' +
      "allowed: a gosrt.shared_port, or a streams.cam.port",
    ]);
    expect(complaints(one("port: 2349"))).toEqual([
      "config.yaml:3:16 streams.cam.port: found streams.cam.port 2349 with gosrt.shared_port " +
      "2349; allowed: UDP ports of its own for each",
    ]);
    expect(complaints(one("passphrase: 0123456789"))).toHaveLength(1);
    expect(complaints(one('passphrase: "0123456789"'))).toEqual([]);
    expect(complaints("gosrt:\n  mode: shared\n")).toEqual([
      'config.yaml:2:9 gosrt.mode: found gosrt.mode "shared" with gosrt.shared_port "off"; ' +
      "allowed: a gosrt.shared_port, or gosrt.mode per_session",
    ]);
  });

  test("the control port inside the TCP range, wherever it was set", () => {
    const allowed = "allowed: a range without the control port, since both are TCP";
    const found = (text: string, tcp: number) =>
      `found zeromq.port_range "${text}" with gateway.tcp_port ${tcp} inside it; ${allowed}`;
    expect(complaints('gateway:\n  tcp_port: 2310\nzeromq:\n  port_range: "2310"\n')).toEqual([
      `config.yaml:4:15 zeromq.port_range: ${found("2310", 2310)}`,
    ]);
    expect(complaints("gateway:\n  tcp_port: 2300\n")).toEqual([
      `config.yaml:2:13 gateway.tcp_port: ${found("2300-2320", 2300)}`,
    ]);
    expect(complaints("", { RELAYX_ZEROMQ_PORT_RANGE: "5000-6000" })).toEqual([
      `RELAYX_ZEROMQ_PORT_RANGE zeromq.port_range: ${found("5000-6000", 5555)}`,
    ]);
  });

  test.each([
    ["unproven_per_address_max", 5000, "unproven_max", 4999],
    ["srt_unproven_per_address_max", 600, "srt_unproven_max", 599],
    ["waiting_requests_per_client_max", 300, "waiting_requests_max", 299],
    ["message_bytes_max", 70_000, "control_queue_bytes_max", 69_999],
  ])("limits.%s of %d beyond limits.%s of %d", (part, more, whole, less) => {
    expect(complaints(`limits:\n  ${part}: ${more}\n  ${whole}: ${less}\n`)).toEqual([
      `config.yaml:2:${part.length + 5} limits.${part}: found limits.${part} ${more} with ` +
      `limits.${whole} ${less}; allowed: limits.${part} of at most limits.${whole}`,
    ]);
    expect(complaints(`limits:\n  ${part}: ${less}\n  ${whole}: ${less}\n`)).toEqual([]);
  });

  test("a rule between two keys is silent while one of them is wrong itself", () => {
    expect(complaints("gateway:\n  tcp_port: x\nzeromq:\n  port_range: 5000-6000\n")).toEqual([
      `config.yaml:2:13 gateway.tcp_port: found "x"; allowed: ${port}`,
    ]);
  });

  test("a secret is not shown, whatever is wrong with it", () => {
    expect(complaints("gateway:\n  token: hunter2\n").join()).not.toContain("hunter2");
  });
});

describe("files that are no configuration", () => {
  test("broken YAML names the place", () => {
    const lines = complaints("gateway:\n  tcp_port: [1\n");
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      /^config\.yaml:3:1: found broken YAML \(.+\); allowed: YAML 1\.2, one document$/,
    );
    expect(complaints("a: 1\n---\nb: 2\n")[0]).toStartWith("config.yaml:2:1: found broken YAML (");
  });

  test("a key twice", () => {
    expect(complaints("gateway:\n  tcp_port: 1\n  tcp_port: 2\n")).toEqual([
      'config.yaml:3:3: found the key "tcp_port" a second time; allowed: each key once',
    ]);
  });

  test("no mapping at the top", () => {
    const allowed =
      'allowed: sections with keys, for instance "gateway:" and below it "  tcp_port: 5555"';
    expect(complaints("- a\n")).toEqual([`config.yaml:1:1: found a list; ${allowed}`]);
    expect(complaints("\n  5\n")).toEqual([`config.yaml:2:3: found a single value; ${allowed}`]);
  });

  test("aliases that multiply are refused", () => {
    let text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
    for (let depth = 1; depth < 10; depth += 1) {
      text += `a${depth}: &a${depth} [${Array(10).fill(`*a${depth - 1}`).join(",")}]\n`;
    }
    expect(complaints(text)).toEqual([
      "config.yaml: found aliases that cannot be resolved (Excessive alias count indicates a " +
      "resource exhaustion attack); allowed: at most 100 aliases, or better none",
    ]);
  });

  test("nesting without end", () => {
    const lines = complaints("[".repeat(200_000));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("nested too deeply");
  });

  test("too large, no text, not there, no file", () => {
    expect(complaints("#".repeat(FILE_BYTES_MAX))).toEqual([]);
    expect(complaints("#".repeat(FILE_BYTES_MAX + 1))).toEqual([
      "config.yaml: found 1048577 bytes; allowed: at most 1048576 bytes",
    ]);
    expect(complaints(new Uint8Array([0x61, 0xff, 0xfe]))).toEqual([
      "config.yaml: found bytes that are no text; allowed: UTF-8 text",
    ]);
    const missing =
      "found no such file; allowed: an existing file, or a folder with a config.yaml in it";
    expect(complaintsAbout(join(folder, "absent.yaml"), {})).toEqual([`absent.yaml: ${missing}`]);
    const empty = join(folder, "empty");
    mkdirSync(empty);
    expect(complaintsAbout(empty, {})).toEqual([`empty/config.yaml: ${missing}`]);
    expect(complaintsAbout("/dev/zero", {})).toEqual([
      "/dev/zero: found something that is no regular file; allowed: a regular file",
    ]);
  });

  test("many problems are counted, not all printed", () => {
    const text = Array.from({ length: 80 }, (_, index) => `key${index}: 1\n`).join("");
    const lines = complaints(text);
    expect(lines).toHaveLength(51);
    expect(lines[50]).toBe("… and 30 more problems");
  });

  test("whatever the text, the answer is a configuration or a ConfigError", () => {
    const { seed } = announcedRandom("configuration texts");
    const word = fc.constantFrom(
      ..."gateway|zeromq|logging|limits|tcp_port|port_range|max_size|: |:\n|\n  |\n| |- |[|]|{|}|,|&a|*a|!!str|!!map|\"|'|#|0|5-2|30s|100MB|null|~|<<|? |||>|%|@|\t|\u0000|é|---\n"
        .split("|"),
    );
    const value = fc.oneof(
      fc.integer(),
      fc.double(),
      fc.string(),
      fc.boolean(),
      fc.constant(null),
      fc.array(fc.string()),
    );
    const tree = fc.dictionary(
      fc.constantFrom(
        "gateway",
        "zeromq",
        "gosrt",
        "streams",
        "logging",
        "limits",
        "__proto__",
        "constructor",
      ),
      fc.dictionary(
        fc.constantFrom("tcp_port", "port_range", "level", "max_size", "auth_timeout", "x"),
        value,
      ),
    );
    const text = fc.oneof(
      fc.array(word, { maxLength: 60 }).map((words) => words.join("")),
      fc.string({ unit: "binary", maxLength: 200 }),
      tree.map((content) => JSON.stringify(content)),
    );
    fc.assert(
      fc.property(text, (content) => {
        writeFileSync(file, content);
        try {
          const { config } = loadConfig({ path: file, env: {} });
          expect(Object.keys(config)).toEqual(Object.keys(DEFAULTS));
        } catch (error) {
          if (!(error instanceof ConfigError)) throw error;
          expect(error.problems.length).toBeGreaterThan(0);
          for (const problem of error.problems) expect(problem.found).not.toBe("");
        }
      }),
      { seed, numRuns: 1000 },
    );
    // Three seconds of work, and more on a busy machine.
  }, 30_000);
});
