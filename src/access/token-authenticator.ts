/**
 * `auth.mode: tokens`: whoever brings a token of the file is the principal of its entry.
 *
 * The entry is found by the token alone, so an id that nobody has and one that somebody has take the
 * same way. What is looked up is not the hash but a digest of it under a key that is made anew at each
 * start: how long a look into the table takes says nothing about any hash in it.
 */
import { createHmac, randomBytes } from "node:crypto";
import { isSameSecret } from "../data/secret.ts";
import {
  AccessRefusal,
  type Authenticator,
  checkRules,
  type Credentials,
  type Verdict,
} from "./authenticator.ts";
import { Principal } from "./principal.ts";
import type { TokenEntry } from "./token-file.ts";
import { hashToken } from "./token-hash.ts";

interface KnownToken {
  token_hash: string;
  principal: Principal;
}

const BLINDING_BYTES = 32;

export class TokenAuthenticator implements Authenticator {
  readonly #blinding = randomBytes(BLINDING_BYTES);
  #tokens = new Map<string, KnownToken>();
  #principals = new Set<Principal>();

  constructor(options: { entries: readonly TokenEntry[] }) {
    this.replace(options.entries);
  }

  /**
   * Takes the entries of a newer file. A token that is in both under the same name stays the same
   * principal, with the newer rules; one that is in the older only holds no more.
   */
  replace(entries: readonly TokenEntry[]): void {
    const tokens = new Map<string, KnownToken>();
    const principals = new Set<Principal>();
    for (const { name, token_hashes, rules } of entries) {
      for (const token_hash of token_hashes) {
        const place = this.#placeOf(token_hash);
        const before = this.#tokens.get(place)?.principal;
        const principal = before?.name === name ? before : new Principal({ name, rules });
        principal.rules = rules;
        tokens.set(place, { token_hash, principal });
        principals.add(principal);
      }
    }
    this.#tokens = tokens;
    this.#principals = principals;
  }

  authenticate(credentials: Credentials): Verdict {
    const token_hash = hashToken(credentials.token);
    const known = this.#tokens.get(this.#placeOf(token_hash));
    if (known === undefined || !isSameSecret(token_hash, known.token_hash)) {
      return new AccessRefusal("unknown_token", "no entry of auth.tokens_file has this token");
    }
    return checkRules(known.principal, credentials, Date.now()) ?? known.principal;
  }

  holds(principal: Principal): boolean {
    return this.#principals.has(principal);
  }

  #placeOf(token_hash: string): string {
    return createHmac("sha256", this.#blinding).update(token_hash).digest("base64url");
  }
}
