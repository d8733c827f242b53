/**
 * What one registered peer has here: who it is, what is counted for it, and how its registration is
 * ended. It is made when somebody registers and given back when that ends; sessions that it has begun
 * go on to count for the same accounts.
 */
import type { Role } from "../data/plane.ts";
import type { Account } from "./account.ts";
import type { LimitReached } from "./limits.ts";
import type { Principal } from "./principal.ts";

/** Why a registration is ended by relayx; the log's `reason`. */
export type DismissReason = "revoked" | "expired" | "banned";

export class Standing {
  readonly principal: Principal;
  readonly role: Role;
  readonly id: string;
  readonly address: string;
  /** The gateway has given it its id: what a principal may call itself is not asked. */
  readonly is_numbered: boolean;
  /**
   * Who has taken its proof. What a front door has taken itself, such as a key that all of its servers
   * share, no reload takes back from those who are here.
   */
  readonly proven_by: "access" | "front_door";
  /** The principal's, and that of the address it comes from. */
  readonly accounts: readonly Account[];
  /**
   * Those with the same scope may meet the same servers: empty where everybody may meet everybody,
   * else the id, by which servers choose whom they may meet.
   */
  readonly scope: string;
  /** Ends the registration. */
  readonly dismiss: (reason: DismissReason) => void;

  constructor(options: {
    principal: Principal;
    role: Role;
    id: string;
    address: string;
    accounts: readonly Account[];
    scope: string;
    is_numbered?: boolean;
    proven_by?: Standing["proven_by"];
    dismiss: (reason: DismissReason) => void;
  }) {
    this.principal = options.principal;
    this.role = options.role;
    this.id = options.id;
    this.address = options.address;
    this.accounts = options.accounts;
    this.scope = options.scope;
    this.is_numbered = options.is_numbered ?? false;
    this.proven_by = options.proven_by ?? "access";
    this.dismiss = options.dismiss;
  }

  /** The limit that forbids one more session, or all of today's; null where none does. */
  sessionLimit(): LimitReached | null {
    for (const account of this.accounts) {
      const reached = account.fullFor("sessions") ?? account.spentToday();
      if (reached !== null) return reached;
    }
    return null;
  }

  /** Counts a pair request; the limit that forbids it, or null. `now` is `performance.now()`. */
  takePairRequest(now: number): LimitReached | null {
    for (const account of this.accounts) {
      const reached = account.takePairRequest(now);
      if (reached !== null) return reached;
    }
    return null;
  }
}

/** Whether these two may have a session with each other, as both of them see it. */
export function mayMeet(client: Standing, server: Standing): boolean {
  return client.principal.mayMeet(server.id) && server.principal.mayMeet(client.id);
}
