/**
 * What is counted for one principal, or for one address: what it has now, and what it has used. It
 * is the same thing for both, so that whoever is counted by both meets the narrower limit.
 */
import {
  type AccountKind,
  type LimitKey,
  type LimitName,
  LimitReached,
  type Limits,
  type OwnLimits,
} from "./limits.ts";
import { TokenBucket } from "./token-bucket.ts";

export class Account {
  readonly kind: AccountKind;
  /** `principal:NAME` or `address:ADDRESS`. */
  readonly key: string;
  /** Limits of its own, which go before the configuration's. */
  own: OwnLimits = {};
  limits: Readonly<Limits>;
  registrations = 0;
  sessions = 0;
  /** Relayed since midnight UTC, as far as it has been counted. */
  bytes_today = 0;
  /** Made with the first request that is counted. */
  #pair_requests: TokenBucket | null = null;

  constructor(options: { kind: AccountKind; key: string; limits: Limits }) {
    this.kind = options.kind;
    this.key = options.key;
    this.limits = options.limits;
  }

  /** Its limit for something at once that it has used up; null where one more is allowed. */
  fullFor(what: "registrations" | "sessions"): LimitReached | null {
    const allowed = this.limits[what];
    return allowed > 0 && this[what] >= allowed ? this.#reached(what) : null;
  }

  /** The day's bytes are used up. */
  spentToday(): LimitReached | null {
    const allowed = this.limits.bytes_per_day;
    return allowed > 0 && this.bytes_today >= allowed ? this.#reached("bytes_per_day") : null;
  }

  /** Counts a pair request, unless there are too many of them. `now` is `performance.now()`. */
  takePairRequest(now: number): LimitReached | null {
    const { pair_requests_per_second: per_second, pair_requests_burst: burst } = this.limits;
    if (per_second === 0) return null;
    this.#pair_requests ??= new TokenBucket();
    if (this.#pair_requests.take(now, { per_second, burst })) return null;
    return this.#reached("pair_requests_per_second");
  }

  /** Nothing would be lost with it but what it has carried today. */
  isIdle(now: number): boolean {
    const { pair_requests_per_second: per_second, pair_requests_burst: burst } = this.limits;
    return this.registrations === 0 && this.sessions === 0 &&
      (this.#pair_requests?.isFull(now, { per_second, burst }) ?? true);
  }

  #reached(name: LimitName): LimitReached {
    const limit: LimitKey = `${name}_per_${this.kind}`;
    return new LimitReached({ limit, allowed: this.limits[name], account: this.key });
  }
}
