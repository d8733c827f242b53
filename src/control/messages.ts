/**
 * The messages of the V4 control plane, version 1.4. Every message is one JSON object
 *
 *   {"type": "…", "payload": …, "trace_id"?: "…"}
 *
 * sent with a line feed behind it; incoming ones need none (see `framing.ts`). Incoming keys are known
 * in any case, a later one replaces an earlier one, and `null` counts as absent.
 *
 * `trace_id` is the asker's own name for what it is about: text of 1 to 128 characters, anything else
 * is as if it were absent. It comes back with the answer, goes with the grant to both ends and stands
 * in every line of the log about the session.
 *
 *   peer → gateway
 *     register       {role: "server"|"client", id, token, max_conn?}       the first message, once
 *     pair_request   {request_id?, server_id?, need_zmq?, need_srt?, qos?} clients only
 *                    qos: {hello_proof?: bool,
 *                          srt?: {encrypt?: bool, transtype?: "live"|"file", latency?: ms}}
 *   gateway → peer
 *     register_ack   {status: "ok"} | {status: "error", code, error}
 *     pair_grant     {request_id, session_id, server_id, client_id, zmq_port?, srt_port?,
 *                     srt_passphrase?, hello_token?}     the last one is another for each end
 *     pair_error     {request_id, code, error}
 *     error          {code, error}
 *     status         [{server_id, occupied_ports, remaining_ports, cpu_percent, mem_mb}]     each 2 s
 *     port_state     {zmq: {total, idle, reserved, occupied, blocked}, srt: {…}}             each 2 s
 *     telemetry      [{kind, port, session_id, server_id, client_id, mbps_up, mbps_down,
 *                      rtt_ms, loss_pct, retrans_pct, quality,
 *                      bottleneck_up?, bottleneck_down?}]                                    each 1 s
 *     port_conflict  {kind, port, error}                            when a port cannot be bound
 *
 * Codes: 500 internal · 501 auth · 502 bad request · 503 conflict · 504 unavailable · 505 no port in
 * time. Messages of other types are ignored after `register`.
 */
import { Buffer } from "node:buffer";
import { z } from "zod";
import type { Role } from "../data/plane.ts";
import type { PairRequest, SrtRequest } from "../sessions/party.ts";

/** More ports than any machine has; it keeps sums of many servers exact. */
const MAX_CONN_MAX = 2 ** 31 - 1;

/** Long enough for any scheme of trace ids in use; W3C's have 55 characters. */
const TRACE_CHARS_MAX = 128;

export interface Envelope {
  type: string;
  payload: unknown;
  /** Empty where the message has none. */
  trace_id: string;
}

/** What `register` says, trimmed and with its defaults; not yet checked. */
export interface Registration {
  role: string;
  id: string;
  token: string;
  max_conn: number;
}

const envelopeShape = z.object({
  type: z.string().default(""),
  payload: z.unknown().optional(),
  trace_id: z.string().max(TRACE_CHARS_MAX).catch(""),
});

const registerShape = z.object({
  role: z.string().default(""),
  id: z.string().trim().default(""),
  token: z.string().trim().default(""),
  max_conn: z.int().default(1),
});

const pairRequestShape = z.object({
  request_id: z.string().default(""),
  server_id: z.string().default(""),
  need_zmq: z.boolean().default(false),
  need_srt: z.boolean().default(false),
});

const srtShape = z.object({
  encrypt: z.boolean().optional(),
  transtype: z.enum(["live", "file"]).optional(),
  latency: z.int().min(0).max(60_000).optional(),
});

/** Null when the type is not a string. */
export function readEnvelope(message: object): Envelope | null {
  const read = envelopeShape.safeParse(fold(message, ["type", "payload", "trace_id"]));
  if (!read.success) return null;
  const { type, payload, trace_id } = read.data;
  return { type, payload, trace_id };
}

/** Null when a field has the wrong type. */
export function readRegister(payload: unknown): Registration | null {
  const fields = foldPayload(payload, ["role", "id", "token", "max_conn"]);
  const read = fields === null ? null : registerShape.safeParse(fields);
  if (!read?.success) return null;
  const { role, id, token, max_conn } = read.data;
  return { role, id, token, max_conn: Math.min(MAX_CONN_MAX, Math.max(1, max_conn)) };
}

/**
 * Null when a field has the wrong type. `qos` may be anything, as it always could; of it only `srt`
 * and `hello_proof` are read, and there a wrong value is refused: a wish for encryption or for proofs
 * must not be missed.
 */
export function readPairRequest(payload: unknown, trace_id = ""): PairRequest | null {
  const names = ["request_id", "server_id", "need_zmq", "need_srt", "qos"];
  const folded = foldPayload(payload, names);
  if (folded === null) return null;
  const { qos, ...fields } = folded;
  const read = pairRequestShape.safeParse(fields);
  const wishes = readWishes(qos);
  return read.success && wishes ? { ...read.data, trace_id, ...wishes } : null;
}

function readWishes(qos: unknown): Pick<PairRequest, "srt" | "hello_proof"> | null {
  if (!isObject(qos)) return { srt: {}, hello_proof: false };
  const { srt, hello_proof = false } = fold(qos, ["srt", "hello_proof"]);
  const read = readSrtRequest(srt);
  return read && typeof hello_proof === "boolean" ? { srt: read, hello_proof } : null;
}

function readSrtRequest(srt: unknown): SrtRequest | null {
  if (!isObject(srt)) return {};
  const read = srtShape.safeParse(fold(srt, ["encrypt", "transtype", "latency"]));
  if (!read.success) return null;
  const { latency: latency_ms, ...rest } = read.data;
  return latency_ms === undefined ? rest : { ...rest, latency_ms };
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isRole(role: string): role is Role {
  return role === "server" || role === "client";
}

/** One message as it goes out; an empty `trace_id` is left out, as V4 knows none. */
export function encode(type: string, payload: unknown, trace_id = ""): Buffer {
  if (trace_id === "") return encodeRaw(type, JSON.stringify(payload));
  return Buffer.from(`${JSON.stringify({ type, payload, trace_id })}\n`);
}

/** One message whose payload is JSON already. */
export function encodeRaw(type: string, payload: string): Buffer {
  return Buffer.from(`{"type":"${type}","payload":${payload}}\n`);
}

/** An absent payload is an empty one; null stands for one that is no object. */
export function foldPayload(
  payload: unknown,
  known: readonly string[],
): Record<string, unknown> | null {
  if (payload === undefined || payload === null) return {};
  if (typeof payload !== "object" || Array.isArray(payload)) return null;
  return fold(payload, known);
}

/**
 * The known fields under their own names, whatever the case they came in. Only names this side chose
 * are ever assigned, so a key like `__proto__` has no effect.
 */
export function fold(object: object, known: readonly string[]): Record<string, unknown> {
  const folded: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(object)) {
    const name = key.toLowerCase();
    if (value !== null && known.includes(name)) folded[name] = value;
  }
  return folded;
}
