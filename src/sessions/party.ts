/** What the sessions know of a registered front end or back end, and what they tell it. */
import type { Standing } from "../access/standing.ts";
import type { Role } from "../data/plane.ts";

/** A pairing both ends are told of; the ports that were not asked for are absent. */
export interface Grant {
  request_id: string;
  session_id: string;
  server_id: string;
  client_id: string;
  zmq_port?: number;
  srt_port?: number;
  /** The session's own, where `qos.srt.encrypt` asked for it: both ends set it on their sockets. */
  srt_passphrase?: string;
  /** Where the session asks for a proof: what this end, and only it, says in its hello. */
  hello_token?: string;
}

/** Why a pairing is not to be: the codes of V4. */
export interface Refusal {
  request_id: string;
  code: 500 | 501 | 502 | 504 | 505;
  error: string;
}

/** What a front end asks for, checked and reduced to what pairing needs. */
export interface PairRequest {
  request_id: string;
  /** What the asker calls the whole undertaking in its own records; empty where it does not. */
  trace_id: string;
  /** A certain server, or empty for whichever has most room. */
  server_id: string;
  need_zmq: boolean;
  need_srt: boolean;
  srt: SrtRequest;
  /** The ends are to prove by their hello that the grant was theirs (`qos.hello_proof`). */
  hello_proof: boolean;
}

/** What a request wants of its SRT port beyond the ordinary (`qos.srt`). */
export interface SrtRequest {
  encrypt?: boolean;
  transtype?: "live" | "file";
  latency_ms?: number;
}

/** For lines of the log: the trace id, where there is one. */
export function traced(trace_id: string): { trace_id?: string } {
  return trace_id === "" ? {} : { trace_id };
}

/** One registered control connection. It is the identity; an id may belong to another one later. */
export interface Party {
  readonly role: Role;
  readonly id: string;
  /** Ports this server carries at once; 1 for a client, where it means nothing. */
  readonly max_conn: number;
  /** Where it comes from, `address:port`. */
  readonly remote: string;
  /** When it registered, Unix milliseconds. */
  readonly since_unix_ms: number;
  /** Who it has proven to be; its role and id where nothing is to be proven. */
  readonly principal: string;
  /** What it may do and what is counted for it. */
  readonly standing: Standing;
  /** Its control connection is encrypted. */
  readonly tls: boolean;
  granted(grant: Grant, trace_id: string): void;
  refused(refusal: Refusal, trace_id: string): void;
  /** Ends the registration; the peer is told why. */
  dismiss(reason: string): void;
}
