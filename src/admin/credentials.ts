/**
 * Who may ask what: nobody needs a token where none is configured, the token may do everything, and
 * the second one may only read. Wrong tokens are compared in constant time, counted, and limited per
 * address, so that trying them out takes for ever.
 */
import { isLoopback } from "../config/loopback.ts";
import { isSameSecret } from "../data/secret.ts";
import { type Refusal, refusal } from "./refusal.ts";

/** By which right somebody asks; it goes into the log with every order. */
export type Right = "open" | "token" | "read_token";

export interface Tokens {
  token: string;
  read_token: string;
}

/** So many wrong tokens of one address in a row, then one more per second. */
const FAILURES_MAX = 10;
const FORGIVE_MS = 1000;
/** Addresses with failures that are remembered; beyond it the oldest is forgotten. */
const ADDRESSES_MAX = 10_000;

const CHALLENGE = { "www-authenticate": 'Bearer realm="relayx"' };

interface Failures {
  count: number;
  /** `performance.now()` when the count was right. */
  at: number;
}

export class Credentials {
  #tokens: Tokens;
  readonly #failures = new Map<string, Failures>();

  constructor(options: { tokens: Tokens }) {
    this.#tokens = options.tokens;
  }

  apply(tokens: Tokens): void {
    this.#tokens = tokens;
  }

  /** A token is needed for what is not open to everybody. */
  get needed(): boolean {
    return this.#tokens.token !== "";
  }

  /**
   * By which right the peer asks, or why not. `failed` is true where that counts as a failure.
   * From this machine a right token is taken however many wrong ones came before it, since otherwise
   * anybody on it could lock the operator out.
   */
  check(
    request: { address: string; authorization: readonly string[]; reads: boolean },
    now: number,
  ): { right: Right } | { refusal: Refusal; failed: boolean } {
    if (!this.needed) return { right: "open" };
    const { address, authorization, reads } = request;
    if (authorization.length === 0) return { refusal: missing(), failed: false };
    const limited = this.#failuresOf(address, now) > FAILURES_MAX - 1;
    if (limited && !isLoopback(address)) return { refusal: tooMany(), failed: true };
    const given = authorization.length === 1 ? bearer(authorization[0]) : null;
    const right = given === null ? null : this.#rightOf(given);
    if (right === null) {
      this.#fail(address, now);
      return { refusal: limited ? tooMany() : wrong(), failed: true };
    }
    if (right === "read_token" && !reads) return { refusal: readOnly(), failed: false };
    return { right };
  }

  snapshot(): { failing_addresses: number } {
    return { failing_addresses: this.#failures.size };
  }

  /** Both are compared always, so that the time does not tell which one was meant. */
  #rightOf(given: string): Right | null {
    const { token, read_token } = this.#tokens;
    const is_token = isSameSecret(given, token);
    const is_read_token = isSameSecret(given, read_token) && read_token !== "";
    return is_token ? "token" : is_read_token ? "read_token" : null;
  }

  #failuresOf(address: string, now: number): number {
    const failures = this.#failures.get(address);
    if (failures === undefined) return 0;
    const left = failures.count - (now - failures.at) / FORGIVE_MS;
    if (left > 0) return left;
    this.#failures.delete(address);
    return 0;
  }

  #fail(address: string, now: number): void {
    const count = Math.min(FAILURES_MAX, this.#failuresOf(address, now) + 1);
    // The newest is the last, so that the first is the one to be forgotten.
    this.#failures.delete(address);
    this.#failures.set(address, { count, at: now });
    if (this.#failures.size <= ADDRESSES_MAX) return;
    for (const oldest of this.#failures.keys()) {
      this.#failures.delete(oldest);
      break;
    }
  }
}

function bearer(authorization: string): string | null {
  return /^Bearer +([\x21-\x7e]{1,256})$/i.exec(authorization)?.[1] ?? null;
}

function missing(): Refusal {
  const allowed = 'the header "Authorization: Bearer TOKEN" with admin.token or admin.read_token';
  return refusal(401, "unauthorized", "no token", allowed, CHALLENGE);
}

function wrong(): Refusal {
  return refusal(
    401,
    "unauthorized",
    "a wrong token",
    "admin.token or admin.read_token",
    CHALLENGE,
  );
}

function readOnly(): Refusal {
  return refusal(
    403,
    "read_only",
    "admin.read_token",
    "admin.token, for whatever changes something",
  );
}

function tooMany(): Refusal {
  const allowed = "the right token, after a pause of some seconds";
  return refusal(429, "too_many_failures", "too many wrong tokens", allowed, {
    ...CHALLENGE,
    "retry-after": "10",
  });
}
