/**
 * What the control side and a worker of the fastway plane say to each other. Everything in-band
 * (frames, dials, closes, handshakes, reconnects) is the worker's; what it is told are rules, and what
 * it tells is who came and who went, and why.
 */
import type { AdmissionLimit, AdmissionOptions } from "../admission.ts";
import type { ProxyRules } from "../address-rules.ts";
import type { Relinked } from "./bridge/memory.ts";

export type FastwaySide = "client" | "server";

/** How an endpoint's bytes travel. `tls` is plain to the worker: a door in front of it has the key. */
export type FastwayTransport = "tcp" | "snet" | "tls" | "tls+snet";

/** The rules of one side; the names of the configuration, with a unit. */
export interface FastwaySideSettings {
  /** Virtual connections that an endpoint of this side may have when it dials; 0 is no limit. */
  virtual_max: number;
  /** The first piece of memory for a frame that has come in part, bytes. */
  part_bytes: number;
  /** 0 is never. */
  idle_timeout_ms: number;
  /** Messages that may wait for a slow receiver before it is cut. */
  queue_messages_max: number;
  /** The same in bytes. */
  queue_bytes_max: number;
  /** Physical connections, in all and per address. */
  endpoints_max: number;
  endpoints_per_address_max: number;
  snet: SnetSettings | null;
}

export interface SnetSettings {
  /** Whether what follows the handshake is encrypted; the handshake always is in part. */
  encrypts: boolean;
  /** Sent bytes that are kept to be sent again. */
  buffer_bytes: number;
  /** For every handshake, those of reconnects included. */
  init_timeout_ms: number;
  /** How long a session waits for its peer to come back. */
  wait_timeout_ms: number;
}

/** The rules of a worker: one object for its life, changed in place by a `settings` command. */
export interface FastwayWorkerSettings extends ProxyRules, AdmissionOptions {
  /** Frames' Length may not be greater. */
  packet_bytes_max: number;
  /** For a server to prove itself. */
  handshake_timeout_ms: number;
  /** What servers prove that they know, as text. */
  server_key: string;
  /** Clients say who they are by a Token frame before anything else. */
  client_token: boolean;
  client: FastwaySideSettings;
  server: FastwaySideSettings;
  pool: PoolSettings;
  /** Where the ids of clients and of virtual connections begin, for tests of their wrap; 1 otherwise. */
  first_id?: number;
}

/** The memory for what cannot be passed on at once; see `chunk-pool.ts`. */
export interface PoolSettings {
  chunk_bytes_min: number;
  chunk_bytes_max: number;
  /** Each class of chunk is so many times as large as the one before. */
  factor: number;
  page_bytes: number;
  /** All pages of a worker together. */
  pool_bytes_max: number;
}

/** Where a worker listens. A door is a Unix socket for connections that have been unwrapped. */
export type FastwayListen =
  | { kind: "tcp"; host: string; port: number; reuse_port: boolean }
  | { kind: "door"; path: string };

export type FastwayOrder =
  | { type: "listen"; side: FastwaySide; at: FastwayListen }
  /** Whether new endpoints and dials are taken. snet sessions may come back all the same. */
  | { type: "serving"; is_serving: boolean }
  /** Ends an endpoint, or one that is not admitted yet; `reason` is the log's word. */
  | { type: "end"; endpoint: number; reason: string }
  /** Ends every virtual connection; both sides are told Close. */
  | { type: "close_virtual" }
  /** The Token was good: the endpoint takes part from now on. */
  | { type: "admit"; endpoint: number }
  /** Another worker has taken a place, and shares these with this one. */
  | { type: "relink"; relinked: Relinked };

/** Why a physical connection, or its snet session, is over. */
export type EndpointOver =
  /** The peer has ended it, in order or not, and with snet has not come back in time. */
  | "gone"
  /** Nothing whole came for the side's idle timeout. */
  | "idle"
  /** A frame that the protocol forbids; `detail` says which. */
  | "protocol_error"
  /** It took too little of what was sent to it. */
  | "queue_full"
  /** The worker's memory for what waits is used up. */
  | "memory_full"
  /** The control side ended it, with a word of its own in `detail`. */
  | "ended"
  /** The worker has died. */
  | "plane_failed";

/** Why a connection never became an endpoint; the log's `status`. */
export type FastwayRefusal =
  /** A wrong proof, none in time, or less than one. */
  | "handshake_error"
  /** snet: a handshake or a return that cannot be. */
  | "snet_error"
  /**
   * snet: a return to a session that is over. Honest peers do so after a restart of the gateway, or
   * when they have been away for too long.
   */
  | "snet_unknown"
  | "proxy_error"
  /** No Token as the first frame where one is asked for. */
  | "token_missing"
  | "draining";

/** An endpoint is told by this number, which no other of the process ever has. */
export interface EndpointFacts {
  endpoint: number;
  side: FastwaySide;
  /** A client's number, or a server's id. */
  id: number;
  /** `host:port`. */
  remote: string;
  address: string;
  transport: FastwayTransport;
  /** Of its counters in the worker's table. */
  row: number;
}

export type FastwayReport =
  | { type: "listening"; side: FastwaySide; kind: FastwayListen["kind"]; port: number }
  | {
    type: "listen_failed";
    side: FastwaySide;
    kind: FastwayListen["kind"];
    code: string;
    message: string;
  }
  /** It takes part. Exactly one `endpoint_over` follows. */
  | { type: "endpoint"; facts: EndpointFacts }
  /**
   * A client has sent its Token and waits for `admit` or `end`; `endpoint` follows the one. Exactly one
   * `endpoint_over` follows as well, whether it ever takes part or not.
   */
  | { type: "token"; facts: EndpointFacts; token: string }
  | {
    type: "endpoint_over";
    endpoint: number;
    reason: EndpointOver;
    detail: string;
    counters: EndpointCounters;
  }
  | { type: "refused"; side: FastwaySide; status: FastwayRefusal; detail: string; remote: string }
  /** An snet session has lost its connection, or has it back. */
  | { type: "away"; endpoint: number }
  | { type: "back"; endpoint: number; remote: string; address: string }
  | {
    type: "shed";
    side: FastwaySide;
    limit: ShedLimit;
    count: number;
    remote: string;
  };

/** The key of the bound in the configuration, or what else there was too little or too much of. */
export type ShedLimit =
  | AdmissionLimit
  | "clients_max"
  | "clients_per_address_max"
  | "servers_max"
  | "servers_per_address_max"
  | "descriptors"
  | "banned";

/** Running totals of one endpoint, as seen from the gateway; and what it has now. */
export interface EndpointCounters {
  /** Whole frames with their heads, commands included. */
  bytes_in: number;
  bytes_out: number;
  messages_in: number;
  messages_out: number;
  virtual: number;
  queue_messages: number;
  queue_bytes: number;
}
