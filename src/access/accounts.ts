/**
 * The accounts of everybody who has something or has used something today, made when they are first
 * needed and forgotten when nothing in them counts any more.
 */
import type { Config } from "../config/schema.ts";
import type { ByteRate } from "../data/plane.ts";
import { Account } from "./account.ts";
import { type AccountKind, defaultLimits, type Limits } from "./limits.ts";
import type { Principal } from "./principal.ts";

/**
 * Accounts that are kept for their day's bytes only. Beyond it the smaller half of them is forgotten:
 * who has carried most is whom the limit is for.
 */
const RESTING_ACCOUNTS_MAX = 100_000;
/** How often what counts no more is looked for. */
const SWEEP_MS = 60_000;

/** The bytes of one day, as they are kept over a restart. */
export interface DayBytes {
  /** `2026-01-31`, UTC. */
  day: string;
  bytes: Readonly<Record<string, number>>;
}

export class Accounts {
  /** What holds for those without limits of their own; one object for all of them. */
  #defaults: Readonly<Record<AccountKind, Limits>>;
  readonly #accounts = new Map<string, Account>();
  readonly #resting_max: number;
  #day: string;
  #swept_at = performance.now();
  /** Grows with every byte that is counted, so that what has not changed is not written again. */
  #revision = 0;

  constructor(
    options: { quotas: Config["quotas"]; now_unix_ms?: number; resting_max?: number },
  ) {
    this.#defaults = defaultsOf(options.quotas);
    this.#resting_max = options.resting_max ?? RESTING_ACCOUNTS_MAX;
    this.#day = dayOf(options.now_unix_ms ?? Date.now());
  }

  get size(): number {
    return this.#accounts.size;
  }

  /** The day that is counted for, `2026-01-31`, UTC. */
  get day(): string {
    return this.#day;
  }

  get revision(): number {
    return this.#revision;
  }

  ofPrincipal(principal: Principal): Account {
    const account = this.#account("principal", `principal:${principal.name}`);
    account.own = principal.rules.limits;
    account.limits = this.#limitsOf(account);
    return account;
  }

  /** `address` in the form that stands for all who cannot be told apart by it. */
  ofAddress(address: string): Account {
    return this.#account("address", `address:${address}`);
  }

  /** The newest limits hold at once; what somebody has beyond them is left alone. */
  apply(quotas: Config["quotas"]): void {
    this.#defaults = defaultsOf(quotas);
    for (const account of this.#accounts.values()) account.limits = this.#limitsOf(account);
  }

  /** What everybody here may carry each second, in the data planes' words; 0 is no bound. */
  *rates(): Generator<ByteRate> {
    for (const { key, limits } of this.#accounts.values()) {
      yield { key, bytes_per_s: limits.bytes_per_second };
    }
  }

  /** Counts what a session has carried, for those who have a limit on what they carry in a day. */
  addBytes(accounts: readonly Account[], bytes: number): void {
    if (bytes <= 0) return;
    for (const account of accounts) {
      if (account.limits.bytes_per_day === 0) continue;
      account.bytes_today += bytes;
      this.#revision++;
    }
  }

  /** To be called after something was taken off an account, which may have been the last. */
  settle(account: Account): void {
    // A session that was on its way may give back what it had of an account that is forgotten, and
    // whose owner has a new one by now.
    if (this.#accounts.get(account.key) !== account) return;
    if (account.bytes_today === 0 && account.isIdle(performance.now())) {
      this.#accounts.delete(account.key);
    }
  }

  /** To be called now and then: a new day begins, and what counts no more is forgotten. */
  tidy(now_unix_ms: number): void {
    const day = dayOf(now_unix_ms);
    if (day !== this.#day) {
      this.#day = day;
      this.#revision++;
      for (const account of this.#accounts.values()) account.bytes_today = 0;
    }
    const now = performance.now();
    if (now - this.#swept_at < SWEEP_MS) return;
    this.#swept_at = now;
    this.sweep(now);
  }

  /** Forgets what counts no more. `now` is `performance.now()`. */
  sweep(now: number): void {
    const resting: Account[] = [];
    for (const account of this.#accounts.values()) {
      if (!account.isIdle(now)) continue;
      if (account.bytes_today === 0) this.#accounts.delete(account.key);
      else resting.push(account);
    }
    if (resting.length <= this.#resting_max) return;
    resting.sort((a, b) => b.bytes_today - a.bytes_today);
    for (const account of resting.slice(this.#resting_max / 2)) this.#accounts.delete(account.key);
  }

  /** What must not be forgotten over a restart. */
  dayBytes(): DayBytes {
    const bytes: Record<string, number> = Object.create(null);
    for (const { key, bytes_today } of this.#accounts.values()) {
      if (bytes_today > 0) bytes[key] = bytes_today;
    }
    return { day: this.#day, bytes };
  }

  /** Takes up what an earlier process of the same day has counted. */
  resume({ day, bytes }: DayBytes): void {
    if (day !== this.#day) return;
    for (const [key, count] of Object.entries(bytes)) {
      const kind = key.startsWith("principal:") ? "principal" : "address";
      this.#account(kind, key).bytes_today += count;
    }
  }

  #account(kind: AccountKind, key: string): Account {
    const known = this.#accounts.get(key);
    if (known !== undefined) return known;
    const account = new Account({ kind, key, limits: this.#defaults[kind] });
    this.#accounts.set(key, account);
    return account;
  }

  #limitsOf({ kind, own }: Account): Limits {
    const defaults = this.#defaults[kind];
    return Object.keys(own).length === 0 ? defaults : { ...defaults, ...own };
  }
}

function defaultsOf(quotas: Config["quotas"]): Record<AccountKind, Limits> {
  return {
    principal: defaultLimits(quotas, "principal"),
    address: defaultLimits(quotas, "address"),
  };
}

function dayOf(unix_ms: number): string {
  return new Date(unix_ms).toISOString().slice(0, 10);
}
