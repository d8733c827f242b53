/**
 * What endpoints carry, looked at once a second: rates for the operator, and bytes for those who have
 * a limit on what they carry in a day. Whoever has used up the day is ended here. Bytes per second
 * cannot be held: the protocol has no way of making a sender wait but to stop reading it, which would
 * hold up all of its virtual connections and in the end cut it.
 */
import { clearInterval, setInterval } from "node:timers";
import type { Account } from "../../access/account.ts";
import type { Accounts } from "../../access/accounts.ts";
import type { FastwayPlane } from "../../data/fastway/plane.ts";
import type { Log } from "../../observe/log.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Roster } from "./roster.ts";

const TICK_MS = 1000;
/** Whoever asks in between sees what is so old at most; 10,000 endpoints take about 3 ms to look at. */
const FRESH_MS = 100;

export interface MeterOptions {
  plane: Pick<FastwayPlane, "counters">;
  roster: Roster;
  accounts: Accounts;
  log: Log;
  /** Ends an endpoint whose day's bytes are used up; `limit` is the log's word. */
  onSpent: (endpoint: Endpoint, limit: string) => void;
}

export class Meter {
  readonly #options: MeterOptions;
  #looked_at = -Infinity;
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(options: MeterOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => this.read(performance.now()), TICK_MS);
    this.#timer.unref();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** `now` is `performance.now()`. */
  read(now: number): void {
    this.#look(now);
    const told = new Set<Account>();
    for (const endpoint of [...this.#options.roster.all()]) {
      endpoint.measure(now);
      this.#endWhereSpent(endpoint, told);
    }
  }

  /** Looks again unless that has just been done. */
  refresh(now: number): void {
    if (now - this.#looked_at >= FRESH_MS) this.#look(now);
  }

  #look(now: number): void {
    const { plane, roster } = this.#options;
    this.#looked_at = now;
    for (const endpoint of roster.all()) {
      const counters = plane.counters(endpoint.facts.endpoint);
      if (counters === null) continue;
      const { bytes_in, bytes_out } = roster.look(endpoint, counters);
      this.count(endpoint, bytes_in + bytes_out);
    }
  }

  /** Charges an endpoint for bytes; its last ones when it is over. */
  count({ standing }: Endpoint, bytes: number): void {
    if (standing !== null) this.#options.accounts.addBytes(standing.accounts, bytes);
  }

  #endWhereSpent(endpoint: Endpoint, told: Set<Account>): void {
    for (const account of endpoint.standing?.accounts ?? []) {
      const spent = account.spentToday();
      if (spent === null) continue;
      const { limit, allowed } = spent;
      if (!told.has(account)) {
        told.add(account);
        this.#options.log.warn(
          { status: "limit_reached", protocol: "fastway", limit, allowed, account: account.key },
          "the day's bytes are used up; the endpoints that have carried them are ended",
        );
      }
      this.#options.onSpent(endpoint, limit);
      return;
    }
  }
}
