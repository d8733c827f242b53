/**
 * How somebody who registers is known. There is one authenticator per `auth.mode`; front doors of
 * every protocol ask the same one, through `Access`.
 */
import type { Role } from "../data/plane.ts";
import { Principal } from "./principal.ts";

/** What a peer says of itself. The token is a secret and is never kept or logged. */
export interface Credentials {
  role: Role;
  /** Null where peers choose none and the gateway numbers them: rules of ids are not for those. */
  id: string | null;
  token: string;
  /** Where it comes from, for counting who fails again and again. */
  address: string;
}

/**
 * Why somebody is not let in, for the log only: the peer is told the same whatever was wrong, so
 * that it cannot find out names or which half of a guess was right.
 */
export type RefusalReason =
  /** No entry has this token. */
  | "unknown_token"
  /** The token is good and its principal may not have this id. */
  | "wrong_id"
  | "wrong_role"
  | "expired"
  | "not_yet_valid"
  /** The text is no JWT, or lacks a claim that must be there. */
  | "malformed"
  | "bad_signature"
  | "alg_not_allowed"
  | "unknown_key"
  | "wrong_issuer"
  | "wrong_audience"
  /** The keys to check with cannot be had; it says nothing about the token. */
  | "keys_unavailable"
  | "banned";

/** A verdict of "no". */
export class AccessRefusal {
  readonly reason: RefusalReason;
  /** One sentence for the operator with what was found and what is allowed; never the token. */
  readonly detail: string;

  constructor(reason: RefusalReason, detail: string) {
    this.reason = reason;
    this.detail = detail;
  }

  /** The peer has done nothing wrong and may try again later. */
  get passing(): boolean {
    return this.reason === "keys_unavailable";
  }
}

export type Verdict = Principal | AccessRefusal;

export interface Authenticator {
  /** A verdict that needs nothing from elsewhere comes at once. */
  authenticate(credentials: Credentials): Verdict | Promise<Verdict>;
  /** Whether what the principal was let in by would still let it in: asked after each reload. */
  holds(principal: Principal): boolean;
}

/** Whether a principal may have what it registers for, and has not run out. */
export function checkRules(
  principal: Principal,
  { role, id }: { role: Role; id: string | null },
  now_unix_ms: number,
): AccessRefusal | null {
  const { roles, ids, expires_unix_ms } = principal.rules;
  if (expires_unix_ms !== null && expires_unix_ms <= now_unix_ms) {
    const at = new Date(expires_unix_ms).toISOString();
    return new AccessRefusal("expired", `the token of "${principal.name}" has expired, at ${at}`);
  }
  if (!roles.includes(role)) {
    return new AccessRefusal(
      "wrong_role",
      `"${principal.name}" asked to be a ${role}; it may be a ${roles.join(" or ") || "nothing"}`,
    );
  }
  if (id !== null && !ids.has(id)) {
    return new AccessRefusal("wrong_id", `"${principal.name}" may not register as this id`);
  }
  return null;
}
