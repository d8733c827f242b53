/**
 * Who is kept out: addresses and networks, and ids. A ban has an end or stands until it is taken
 * back. The table is bounded; a ban that a person has made is never pushed out of it.
 */
import { AddressSet } from "../config/address-set.ts";
import { type BanSubject, formatSubject, parseSubject } from "./ban-subject.ts";

export interface Ban {
  /** `address:192.0.2.7`, `address:2001:db8::/64` or `id:some-peer`. */
  subject: string;
  reason: string;
  since_unix_ms: number;
  /** Null: until it is taken back. */
  until_unix_ms: number | null;
  /** Made by relayx after failures, not by a person. */
  automatic: boolean;
}

/** The order cannot be carried out as it is. */
export class BanError extends Error {
  override name = "BanError";
  readonly code: "bad_subject" | "table_full";
  readonly found: string;
  readonly allowed: string;
  constructor(code: "bad_subject" | "table_full", found: string, allowed: string) {
    super(`found ${found}; allowed: ${allowed}`);
    this.code = code;
    this.found = found;
    this.allowed = allowed;
  }
}

export class Bans {
  readonly #bans = new Map<string, Ban>();
  #entries_max: number;
  readonly #networks = new AddressSet();
  #revision = 0;

  constructor(options: { entries_max: number }) {
    this.#entries_max = options.entries_max;
  }

  get size(): number {
    return this.#bans.size;
  }

  /** Grows with every change. */
  get revision(): number {
    return this.#revision;
  }

  /** A smaller table takes no more until there is room; what stands in it stays. */
  apply(options: { entries_max: number }): void {
    this.#entries_max = options.entries_max;
  }

  hasAddress(address: string): boolean {
    return this.#networks.has(address);
  }

  hasId(id: string): boolean {
    return this.#bans.has(`id:${id}`);
  }

  /** The banned addresses and networks, each as `normalizeNetwork` writes it. */
  networks(): string[] {
    const networks: string[] = [];
    for (const subject of this.#bans.keys()) {
      const parsed = parseSubject(subject);
      if (parsed?.kind === "address") networks.push(parsed.value);
    }
    return networks;
  }

  /** Adds a ban or replaces the one there is about the same; throws {@link BanError}. */
  add(ban: Ban): { ban: Ban; subject: BanSubject } {
    const subject = readSubject(ban.subject);
    const kept = { ...ban, subject: formatSubject(subject) };
    const standing = this.#bans.get(kept.subject);
    // What a person has ordered is not shortened by what happens by itself.
    if (standing !== undefined && !standing.automatic && kept.automatic) {
      return { ban: standing, subject };
    }
    if (standing === undefined && this.#bans.size >= this.#entries_max) this.#makeRoom();
    this.#bans.set(kept.subject, kept);
    if (subject.kind === "address") this.#networks.add([subject.value]);
    this.#revision++;
    return { ban: kept, subject };
  }

  /** The ban that is taken back; undefined where there is none. Throws {@link BanError}. */
  delete(subject: string): Ban | undefined {
    const ban = this.#bans.get(formatSubject(readSubject(subject)));
    if (ban !== undefined) this.#remove(ban);
    return ban;
  }

  /** Takes out and returns those whose time is over. */
  expire(now_unix_ms: number): Ban[] {
    const over = [...this.#bans.values()].filter(({ until_unix_ms }) =>
      until_unix_ms !== null && until_unix_ms <= now_unix_ms
    );
    for (const ban of over) this.#remove(ban);
    return over;
  }

  list(): Ban[] {
    return [...this.#bans.values()];
  }

  /** Of those that came about by themselves, the one that would end first makes room. */
  #makeRoom(): void {
    let first: Ban | undefined;
    for (const ban of this.#bans.values()) {
      if (!ban.automatic) continue;
      if (
        first === undefined || (ban.until_unix_ms ?? Infinity) < (first.until_unix_ms ?? Infinity)
      ) {
        first = ban;
      }
    }
    if (first === undefined) {
      throw new BanError(
        "table_full",
        `${this.#bans.size} bans`,
        `at most bans.entries_max ${this.#entries_max}; take some back first`,
      );
    }
    this.#remove(first);
  }

  #remove({ subject }: Ban): void {
    this.#bans.delete(subject);
    const parsed = parseSubject(subject);
    if (parsed?.kind === "address") this.#networks.delete([parsed.value]);
    this.#revision++;
  }
}

function readSubject(text: string): BanSubject {
  const subject = parseSubject(text);
  if (subject !== null) return subject;
  throw new BanError(
    "bad_subject",
    JSON.stringify(text.slice(0, 80)),
    '"address:" and an IP address or network, or "id:" and an id of at most 250 characters',
  );
}
