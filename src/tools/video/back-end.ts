/**
 * The back end of the verification: registers as a server and echoes, on each grant, whatever
 * frames come over the granted ports. It keeps its registration through losses of the control
 * connection; sessions go on meanwhile.
 */
import type { PlaneKind } from "../../data/plane.ts";
import type { Log } from "../../observe/log.ts";
import type { GatewayTls } from "../tls.ts";
import { ControlLink } from "../v4/control-link.ts";
import { helloLine } from "../v4/hello.ts";
import type { Grant } from "../v4/messages.ts";
import { UnixClock } from "./clock.ts";
import { dialWithRetry } from "./dial.ts";
import { EchoSession } from "./echo-session.ts";
import { SRT_LATENCY_MS, SrtDialer } from "./srt-dialer.ts";
import { dialTcp } from "./tcp-transport.ts";

/** While the gateway cannot be reached, one attempt in so many is logged after the first. */
const LOGGED_ATTEMPT = 100;

export interface BackEndOptions {
  host: string;
  port: number;
  /** Absent: no TLS. */
  tls?: GatewayTls;
  id: string;
  token: string;
  /** How many ports the gateway may have in use for this server at once. */
  max_conn: number;
  payload_bytes_max: number;
  reconnect_interval_ms: number;
  log: Log;
}

export class BackEnd {
  readonly #options: BackEndOptions;
  readonly #clock = new UnixClock();
  readonly #link: ControlLink;
  readonly #sessions = new Set<EchoSession>();
  readonly #stop = new AbortController();
  #srt: Promise<SrtDialer> | null = null;
  #served = 0;

  constructor(options: BackEndOptions) {
    this.#options = options;
    const { host, port, tls, id, token, max_conn, reconnect_interval_ms, log } = options;
    const remote = `${host}:${port}`;
    this.#link = new ControlLink({
      host,
      port,
      tls,
      role: "server",
      id,
      token,
      max_conn,
      reconnect_interval_ms,
      first_timeout_ms: Infinity,
      listener: {
        onRegistered: () => log.info({ status: "registered", remote, id }, "registered"),
        onLost: (error) =>
          log.warn(
            { status: "disconnected", remote, error: error.message },
            "control connection lost; reconnecting",
          ),
        onAttemptFailed: (error, attempt) => {
          if (attempt !== 1 && attempt % LOGGED_ATTEMPT !== 0) return;
          log.warn(
            { status: "control_error", remote, code: error.code, error: error.message, attempt },
            "cannot register; trying again",
          );
        },
        onRefusal: (code, text) =>
          log.warn(
            { status: "control_error", remote, code, error: text },
            "refused by the gateway",
          ),
        onGrant: (grant) => this.#granted(grant),
      },
    });
  }

  /** Resolves when registered for the first time; rejects when the gateway refuses it. */
  start(): Promise<void> {
    return this.#link.start();
  }

  snapshot(): { sessions: number; served: number } {
    return { sessions: this.#sessions.size, served: this.#served };
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#link.close();
    for (const session of this.#sessions) session.close();
    const dialer = await this.#srt?.catch(() => null);
    await dialer?.close();
  }

  #granted(grant: Grant): void {
    const { session_id, client_id, zmq_port, srt_port } = grant;
    this.#options.log.info(
      { status: "pair_granted", session_id, client_id, zmq_port, srt_port },
      "granted",
    );
    if (zmq_port !== undefined) void this.#serve(grant, "zmq", zmq_port);
    if (srt_port !== undefined) void this.#serve(grant, "srt", srt_port);
  }

  async #serve(grant: Grant, kind: PlaneKind, port: number): Promise<void> {
    const { log, host, id, max_conn, payload_bytes_max, reconnect_interval_ms } = this.#options;
    const { session_id } = grant;
    const about = { session_id, kind, port, remote: `${host}:${port}` };
    // The gateway counts ports and may reuse one a moment before its end was seen here, hence the
    // factor; a gateway that grants more than that does not keep to what was registered.
    if (this.#sessions.size >= max_conn * 2) {
      log.warn({ ...about, status: "limit_reached", limit: max_conn * 2 }, "too many sessions");
      return;
    }
    const session = new EchoSession({
      kind,
      clock: this.#clock,
      payload_bytes_max,
      onOver: ({ error, ...seen }) => {
        this.#sessions.delete(session);
        this.#served += 1;
        if (error === null) log.info({ ...about, status: "session_stop", ...seen }, "session over");
        else {
          log.warn(
            { ...about, status: "session_stop", ...seen, code: error.code, error: error.message },
            "session broken off",
          );
        }
      },
    });
    this.#sessions.add(session);
    const target = {
      host,
      port,
      hello: helloLine({ role: "server", id, grant }),
      listener: session,
    };
    try {
      const dialer = kind === "srt" ? await this.#srtDialer() : null;
      await dialWithRetry({
        interval_ms: reconnect_interval_ms,
        signal: this.#stop.signal,
        dial: () => dialer === null ? dialTcp(target) : dialer.dial(target),
      });
      // The stop may have come while the connection was being made.
      if (this.#stop.signal.aborted) session.close();
      log.info({ ...about, status: "server_pending" }, "connected to the granted port");
    } catch (error) {
      this.#sessions.delete(session);
      if (this.#stop.signal.aborted) return;
      const text = error instanceof Error ? error.message : String(error);
      log.warn({ ...about, status: "session_stop", error: text }, "cannot connect");
    }
  }

  /** The SRT worker is started by the first grant that needs it, and again if it has died. */
  async #srtDialer(): Promise<SrtDialer> {
    const current = this.#srt;
    if (current !== null) {
      const dialer = await current.catch(() => null);
      if (dialer?.alive) return dialer;
      // Several grants may find it dead at once; the first of them replaces it for all.
      if (this.#srt === current) this.#srt = null;
      else return await this.#srtDialer();
    }
    const dialer = new SrtDialer({ latency_ms: SRT_LATENCY_MS });
    const started = dialer.start().then(() => dialer);
    this.#srt = started;
    return await started;
  }
}
