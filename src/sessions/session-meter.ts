/**
 * What sessions carry, counted about once a second for those who have a limit on what they carry in a
 * day; a session's last bytes are counted when it ends, by the session table. Who has used up the day
 * loses its sessions here, and gets no more of them from the broker.
 */
import { clearInterval, setInterval } from "node:timers";
import type { Account } from "../access/account.ts";
import type { Accounts } from "../access/accounts.ts";
import type { Plane } from "../data/plane.ts";
import type { Log } from "../observe/log.ts";
import type { PerPlane, SessionTable } from "./session-table.ts";

const TICK_MS = 1000;

export class SessionMeter {
  readonly #planes: PerPlane<Plane>;
  readonly #sessions: SessionTable;
  readonly #accounts: Accounts;
  readonly #log: Log;
  /** Called when a new day has begun: what was used up is not any more. */
  readonly #onRoom: () => void;
  #day: string;
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(options: {
    planes: PerPlane<Plane>;
    sessions: SessionTable;
    accounts: Accounts;
    log: Log;
    onRoom: () => void;
  }) {
    this.#planes = options.planes;
    this.#sessions = options.sessions;
    this.#accounts = options.accounts;
    this.#log = options.log;
    this.#onRoom = options.onRoom;
    this.#day = options.accounts.day;
  }

  start(): void {
    this.#timer = setInterval(() => this.read(), TICK_MS);
    this.#timer.unref();
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  read(): void {
    for (const port of this.#sessions.occupied) {
      const { accounts } = port.session;
      if (!accounts.some(isLimited)) continue;
      const counters = this.#planes[port.kind].counters(port.port);
      if (counters === null) continue;
      const bytes = counters.bytes_up + counters.bytes_down;
      this.#accounts.addBytes(accounts, bytes - port.counted_bytes);
      port.counted_bytes = bytes;
    }
    this.#endTheSpent();
    if (this.#accounts.day === this.#day) return;
    this.#day = this.#accounts.day;
    this.#onRoom();
  }

  #endTheSpent(): void {
    const told = new Set<Account>();
    for (const session of [...this.#sessions.all()]) {
      if (!session.accounts.some(isLimited)) continue;
      // The end of one that is being ended already was told when that began.
      if (session.ports.every((port) => port.releasing)) continue;
      for (const account of session.accounts) {
        const spent = account.spentToday();
        if (spent === null) continue;
        const { limit, allowed } = spent;
        if (!told.has(account)) {
          told.add(account);
          this.#log.warn(
            { status: "limit_reached", limit, allowed, account: account.key },
            "the day's bytes are used up; its sessions are ended",
          );
        }
        this.#sessions.end(session.id, { reason: "quota", by: limit });
        break;
      }
    }
  }
}

function isLimited({ limits }: Account): boolean {
  return limits.bytes_per_day > 0;
}
