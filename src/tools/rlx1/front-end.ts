/**
 * A front end of relay_X v1 that puts load on an installation: so many sessions, so many at a time,
 * each on leased ports. Each sends its bytes to the back end and holds what comes back against a digest
 * of what it has sent.
 */
import { setTimeout } from "node:timers";
import { type Grant, V1Control, V1ControlError } from "./control.ts";
import type { Label } from "./back-end.ts";
import { type LoadResult, runLoad } from "./load-session.ts";

/** Between two attempts to get ports while there are none. */
const RETRY_MS = 100;

export interface Rlx1FrontEndOptions {
  host: string;
  port: number;
  client_id: string;
  secret: string;
  /** The ranges that every session uses, each with a port of its own. */
  labels: readonly Label[];
  sessions: number;
  /** At the same time. */
  parallel: number;
  /** Sent on each port of a session. */
  bytes: number;
  ttl_seconds: number;
  /** How long a session may wait for ports. */
  wait_ms: number;
  /** How long a session may take once it has its ports. */
  session_ms: number;
  signal: AbortSignal;
}

export interface LoadReport {
  ok: boolean;
  sessions: number;
  failed: number;
  /** Sent and come back right. */
  bytes: number;
  elapsed_ms: number;
  /** Both directions together. */
  goodput_mbps: number;
  /** From asking for ports to the first byte back. */
  setup_ms_p50: number;
  setup_ms_p95: number;
  setup_ms_max: number;
  /** How often ports were asked for in vain. */
  refused: number;
  /** What went wrong, and how often. */
  errors: Record<string, number>;
}

export class Rlx1FrontEnd {
  readonly #options: Rlx1FrontEndOptions;
  readonly #asked = new Map<string, (grant: Grant | V1ControlError) => void>();
  #control!: V1Control;
  #lost: V1ControlError | null = null;
  #asks = 0;
  #refused = 0;

  constructor(options: Rlx1FrontEndOptions) {
    this.#options = options;
  }

  /** Runs all sessions; rejects where it cannot register. */
  async run(): Promise<LoadReport> {
    const { host, port, client_id, secret, sessions, parallel } = this.#options;
    this.#control = new V1Control({
      host,
      port,
      role: "FE",
      client_id,
      secret,
      onGrant: (grant) => this.#asked.get(grant.request_id)?.(grant),
      onLost: (error) => {
        this.#lost = error;
        for (const answer of [...this.#asked.values()]) answer(error);
      },
    });
    await this.#control.start();
    const began = performance.now();
    const results: LoadResult[] = [];
    const numbers = Array(sessions).keys();
    await Promise.all(Array.from({ length: Math.min(parallel, sessions) }, async () => {
      for (const number of numbers) {
        if (this.#options.signal.aborted) return;
        results.push(await this.#session(number));
      }
    }));
    this.#control.close();
    return this.#report(results, performance.now() - began);
  }

  async #session(number: number): Promise<LoadResult> {
    const { host, client_id, labels, bytes, session_ms, signal } = this.#options;
    const began = performance.now();
    let grant: Grant | null = null;
    try {
      const granted = grant = await this.#acquire();
      const ports = labels.map((label) => granted[`${label}_port`]);
      const parts = await Promise.all(ports.map((port, index) => {
        if (port === undefined) throw new Error("a grant without the port that was asked for");
        const seed = number * labels.length + index;
        return runLoad({ host, port, client_id, bytes, seed, began, time_ms: session_ms, signal });
      }));
      return {
        bytes: parts.reduce((sum, one) => sum + one.bytes, 0),
        setup_ms: Math.max(...parts.map((one) => one.setup_ms)),
        error: parts.find((one) => one.error !== null)?.error ?? null,
      };
    } catch (error) {
      const text = error instanceof V1ControlError ? error.code : (error as Error).message;
      return { bytes: 0, setup_ms: 0, error: text };
    } finally {
      if (grant !== null) this.#control.send("port_release", { session_id: grant.session_id });
    }
  }

  async #acquire(): Promise<Grant> {
    const deadline = performance.now() + this.#options.wait_ms;
    for (;;) {
      const grant = await this.#ask();
      if (grant.error === "") return grant;
      this.#refused++;
      const passing = grant.error_code === "PORT_EXHAUSTED" ||
        grant.error_code === "LIMIT_REACHED" ||
        grant.error_code === "";
      if (!passing || performance.now() >= deadline || this.#options.signal.aborted) {
        throw new Error(grant.error_code || grant.error);
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  #ask(): Promise<Grant> {
    if (this.#lost !== null) return Promise.reject(this.#lost);
    const { client_id, labels, ttl_seconds } = this.#options;
    const request_id = `${client_id}-${++this.#asks}`;
    return new Promise((resolve, reject) => {
      this.#asked.set(request_id, (answer) => {
        this.#asked.delete(request_id);
        if (answer instanceof V1ControlError) reject(answer);
        else resolve(answer);
      });
      this.#control.send("port_acquire", {
        request_id,
        need_zmq: labels.includes("zmq"),
        need_srt: labels.includes("srt"),
        ttl_seconds,
      });
    });
  }

  #report(results: readonly LoadResult[], elapsed_ms: number): LoadReport {
    const errors: Record<string, number> = {};
    for (const { error } of results) if (error !== null) errors[error] = (errors[error] ?? 0) + 1;
    const good = results.filter(({ error }) => error === null);
    const setups = good.map(({ setup_ms }) => setup_ms).sort((a, b) => a - b);
    const at = (part: number) =>
      round(setups[Math.min(setups.length - 1, Math.floor(part * setups.length))] ?? 0);
    const bytes = good.reduce((sum, one) => sum + one.bytes, 0);
    return {
      ok: good.length === this.#options.sessions,
      sessions: results.length,
      failed: results.length - good.length,
      bytes,
      elapsed_ms: round(elapsed_ms),
      goodput_mbps: round(2 * 8 * bytes / (1000 * Math.max(1, elapsed_ms))),
      setup_ms_p50: at(0.5),
      setup_ms_p95: at(0.95),
      setup_ms_max: at(1),
      refused: this.#refused,
      errors,
    };
  }
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
