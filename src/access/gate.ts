/**
 * Which authenticator is asked: that of `auth.mode`, made anew when the configuration is read again,
 * and what one knows handed on to the next.
 */
import type { Config } from "../config/schema.ts";
import type { Log } from "../observe/log.ts";
import type { AccessFiles } from "./access-files.ts";
import type { Authenticator, Credentials, Verdict } from "./authenticator.ts";
import { JwtAuthenticator } from "./jwt-authenticator.ts";
import { FixedKeys, type KeySource } from "./key-source.ts";
import { OpenAuthenticator } from "./open-authenticator.ts";
import type { Principal } from "./principal.ts";
import { RemoteKeys } from "./remote-keys.ts";
import { TokenAuthenticator } from "./token-authenticator.ts";

export class Gate implements Authenticator {
  readonly #log: Log;
  #authenticator: Authenticator;
  #remote: RemoteKeys | null = null;

  constructor(options: { auth: Config["auth"]; files: AccessFiles; log: Log }) {
    this.#log = options.log;
    this.#authenticator = this.#make(options.auth, options.files);
  }

  start(): void {
    this.#remote?.start();
  }

  close(): void {
    this.#remote?.close();
  }

  /** From now on the new mode and its files count. */
  apply(auth: Config["auth"], files: AccessFiles): void {
    const before = this.#remote;
    this.#authenticator = this.#make(auth, files);
    if (this.#remote === before) return;
    before?.close();
    this.#remote?.start();
  }

  authenticate(credentials: Credentials): Verdict | Promise<Verdict> {
    return this.#authenticator.authenticate(credentials);
  }

  holds(principal: Principal): boolean {
    return this.#authenticator.holds(principal);
  }

  #make(auth: Config["auth"], files: AccessFiles): Authenticator {
    const before = this.#authenticator as Authenticator | undefined;
    if (auth.mode === "jwt") {
      const source = this.#keySource(auth, files);
      return new JwtAuthenticator({
        auth,
        source,
        before: before instanceof JwtAuthenticator ? before : undefined,
      });
    }
    this.#remote = null;
    if (auth.mode === "open") return new OpenAuthenticator();
    if (before instanceof TokenAuthenticator) {
      before.replace(files.tokens);
      return before;
    }
    return new TokenAuthenticator({ entries: files.tokens });
  }

  #keySource({ jwks_url, jwks_refresh }: Config["auth"], { keys }: AccessFiles): KeySource {
    if (jwks_url === "") {
      this.#remote = null;
      return new FixedKeys({ keys });
    }
    // The same set goes on with the keys that it has.
    if (this.#remote?.url === jwks_url) this.#remote.apply({ refresh_ms: jwks_refresh });
    else {
      this.#remote = new RemoteKeys({ url: jwks_url, refresh_ms: jwks_refresh, log: this.#log });
    }
    return this.#remote;
  }
}
