/**
 * What is compared. A contender starts, gives places where two ends meet, says which process carries
 * their bytes, and stops. Whatever goes wrong is thrown: the sample is then reported as failed.
 */
import type { Children } from "../child.ts";
import type { EndPlace } from "../load/wire.ts";

/** `fastway` is its frames over TCP, which whoever relays TCP carries as bytes. */
export type Transport = "tcp" | "srt" | "fastway";

/** How many sessions of each kind a measure will open, so that a contender can be set up for them. */
export interface Need {
  transport: Transport;
  sessions: number;
  /** Groups of sessions whose back ends are different programs, each with a port of its own. */
  groups: number;
  /** SRT's configured latency on every connection, milliseconds. */
  latency_ms: number;
}

/** The two places of one group of sessions. A back end that accepts must listen before the front. */
export interface Lane {
  front: EndPlace;
  back: EndPlace;
  /** Connections that follow each other on the way; over SRT each adds its latency. */
  hops: number;
  /** The id of the server that the back end is for a fastway gateway; absent: there is none. */
  fastway_server?: number;
}

/** A contender that serves. */
export interface Running {
  /** From its start until it served, milliseconds; NaN where there is no such moment. */
  readonly serving_ms: number;
  /** The processes that relay; their children count too. None where nothing relays. */
  pids(): number[];
  /** Resolves when both ends may be started. */
  open(group: number, sessions: number): Promise<Lane>;
  /** How sessions are asked for one by one; see `SessionsOrder`. */
  sessionsWay(): { control_port: number } | { front_port: number; back_port: number };
  stop(): Promise<void>;
}

export interface StartOptions {
  children: Children;
  /** A fresh folder for its files, removed when it has stopped. */
  folder: string;
  need: Need;
}

export interface Contender {
  /** Short, for tables, legends and `--contenders`. */
  readonly name: string;
  readonly carries: readonly Transport[];
  /** How it is set up and why that is the best its manual offers. One paragraph of Markdown. */
  readonly setup: string;
  /** The configuration or command line that the report shows. */
  readonly shown: string;
  /** Rejects where it is not installed. */
  version(): Promise<string>;
  start(options: StartOptions): Promise<Running>;
}
