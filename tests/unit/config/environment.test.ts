import { expect, test } from "bun:test";
import { loadConfig } from "../../../src/config/load.ts";
import { ConfigError } from "../../../src/config/problem.ts";

function complaints(env: Record<string, string>): string {
  try {
    loadConfig({ env });
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "";
}

test("every kind of value can come from a variable", () => {
  const { config } = loadConfig({
    env: {
      RELAYX_GATEWAY_TCP_PORT: "6000",
      RELAYX_GATEWAY_AUTH_TIMEOUT: "1m30s",
      RELAYX_GATEWAY_SESSION_IDLE_TIMEOUT: "0",
      RELAYX_ZEROMQ_PORT_RANGE: "3000-3010",
      RELAYX_GOSRT_PORT_RANGE: "3000",
      RELAYX_LOGGING_COMPRESS: "false",
      RELAYX_LOGGING_MAX_SIZE: "1MB",
      RELAYX_LOGGING_FILE_PATH: "123",
      RELAYX_LOGGING_LEVEL: "debug",
      RELAYX_PROXY_PROTOCOL_TRUSTED: "192.0.2.7, 2001:db8::/32,10.0.0.0/8",
      RELAYX_AUTH_JWT_ALGORITHMS: "ES256, EdDSA",
      RELAYX_BANS_EXEMPT: "192.0.2.7",
      RELAYX_QUOTAS_BYTES_PER_DAY_PER_PRINCIPAL: "2GB",
      RELAYX_QUOTAS_BYTES_PER_DAY_PER_ADDRESS: "12345",
    },
  });
  expect(config.gateway.tcp_port).toBe(6000);
  expect(config.gateway.auth_timeout).toBe(90_000);
  expect(config.gateway.session_idle_timeout).toBe(0);
  expect(config.zeromq.port_range).toEqual({ first: 3000, last: 3010 });
  expect(config.gosrt.port_range).toEqual({ first: 3000, last: 3000 });
  expect(config.proxy_protocol.trusted).toEqual(["192.0.2.7", "2001:db8::/32", "10.0.0.0/8"]);
  expect(config.auth.jwt_algorithms).toEqual(["ES256", "EdDSA"]);
  expect(config.bans.exempt).toEqual(["192.0.2.7"]);
  expect(config.quotas.bytes_per_day_per_principal).toBe(2_147_483_648);
  expect(config.quotas.bytes_per_day_per_address).toBe(12_345);
  expect(config.logging).toMatchObject({
    compress: false,
    max_size: 1_048_576,
    file_path: "123",
    level: "debug",
  });
});

test("a list of one entry, and of none", () => {
  const trusted = (value: string) =>
    loadConfig({ env: { RELAYX_PROXY_PROTOCOL_TRUSTED: value } }).config.proxy_protocol.trusted;
  expect(trusted("::1")).toEqual(["::1"]);
  expect(trusted("")).toEqual([]);
});

test("a wrong entry of a list is named", () => {
  expect(complaints({ RELAYX_PROXY_PROTOCOL_TRUSTED: "192.0.2.7,somewhere" })).toBe(
    'RELAYX_PROXY_PROTOCOL_TRUSTED proxy_protocol.trusted.1: found "somewhere"; allowed: an ' +
      'address or a network, for instance "192.0.2.7" or "2001:db8::/32"',
  );
});

test("wrong values name the variable", () => {
  expect(complaints({ RELAYX_GATEWAY_TCP_PORT: "http" })).toBe(
    'RELAYX_GATEWAY_TCP_PORT gateway.tcp_port: found "http"; allowed: a whole number from 0 to ' +
      "65535 (0 is any free port)",
  );
});

test("a wrong item of a list names its place", () => {
  expect(complaints({ RELAYX_BANS_EXEMPT: "10.0.0.0/8,here" })).toBe(
    'RELAYX_BANS_EXEMPT bans.exempt.1: found "here"; allowed: an address or a network, for ' +
      'instance "192.0.2.7" or "2001:db8::/32"',
  );
});

test("slips are refused with the nearest variable", () => {
  expect(complaints({ RELAYX_GATEWAY_TCP_PROT: "1" })).toBe(
    "RELAYX_GATEWAY_TCP_PROT: found a variable that sets no known key; allowed: " +
      "RELAYX_<SECTION>_<KEY>; did you mean RELAYX_GATEWAY_TCP_PORT?",
  );
  expect(complaints({ RELAYX_LOGGING_OF_EVERYTHING_THERE_IS: "1" })).toBe(
    "RELAYX_LOGGING_OF_EVERYTHING_THERE_IS: found a variable that sets no known key; allowed: " +
      "RELAYX_<SECTION>_<KEY> with a section and a key of config.yaml",
  );
  expect(complaints({ RELAYX_GATWAY_TCP_PORT: "1" })).toContain("RELAYX_GATEWAY_TCP_PORT?");
});

test("variables that are no keys of ours are let be", () => {
  const env = {
    // Where the SRT library is.
    RELAYX_LIBSRT: "/opt/libsrt.so",
    // What Kubernetes sets for a service named relayx.
    RELAYX_SERVICE_HOST: "10.0.0.1",
    RELAYX_SERVICE_PORT: "5555",
    RELAYX_PORT: "tcp://10.0.0.1:5555",
    RELAYX_PORT_5555_TCP_ADDR: "10.0.0.1",
    // How compose files and units say "no value".
    RELAYX_GATEWAY_MAX_CONNECTIONS: "",
    OTHER_GATEWAY_TCP_PORT: "x",
  };
  expect(loadConfig({ env }).config.gateway.max_connections).toBe(10_000);
});
