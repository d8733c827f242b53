/**
 * What a worker goes by when it looks at where a connection comes from: who is banned, and which
 * proxies are believed when they say where their client is.
 */
import { AddressSet } from "../config/address-set.ts";

/** The proxies whose PROXY header is read (`proxy_protocol` of the configuration). */
export interface ProxyRules {
  trusted_proxies: readonly string[];
  /** Whether one of them may also connect without a header, for itself. */
  proxy_header: "required" | "optional";
}

export class AddressRules {
  readonly #banned = new AddressSet();
  #trusted = new AddressSet();
  #header: ProxyRules["proxy_header"] = "required";

  constructor(rules: ProxyRules) {
    this.apply(rules);
  }

  /** Holds for connections to come. */
  apply({ trusted_proxies, proxy_header }: ProxyRules): void {
    this.#trusted = new AddressSet(trusted_proxies);
    this.#header = proxy_header;
  }

  get proxy_header(): ProxyRules["proxy_header"] {
    return this.#header;
  }

  isTrustedProxy(address: string): boolean {
    return this.#trusted.has(address);
  }

  isBanned(address: string): boolean {
    return this.#banned.has(address);
  }

  ban(networks: readonly string[]): void {
    this.#banned.add(networks);
  }

  unban(networks: readonly string[]): void {
    this.#banned.delete(networks);
  }
}
