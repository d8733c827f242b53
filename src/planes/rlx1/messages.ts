/**
 * The messages of relay_X v1 (RLX1). Each is one JSON object
 *
 *   {"type": "…", "payload": …, "msg_id"?, "ts_ms"?, "trace_id"?, "sign"?, "kid"?}
 *
 * sent with a line feed behind it; incoming ones need none. Incoming keys are known in any case, and
 * those that are not known are passed over: old clients put `s_recv` and `s_send` into `ping`.
 *
 *   peer → gateway
 *     register      {role: "FE"|"BE", secret, client_id}              the first message, once
 *     port_alloc    {zmq_start_port, zmq_end_port, srt_start_port, srt_end_port}          BE only
 *     port_acquire  {request_id, need_zmq, need_srt, ttl_seconds}
 *     port_release  {session_id}                 its owner only, while it lasts; no answer
 *     port_state_q  {need_zmq?, need_srt?}
 *     key_exchange  {public_key, private_key?}                         BE only
 *     ping          {c_send}                                           nanoseconds, beyond 2^53
 *   gateway → peer
 *     auth          {status: "ok"}              refusals are not answered, but closed
 *     port_alloc    as above                    to FEs: after auth, and when a BE has sent one
 *     port_grant    {request_id, session_id, zmq_port?, srt_port?, expires_at, error, error_code?}
 *                   to whoever asked and, where granted, to everybody of the other role
 *     port_release  {session_id}                to everybody of the other role
 *     port_state    {zmq_total, srt_total, zmq_busy, srt_busy, zmq_ready_ports, srt_ready_ports,
 *                    zmq_empty_ports, srt_empty_ports}         after auth, and at every change
 *     key_exchange  {public_key}                to FEs
 *     pong          {c_send, s_recv, s_send}    c_send digit for digit
 *     telemetry     {current_speed}             Mbit/s, each 100 ms, to BEs that sent port_alloc
 *     log           a line of text; one for each registration
 *
 * `trace_id` and `msg_id` of a request come back with its answer; `trace_id` goes along with what a
 * grant or a release is told to others. `error_code` is there where `error` says something.
 */
import { z } from "zod";
import type { PortRange } from "../../config/port-range.ts";
import { fold, foldPayload } from "../../control/messages.ts";
import type { PlaneKind } from "../../data/plane.ts";

export type V1Role = "FE" | "BE";

/** Long enough for a UUID and the time, and for every scheme of trace ids in use. */
const NAME_CHARS_MAX = 128;
/** More than any id there is; it stands in the log and in every grant. */
const ID_CHARS_MAX = 256;
const TTL_SECONDS = 30;
const TTL_SECONDS_MAX = 600;
/** The digits of 2^128; nanoseconds since 1970 have 19. */
const DIGITS_MAX = 39;

/** The ports of each label. */
export type Ranges = Readonly<Record<PlaneKind, PortRange>>;

/** Why a request is refused; the words of v1's own proposal, and two of relayx. */
export type ErrorCode =
  | "AUTH_FAILED"
  | "PORT_EXHAUSTED"
  | "TTL_EXPIRED"
  | "HELLO_INVALID"
  | "PORT_BUSY"
  | "BAD_REQUEST"
  | "LIMIT_REACHED"
  | "DRAINING";

/** What of a request comes back with its answer; empty where it has none. */
export interface Stamp {
  readonly trace_id: string;
  readonly msg_id: string;
}

export interface Registration {
  role: V1Role;
  secret: string;
  client_id: string;
  /** For the answer; empty where the message has none. */
  msg_id: string;
}

export interface Acquisition {
  request_id: string;
  need_zmq: boolean;
  need_srt: boolean;
  /** From 1 to 600. */
  ttl_seconds: number;
}

export interface Grant {
  request_id: string;
  session_id: string;
  zmq_port?: number;
  srt_port?: number;
  /** Unix milliseconds. */
  expires_at: number;
  error: string;
  error_code?: ErrorCode;
}

/**
 * Text that is sent on to others. Half a surrogate pair becomes the sign for a wrong character, as the
 * original reads it: canonical JSON, which signatures are made over, has no form for it.
 */
const text = () => z.string().transform((value) => value.toWellFormed());
const idText = () => text().pipe(z.string().max(ID_CHARS_MAX)).default("");

const registerShape = z.object({
  role: z.enum(["FE", "BE"]),
  secret: z.string().default(""),
  client_id: idText(),
});

const acquireShape = z.object({
  request_id: idText(),
  need_zmq: z.boolean().default(false),
  need_srt: z.boolean().default(false),
  ttl_seconds: z.int().default(0),
});

const port = z.int().min(1).max(65_535);
const allocShape = z.object({
  zmq_start_port: port,
  zmq_end_port: port,
  srt_start_port: port,
  srt_end_port: port,
});
const releaseShape = z.object({ session_id: z.string() });
const keyShape = z.object({ public_key: text() });

/** Whether a payload asks for a role of v1: then the connection is v1's, whatever else it says. */
export function asksForV1(payload: unknown): boolean {
  const role = foldPayload(payload, ["role"])?.role;
  return role === "FE" || role === "BE";
}

/** Null when a field has the wrong type. */
export function readRegister(payload: unknown, msg_id = ""): Registration | null {
  const asked = read(registerShape, payload);
  return asked && { ...asked, msg_id };
}

/** Null when a field has the wrong type. A time that is none, or too long, is put right. */
export function readAcquire(payload: unknown): Acquisition | null {
  const asked = read(acquireShape, payload);
  if (asked === null) return null;
  const { ttl_seconds: ttl } = asked;
  return { ...asked, ttl_seconds: ttl <= 0 ? TTL_SECONDS : Math.min(TTL_SECONDS_MAX, ttl) };
}

export function isAlloc(payload: unknown): boolean {
  return read(allocShape, payload) !== null;
}

/** The lease that is given back; null when the payload names none. */
export function readRelease(payload: unknown): string | null {
  return read(releaseShape, payload)?.session_id ?? null;
}

/** The public key; of the private one, if it is there, nothing is read. */
export function readPublicKey(payload: unknown): string | null {
  return read(keyShape, payload)?.public_key ?? null;
}

export function readStamp(object: object): Stamp {
  const { trace_id, msg_id } = fold(object, ["trace_id", "msg_id"]);
  return { trace_id: shortText(trace_id), msg_id: shortText(msg_id) };
}

/** The digits of `c_send` as they stand in the message; null where it is no whole number. */
export function readPing(bytes: Uint8Array): string | null {
  const { payload } = fold(exactly(bytes), ["payload"]);
  const { c_send } = foldPayload(payload, ["c_send"]) ?? {};
  if (!(c_send instanceof Digits) || c_send.text.length > DIGITS_MAX) return null;
  return /^(?:0|[1-9]\d*)$/.test(c_send.text) ? c_send.text : null;
}

/** A number as it is written. */
class Digits {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** What newer editions of JavaScript tell of a value; the types of the language do not know it yet. */
type SourceReviver = (key: string, value: unknown, context: { source?: string }) => unknown;

/** Parses JSON that is known to be some, its numbers left as they are written. */
function exactly(bytes: Uint8Array): object {
  const keep: SourceReviver = (_key, value, { source }) =>
    typeof value === "number" && source !== undefined ? new Digits(source) : value;
  return JSON.parse(
    new TextDecoder().decode(bytes),
    keep as (key: string, value: unknown) => unknown,
  );
}

function read<Shape extends z.ZodObject>(shape: Shape, payload: unknown): z.output<Shape> | null {
  const fields = foldPayload(payload, Object.keys(shape.shape));
  const result = fields === null ? null : shape.safeParse(fields);
  return result?.success ? result.data : null;
}

function shortText(value: unknown): string {
  return typeof value === "string" && value.length <= NAME_CHARS_MAX ? value.toWellFormed() : "";
}

/** The payload of `port_alloc`. */
export function allocation({ zmq, srt }: Ranges) {
  return {
    zmq_start_port: zmq.first,
    zmq_end_port: zmq.last,
    srt_start_port: srt.first,
    srt_end_port: srt.last,
  };
}
