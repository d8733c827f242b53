/**
 * The section `fastway`: the gateway of game servers and clients of that name. It is served when its
 * section is there. Keys in CamelCase are those of the original's command line with its defaults; the
 * others are relayx's own. Rules between keys stand in `fastway-checks.ts`.
 */
import { z } from "zod";
import { formatSize } from "./size.ts";
import { choice, duration, flag, integer, optionalPath, size } from "./values.ts";

const COUNT_MAX = 1_000_000;
const DAY_MS = 24 * 3_600_000;
const HOUR_MS = 3_600_000;
const KIB = 1024;
const MIB = 1024 ** 2;
const KEY_CHARS_MAX = 4096;

/** A host and a port; without a host all of the machine's addresses. */
export interface ListenAddress {
  host: string;
  port: number;
}

const ADDRESS =
  'ADDRESS:PORT, for instance "0.0.0.0:8880", "[::1]:8880", "localhost:8880" or ":0" ' +
  "(all addresses, any free port)";

function parseListenAddress(raw: string): ListenAddress | null {
  const found = /^(?:\[([\da-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(raw);
  const named = found?.[1] ?? found?.[2] ?? "";
  // The one name that stands for the same address everywhere; any other would have to be looked up.
  const host = named === "localhost" ? "127.0.0.1" : named;
  const port = Number(found?.[3]);
  const is_address = host === "" || z.union([z.ipv4(), z.ipv6()]).safeParse(host).success;
  return found && is_address && port <= 65_535 ? { host, port } : null;
}

function listenAddress() {
  return z.string(ADDRESS).transform((raw, context): ListenAddress => {
    const at = parseListenAddress(raw);
    if (at !== null) return at;
    context.addIssue({ code: "custom", message: ADDRESS });
    return z.NEVER;
  });
}

function optionalListenAddress() {
  const allowed = `${ADDRESS}; or "" for none`;
  return z.string(allowed).transform((raw, context): ListenAddress | undefined => {
    const at = raw === "" ? undefined : parseListenAddress(raw);
    if (at !== null) return at;
    context.addIssue({ code: "custom", message: allowed });
    return z.NEVER;
  });
}

/** The original's command line has plain numbers of bytes, its documentation sizes in words. */
function bytes(limits: { min: number; max: number }) {
  const words = size(limits);
  const number = integer({ ...limits, unit: "bytes" });
  const allowed = `a size from ${formatSize(limits.min)} to ${formatSize(limits.max)}, for ` +
    'instance "512K" or "1MB" (1024-based), or a whole number of bytes';
  return z.union([number, words], allowed);
}

function serverKey() {
  const allowed = `text of at most ${KEY_CHARS_MAX} characters`;
  return z.string(allowed).max(KEY_CHARS_MAX, allowed);
}

const snet = { buffer: { min: KIB, max: 256 * MIB }, time: { min: 100, max: HOUR_MS } };
const sendChanSize = () => integer({ min: 1, max: COUNT_MAX, unit: "messages" });
const idleTimeout = () => duration({ min: 0, max: DAY_MS, zero: "never" });
const queueSize = () => bytes({ min: 64 * KIB, max: 16 * 1024 * MIB });
const endpoints = () => integer({ min: 1, max: 65_536 });

export const fastwaySection = z.strictObject({
  ReusePort: flag().default(false),
  MaxPacket: bytes({ min: 64, max: 64 * MIB }).prefault("512K"),
  MemPoolType: choice(["sync", "atom", "chan"]).default("atom"),
  MemPoolFactor: integer({ min: 2, max: 1024 }).default(2),
  MemPoolMaxChunk: bytes({ min: 64, max: 16 * MIB }).prefault("64K"),
  MemPoolMinChunk: bytes({ min: 64, max: 16 * MIB }).prefault("64B"),
  MemPoolPageSize: bytes({ min: 4 * KIB, max: 64 * MIB }).prefault("1M"),
  ClientAddr: listenAddress().prefault(":0"),
  ClientMaxConn: integer({ min: 0, max: COUNT_MAX, unit: "0 is unlimited" }).default(16),
  ClientBufferSize: bytes({ min: 64, max: 16 * MIB }).prefault("2K"),
  ClientIdleTimeout: idleTimeout().prefault("30s"),
  ClientSendChanSize: sendChanSize().default(1024),
  ClientSnetEnable: flag().default(false),
  ClientSnetEncrypt: flag().default(false),
  ClientSnetBuffer: bytes(snet.buffer).prefault("64K"),
  ClientSnetInitTimeout: duration(snet.time).prefault("10s"),
  ClientSnetWaitTimeout: duration(snet.time).prefault("60s"),
  ServerAddr: listenAddress().prefault(":0"),
  ServerAuthPassword: serverKey().default(""),
  ServerAuthKey: serverKey().default(""),
  ServerBufferSize: bytes({ min: 64, max: 16 * MIB }).prefault("64K"),
  ServerIdleTimeout: idleTimeout().prefault("30s"),
  ServerSendChanSize: sendChanSize().default(102_400),
  ServerSnetEnable: flag().default(false),
  ServerSnetEncrypt: flag().default(false),
  ServerSnetBuffer: bytes(snet.buffer).prefault("1M"),
  ServerSnetInitTimeout: duration(snet.time).prefault("10s"),
  ServerSnetWaitTimeout: duration(snet.time).prefault("60s"),
  /** Undefined: no TLS on that side. Certificates are those of the section `tls`. */
  client_tls_addr: optionalListenAddress().prefault(""),
  server_tls_addr: optionalListenAddress().prefault(""),
  /** From accept until the handshake is done and a worker has the connection. */
  tls_handshake_timeout: duration({ min: 100, max: HOUR_MS }).prefault("5s"),
  client_auth: choice(["off", "token"]).default("off"),
  clients_max: endpoints().default(10_000),
  clients_per_address_max: endpoints().default(10_000),
  servers_max: endpoints().default(1000),
  servers_per_address_max: endpoints().default(1000),
  client_queue_size_max: queueSize().prefault("16M"),
  server_queue_size_max: queueSize().prefault("256M"),
  pool_size_max: bytes({ min: MIB, max: 64 * 1024 * MIB }).prefault("1G"),
  /** Where the pid, the command and the profiles are; empty: none of it. */
  process_folder: optionalPath().default("."),
});

export type FastwayConfig = z.output<typeof fastwaySection>;

/** What servers prove that they know; both keys mean the same. */
export function fastwayServerKey(config: FastwayConfig): string {
  return config.ServerAuthKey || config.ServerAuthPassword;
}

/** Where this section has relayx listen, by key; TLS only where it is configured. */
export function fastwayListeners(config: FastwayConfig): { key: string; at: ListenAddress }[] {
  return (["ClientAddr", "ServerAddr", "client_tls_addr", "server_tls_addr"] as const)
    .flatMap((key) => {
      const at = config[key];
      return at === undefined ? [] : [{ key: `fastway.${key}`, at }];
    });
}

/** As the configuration writes it. */
export function formatListenAddress({ host, port }: ListenAddress): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
