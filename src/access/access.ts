/**
 * Who may do what: the one place that front doors of every protocol ask.
 *
 *   accept → is the address banned? → register → who is it? → may it be that? → is there a limit?
 *          → a standing: its principal, its accounts, and how its registration is ended
 *   pair   → has it asked too often, has it too many sessions or no bytes left, may the two meet?
 *
 * None of it is asked once and for all: a reload, a ban, an end of a token or of the day's bytes
 * reaches who is here already.
 */
import { clearInterval, setInterval } from "node:timers";
import { AddressSet } from "../config/address-set.ts";
import type { Config } from "../config/schema.ts";
import type { Log } from "../observe/log.ts";
import type { AccessFiles } from "./access-files.ts";
import { Accounts } from "./accounts.ts";
import { addressGroup } from "./address-group.ts";
import { AccessRefusal, checkRules, type Credentials, type Verdict } from "./authenticator.ts";
import { BanBook } from "./ban-book.ts";
import type { BanSubject } from "./ban-subject.ts";
import type { Ban } from "./bans.ts";
import { Gate } from "./gate.ts";
import { DAY_FILE, dayShape } from "./kept-state.ts";
import type { LimitReached } from "./limits.ts";
import type { Principal } from "./principal.ts";
import { type DismissReason, mayMeet, Standing } from "./standing.ts";
import { makeStateFolder, StateFile } from "./state-file.ts";

const TICK_MS = 1000;
/** How often the day's bytes are written at most; a crash forgets so much of them. */
const KEEP_DAY_MS = 60_000;
/** No revision: what there is has yet to be written. */
const NOTHING_KEPT = -1;

export interface AccessOptions {
  config: Pick<Config, "auth" | "quotas" | "bans" | "state" | "proxy_protocol">;
  files: AccessFiles;
  log: Log;
  /**
   * Ends all sessions between two that this is true of. Where it is not known who both are, one end of
   * which `alone` is true is enough.
   */
  endSessions: (
    of: (client: Standing, server: Standing) => boolean,
    by: string,
    alone: (end: Standing) => boolean,
  ) => void;
  /** Hears all banned addresses and networks whenever they have changed. */
  onBannedNetworks: (networks: readonly string[]) => void;
}

export class Access {
  readonly accounts: Accounts;
  readonly #gate: Gate;
  readonly #bans: BanBook;
  readonly #endSessions: AccessOptions["endSessions"];
  readonly #directory: string;
  readonly #day_file: StateFile<typeof dayShape> | null;
  readonly #standings = new Set<Standing>();
  #auth: Config["auth"];
  #timer: ReturnType<typeof setInterval> | null = null;
  #kept_revision = 0;
  #kept_at = -Infinity;

  constructor(options: AccessOptions) {
    const { config, files, log } = options;
    const { auth, quotas, state } = config;
    this.#auth = auth;
    this.#gate = new Gate({ auth, files, log });
    this.accounts = new Accounts({ quotas });
    this.#directory = state.directory;
    this.#bans = new BanBook({
      bans: banRules(config),
      directory: state.directory,
      log,
      onNetworks: options.onBannedNetworks,
    });
    this.#day_file = state.directory === ""
      ? null
      : new StateFile({ directory: state.directory, name: DAY_FILE, shape: dayShape, log });
    this.#endSessions = options.endSessions;
  }

  /** Takes up what was kept; throws the system's error where `state.directory` cannot be made. */
  start(): void {
    if (this.#directory !== "") makeStateFolder(this.#directory);
    const day = this.#day_file?.read() ?? null;
    if (day !== null) this.accounts.resume(day);
    this.#bans.start();
    this.#gate.start();
    this.#timer = setInterval(() => this.tick(Date.now()), TICK_MS);
    this.#timer.unref();
  }

  /** Resolves when everything that is kept stands on the disk. */
  async close(): Promise<void> {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
    this.#gate.close();
    await this.#day_file?.settled();
    this.#kept_at = -Infinity;
    await Promise.all([this.#bans.close(), this.#keepDay()]);
  }

  /** Does what its time has come for; about once a second, once it has started. */
  tick(now_unix_ms: number): void {
    this.accounts.tidy(now_unix_ms);
    this.#bans.tick(now_unix_ms);
    if (this.#auth.expiry === "end") {
      for (const standing of [...this.#standings]) {
        const { expires_unix_ms: end } = standing.principal.rules;
        if (end !== null && end <= now_unix_ms) this.#dismiss(standing, "expired");
      }
    }
    void this.#keepDay();
  }

  /** Lives by a new configuration and its files, and ends what they allow no longer. */
  apply(
    config: Pick<Config, "auth" | "quotas" | "bans" | "proxy_protocol">,
    files: AccessFiles,
  ): void {
    this.#auth = config.auth;
    this.#gate.apply(config.auth, files);
    this.#bans.apply(banRules(config));
    this.accounts.apply(config.quotas);
    for (const standing of [...this.#standings]) {
      if (this.#isRevoked(standing)) this.#dismiss(standing, "revoked");
      else this.accounts.ofPrincipal(standing.principal);
    }
    if (config.auth.revoke !== "sessions") return;
    this.#endSessions(
      (client, server) =>
        this.#isRevoked(client) || this.#isRevoked(server) || !mayMeet(client, server),
      "a reload that took a right back",
      (end) => this.#isRevoked(end),
    );
  }

  snapshot() {
    return {
      mode: this.#auth.mode,
      registrations: this.#standings.size,
      accounts: this.accounts.size,
      ...this.#bans.snapshot(),
    };
  }

  isBanned(address: string): boolean {
    return this.#bans.hasAddress(address);
  }

  /** Who this is, or why it is nobody. Comes at once unless keys have to be fetched. */
  authenticate(credentials: Credentials): Verdict | Promise<Verdict> {
    const verdict = this.#gate.authenticate(credentials);
    if (verdict instanceof Promise) return verdict.then((one) => this.#judge(one, credentials));
    return this.#judge(verdict, credentials);
  }

  /**
   * Lets a principal have a registration, or names the limit that forbids it. Whoever gets a standing
   * gives it back with {@link leave}.
   */
  register(
    principal: Principal,
    options:
      & Pick<Standing, "role" | "id" | "address">
      & Partial<Pick<Standing, "is_numbered" | "proven_by">>
      & { dismiss: (reason: DismissReason) => void },
  ): Standing | LimitReached {
    const accounts = [
      this.accounts.ofPrincipal(principal),
      this.accounts.ofAddress(addressGroup(options.address)),
    ];
    for (const account of accounts) {
      const reached = account.fullFor("registrations");
      if (reached !== null) return reached;
    }
    for (const account of accounts) account.registrations++;
    const scope = this.#auth.mode === "open" ? "" : options.id;
    const standing = new Standing({ principal, accounts, scope, ...options });
    this.#standings.add(standing);
    return standing;
  }

  /** The registration has ended. */
  leave(standing: Standing): void {
    if (!this.#standings.delete(standing)) return;
    for (const account of standing.accounts) {
      account.registrations--;
      this.accounts.settle(account);
    }
  }

  /** Why whoever has proven to be somebody is kept out all the same; null where it is not. */
  banOf(
    { id, principal, address }: { id: string | null; principal: Principal; address: string },
  ): AccessRefusal | null {
    const banned = [id, principal.name].find((name) => name !== null && this.#bans.hasId(name));
    if (banned !== undefined) return new AccessRefusal("banned", `"${banned}" is banned`);
    if (!this.isBanned(address)) return null;
    return new AccessRefusal("banned", `the address ${address} is banned`);
  }

  /** Somebody at this address has failed to prove anything; `failure` is the log's word for it. */
  noteFailure(address: string, failure: string): void {
    this.#bans.noteFailure(address, failure);
  }

  bans(): Ban[] {
    return this.#bans.list();
  }

  /** Keeps somebody out and ends the registrations there are; throws a `BanError`. */
  ban(
    order: { subject: string; duration_ms: number | null; reason: string; sessions?: boolean },
    by: string,
  ): Ban {
    const { ban, subject } = this.#bans.add(order, by);
    const meant = isMeant(subject);
    for (const standing of [...this.#standings]) {
      if (meant(standing)) this.#dismiss(standing, "banned");
    }
    if (order.sessions) {
      const either = (client: Standing, server: Standing) => meant(client) || meant(server);
      this.#endSessions(either, `a ban of ${ban.subject}`, meant);
    }
    return ban;
  }

  /** False where there is no such ban; throws a `BanError`. */
  unban(subject: string, by: string): boolean {
    return this.#bans.delete(subject, by);
  }

  /** What may have changed while the verdict was waited for counts as it is now. */
  #judge(verdict: Verdict, { id, address }: Credentials): Verdict {
    const final = verdict instanceof AccessRefusal ? verdict : this.#recheck(verdict, id, address);
    if (final instanceof AccessRefusal && !final.passing) this.noteFailure(address, final.reason);
    return final;
  }

  #recheck(principal: Principal, id: string | null, address: string): Verdict {
    const banned = this.banOf({ id, principal, address });
    if (banned !== null) return banned;
    if (this.#gate.holds(principal)) return principal;
    return new AccessRefusal("keys_unavailable", "a reload has changed what counts meanwhile");
  }

  /** Whether what it was let in by would not let it in again; that its time is over is another matter. */
  #isRevoked(standing: Standing): boolean {
    const { principal, role, is_numbered, proven_by } = standing;
    if (proven_by === "front_door") return false;
    if (!this.#gate.holds(principal)) return true;
    const id = is_numbered ? null : standing.id;
    const refusal = checkRules(principal, { role, id }, Date.now());
    return refusal !== null && refusal.reason !== "expired";
  }

  #dismiss(standing: Standing, reason: DismissReason): void {
    standing.dismiss(reason);
    // The front door gives it back; should it not, it counts no longer all the same.
    this.leave(standing);
  }

  async #keepDay(): Promise<void> {
    const now = performance.now();
    if (this.#day_file === null || this.#kept_revision === this.accounts.revision) return;
    if (now - this.#kept_at < KEEP_DAY_MS) return;
    this.#kept_at = now;
    const revision = this.#kept_revision = this.accounts.revision;
    const is_kept = await this.#day_file.write({ version: 1, ...this.accounts.dayBytes() });
    if (!is_kept && this.#kept_revision === revision) this.#kept_revision = NOTHING_KEPT;
  }
}

/** Whether a ban is about somebody. */
function isMeant({ kind, value }: BanSubject): (end: Standing) => boolean {
  if (kind === "id") {
    return ({ id, is_numbered, principal }) =>
      (id === value && !is_numbered) || principal.name === value;
  }
  const networks = new AddressSet([value]);
  return ({ address }) => networks.has(address);
}

/** What fails at a trusted proxy's own address is one of many who come through it. */
function banRules(
  { bans, proxy_protocol }: Pick<Config, "bans" | "proxy_protocol">,
): Config["bans"] {
  return { ...bans, exempt: [...bans.exempt, ...proxy_protocol.trusted] };
}
