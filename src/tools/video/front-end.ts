/**
 * The front end of the verification: registers as a client, notes how many ports are free, asks for
 * a session, streams the file over each granted plane at the same time, and waits until the ports
 * are free again.
 *
 * `register → first port_state → pair_request → dial → ping/pong → data/echo → end → port_state`
 */
import { randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import type { PlaneKind } from "../../data/plane.ts";
import type { GatewayTls } from "../tls.ts";
import { ControlLink } from "../v4/control-link.ts";
import { helloLine } from "../v4/hello.ts";
import type { Grant } from "../v4/messages.ts";
import { UnixClock } from "./clock.ts";
import { dialWithRetry } from "./dial.ts";
import { FileStream } from "./file-stream.ts";
import { Pacing } from "./pacing.ts";
import { PortWatch } from "./port-watch.ts";
import { Progress } from "./progress.ts";
import type { TransportReport } from "./report.ts";
import { SRT_LATENCY_MS, SrtDialer } from "./srt-dialer.ts";
import { dialTcp } from "./tcp-transport.ts";

/**
 * The rate over SRT where none is asked for. Live mode has no back-pressure from end to end: what
 * comes faster than the line or the receiver takes it is dropped, so "as fast as it goes" would
 * measure the loss and nothing else.
 */
export const SRT_RATE_MBPS_DEFAULT = 100;

/** How long the gateway may be unreachable at the start. */
const REACH_TIMEOUT_MS = 5000;
/** Broadcasts come every two seconds. */
const PORT_STATE_TIMEOUT_MS = 6000;

export interface FrontEndOptions {
  host: string;
  port: number;
  /** Absent: no TLS. */
  tls?: GatewayTls;
  id: string;
  token: string;
  /** Which back end; any with capacity where absent. */
  server_id?: string;
  file: string;
  chunk_bytes: number;
  payload_bytes_max: number;
  zmq: boolean;
  srt: boolean;
  /** Asks for a session whose ends must prove themselves. */
  hello_proof?: boolean;
  /** Mbit/s; 0 is as fast as it goes, over SRT {@link SRT_RATE_MBPS_DEFAULT}. */
  rate_mbps: number;
  delay_ms: number;
  jitter_ms: number;
  drop_pct: number;
  drain_ms: number;
  wait_release_ms: number;
  wait_grant_ms: number;
  reconnect_interval_ms: number;
  keep_samples: boolean;
  /** Ends the run early. */
  signal: AbortSignal;
  /** One sentence about what happens now. */
  note: (text: string) => void;
  progress: { rewrite: boolean; write: (text: string) => void };
}

export interface FrontEndResult {
  /** Everything that was sent came back equal, and the ports are free again. */
  ok: boolean;
  /** Why not, or null. */
  reason: string | null;
  session_id: string;
  server_id: string;
  ports_released: boolean;
  transports: TransportReport[];
}

export class FrontEnd {
  readonly #options: FrontEndOptions;
  readonly #clock = new UnixClock();
  readonly #ports = new PortWatch();
  readonly #link: ControlLink;
  readonly #srt: SrtDialer | null;

  constructor(options: FrontEndOptions) {
    this.#options = options;
    const { host, port, tls, id, token, reconnect_interval_ms, note } = options;
    this.#srt = options.srt ? new SrtDialer({ latency_ms: SRT_LATENCY_MS }) : null;
    this.#link = new ControlLink({
      host,
      port,
      tls,
      role: "client",
      id,
      token,
      reconnect_interval_ms,
      first_timeout_ms: REACH_TIMEOUT_MS,
      listener: {
        onPortState: (state) => this.#ports.onPortState(state),
        onRegistered: () => note(`registered at ${host}:${port} as ${id}`),
        onLost: (error) => note(`control connection lost: ${error.message}; reconnecting`),
        onAttemptFailed: (error, attempt) => {
          if (attempt === 1) note(`cannot register: ${error.message}; trying again`);
        },
        onRefusal: (code, text) => note(`the gateway says: ${code} ${text}`),
      },
    });
  }

  /** Runs once; rejects when not even a session could be had. */
  async run(): Promise<FrontEndResult> {
    const { signal, file } = this.#options;
    const stop = () => this.#link.close();
    signal.addEventListener("abort", stop);
    try {
      signal.throwIfAborted();
      // Before anything is reserved: a file that is not there is no reason to bother a gateway.
      if ((await stat(file)).size === 0) throw new Error(`${file} is empty; nothing to verify`);
      await this.#srt?.start();
      return await this.#session();
    } finally {
      signal.removeEventListener("abort", stop);
      this.#link.close();
      await this.#srt?.close();
    }
  }

  async #session(): Promise<FrontEndResult> {
    const { note, server_id, zmq, srt, hello_proof, wait_grant_ms, wait_release_ms, signal } =
      this.#options;
    await this.#link.start();
    const baseline = await this.#ports.current(PORT_STATE_TIMEOUT_MS);
    if (baseline === null) {
      throw new Error(`no port_state came from the gateway within ${PORT_STATE_TIMEOUT_MS} ms`);
    }
    note(`ports idle before the run: zmq ${baseline.zmq.idle}, srt ${baseline.srt.idle}`);
    const grant = await this.#link.pair({
      server_id,
      need_zmq: zmq,
      need_srt: srt,
      hello_proof,
      timeout_ms: wait_grant_ms,
    });
    note(`session ${grant.session_id} with ${grant.server_id}: ${portsText(grant)}`);

    const transports = await this.#stream(grant);
    const faults = transports.filter((report) => !report.bytes_equal || report.error !== null)
      .map((report) => `${report.transport}: ${report.error ?? "what came back is not equal"}`);
    for (const kind of wanted(this.#options)) {
      if (grant[`${kind}_port`] === undefined) faults.push(`${kind}: no port was granted`);
    }
    let ports_released = false;
    if (!signal.aborted) {
      const lacking = await this.#ports.untilReleased(baseline, wait_release_ms);
      ports_released = lacking === null;
      if (lacking === null) note("ports are back at the baseline");
      else faults.push(`ports not back after ${wait_release_ms} ms: ${lacking}`);
    }
    const reason = faults.length === 0 ? null : faults.join("; ");
    const { session_id } = grant;
    return {
      ok: reason === null && ports_released,
      reason,
      session_id,
      server_id: grant.server_id,
      ports_released,
      transports,
    };
  }

  async #stream(grant: Grant): Promise<TransportReport[]> {
    const streams = wanted(this.#options)
      .map((kind) => ({ kind, port: grant[`${kind}_port`] }))
      .filter((target) => target.port !== undefined)
      .map(({ kind, port }) => this.#fileStream(kind, port ?? 0, grant));
    const progress = new Progress({ ...this.#options.progress, streams });
    progress.start();
    try {
      return await Promise.all(streams.map((stream) => stream.run()));
    } finally {
      progress.close();
    }
  }

  #fileStream(kind: PlaneKind, port: number, grant: Grant): FileStream {
    const options = this.#options;
    const { host, id, signal } = options;
    const hello = helloLine({ role: "client", id, grant });
    let { rate_mbps } = options;
    if (kind === "srt" && rate_mbps === 0) {
      rate_mbps = SRT_RATE_MBPS_DEFAULT;
      options.note(`srt: sending at ${rate_mbps} Mbit/s, see --rate_mbps`);
    }
    return new FileStream({
      kind,
      file: options.file,
      chunk_bytes: options.chunk_bytes,
      payload_bytes_max: options.payload_bytes_max,
      drain_ms: options.drain_ms,
      keep_samples: options.keep_samples,
      clock: this.#clock,
      signal,
      pacing: new Pacing({
        rate_mbps,
        delay_ms: options.delay_ms,
        jitter_ms: options.jitter_ms,
        drop_pct: options.drop_pct,
        random: Math.random,
        now_ms: () => performance.now(),
      }),
      dial: (listener) =>
        dialWithRetry({
          signal,
          interval_ms: options.reconnect_interval_ms,
          dial: () => {
            const target = { host, port, hello, listener };
            return kind === "srt" && this.#srt !== null ? this.#srt.dial(target) : dialTcp(target);
          },
        }),
    });
  }
}

function wanted(options: { zmq: boolean; srt: boolean }): PlaneKind[] {
  return (["zmq", "srt"] as const).filter((kind) => options[kind]);
}

function portsText(grant: Grant): string {
  return (["zmq", "srt"] as const).flatMap((kind) => {
    const port = grant[`${kind}_port`];
    return port === undefined ? [] : [`${kind} port ${port}`];
  }).join(", ");
}

/** An id that is free for sure where none is given. */
export function randomId(prefix: string): string {
  return `${prefix}-${randomBytes(4).toString("hex")}`;
}
