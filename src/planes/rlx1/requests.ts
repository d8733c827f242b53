/**
 * What registered peers of v1 ask for, and what they and others are told of it. The messages are in
 * `messages.ts`; who is registered is in `hub.ts`.
 */
import type { Buffer } from "node:buffer";
import type { Frame } from "../../control/guest.ts";
import type { Envelope } from "../../control/messages.ts";
import type { Log } from "../../observe/log.ts";
import { traced } from "../../sessions/party.ts";
import type { RepeatedLines } from "../../observe/repeated-lines.ts";
import type { Lease, Leases } from "./leases.ts";
import {
  allocation,
  type ErrorCode,
  type Grant,
  isAlloc,
  type Ranges,
  readAcquire,
  readPing,
  readPublicKey,
  readRelease,
  readStamp,
  type Stamp,
  type V1Role,
} from "./messages.ts";
import { about, type Peer } from "./peer.ts";
import type { PortTable } from "./port-table.ts";
import type { Post } from "./post.ts";
import type { Reaper } from "./reaper.ts";
import type { Speed } from "./speed.ts";
import { WallClock } from "./wall-clock.ts";

export interface RequestsOptions {
  table: PortTable;
  leases: Leases;
  reaper: Reaper;
  speed: Speed;
  post: Post;
  log: Log;
  repeated: RepeatedLines;
  /** Why there are no leases now; null while there are. */
  refusing: () => string | null;
  ranges: () => Ranges;
  /** Sends a message to everybody of a role. */
  tell: (role: V1Role, message: Buffer) => void;
}

export class Requests {
  readonly #parts: RequestsOptions;
  readonly #clock = new WallClock();

  constructor(options: RequestsOptions) {
    this.#parts = options;
  }

  /** It may be somebody on the way who sends this: nothing is done, and the lease is refused. */
  refuseUnsigned(peer: Peer, message: Envelope, frame: Frame, fault: string): void {
    this.#parts.repeated.warn(
      `signature_refused ${peer.connection.remote}`,
      { status: "signature_refused", ...about(peer), type: message.type, reason: fault },
      "a message is not signed rightly and not acted on",
    );
    const asked = message.type === "port_acquire" ? readAcquire(message.payload) : null;
    if (asked === null) return;
    const stamp = readStamp(frame.object);
    this.#refuseLease(peer, asked.request_id, "AUTH_FAILED", `the signature: ${fault}`, stamp);
  }

  take(peer: Peer, message: Envelope, frame: Frame): void {
    const { type, payload } = message;
    if (type === "ping") this.#onPing(peer, frame);
    else if (type === "port_acquire") this.#onAcquire(peer, payload, readStamp(frame.object));
    else if (type === "port_release") this.#onRelease(peer, payload, readStamp(frame.object));
    else if (type === "port_state_q") this.#onQuestion(peer, readStamp(frame.object));
    else if (type === "port_alloc") this.#onAlloc(peer, payload, readStamp(frame.object));
    else if (type === "key_exchange") this.#onKey(peer, payload, readStamp(frame.object));
    // Other types, and a second register, are ignored, as v1 always has.
  }

  #onPing(peer: Peer, { object, bytes }: Frame): void {
    const s_recv = this.#clock.nowNs();
    const c_send = readPing(bytes);
    if (c_send === null) {
      this.#ignore(peer, "ping", "a c_send that is a whole number from 0");
      return;
    }
    const payload = `{"c_send":${c_send},"s_recv":${s_recv},"s_send":${this.#clock.nowNs()}}`;
    peer.send(this.#parts.post.writeRaw("pong", payload, readStamp(object)));
  }

  #onAcquire(peer: Peer, payload: unknown, stamp: Stamp): void {
    const asked = readAcquire(payload);
    if (asked === null) {
      this.#ignore(peer, "port_acquire", "request_id, need_zmq, need_srt and ttl_seconds");
      return;
    }
    const { leases, refusing } = this.#parts;
    const { request_id } = asked;
    const refuse = (code: ErrorCode, error: string) =>
      this.#refuseLease(peer, request_id, code, error, stamp);
    if (!asked.need_zmq && !asked.need_srt) {
      refuse("BAD_REQUEST", "need_zmq/need_srt both false");
      return;
    }
    const closed = refusing();
    if (closed !== null) {
      refuse("DRAINING", closed);
      return;
    }
    const { standing } = peer;
    const reached = standing.takePairRequest(performance.now()) ?? standing.sessionLimit();
    if (reached !== null) {
      refuse("LIMIT_REACHED", reached.sentence);
      return;
    }
    const lease = leases.acquire(peer, asked, stamp.trace_id, Date.now());
    if (lease === null) refuse("PORT_EXHAUSTED", "no port available");
    else this.#grant(peer, lease, stamp);
  }

  #grant(peer: Peer, lease: Lease, stamp: Stamp): void {
    const { post, log } = this.#parts;
    const { request_id, session_id, expires_at, ports } = lease;
    const zmq_port = ports.get("zmq");
    const srt_port = ports.get("srt");
    const grant: Grant = {
      request_id,
      session_id,
      ...(zmq_port === undefined ? {} : { zmq_port }),
      ...(srt_port === undefined ? {} : { srt_port }),
      expires_at,
      error: "",
    };
    peer.send(post.write("port_grant", grant, stamp));
    const others = { trace_id: stamp.trace_id, msg_id: "" };
    this.#parts.tell(opposite(peer), post.write("port_grant", grant, others));
    log.info(
      {
        status: "lease_granted",
        ...about(peer),
        session_id,
        request_id,
        zmq_port,
        srt_port,
        ...traced(stamp.trace_id),
      },
      "ports are leased",
    );
  }

  #refuseLease(
    peer: Peer,
    request_id: string,
    error_code: ErrorCode,
    error: string,
    stamp: Stamp,
  ): void {
    const { post, repeated } = this.#parts;
    const grant: Grant = { request_id, session_id: "", expires_at: Date.now(), error, error_code };
    peer.send(post.write("port_grant", grant, stamp));
    repeated.warn(
      `lease_refused ${error_code} ${peer.connection.remote}`,
      {
        status: "lease_refused",
        ...about(peer),
        request_id,
        code: error_code,
        error,
        ...traced(stamp.trace_id),
      },
      "a lease is refused",
    );
  }

  #onRelease(peer: Peer, payload: unknown, stamp: Stamp): void {
    const { leases, post } = this.#parts;
    const session_id = readRelease(payload);
    const lease = session_id === null ? undefined : leases.get(session_id);
    // One that has ended by itself is given back all the same: front ends do so after each session.
    if (session_id !== null && lease === undefined) return;
    if (lease === undefined || lease.owner !== peer) {
      this.#ignore(peer, "port_release", "the session_id of a lease that is the sender's own");
      return;
    }
    leases.end(lease, "released");
    const others = { trace_id: stamp.trace_id || lease.trace_id, msg_id: "" };
    const message = post.write("port_release", { session_id }, others);
    this.#parts.tell(opposite(peer), message);
  }

  #onQuestion(peer: Peer, stamp: Stamp): void {
    const { post, table } = this.#parts;
    peer.send(post.write("port_state", table.states(), stamp));
  }

  #onAlloc(peer: Peer, payload: unknown, { trace_id }: Stamp): void {
    if (peer.role !== "BE" || !isAlloc(payload)) {
      this.#ignore(peer, "port_alloc", "the four ports of two ranges, from a BE");
      return;
    }
    const { reaper, speed, post, ranges } = this.#parts;
    peer.has_allocated = true;
    reaper.onAlloc(peer);
    speed.start();
    const message = post.write("port_alloc", allocation(ranges()), { trace_id, msg_id: "" });
    this.#parts.tell("FE", message);
  }

  #onKey(peer: Peer, payload: unknown, { trace_id }: Stamp): void {
    const public_key = readPublicKey(payload);
    if (peer.role !== "BE" || public_key === null) {
      this.#ignore(peer, "key_exchange", "a public_key, from a BE");
      return;
    }
    const stamp = { trace_id, msg_id: "" };
    this.#parts.tell("FE", this.#parts.post.write("key_exchange", { public_key }, stamp));
  }

  #ignore(peer: Peer, type: string, allowed: string): void {
    this.#parts.repeated.warn(
      `ignored ${type} ${peer.connection.remote}`,
      { status: "control_error", ...about(peer), error: `${type}: allowed is ${allowed}` },
      "a message is ignored: it does not say what it has to, or is not this peer's to send",
    );
  }
}

function opposite({ role }: Peer): V1Role {
  return role === "FE" ? "BE" : "FE";
}
