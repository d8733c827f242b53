/**
 * What the benchmark and a load generator say to each other. The order is the only argument, as
 * JSON. The generator answers with JSON lines on its standard output, each `{"event": …}`:
 * `listening` (it can be connected to), `ready` (all its connections are up), and last `result` or
 * `failed`. A generator that is ready waits for one line on its standard input, the schedule, so that
 * both ends and whoever reads the contender's cost look at the same stretch of time.
 */
import type { DirectionCounts } from "../../tests/harness/impairment.ts";

/** Instants of CLOCK_MONOTONIC, nanoseconds. */
export interface Schedule {
  start_ns: number;
  /** What happens between these two is measured; before it is warm-up. */
  window_from_ns: number;
  window_to_ns: number;
}

/** Where the connections of one end come from: it is connected to, or it connects. */
export type EndPlace =
  | { accept: { port: number; count: number } }
  | { connect: { port: number; opening: string }[] };

/** `bulk-end.ts`: bytes as fast as they go. */
export interface BulkOrder {
  place: EndPlace;
  sends: boolean;
  receives: boolean;
  /** Bytes per write. */
  write_bytes: number;
  /** The receiver reads nothing for this long after the start, milliseconds. */
  stall_ms?: number;
}

export interface BulkResult {
  sent_bytes: number;
  received_bytes: number;
  /** Received within the window, and how long the window really was. */
  window_received_bytes: number;
  window_s: number;
  /** The least that one session received within the window: nobody may starve. */
  window_least_bytes: number;
}

/** `echo-end.ts`: one message there and back, again and again. */
export interface EchoOrder {
  place: EndPlace;
  /** The side that asks and times, or the side that sends everything back. */
  asks: boolean;
  message_bytes: number;
}

export interface EchoResult {
  round_trips: number;
  per_second: number;
  p50_us: number;
  p99_us: number;
  p99_9_us: number;
  max_us: number;
}

/** `sessions.ts`: many sessions, from the request to the first byte that came through. */
export interface SessionsOrder {
  /** By the gateway's control port, or through a proxy that is connected to and connects on. */
  way: { control_port: number } | { front_port: number; back_port: number };
  total: number;
  at_once: number;
  /** Keeps the sessions open until a line comes on the standard input, then tries each once more. */
  hold: boolean;
}

export interface SessionsResult {
  sessions: number;
  elapsed_s: number;
  per_second: number;
  p50_ms: number;
  p99_ms: number;
  p99_9_ms: number;
  max_ms: number;
}

/** `fastway-end.ts`: messages in batches, there and back. */
export interface FastwayOrder {
  place: EndPlace;
  /** Sends as much as its windows allow, sends back what comes, or asks one message at a time. */
  manner: "load" | "echo" | "ask";
  /** The place is a fastway gateway's: servers prove themselves and clients dial. */
  gateway: boolean;
  server_id: number;
  /** Virtual connections of all connections together, the same number on each. */
  virtual: number;
  /** Of the body of a frame. */
  message_bytes: number;
  /** Frames per write. */
  batch: number;
  /** Batches that one client may have on their way. */
  window_batches: number;
}

export interface FastwayLoadResult {
  /** Messages, all of them there and back again. */
  sent: number;
  received: number;
  window_messages: number;
  window_s: number;
}

/** `srt-end.ts`: numbered messages at a fixed rate per session. */
export interface SrtOrder {
  place: EndPlace;
  sends: boolean;
  rate_mbps: number;
  message_bytes: number;
  latency_ms: number;
  /** How many SRT connections a message passes one after the other; each adds its latency. */
  hops: number;
  /** The UDP port that all connections of this end share. */
  local_port: number;
}

export interface SrtResult {
  /** By session, in the order of the connections. */
  messages: number;
  /** Messages that never came although a later one did. */
  gaps: number;
  window_messages: number;
  window_s: number;
  window_least_messages: number;
  /** One-way time beyond the configured latency of all hops; NaN where nothing came. */
  added_p50_ms: number;
  added_p99_ms: number;
  added_max_ms: number;
}

/** What is wrong with a path, the same both ways. */
export interface PathFaults {
  /** How long a packet and its answer take together, ms. */
  rtt_ms: number;
  /** The share of packets that are lost from the window's beginning on, 0 to 1. */
  loss: number;
  /** Packets take up to so much longer each, by chance, and overtake each other. */
  jitter_ms: number;
  /** The chance begins here. */
  seed: number;
}

/**
 * `impaired-path.ts`: a bad network before one UDP port. It says `listening`, wants the schedule like
 * the others, and gives its result when a second line comes.
 */
export interface PathOrder extends PathFaults {
  listen_port: number;
  target_port: number;
}

export interface PathCounts extends DirectionCounts {
  /** Data packets that were lost when they were sent for the first time. */
  first_lost: number;
  /** Data packets that had been sent before, whatever became of them. */
  repeated: number;
}

export interface PathResult {
  seed: number;
  /** From the front end to the target, and back. */
  toward: PathCounts;
  back: PathCounts;
}
