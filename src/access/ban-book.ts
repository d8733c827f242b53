/**
 * Bans as they come and go: by order, and by themselves after failures. Each is told in the log with
 * its reason, survives a restart, and reaches the data planes.
 */
import { clearTimeout, setTimeout } from "node:timers";
import { AddressSet } from "../config/address-set.ts";
import { formatDuration } from "../config/duration.ts";
import type { Config } from "../config/schema.ts";
import type { Log } from "../observe/log.ts";
import { addressGroup } from "./address-group.ts";
import type { BanSubject } from "./ban-subject.ts";
import { type Ban, BanError, Bans } from "./bans.ts";
import { Failures } from "./failures.ts";
import { BANS_FILE, bansShape } from "./kept-state.ts";
import { StateFile } from "./state-file.ts";

/** Many bans at once are told to the planes together. */
const TELL_MS = 50;
/** No revision: what there is has yet to be written. */
const NOTHING_KEPT = -1;

export class BanBook {
  readonly #log: Log;
  readonly #bans: Bans;
  readonly #failures = new Failures();
  readonly #file: StateFile<typeof bansShape> | null;
  readonly #onNetworks: (networks: readonly string[]) => void;
  #rules: Config["bans"];
  #exempt: AddressSet;
  #told: ReturnType<typeof setTimeout> | null = null;
  #kept_revision = 0;

  constructor(options: {
    bans: Config["bans"];
    directory: string;
    log: Log;
    /** Hears all banned addresses and networks whenever they have changed. */
    onNetworks: (networks: readonly string[]) => void;
  }) {
    const { bans, directory, log } = options;
    this.#log = log;
    this.#rules = bans;
    this.#exempt = new AddressSet(bans.exempt);
    this.#bans = new Bans(bans);
    this.#onNetworks = options.onNetworks;
    this.#file = directory === ""
      ? null
      : new StateFile({ directory, name: BANS_FILE, shape: bansShape, log });
  }

  /** Takes up what was kept. */
  start(): void {
    for (const ban of this.#file?.read()?.bans ?? []) {
      try {
        this.#bans.add(ban);
      } catch (error) {
        if (!(error instanceof BanError)) throw error;
        this.#log.warn(
          { status: "state_unreadable", subject: ban.subject, error: error.message },
          "a kept ban cannot be taken up",
        );
      }
    }
    this.#kept_revision = this.#bans.revision;
    this.tick(Date.now());
    if (this.#bans.size > 0) this.#tell();
  }

  async close(): Promise<void> {
    if (this.#told !== null) clearTimeout(this.#told);
    this.#told = null;
    await this.#file?.settled();
    await this.#keep();
  }

  apply(bans: Config["bans"]): void {
    this.#rules = bans;
    this.#exempt = new AddressSet(bans.exempt);
    this.#bans.apply(bans);
  }

  snapshot(): { bans: number; failing_addresses: number } {
    return { bans: this.#bans.size, failing_addresses: this.#failures.size };
  }

  hasAddress(address: string): boolean {
    return this.#bans.hasAddress(address);
  }

  hasId(id: string): boolean {
    return this.#bans.hasId(id);
  }

  list(): Ban[] {
    return this.#bans.list();
  }

  /** Bans by order; throws {@link BanError}. */
  add(
    order: { subject: string; duration_ms: number | null; reason: string },
    by: string,
  ): { ban: Ban; subject: BanSubject } {
    const now = Date.now();
    const added = this.#bans.add({
      subject: order.subject,
      reason: order.reason,
      since_unix_ms: now,
      until_unix_ms: order.duration_ms === null ? null : now + order.duration_ms,
      automatic: false,
    });
    this.#logBan(added.ban, by);
    this.#tellSoon();
    return added;
  }

  /** False where there is no such ban; throws {@link BanError}. */
  delete(subject: string, by: string): boolean {
    const ban = this.#bans.delete(subject);
    if (ban === undefined) return false;
    this.#log.info({ status: "unbanned", subject: ban.subject, by }, "a ban is taken back");
    this.#tellSoon();
    return true;
  }

  /** Somebody at this address has failed to prove something; too often, and it is banned. */
  noteFailure(address: string, failure: string): void {
    const { failures_max, window, duration } = this.#rules;
    if (failures_max === 0 || this.#exempt.has(address)) return;
    const group = addressGroup(address);
    if (this.#failures.add(group, performance.now(), window) < failures_max) return;
    this.#failures.delete(group);
    const now = Date.now();
    try {
      const { ban } = this.#bans.add({
        subject: `address:${group}`,
        reason: `${failures_max} failures within ${
          formatDuration(window)
        }, the last one ${failure}`,
        since_unix_ms: now,
        until_unix_ms: now + duration,
        automatic: true,
      });
      if (ban.automatic) this.#logBan(ban, "relayx");
    } catch (error) {
      // What is full of bans that people have made stays as they made it.
      if (!(error instanceof BanError)) throw error;
      this.#log.warn(
        {
          status: "limit_reached",
          limit: "bans.entries_max",
          remote: address,
          error: error.message,
        },
        "an address that fails again and again cannot be banned",
      );
    }
    this.#tellSoon();
  }

  /** To be called about once a second. */
  tick(now_unix_ms: number): void {
    for (const { subject } of this.#bans.expire(now_unix_ms)) {
      this.#log.info({ status: "unbanned", subject, by: "its time" }, "a ban is over");
      this.#tellSoon();
    }
    this.#failures.tidy(performance.now(), this.#rules.window);
    void this.#keep();
  }

  #logBan({ subject, reason, until_unix_ms }: Ban, by: string): void {
    const until = until_unix_ms === null ? null : new Date(until_unix_ms).toISOString();
    this.#log.warn({ status: "banned", subject, reason, until, by }, "somebody is kept out");
  }

  #tellSoon(): void {
    if (this.#told !== null) return;
    this.#told = setTimeout(() => this.#tell(), TELL_MS);
    this.#told.unref();
  }

  #tell(): void {
    this.#told = null;
    this.#onNetworks(this.#bans.networks());
  }

  async #keep(): Promise<void> {
    if (this.#file === null || this.#kept_revision === this.#bans.revision) return;
    const revision = this.#kept_revision = this.#bans.revision;
    const is_kept = await this.#file.write({ version: 1, bans: this.#bans.list() });
    // A disk that was full has room again some day, and nothing else may have changed until then.
    if (!is_kept && this.#kept_revision === revision) this.#kept_revision = NOTHING_KEPT;
  }
}
