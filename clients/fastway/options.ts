/** What an endpoint is told: its options with their units, defaults and bounds. */
import type { ConnectionOptions } from "node:tls";
import { FastwayError } from "./errors.ts";
import { HEAD_BYTES, LENGTH_BYTES, TOKEN_BYTES_MAX } from "./wire/mod.ts";

const KIB = 1024;
const MIB = 1024 ** 2;
const HOUR_MS = 3_600_000;
const U32_MAX = 0xffff_ffff;

/** snet's settings, which have to suit those of the gateway's side that is connected to. */
export interface SnetOptions {
  /** RC4 behind the handshake, as the gateway has it (`ClientSnetEncrypt`). Default false. */
  encrypt?: boolean;
  /**
   * Sent bytes that may be kept to be sent again, until the gateway has answered a ping behind them.
   * 64 KiB to 256 MiB, and at least twice `packet_bytes_max`. Default 16 MiB; memory is taken as needed.
   */
  buffer_bytes?: number;
  /** For a handshake, that of a return too. 100 to 3,600,000; default 10,000. */
  init_timeout_ms?: number;
  /** How long a lost connection is looked for; as long as the gateway waits. Default 60,000. */
  wait_timeout_ms?: number;
  /** Between two attempts; the first is at once. 10 to 3,600,000; default 3000. */
  retry_interval_ms?: number;
}

export interface EndpointOptions {
  host: string;
  port: number;
  /** TLS, with the system's authorities, or with the options of node:tls. Default: none. */
  tls?: boolean | ConnectionOptions;
  /** snet, which gets a lost connection back. Only where the gateway has it on. Default: none. */
  snet?: boolean | SnetOptions;
  /** Until the gateway has answered, everything included. 10 to 3,600,000; default 10,000. */
  connect_timeout_ms?: number;
  /** The gateway's own (`ClientIdleTimeout`, `ServerIdleTimeout`); 0 is never. Default 30,000. */
  idle_timeout_ms?: number;
  /** Between two pings; 0 is none. Default: a third of `idle_timeout_ms`. */
  ping_interval_ms?: number;
  /**
   * How long nothing at all may come from the gateway while it is pinged; 0 is for ever. Default: as
   * `idle_timeout_ms`. With snet a new connection is tried then.
   */
  silence_timeout_ms?: number;
  /** The gateway's `MaxPacket`: 4 bytes and the message. 64 bytes to 64 MiB; default 512 KiB. */
  packet_bytes_max?: number;
  /** What a connection may hold that its program has not taken. Default 4 MiB. */
  receive_bytes_max?: number;
  /** The same in messages. Default 16,384. */
  receive_messages_max?: number;
  /**
   * What becomes of a connection that more waits for; the protocol cannot slow down one connection.
   * `close` (the default) ends that one and no other, after a turn of the event loop in which its
   * program could have taken it. `pause` stops reading all of them until half of the queue is taken:
   * nothing is lost here, but a gateway cuts endpoints that do not read for long.
   */
  when_full?: "close" | "pause";
  /** Connections from others that wait for `accept`; more are closed. 0 takes none. Default 1024. */
  accept_max?: number;
  /** From so many bytes on that wait to be sent, `send` has its caller wait. Default 1 MiB. */
  send_bytes?: number;
  /** From so many on it takes nothing more: `send_buffer_full`. Default 64 MiB. */
  send_bytes_max?: number;
  /** Ends connecting, and the endpoint at any later time. */
  signal?: AbortSignal;
  /** snet: the connection is lost and looked for. */
  onAway?: () => void;
  /** snet: it is back, and nothing was lost. */
  onBack?: () => void;
}

export interface ClientOptions extends EndpointOptions {
  /** Who this is, where the gateway asks for it (relayx: `client_auth`); at most 4096 bytes. */
  token?: string;
}

export interface ServerOptions extends EndpointOptions {
  /** By which clients dial this server, 0 to 2^32 − 1. A newer server of the same id takes over. */
  id: number;
  /** What all servers of the gateway prove that they know (`ServerAuthKey`). Default: empty. */
  key?: string;
}

/** The options with all their values. */
export interface EndpointSettings {
  connect_timeout_ms: number;
  ping_interval_ms: number;
  silence_timeout_ms: number;
  packet_bytes_max: number;
  receive_bytes_max: number;
  receive_messages_max: number;
  when_full: "close" | "pause";
  accept_max: number;
  send_bytes: number;
  send_bytes_max: number;
  signal: AbortSignal | undefined;
  onAway: () => void;
  onBack: () => void;
}

export type SnetSettings = Required<SnetOptions>;

const nothing = () => {};

export function endpointSettings(options: EndpointOptions): EndpointSettings {
  text("host", options.host);
  integer("port", options.port, 1, 65_535);
  const { idle_timeout_ms = 30_000, when_full = "close" } = options;
  integer("idle_timeout_ms", idle_timeout_ms, 0, 24 * HOUR_MS);
  if (when_full !== "close" && when_full !== "pause") {
    throw bad("when_full", when_full, '"close" or "pause"');
  }
  const number = bounded(options);
  return {
    connect_timeout_ms: number("connect_timeout_ms", 10_000, 10, HOUR_MS),
    ping_interval_ms: number(
      "ping_interval_ms",
      Math.floor(idle_timeout_ms / 3),
      0,
      24 * HOUR_MS,
    ),
    silence_timeout_ms: number("silence_timeout_ms", idle_timeout_ms, 0, 24 * HOUR_MS),
    packet_bytes_max: number("packet_bytes_max", 512 * KIB, 64, 64 * MIB),
    receive_bytes_max: number("receive_bytes_max", 4 * MIB, 1, 1024 * MIB),
    receive_messages_max: number("receive_messages_max", 16_384, 1, 1_000_000),
    when_full,
    accept_max: number("accept_max", 1024, 0, 1_000_000),
    send_bytes: number("send_bytes", MIB, 1, 1024 * MIB),
    send_bytes_max: number("send_bytes_max", 64 * MIB, KIB, 1024 * MIB),
    signal: options.signal,
    onAway: options.onAway ?? nothing,
    onBack: options.onBack ?? nothing,
  };
}

/** Null where there is no snet. */
export function snetSettings(
  { snet = false, packet_bytes_max = 512 * KIB }: EndpointOptions,
): SnetSettings | null {
  if (snet === false) return null;
  const options = snet === true ? {} : snet;
  const number = bounded(options);
  const least = Math.max(64 * KIB, 2 * (packet_bytes_max + LENGTH_BYTES));
  return {
    encrypt: options.encrypt ?? false,
    buffer_bytes: number("buffer_bytes", Math.max(16 * MIB, least), least, 256 * MIB),
    init_timeout_ms: number("init_timeout_ms", 10_000, 100, HOUR_MS),
    wait_timeout_ms: number("wait_timeout_ms", 60_000, 100, HOUR_MS),
    retry_interval_ms: number("retry_interval_ms", 3000, 10, HOUR_MS),
  };
}

/** The longest message that a frame has room for, bytes. */
export function messageBytesMax(packet_bytes_max: number): number {
  return packet_bytes_max - (HEAD_BYTES - LENGTH_BYTES);
}

export function checkServerId(id: number): void {
  integer("id", id, 0, U32_MAX);
}

export function checkRemoteId(id: number): void {
  integer("remoteId", id, 0, U32_MAX);
}

export function checkDialOptions({ timeout_ms = 1 }: { timeout_ms?: number }): void {
  integer("timeout_ms", timeout_ms, 1, HOUR_MS);
}

export function tokenBytes(token: string): Uint8Array {
  const bytes = new TextEncoder().encode(token);
  if (bytes.length > 0 && bytes.length <= TOKEN_BYTES_MAX) return bytes;
  throw new FastwayError(
    "bad_option",
    `token has ${bytes.length} bytes; it must have 1 to ${TOKEN_BYTES_MAX}`,
  );
}

/** Takes an option, or its default where there is none, and checks it. */
function bounded<Options extends object>(options: Options) {
  return (name: keyof Options & string, fallback: number, min: number, max: number): number => {
    const value = options[name] ?? fallback;
    integer(name, value, min, max);
    return value as number;
  };
}

function integer(name: string, value: unknown, min: number, max: number): void {
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return;
  throw bad(name, value, `a whole number from ${min} to ${max}`);
}

function text(name: string, value: unknown): void {
  if (typeof value !== "string" || value === "") throw bad(name, value, "text that is not empty");
}

function bad(name: string, value: unknown, allowed: string): FastwayError {
  return new FastwayError("bad_option", `${name} is ${String(value)}; it must be ${allowed}`);
}
