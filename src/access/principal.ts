/**
 * Who somebody has proven to be, and what follows from it. A principal is what quotas are counted
 * for and what the log names; the id that a registration has is one of those its principal allows.
 */
import type { Role } from "../data/plane.ts";
import type { IdPatterns } from "./id-patterns.ts";
import type { OwnLimits } from "./limits.ts";

/** What a principal may do. */
export interface PrincipalRules {
  /** The roles it may register in. */
  readonly roles: readonly Role[];
  /** The ids it may register as. */
  readonly ids: IdPatterns;
  /** The ids of those it may be paired with: a client's servers, a server's clients. */
  readonly peers: IdPatterns;
  /** Limits of its own; what is not there is as `quotas` says. */
  readonly limits: OwnLimits;
  /** When what it was let in by ends; null: never. */
  readonly expires_unix_ms: number | null;
}

export class Principal {
  readonly name: string;
  /** Newer ones take their place when the configuration is read again. */
  rules: PrincipalRules;

  constructor(options: { name: string; rules: PrincipalRules }) {
    this.name = options.name;
    this.rules = options.rules;
  }

  mayMeet(peer_id: string): boolean {
    return this.rules.peers.has(peer_id);
  }
}
