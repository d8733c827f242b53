/**
 * The configuration's shape, defaults and rules: the V4 keys under their own names, and relayx's own.
 * Durations are milliseconds and sizes are bytes once parsed. What each key does is said in the
 * `config.yaml` that ships with the program. Rules between two keys stand in `cross-checks.ts`.
 *
 * A new section is one more entry here; loading, messages and environment variables follow from it.
 */
import { z } from "zod";
import { fastwaySection } from "./fastway-section.ts";
import { rlx1Section } from "./rlx1-section.ts";
import {
  address,
  amount,
  bearerToken,
  choice,
  duration,
  flag,
  hostNames,
  integer,
  list,
  networks,
  optionalPath,
  passphrase,
  ports,
  size,
  text,
} from "./values.ts";

/** The longest a timer of the runtime can run is 2^31−1 ms; this is the round figure below it. */
const DURATION_MS_MAX = 24 * 24 * 3_600_000;
const DAY_MS = 24 * 3_600_000;

/** More than anything one process serves; it only stops slips of the keyboard. */
const COUNT_MAX = 1_000_000;

const BANDWIDTH_BPS_MAX = 1_000_000_000_000;

const PORTS_OR_OFF = '"off", or a port or first-last, for instance "2349" or "2346-2349"';

const ADMIN_PORT = '"off", or a whole number from 0 to 65535 (0 is any free port)';

/** The name of a stream goes into stream ids, URLs and the log as it is. */
const streamName = "a name of 1 to 64 letters, digits, and . _ / -";

/** A key of a stream; it travels in a stream id of at most 512 bytes. */
function streamKey() {
  const allowed = 'text of at most 128 characters, or "" for no key';
  return z.string(allowed).max(128, allowed);
}

/** A version of TLS; without quotes it is a number to YAML. */
function tlsVersion() {
  return z.literal(["1.2", "1.3", 1.2, 1.3], "1.2 or 1.3")
    .transform((version) => version === "1.3" || version === 1.3 ? "1.3" : "1.2");
}

/** What a JWT may be signed with: never with nothing. */
const JWT_ALGORITHMS = [
  "HS256",
  "HS384",
  "HS512",
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
] as const;

/** Text that may be empty, for a key that can be left unused. */
function optionalText(what: string) {
  const allowed = `${what}, at most 4096 characters, or "" for none`;
  return z.string(allowed).max(4096, allowed);
}

/** How many of something there may be at once, or each second. */
function quota() {
  return integer({ min: 0, max: COUNT_MAX, unit: "0 is unlimited" }).default(0);
}

// What is parsed once in a life gets no parser made for it: making these took 12 ms of the start, and
// parsing without them takes 4. Other schemas are for messages, of which there are thousands.
z.config({ jitless: true });

/** One named stream of the `streams` section. */
export const streamSchema = z.strictObject({
  publish_key: streamKey().default(""),
  read_key: streamKey().default(""),
  port: integer({ min: 0, max: 65_535, unit: "0 is the shared ports" }).default(0),
  passphrase: passphrase().default(""),
  takeover: choice(["refuse", "replace"]).default("refuse"),
  slow_viewer: choice(["skip", "drop"]).default("skip"),
  viewers_max: integer({ min: 1, max: 10_000 }).default(100),
  bitrate_max: integer({ min: 0, max: BANDWIDTH_BPS_MAX, unit: "bit/s, 0 is unlimited" })
    .default(0),
}, "a mapping with the keys of a stream");

export const configSchema = z.strictObject({
  gateway: z.strictObject({
    bind_address: address().default("0.0.0.0"),
    tcp_port: integer({ min: 0, max: 65_535, unit: "0 is any free port" }).default(5555),
    max_connections: integer({ min: 1, max: COUNT_MAX }).default(10_000),
    auth_timeout: duration({ min: 1, max: DAY_MS }).prefault("30s"),
    shutdown_timeout: duration({ min: 0, max: DAY_MS }).prefault("10s"),
    session_idle_timeout: duration({ min: 0, max: DURATION_MS_MAX, zero: "never" }).prefault("60s"),
    tcp_workers: integer({ min: 1, max: 64 }).default(1),
  }).prefault({}),
  zeromq: z.strictObject({
    port_range: ports().prefault("2300-2320"),
    sndhwm: integer({ min: 1, max: COUNT_MAX, unit: "messages" }).default(10_000),
    rcvhwm: integer({ min: 1, max: COUNT_MAX, unit: "messages" }).default(10_000),
    sndbuf: integer({ min: 4096, max: 1_073_741_824, unit: "bytes" }).default(2_097_152),
    rcvbuf: integer({ min: 4096, max: 1_073_741_824, unit: "bytes" }).default(2_097_152),
    linger: integer({ min: 0, max: 3600, unit: "seconds" }).default(0),
    reconnect_ivl: integer({ min: 1, max: 3_600_000, unit: "ms" }).default(100),
  }).prefault({}),
  gosrt: z.strictObject({
    port_range: ports().prefault("2350-2380"),
    latency: integer({ min: 0, max: 60_000, unit: "ms" }).default(120),
    latency_min: integer({ min: 0, max: 60_000, unit: "ms" }).default(20),
    latency_max: integer({ min: 0, max: 60_000, unit: "ms" }).default(8000),
    maxbw: integer({ min: 0, max: BANDWIDTH_BPS_MAX, unit: "bit/s, 0 is unlimited" }).default(0),
    inputbw: integer({ min: 0, max: BANDWIDTH_BPS_MAX, unit: "bit/s, 0 is not used" }).default(0),
    oheadbw: integer({ min: 5, max: 100, unit: "percent" }).default(25),
    ipttl: integer({ min: 1, max: 255 }).default(64),
    iptos: integer({ min: 0, max: 255 }).default(0xb8),
    peer_idle_timeout: duration({ min: 100, max: DAY_MS }).prefault("8s"),
    udp_buffer: size({ min: 65_536, max: 1024 ** 3 }).prefault("8MB"),
    passphrase: passphrase().default(""),
    pbkeylen: z.literal([16, 24, 32], "16, 24 or 32 (bytes)").default(16),
    mode: choice(["per_session", "shared"]).default("per_session"),
    shared_port: z.union([z.literal("off"), ports()], PORTS_OR_OFF).default("off"),
    shared_sessions_max: integer({ min: 1, max: 10_000 }).default(1000),
  }).prefault({}),
  streams: z.record(z.string().regex(/^[\w./-]{1,64}$/), streamSchema, {
    error: (issue) => issue.code === "invalid_key" ? streamName : undefined,
  }).default({}),
  auth: z.strictObject({
    mode: choice(["open", "tokens", "jwt"]).default("open"),
    tokens_file: optionalText("the path of a file").default(""),
    jwt_algorithms: list(choice(JWT_ALGORITHMS), { what: "algorithms", max: 13 })
      .min(1, "at least one algorithm")
      .default(JWT_ALGORITHMS.filter((name) => !name.startsWith("HS"))),
    jwt_key_file: optionalText("the path of a file").default(""),
    jwks_url: optionalText("a URL that begins with https://").default(""),
    jwks_refresh: duration({ min: 1000, max: DAY_MS }).prefault("10m"),
    jwt_issuer: optionalText("text").default(""),
    jwt_audience: optionalText("text").default(""),
    jwt_clock_tolerance: duration({ min: 0, max: 3_600_000 }).prefault("10s"),
    jwt_name_claim: text("the name of a claim").default("sub"),
    jwt_id_claim: text("the name of a claim").default("sub"),
    jwt_role_claim: optionalText("the name of a claim").default("role"),
    jwt_peers_claim: optionalText("the name of a claim").default("peers"),
    jwt_quotas_claim: optionalText("the name of a claim").default("quotas"),
    expiry: choice(["end", "ignore"]).default("end"),
    revoke: choice(["registrations", "sessions"]).default("registrations"),
    hello_proof: choice(["off", "optional", "required"]).default("optional"),
  }).prefault({}),
  quotas: z.strictObject({
    registrations_per_principal: quota(),
    registrations_per_address: quota(),
    sessions_per_principal: quota(),
    sessions_per_address: quota(),
    pair_requests_per_second_per_principal: quota(),
    pair_requests_per_second_per_address: quota(),
    pair_requests_burst: integer({ min: 1, max: COUNT_MAX }).default(20),
    bytes_per_second_per_principal: amount().default(0),
    bytes_per_second_per_address: amount().default(0),
    bytes_per_day_per_principal: amount().default(0),
    bytes_per_day_per_address: amount().default(0),
  }).prefault({}),
  bans: z.strictObject({
    failures_max: integer({ min: 0, max: COUNT_MAX, unit: "0 is never" }).default(100),
    window: duration({ min: 1000, max: DAY_MS }).prefault("1m"),
    duration: duration({ min: 1000, max: DURATION_MS_MAX }).prefault("10m"),
    exempt: networks({ max: 1000 }).default(["127.0.0.0/8", "::1"]),
    entries_max: integer({ min: 1, max: 100_000 }).default(10_000),
  }).prefault({}),
  state: z.strictObject({
    directory: optionalText("the path of a folder").default(""),
  }).prefault({}),
  /** Absent: v1 is not served. */
  rlx1: rlx1Section.optional(),
  /** Absent: fastway is not served. */
  fastway: fastwaySection.optional(),
  proxy_protocol: z.strictObject({
    trusted: networks({ max: 256 }).default([]),
    mode: choice(["required", "optional"]).default("required"),
  }).prefault({}),
  admin: z.strictObject({
    bind_address: address().default("127.0.0.1"),
    port: z.union([z.literal("off"), integer({ min: 0, max: 65_535 })], ADMIN_PORT).default(8080),
    token: bearerToken().default(""),
    read_token: bearerToken().default(""),
    metrics_open: flag().default(false),
    allowed_hosts: hostNames({ max: 64 }).default([]),
    connections_max: integer({ min: 8, max: 65_536 }).default(256),
    connections_per_address_max: integer({ min: 8, max: 65_536 }).default(128),
    request_timeout_ms: integer({ min: 100, max: 60_000, unit: "ms" }).default(5000),
    events_max: integer({ min: 100, max: COUNT_MAX }).default(20_000),
    events_size_max: size({ min: 65_536, max: 1024 ** 3 }).prefault("16MB"),
  }).prefault({}),
  tls: z.strictObject({
    cert_file: optionalPath().default(""),
    key_file: optionalPath().default(""),
    port: integer({ min: 0, max: 65_535, unit: "0 is the control port" }).default(0),
    required: flag().default(false),
    client_auth: choice(["off", "optional", "required"]).default("off"),
    client_ca_file: optionalPath().default(""),
    min_version: tlsVersion().prefault("1.2"),
  }).prefault({}),
  logging: z.strictObject({
    level: choice(["debug", "info", "warn", "error"]).default("info"),
    format: choice(["json", "text"]).default("json"),
    output: choice(["console", "file"]).default("file"),
    file_path: text("the path of a file").default("/var/log/gateway.log"),
    max_size: size({ min: 1024, max: 1024 ** 4 }).prefault("100MB"),
    max_age: integer({ min: 0, max: 36_500, unit: "days, 0 is for ever" }).default(7),
    compress: flag().default(true),
  }).prefault({}),
  limits: z.strictObject({
    unproven_max: integer({ min: 1, max: COUNT_MAX }).default(4096),
    unproven_per_address_max: integer({ min: 1, max: COUNT_MAX }).default(1024),
    srt_unproven_max: integer({ min: 1, max: COUNT_MAX }).default(512),
    srt_unproven_per_address_max: integer({ min: 1, max: COUNT_MAX }).default(256),
    hello_bytes_max: integer({ min: 64, max: 4096, unit: "bytes" }).default(4096),
    hello_timeout_ms: integer({ min: 1, max: 60_000, unit: "ms" }).default(2000),
    message_bytes_max: integer({ min: 1024, max: 16_777_216, unit: "bytes" }).default(65_536),
    message_depth_max: integer({ min: 4, max: 256 }).default(32),
    control_queue_bytes_max: integer({ min: 65_536, max: 1_073_741_824, unit: "bytes" })
      .default(4_194_304),
    waiting_requests_max: integer({ min: 1, max: COUNT_MAX }).default(10_000),
    waiting_requests_per_client_max: integer({ min: 1, max: COUNT_MAX }).default(256),
    pair_timeout_ms: integer({ min: 1, max: 86_400_000, unit: "ms" }).default(250_000),
  }).prefault({}),
});

z.config({ jitless: false });

/** The whole configuration as the program uses it. */
export type Config = z.output<typeof configSchema>;
