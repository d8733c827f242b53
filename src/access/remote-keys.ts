/**
 * The keys of a key set that an identity provider publishes under a URL: fetched at the start, now and
 * then, and when a token names a key that is not there, all of it bounded. An outage over there is
 * none here: whatever goes wrong, the keys that were good last stay good.
 */
import { Buffer } from "node:buffer";
import { clearTimeout, setTimeout } from "node:timers";
import type { Log } from "../observe/log.ts";
import { readKeySet, type VerificationKey } from "./jwt-keys.ts";
import type { KeySource } from "./key-source.ts";

/** One fetch, from the first packet to the last. */
const FETCH_MS_MAX = 5000;
const SET_BYTES_MAX = 262_144;
/** The shortest time between two fetches that tokens bring about: strangers can name any key. */
const COOLDOWN_MS = 10_000;
/** After a failure the next fetch comes so soon, then after twice that, up to the usual interval. */
const RETRY_MS_MIN = 1000;

export interface RemoteKeysOptions {
  url: string;
  refresh_ms: number;
  log: Log;
  cooldown_ms?: number;
  fetch_ms_max?: number;
  retry_ms_min?: number;
}

export class RemoteKeys implements KeySource {
  readonly gone_is_revoked = false;
  readonly #options: RemoteKeysOptions;
  #refresh_ms: number;
  readonly #cooldown_ms: number;
  readonly #fetch_ms_max: number;
  readonly #retry_ms_min: number;
  #keys: readonly VerificationKey[] | null = null;
  /** The text of the newest set, so that only a change is told. */
  #text = "";
  #fetching: Promise<void> | null = null;
  #asked_at = -Infinity;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  readonly #abort = new AbortController();

  constructor(options: RemoteKeysOptions) {
    this.#options = options;
    this.#refresh_ms = options.refresh_ms;
    this.#cooldown_ms = options.cooldown_ms ?? COOLDOWN_MS;
    this.#fetch_ms_max = options.fetch_ms_max ?? FETCH_MS_MAX;
    this.#retry_ms_min = options.retry_ms_min ?? RETRY_MS_MIN;
  }

  /** Begins to fetch; nobody waits for it, because a gateway without its provider must still start. */
  start(): void {
    void this.#fetch();
  }

  get failing(): boolean {
    return this.#failures > 0;
  }

  get url(): string {
    return this.#options.url;
  }

  /** Holds from the next fetch on. */
  apply(options: { refresh_ms: number }): void {
    this.#refresh_ms = options.refresh_ms;
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#abort.abort();
  }

  keys(): readonly VerificationKey[] | null {
    return this.#keys;
  }

  snapshot(): { keys: number; failures: number } {
    return { keys: this.#keys?.length ?? 0, failures: this.#failures };
  }

  renew(): Promise<void> {
    if (this.#fetching !== null) return this.#fetching;
    if (performance.now() - this.#asked_at < this.#cooldown_ms) return Promise.resolve();
    return this.#fetch();
  }

  #fetch(): Promise<void> {
    this.#asked_at = performance.now();
    return this.#fetching = this.#attempt().finally(() => {
      this.#fetching = null;
      this.#plan();
    });
  }

  async #attempt(): Promise<void> {
    const { log, url } = this.#options;
    try {
      const text = await this.#read();
      const keys = readKeySet(text, { shared: false });
      const changed = text !== this.#text;
      this.#keys = keys;
      this.#text = text;
      if (changed || this.#failures > 0) {
        log.info(
          { status: "jwks_fetched", url, keys: keys.length },
          "the key set has been fetched",
        );
      }
      this.#failures = 0;
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      this.#failures++;
      log.warn(
        {
          status: "jwks_unavailable",
          url,
          failures: this.#failures,
          keys_kept: this.#keys?.length ?? 0,
          error: error instanceof Error ? error.message : String(error),
        },
        "the key set cannot be fetched; the keys that were good last stay good",
      );
    }
  }

  async #read(): Promise<string> {
    const response = await fetch(this.#options.url, {
      headers: { accept: "application/jwk-set+json, application/json" },
      // The URL was checked to be safe; where it would lead was not.
      redirect: "error",
      signal: AbortSignal.any([this.#abort.signal, AbortSignal.timeout(this.#fetch_ms_max)]),
    });
    if (response.status !== 200 || response.body === null) {
      await response.body?.cancel();
      throw new Error(`found HTTP status ${response.status}; allowed: 200`);
    }
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      if (bytes > SET_BYTES_MAX) {
        throw new Error(`found more than ${SET_BYTES_MAX} bytes; allowed: a key set`);
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString("utf8");
  }

  #plan(): void {
    if (this.#abort.signal.aborted) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const rest_ms = this.#failures === 0
      ? this.#refresh_ms
      : Math.min(this.#refresh_ms, this.#retry_ms_min * 2 ** Math.min(20, this.#failures - 1));
    this.#timer = setTimeout(() => void this.#fetch(), rest_ms);
    this.#timer.unref();
  }
}
