/** `auth.mode: open`, as V4 has always been: whoever brings any token is who it says it is. */
import type { Authenticator, Credentials } from "./authenticator.ts";
import { IdPatterns } from "./id-patterns.ts";
import { UNLIMITED } from "./limits.ts";
import { Principal } from "./principal.ts";

export class OpenAuthenticator implements Authenticator {
  readonly #anybody = new IdPatterns(["*"]);

  authenticate({ role, id }: Credentials): Principal {
    return new Principal({
      name: id === null ? role : `${role}:${id}`,
      rules: {
        roles: [role],
        ids: this.#anybody,
        peers: this.#anybody,
        // Those who say nothing of themselves are one principal and are not one peer.
        limits: id === null ? UNLIMITED : {},
        expires_unix_ms: null,
      },
    });
  }

  holds(): boolean {
    return true;
  }
}
