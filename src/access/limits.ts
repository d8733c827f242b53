/** What one principal, or all from one address, may do at once, per second and per day. */
import { z } from "zod";
import { amount, integer } from "../config/values.ts";
import type { Config } from "../config/schema.ts";

/** 0 is no limit, for each of them. */
export interface Limits {
  /** Registered control connections at once. */
  registrations: number;
  /** Sessions at once. */
  sessions: number;
  /** Pair requests, as a token bucket: so many each second, and so many at once after a rest. */
  pair_requests_per_second: number;
  pair_requests_burst: number;
  /** Relayed bytes, both directions together; enforced where they are relayed. */
  bytes_per_second: number;
  /** Relayed bytes since midnight UTC, both directions together. */
  bytes_per_day: number;
}

/** For a principal that stands for many who have nothing to do with each other. */
export const UNLIMITED: Readonly<Limits> = {
  registrations: 0,
  sessions: 0,
  pair_requests_per_second: 0,
  pair_requests_burst: 1,
  bytes_per_second: 0,
  bytes_per_day: 0,
};

export type LimitName = Exclude<keyof Limits, "pair_requests_burst">;

/** Limits that a principal has of its own. */
export type OwnLimits = Partial<Limits>;

/** Who a limit is for. */
export type AccountKind = "principal" | "address";

/** A limit by its key in the configuration, which is also its word in the log. */
export type LimitKey = `${LimitName}_per_${AccountKind}`;

/** The `quotas` of an entry of the tokens file and of a JWT. */
export const ownLimitsSchema = z.strictObject({
  registrations: count().optional(),
  sessions: count().optional(),
  pair_requests_per_second: count().optional(),
  pair_requests_burst: integer({ min: 1, max: 1_000_000 }).optional(),
  bytes_per_second: amount().optional(),
  bytes_per_day: amount().optional(),
}, "a mapping with the quotas");

function count() {
  return integer({ min: 0, max: 1_000_000, unit: "0 is unlimited" });
}

/** What holds for those of a kind that have no limits of their own. */
export function defaultLimits(quotas: Config["quotas"], kind: AccountKind): Limits {
  return {
    registrations: quotas[`registrations_per_${kind}`],
    sessions: quotas[`sessions_per_${kind}`],
    pair_requests_per_second: quotas[`pair_requests_per_second_per_${kind}`],
    pair_requests_burst: quotas.pair_requests_burst,
    bytes_per_second: quotas[`bytes_per_second_per_${kind}`],
    bytes_per_day: quotas[`bytes_per_day_per_${kind}`],
  };
}

/** A limit that has been reached, in the words of the reply and of the log. */
export class LimitReached {
  readonly limit: LimitKey;
  readonly allowed: number;
  /** Whose limit it is: the account's key. */
  readonly account: string;

  constructor(options: { limit: LimitKey; allowed: number; account: string }) {
    this.limit = options.limit;
    this.allowed = options.allowed;
    this.account = options.account;
  }

  /** For the peer: which limit and how much is allowed. */
  get sentence(): string {
    return `limit reached: ${this.limit} is ${this.allowed}`;
  }
}
